"""Tilespecs with level 0 alone, of tiles from whatever source."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asap_ingest import storage


@dataclass(frozen=True)
class TileSpecSettings:
    """What the tiles of a section have in common, and their source does not say."""

    z: float
    image_directory: str
    section_id: str
    minimum_intensity: int = 0
    maximum_intensity: int = 255
    mask_url: str | None = None


@dataclass(frozen=True)
class TileFacts:
    """What a tilespec says of one tile alone.

    Attributes
    ----------
    name : str
        With z it is the tile's id.
    image_uri : str
    size : tuple of int
        (width, height) in pixels.
    affine : mapping
        Parameters of `renderapi`'s AffineModel; those left out are those of the identity.
    layout : mapping
        Parameters of `renderapi`'s Layout, without the section.
    """

    name: str
    image_uri: str
    size: tuple[int, int]
    affine: Mapping[str, float]
    layout: Mapping[str, Any]


def tilespec_settings(parameters: Mapping[str, Any], metafile: str, z: float) -> TileSpecSettings:
    """The settings of a section, of the parameters of a command."""
    mask = parameters.get("maskUrl")
    return TileSpecSettings(
        z=z,
        image_directory=parameters.get("image_directory") or storage.parent(metafile),
        section_id=parameters.get("sectionId", str(z)),
        minimum_intensity=parameters["minimum_intensity"],
        maximum_intensity=parameters["maximum_intensity"],
        mask_url=None if mask is None else storage.as_uri(mask),
    )


def make_tilespec(tile: TileFacts, settings: TileSpecSettings) -> Any:
    """A `renderapi` TileSpec with level 0 alone, of a tile from whatever source."""
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
