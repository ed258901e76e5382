"""Residuals of neighbouring tiles: the shift between their pictures of an overlap."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.report.section_picture import can_be_placed
from asap_ingest.report.section_tiles import Box, ReportTile

Shift = tuple[float, float, float]  # dx, dy, correlation

_NARROWEST = 8  # pixels: in a narrower overlap no shift can be measured
_LONGEST = 256  # pixels of an overlap that are compared: more give the same result
#: Below this correlation the two pictures of an overlap do not show the same.
LEAST_CORRELATION = 0.3


@dataclass(frozen=True)
class Overlap:
    """Two tiles and the box that both show, in the stage's pixels of level 0."""

    first: int
    second: int
    box: Box


@dataclass(frozen=True)
class Strip:
    """A tile's pixels of an overlap; `x` and `y` are its corner in the stage's pixels of level 0."""

    pixels: NDArray[Any]
    x: float
    y: float


def overlaps_of(tiles: Sequence[ReportTile]) -> list[Overlap]:
    """Pairs of tiles that share an edge: the overlap is at least half as long as the shorter of their edges.

    Tiles that are rotated or stretched (whose box differs in size from their image) are left out: their
    pixels are not those of the stage.
    """
    upright = [index for index, tile in enumerate(tiles) if _is_upright(tile)]
    upright.sort(key=lambda index: tiles[index].box[1])
    boxes = np.array([tiles[index].box for index in upright], np.float64).reshape(-1, 4)
    pairs = []
    for at, (left, top, right, bottom) in enumerate(boxes):
        # boxes are sorted by their upper edge
        below = boxes[at + 1 : np.searchsorted(boxes[:, 1], bottom)]
        x, y = np.maximum(below[:, 0], left), np.maximum(below[:, 1], top)
        width, height = np.minimum(below[:, 2], right) - x, np.minimum(below[:, 3], bottom) - y
        edges_x = np.minimum(below[:, 2] - below[:, 0], right - left)
        edges_y = np.minimum(below[:, 3] - below[:, 1], bottom - top)
        shared = (width > 0) & (height > 0) & ((2 * width >= edges_x) ^ (2 * height >= edges_y))
        for one in np.flatnonzero(shared).tolist():
            corner = float(x[one]), float(y[one])
            box = (*corner, corner[0] + float(width[one]), corner[1] + float(height[one]))
            pairs.append(Overlap(upright[at], upright[at + 1 + one], box))
    return pairs


def _is_upright(tile: ReportTile) -> bool:
    if tile.shape_yx is None or not can_be_placed(tile.box):
        return False
    height, width = tile.shape_yx
    return abs(tile.box[2] - tile.box[0] - width) <= 2 and abs(tile.box[3] - tile.box[1] - height) <= 2


def strip_of(image: NDArray[Any], tile: ReportTile, overlap: Overlap) -> Strip | None:
    """A copy of a tile's pixels of an overlap; None where that is too narrow.

    Parameters
    ----------
    image : ndarray, shape (height, width)
        Any level of the tile.
    """
    assert tile.shape_yx is not None
    slices, corner = [], []
    for axis in (0, 1):  # x, y
        scale = tile.shape_yx[1 - axis] / image.shape[1 - axis]
        low, high = overlap.box[axis], overlap.box[axis + 2]
        # equal for both tiles, which may be at different fractions of a pixel
        size = int((high - low) / scale)
        size -= size % _NARROWEST  # Fourier transforms of prime sizes take ten times as long
        first = round((low - tile.box[axis]) / scale)
        if size > _LONGEST:
            first, size = first + (size - _LONGEST) // 2, _LONGEST
        first = min(first, image.shape[1 - axis] - size)
        if size < _NARROWEST or first < 0:
            return None
        slices.append(slice(first, first + size))
        corner.append(tile.box[axis] + first * scale)
    return Strip(image[slices[1], slices[0]].copy(), corner[0], corner[1])


def shift_between(first: Strip, second: Strip, scale: float) -> Shift | None:
    """The offset of the second tile's picture from the first's, and their correlation after it.

    Phase correlation [1]_ with a Hann window against the strips' edges, refined to a tenth of a pixel by an
    upsampled matrix multiplication [2]_; the correlation is Pearson's, of what overlaps after the shift.

    Parameters
    ----------
    scale : float
        Pixels of level 0 for one of the strips.

    Returns
    -------
    tuple of float, or None
        dx and dy in pixels of level 0, correlation; None where the strips have different sizes, one is
        empty, or the correlation is below `LEAST_CORRELATION`.

    References
    ----------
    .. [1] Kuglin & Hines (1975), The phase correlation image alignment method, Proc. IEEE Conf. Cybernetics
       and Society, 163-165.
    .. [2] Guizar-Sicairos, Thurman & Fienup (2008), Efficient subpixel image registration algorithms, Optics
       Letters 33(2), 156-158; `skimage.registration.phase_cross_correlation`.
    """
    from skimage.registration import phase_cross_correlation

    one, other = (strip.pixels.astype(np.float32) for strip in (first, second))
    if one.shape != other.shape or one.std() == 0 or other.std() == 0:
        return None
    window = np.outer(*(np.hanning(size + 2)[1:-1] for size in one.shape)).astype(np.float32)
    windowed = ((strip - strip.mean()) * window for strip in (one, other))
    (y, x), _, _ = phase_cross_correlation(*windowed, upsample_factor=10, normalization=None)
    correlation = _correlation(one, other, round(y), round(x))
    if correlation < LEAST_CORRELATION:
        return None
    return first.x - second.x + float(x) * scale, first.y - second.y + float(y) * scale, correlation


def _correlation(one: NDArray[Any], other: NDArray[Any], y: int, x: int) -> float:
    """Pearson's, after `other` was moved by (y, x); 0 where too little is left."""
    height, width = one.shape
    if min(height - abs(y), width - abs(x)) < _NARROWEST // 2:
        return 0.0
    a = one[max(y, 0) : height + min(y, 0), max(x, 0) : width + min(x, 0)]
    b = other[max(-y, 0) : height + min(-y, 0), max(-x, 0) : width + min(-x, 0)]
    if a.std() == 0 or b.std() == 0:
        return 0.0
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])
