"""Compiled loops that say where the pixels of a canvas come from by a mesh of triangles.

Inside a triangle a transform is taken as affine: section 7.2 of the description of the render-ws interface.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images.compiled import compiled
from asap_ingest.render_ws.drawing.positions import SNAP

_Points = NDArray[np.float64]
_Positions = NDArray[np.float32]


@compiled()
def _span(target: _Points, corners: tuple[int, int, int], row: float) -> tuple[float, float]:
    """First and last column of a triangle in a row; pixels on an edge belong to it."""
    first, last = -1e9, 1e9
    for index in range(3):
        start, stop = corners[index], corners[(index + 1) % 3]
        rise = target[stop, 1] - target[start, 1]
        if rise != 0:
            x = target[start, 0] + (target[stop, 0] - target[start, 0]) * (row - target[start, 1]) / rise
            if rise > 0:
                last = min(last, x)
            else:
                first = max(first, x)
    return np.ceil(first - SNAP), np.floor(last + SNAP)


@compiled()
def _back(second: float, third: float, inverse: tuple[float, float, float, float]) -> tuple[float, float]:
    return second * inverse[0] + third * inverse[2], second * inverse[1] + third * inverse[3]


@compiled()
def _fill(
    source: _Points,
    target: _Points,
    corners: tuple[int, int, int],
    area: float,
    top: int,
    left: int,
    u: _Positions,
    v: _Positions,
) -> None:
    """One triangle, row by row."""
    first, second, third = corners
    x, y = target[first]
    dx, dy = target[second, 0] - x, target[second, 1] - y
    ex, ey = target[third, 0] - x, target[third, 1] - y
    # source = across * x + down * y + constant: the edges of the source over those of the target
    inverse = (ey / area, -ex / area, -dy / area, dx / area)
    across_u, down_u = _back(
        source[second, 0] - source[first, 0], source[third, 0] - source[first, 0], inverse
    )
    across_v, down_v = _back(
        source[second, 1] - source[first, 1], source[third, 1] - source[first, 1], inverse
    )
    constant_u = source[first, 0] - (across_u * x + down_u * y)
    constant_v = source[first, 1] - (across_v * x + down_v * y)
    height, width = u.shape
    least = min(y, target[second, 1], target[third, 1])
    greatest = max(y, target[second, 1], target[third, 1])
    # limited as floats: what is beyond whole numbers cannot become one
    begin_row = int(min(max(np.ceil(least - SNAP), float(top)), float(top + height)))
    end_row = int(max(min(np.floor(greatest + SNAP), top + height - 1.0), top - 1.0))
    for row in range(begin_row, end_row + 1):
        begin, end = _span(target, corners, float(row))
        begin, end = max(begin, float(left)), min(end, left + width - 1.0)
        if not begin <= end:  # nor where one of them is no number
            continue
        start_u = across_u * begin + down_u * row + constant_u
        start_v = across_v * begin + down_v * row + constant_v
        place = int(begin) - left
        for step in range(int(end) - int(begin) + 1):
            u[row - top, place + step] = np.float32(start_u + step * across_u)
            v[row - top, place + step] = np.float32(start_v + step * across_v)


@compiled()
def _area(target: _Points, first: int, second: int, third: int) -> float:
    dx, dy = target[second, 0] - target[first, 0], target[second, 1] - target[first, 1]
    ex, ey = target[third, 0] - target[first, 0], target[third, 1] - target[first, 1]
    return dx * ey - dy * ex


@compiled()
def rasterise(
    source: _Points,
    target: _Points,
    triangles: NDArray[np.int64],
    top: int,
    left: int,
    u: _Positions,
    v: _Positions,
) -> None:
    """Positions of all pixels of a part of the canvas; of triangles that overlap, the last one counts.

    Parameters
    ----------
    source, target : ndarray, shape (points, 2)
        Points of the mesh on the source and on the canvas, x first.
    triangles : ndarray, shape (n, 3)
        Three points each. Those that are flat or not finite on the canvas are left out.
    top, left : int
        Row and column of the canvas at which `u` and `v` begin.
    """
    u[:] = np.nan
    for number in range(triangles.shape[0]):
        first, second, third = triangles[number, 0], triangles[number, 1], triangles[number, 2]
        area = _area(target, first, second, third)
        if area == 0 or not math.isfinite(area):
            continue
        if area < 0:  # turned so that inside is left of each edge
            second, third = third, second
        _fill(source, target, (first, second, third), abs(area), top, left, u, v)
