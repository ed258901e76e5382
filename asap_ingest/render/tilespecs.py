"""Tilespecs with level 0 alone, for tiles from any source, and the version of a stack made for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asap_ingest import storage


@dataclass(frozen=True)
class TileSpecSettings:
    """What all tiles of a section have in common, and what their source does not contain."""

    z: float
    image_directory: str
    section_id: str
    minimum_intensity: int = 0
    maximum_intensity: int = 255
    mask_url: str | None = None


@dataclass(frozen=True)
class TileFacts:
    """The properties of one tile.

    Attributes
    ----------
    name : str
        With z it is the tile's id.
    image_uri : str
    size : tuple of int
        (width, height) in pixels.
    affine : mapping
        Parameters of `renderapi`'s AffineModel; the default is the identity.
    layout : mapping
        Parameters of `renderapi`'s Layout, without the section.
    """

    name: str
    image_uri: str
    size: tuple[int, int]
    affine: Mapping[str, float]
    layout: Mapping[str, Any]


def tilespec_settings(parameters: Mapping[str, Any], metafile: str | None, z: float) -> TileSpecSettings:
    """The settings of a section, from the parameters of a command.

    `metafile` is None for tiles whose source has absolute paths.
    """
    mask = parameters.get("maskUrl")
    return TileSpecSettings(
        z=z,
        image_directory=parameters.get("image_directory") or storage.parent(metafile or "/"),
        section_id=parameters.get("sectionId", str(z)),
        minimum_intensity=parameters["minimum_intensity"],
        maximum_intensity=parameters.get("maximum_intensity", 255),
        mask_url=None if mask is None else storage.as_uri(mask),
    )


def stack_version(parameters: Mapping[str, Any], pixel_size_nm: float | None) -> dict[str, Any]:
    """The version to create a stack with: its resolution in nm, without x and y if that is unknown."""
    xy = dict.fromkeys(("stackResolutionX", "stackResolutionY"), pixel_size_nm)
    return {
        **({} if pixel_size_nm is None else xy),
        "stackResolutionZ": parameters["section_thickness"],
        **parameters.get("output_stackVersion", {}),
    }


def make_tilespec(tile: TileFacts, settings: TileSpecSettings) -> Any:
    """A `renderapi` TileSpec with level 0 alone."""
    import renderapi

    width, height = tile.size
    return renderapi.tilespec.TileSpec(
        tileId=f"{tile.name}.{settings.z}",
        z=settings.z,
        width=width,
        height=height,
        imageUrl=tile.image_uri,
        maskUrl=settings.mask_url,
        minint=settings.minimum_intensity,
        maxint=settings.maximum_intensity,
        tforms=[renderapi.transform.AffineModel(**tile.affine)],
        layout=renderapi.tilespec.Layout(sectionId=settings.section_id, force_pixelsize=False, **tile.layout),
    )
