"""Where a tile lies in its section: from stage position to pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asap_ingest.temca.metafile import TileRecord

# Turning by 180 degrees in floating point moves whole numbers by 1e-11 pixels, and truncating would
# make that a pixel: 24 of the 200 tiles of a real region. So what is this close to whole is whole.
_DECIMALS = 6


def tile_positions(tiles: Sequence[TileRecord]) -> NDArray[np.int64]:
    """Pixel positions of the tiles' upper left corners.

    The stage position over the pixels' size of movement, seen from a camera turned by the tile's
    angle (x' = x cos + y sin, y' = y cos - x sin), each coordinate truncated towards zero, then
    shifted so that the smallest x and y of the region are 0.

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
