"""From the tiles of a section to the images and masks that need pyramids.

Level 0 of a tilespec names an image file, a slice of a TIFF stack, or a mask that render computes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from asap_ingest.errors import ImageError
from asap_ingest.images.dynamic_masks import DYNAMIC_MASK, DynamicMask, is_dynamic
from asap_ingest.mipmaps.grey_values import DEFAULT_RANGE, Range

TileSpec = dict[str, Any]
Shape = tuple[int, int] | None

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
        """Its name in reports, retries and shards."""
        return self.uri if self.slice_number is None else f"{self.uri} slice {self.slice_number}"

    @property
    def page_index(self) -> int:
        """Counted from 0."""
        return 0 if self.slice_number is None else self.slice_number - 1


def _source_of(entry: Mapping[str, Any], kind: str) -> Source | None:
    """The `image` or `mask` of a level's entry; None where it names none.

    Raises
    ------
    ImageError
        An unknown loader, or a slice of a stack without its number.
    """
    uri, loader = entry.get(f"{kind}Url"), entry.get(f"{kind}LoaderType")
    if not uri:
        return None
    if loader in _FIRST_IMAGE:
        return Source(uri)
    if loader != TIFF_STACK:
        raise ImageError(
            f"has {kind}LoaderType {loader!r}, which cannot be read here; "
            "save it as files, or as slices of TIFF stacks"
        )
    number = entry.get(f"{kind}SliceNumber")
    if not isinstance(number, int) or number < 1:
        raise ImageError(f"has {kind}SliceNumber {number!r}; slices of a TIFF stack are counted from 1")
    return Source(uri, number)


def _mask_of(entry: Mapping[str, Any], shape_yx: Shape) -> Source | DynamicMask | None:
    """The mask of a level's entry, which may be one that render computes; None where it names none.

    Raises
    ------
    ImageError
        As `_source_of`; a dynamic mask that cannot be read, or of another size than the tile.
    """
    uri, loader = entry.get("maskUrl"), entry.get("maskLoaderType")
    if uri and loader == DYNAMIC_MASK:
        mask = DynamicMask.parse(uri)
        refuse_other_size(mask.shape_yx, shape_yx)
        return mask
    if uri and is_dynamic(uri):
        raise ImageError(f"is computed, which takes maskLoaderType {DYNAMIC_MASK}, not {loader!r}")
    return _source_of(entry, "mask")


def refuse_other_size(shape_yx: tuple[int, ...], tile_yx: Shape) -> None:
    """Raise ImageError if an image or mask differs in size from its tile, where that size is known."""
    if tile_yx is not None and shape_yx[:2] != tile_yx:
        raise ImageError(
            f"has {shape_yx[1]} x {shape_yx[0]} pixels, but the tile {tile_yx[1]} x {tile_yx[0]}; "
            "put the right file there, or correct width and height of the tile"
        )


@dataclass(frozen=True)
class Failure:
    """Why a tile lacks levels."""

    tileId: str  # noqa: N815 - render's name, as it stands in the output JSON
    image: str
    reason: str


@dataclass(frozen=True)
class TileImage:
    """A level-0 image or mask, and what matters of the tiles of a section that use it.

    Attributes
    ----------
    shape_yx : tuple of int or None
        (height, width) of these tiles; None where their tilespecs lack it.
    channel : str or None
        Channel of the first of these tiles; None for tiles without channels.
    maximum_intensity : float
        Of the first tile, in that channel.
    tile_count : int
        Tiles of which this is the first image. Over all images, every tile is counted once.
    ranges : frozenset of (float, float)
        Intensity ranges of all tiles and channels that show the image, also those of other sizes.
    has_other_sizes : bool
        Tiles of another size use it too.
    """

    source: Source
    tile_ids: tuple[str, ...]
    is_mask: bool = False
    shape_yx: Shape = None
    channel: str | None = None
    maximum_intensity: float = 255.0
    tile_count: int = 0
    ranges: frozenset[Range] = frozenset()
    has_other_sizes: bool = False


@dataclass(frozen=True)
class TilePyramid:
    """The pyramid of a tile, or of one of its channels, as the tilespec has it.

    Attributes
    ----------
    mipmap_levels : dict
        `mipmapLevels` of the tilespec itself, not a copy.
    channel : str or None
        None for tiles without channels.
    shape_yx : tuple of int or None
        (height, width) of the tile.
    intensity_range : tuple of float
        Minimum and maximum intensity.
    image, mask
        None where level 0 names none, or one that cannot be read.
    faults : tuple of (str, str)
        URI of each image or mask that cannot be read, and the reason.
    """

    mipmap_levels: dict[str, Any]
    channel: str | None
    shape_yx: Shape
    intensity_range: Range
    image: Source | None = None
    mask: Source | DynamicMask | None = None
    faults: tuple[tuple[str, str], ...] = ()


def pyramids_of(tile: TileSpec) -> Iterator[TilePyramid]:
    """The pyramid of a tile without channels, or one for each channel."""
    height, width = (_number(tile.get(side), 0) for side in ("height", "width"))
    shape_yx = (int(height), int(width)) if height and width else None
    for channel in tile.get("channels") or [tile]:
        mipmap_levels = channel.setdefault("mipmapLevels", {})
        low, high = (channel.get(name) for name in ("minIntensity", "maxIntensity"))
        yield TilePyramid(
            mipmap_levels,
            channel.get("name") if tile.get("channels") else None,
            shape_yx,
            (_number(low, DEFAULT_RANGE[0]), _number(high, DEFAULT_RANGE[1])),
            *_sources(mipmap_levels.get("0") or {}, shape_yx),
        )


def _number(value: Any, otherwise: float) -> float:
    """A number of a tilespec, or `otherwise`: JSON written by Java has "NaN" and "Infinity"."""
    number = otherwise if value is None else float(value)
    return number if math.isfinite(number) else otherwise


def _sources(
    entry: Mapping[str, Any], shape_yx: Shape
) -> tuple[Source | None, Source | DynamicMask | None, tuple[tuple[str, str], ...]]:
    """Image, mask and faults of level 0."""
    image, mask, faults = None, None, []
    try:
        image = _source_of(entry, "image")
        if image is None:
            faults.append(("", "the tilespec names no level-0 image"))
    except ImageError as error:
        faults.append((entry["imageUrl"], str(error)))
    try:
        mask = _mask_of(entry, shape_yx)
    except ImageError as error:
        faults.append((entry["maskUrl"], f"the mask {error}"))
    return image, mask, tuple(faults)


def images_of(tiles: Iterable[TileSpec]) -> list[TileImage]:
    """The distinct images and masks of the tiles, in the order in which their files are first used.

    A file that tiles of several sizes share is listed once for each size, one after the other: it fits one of
    them at most.
    """
    # uses by file and whether it is a mask, then by size: tile id, its pyramid, whether the tile is counted
    files: dict[tuple[Source, bool], dict[Shape, list[tuple[str, TilePyramid, bool]]]] = {}
    for tile in tiles:
        for number, pyramid in enumerate(pyramids_of(tile)):
            for source, is_mask in ((pyramid.image, False), (pyramid.mask, True)):
                if isinstance(source, Source):
                    by_size = files.setdefault((source, is_mask), {})
                    use = tile["tileId"], pyramid, number == 0 and not is_mask
                    by_size.setdefault(pyramid.shape_yx, []).append(use)
    images = []
    for (source, is_mask), by_size in files.items():
        ranges = frozenset(pyramid.intensity_range for uses in by_size.values() for _, pyramid, _ in uses)
        for shape_yx, uses in by_size.items():
            first = uses[0][1]
            images.append(
                TileImage(
                    source,
                    tuple(tile_id for tile_id, _, _ in uses),
                    is_mask,
                    shape_yx,
                    channel=first.channel,
                    maximum_intensity=first.intensity_range[1],
                    tile_count=sum(is_counted for _, _, is_counted in uses),
                    ranges=ranges,
                    has_other_sizes=len(by_size) > 1,
                )
            )
    return images


def unusable_sources(tiles: Iterable[TileSpec]) -> list[Failure]:
    """Failures that follow from the tilespec: no level-0 image, unknown loaders, bad mask URLs."""
    return [
        Failure(tile["tileId"], uri, reason)
        for tile in tiles
        for pyramid in pyramids_of(tile)
        for uri, reason in pyramid.faults
    ]
