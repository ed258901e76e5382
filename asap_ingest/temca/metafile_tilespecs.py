"""From the tiles of a metafile to tilespecs of a stack, and their positions in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.execution.image_warnings import ImageWarning
from asap_ingest.render.tilespecs import TileFacts, TileSpecSettings, make_tilespec
from asap_ingest.temca.metafile import Metafile, TileRecord

# A rotation by 180 degrees in floating point moves whole numbers by 1e-11 pixels, and truncation would
# make that a pixel: for 24 of the 200 tiles of a real region. Rounding to these decimals undoes it.
_DECIMALS = 6


def tile_positions(tiles: Sequence[TileRecord]) -> NDArray[np.int64]:
    """Pixel positions of the tiles' upper left corners.

    The stage position divided by the nm of stage movement per pixel, in the axes of a camera that is
    rotated by the tile's angle a, which is the passive rotation

        x' = x cos a + y sin a,    y' = y cos a - x sin a,

    each coordinate truncated towards zero, then shifted so that the smallest x and y of the region are 0.

    Parameters
    ----------
    tiles : sequence of n TileRecord, n at least 1

    Returns
    -------
    ndarray of int64, shape (n, 2), columns x and y, pixels of level 0
    """
    x, y = (np.array([tile.stage_nm for tile in tiles]) / np.array([tile.move_nm for tile in tiles])).T
    angle = np.radians([tile.angle_degrees for tile in tiles])
    turned = np.stack([x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)], axis=1)
    pixels = np.trunc(np.round(turned, _DECIMALS)).astype(np.int64)
    return pixels - pixels.min(axis=0)


def build_tilespecs(metafile: Metafile, settings: TileSpecSettings) -> list[Any]:
    """One `renderapi` TileSpec for each tile, in the order of the metafile."""
    positions = tile_positions(metafile.tiles).tolist()
    return [
        _tilespec(metafile, tile, x, y, settings)
        for tile, (x, y) in zip(metafile.tiles, positions, strict=True)
    ]


def _tilespec(metafile: Metafile, tile: TileRecord, x: int, y: int, settings: TileSpecSettings) -> Any:
    facts = TileFacts(
        name=tile.name,
        image_uri=storage.as_uri(storage.join(settings.image_directory, tile.image)),
        size=(metafile.width, metafile.height),
        affine={"B0": x, "B1": y},
        layout={
            "scopeId": metafile.temca_id,
            "cameraId": metafile.camera_id,
            "imageCol": tile.raster[0],
            "imageRow": tile.raster[1],
            "stageX": tile.stage_nm[0],
            "stageY": tile.stage_nm[1],
            "rotation": tile.angle_degrees,
            "pixelsize": metafile.pixel_size_nm,
        },
    )
    return make_tilespec(facts, settings)


def intensity_warnings(metafile: Metafile, maximum_intensity: int) -> list[ImageWarning]:
    """Warn of 16-bit tiles that get an 8-bit intensity range."""
    if metafile.bytes_per_sample != 2 or maximum_intensity > 255:
        return []
    text = f"16 bits, but maximum_intensity is {maximum_intensity}: level 0 is drawn white; 65535 shows all"
    return [ImageWarning(text, len(metafile.tiles), metafile.tiles[0].name)]
