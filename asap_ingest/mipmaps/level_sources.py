"""What level 0 of a tilespec names: an image file, a slice of a TIFF stack, or a mask that is computed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from asap_ingest.errors import ImageError
from asap_ingest.images.dynamic_masks import DYNAMIC_MASK, DynamicMask, is_dynamic

TIFF_STACK = "IMAGEJ_TIFF_STACK"

#: Loaders that read the first image of a file.
_FIRST_IMAGE = (None, "IMAGEJ_DEFAULT", "IMAGEJ_COMPOSITE")


class Source(NamedTuple):
    """An image of a file.

    Attributes
    ----------
    slice_number : int or None
        Of a TIFF stack, counted from 1; None for the first image of any other file.
    """

    uri: str
    slice_number: int | None = None

    @property
    def name(self) -> str:
        """What reports, retries and shards know it by."""
        return self.uri if self.slice_number is None else f"{self.uri} slice {self.slice_number}"

    @property
    def page_index(self) -> int:
        """Counted from 0."""
        return 0 if self.slice_number is None else self.slice_number - 1


def image_of(entry: Mapping[str, Any]) -> Source | None:
    """The image of a level's entry; None where it names none.

    Raises
    ------
    ImageError
        A loader that is not known here, or a slice of a stack without its number.
    """
    uri = entry.get("imageUrl")
    return _source(uri, "image", entry.get("imageLoaderType"), entry.get("imageSliceNumber")) if uri else None


def mask_of(entry: Mapping[str, Any], shape_yx: tuple[int, int] | None) -> Source | DynamicMask | None:
    """The mask of a level's entry; None where it names none.

    Raises
    ------
    ImageError
        As `image_of`; a dynamic mask that cannot be read, or of another size than the tile.
    """
    uri = entry.get("maskUrl")
    if not uri:
        return None
    loader = entry.get("maskLoaderType")
    if loader != DYNAMIC_MASK:
        if is_dynamic(uri):
            raise ImageError(f"is computed, which takes maskLoaderType {DYNAMIC_MASK}, not {loader!r}")
        return _source(uri, "mask", loader, entry.get("maskSliceNumber"))
    mask = DynamicMask.parse(uri)
    refuse_other_size(mask.shape_yx, shape_yx)
    return mask


def refuse_other_size(shape_yx: tuple[int, ...], tile_yx: tuple[int, int] | None) -> None:
    """Raise ImageError, with both sizes, for an image or mask of another size than its tile."""
    if tile_yx is not None and shape_yx[:2] != tile_yx:
        raise ImageError(
            f"has {shape_yx[1]} x {shape_yx[0]} pixels, but the tile {tile_yx[1]} x {tile_yx[0]}; "
            "put the right file there, or correct width and height of the tile"
        )


def _source(uri: str, kind: str, loader: str | None, slice_number: Any) -> Source:
    if loader in _FIRST_IMAGE:
        return Source(uri)
    if loader != TIFF_STACK:
        raise ImageError(
            f"has {kind}LoaderType {loader!r}, which cannot be read here; "
            "save it as files, or as slices of TIFF stacks"
        )
    if not isinstance(slice_number, int) or slice_number < 1:
        raise ImageError(f"has {kind}SliceNumber {slice_number!r}; slices of a TIFF stack are counted from 1")
    return Source(uri, slice_number)
