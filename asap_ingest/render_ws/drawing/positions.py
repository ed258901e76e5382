"""Compiled loops that map pixels of a canvas to positions in a source: by matrix, inverse map or mesh.

Which pixels a source covers: as in render-ws 4.0. A position is a column u and a row v of a source, both in
single precision; u is NaN where the source does not reach.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images.compiled import compiled
from asap_ingest.render_ws.transforms.classes import Matrix
from asap_ingest.render_ws.transforms.warp_classes import Points

_Positions = NDArray[np.float32]

#: Rounding errors of coordinates, in pixels, that must not decide which pixels are drawn.
TOLERANCE = 1e-7


@compiled()
def inverse(matrix: Any) -> tuple[bool, Matrix]:
    """Whether a matrix (m00, m01, m02, m10, m11, m12) has an inverse, and that; its values are snapped."""
    a, b, c, d, e, f = matrix[0], matrix[1], matrix[2], matrix[3], matrix[4], matrix[5]
    determinant = a * e - b * d
    if determinant == 0 or not math.isfinite(determinant):
        return False, (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    i00, i01, i10, i11 = e / determinant, -b / determinant, -d / determinant, a / determinant
    back = (
        *(_snapped(i00), _snapped(i01), _snapped(-(i00 * c + i01 * f))),
        *(_snapped(i10), _snapped(i11), _snapped(-(i10 * c + i11 * f))),
    )
    finite = True
    for value in back:
        finite = finite and math.isfinite(value)
    return finite, back


@compiled()
def _snapped(value: float) -> float:
    """The nearest whole number, if the difference is a rounding error, or the value."""
    nearest = np.rint(value)
    return nearest if abs(value - nearest) < TOLERANCE / 100 else value


@compiled()
def _enclosed(least: float, greatest: float, size: int) -> tuple[int, int]:
    """Begin and end of the pixels 0 to size - 1 that lie between two coordinates."""
    # limited as floats: a coordinate may be too large for an integer
    first = min(max(0.0, np.ceil(least - TOLERANCE)), float(size))
    last = max(-1.0, min(size - 1.0, np.floor(greatest + TOLERANCE)))
    return int(first), max(int(first), int(last) + 1)


@compiled()
def map_to_canvas(
    points: Points, matrix: Any, target: Points, canvas_yx: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Write mapped points to `target`; begin and end of the rows, then of the columns, that they enclose."""
    a, b, c, d, e, f = matrix[0], matrix[1], matrix[2], matrix[3], matrix[4], matrix[5]
    least_x, greatest_x, least_y, greatest_y = math.inf, -math.inf, math.inf, -math.inf
    for number in range(points.shape[0]):
        x, y = points[number, 0], points[number, 1]
        target[number, 0], target[number, 1] = x * a + y * b + c, x * d + y * e + f
        x, y = target[number, 0], target[number, 1]
        if math.isfinite(x) and math.isfinite(y):
            least_x, greatest_x = min(least_x, x), max(greatest_x, x)
            least_y, greatest_y = min(least_y, y), max(greatest_y, y)
    if least_x > greatest_x:
        return 0, 0, 0, 0
    return (*_enclosed(least_y, greatest_y, canvas_yx[0]), *_enclosed(least_x, greatest_x, canvas_yx[1]))


@compiled()
def positions_by_matrix(
    back: Matrix, right: float, bottom: float, y: int, x: int, u: _Positions, v: _Positions
) -> None:
    """Write to u, v the positions of pixels of row `y`, from column `x` on, by a matrix.

    `back` maps pixels to a source that covers [0, right] x [0, bottom].
    """
    a, b, c, d, e, f = back
    constant_u, constant_v = b * y + c, e * y + f
    for index in range(u.size):
        column, row = a * (x + index) + constant_u, d * (x + index) + constant_v
        inside = -TOLERANCE <= column <= right + TOLERANCE and -TOLERANCE <= row <= bottom + TOLERANCE
        u[index] = np.float32(column if inside else np.nan)
        v[index] = np.float32(row)


@compiled()
def positions_by_nodes(
    back: Matrix, nodes: _Positions, source: Any, y: int, x: int, u: _Positions, v: _Positions
) -> None:
    """Write to u, v the positions of pixels of row `y`, from column `x` on, by an inverse map.

    `back` maps pixels to nodes of the inverse map, which hold positions in level 0. These are interpolated,
    then converted to the level of the source.
    """
    a, b, c, d, e, f = back
    constant_x, constant_y = b * y + c, e * y + f
    last_x, last_y = nodes.shape[1] - 1, nodes.shape[0] - 1
    size = float(1 << source.level)
    offset, part = np.float32((size - 1) / 2), np.float32(1 / size)
    least, nothing = np.float32(-TOLERANCE), np.float32(np.nan)
    right, bottom = np.float32(source.width - 1), np.float32(source.height - 1)
    for index in range(u.size):
        column, row = a * (x + index) + constant_x, d * (x + index) + constant_y
        u[index] = nothing
        if column >= 0 and column < last_x and row >= 0 and row < last_y:
            i, j = np.uint32(column), np.uint32(row)
            across, down = np.float32(column - i), np.float32(row - j)
            at_u = (_bilinear(nodes, i, j, 0, across, down) - offset) * part
            at_v = (_bilinear(nodes, i, j, 1, across, down) - offset) * part
            if at_u >= least and at_u <= right and at_v >= least and at_v <= bottom:
                u[index], v[index] = at_u, at_v


@compiled()
def _bilinear(nodes: _Positions, i: Any, j: Any, what: int, across: Any, down: Any) -> Any:
    """Value `what` (0 is u, 1 is v) between the nodes at (j, i), interpolated in single precision."""
    right, lower = np.uint32(i + 1), np.uint32(j + 1)
    first, second = nodes[j, i, what], nodes[lower, i, what]
    above = first + (nodes[j, right, what] - first) * across
    below = second + (nodes[lower, right, what] - second) * across
    return above + (below - above) * down


@compiled()
def _span(target: Points, corners: tuple[int, int, int], row: float) -> tuple[float, float]:
    """First and last column of a triangle in a row, both on its edges or inside."""
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
    return np.ceil(first - TOLERANCE), np.floor(last + TOLERANCE)


@compiled()
def _gradient(second: float, third: float, inverse: tuple[float, float, float, float]) -> tuple[float, float]:
    """Change of a value per column and per row, from its change between the first and each other corner."""
    return second * inverse[0] + third * inverse[2], second * inverse[1] + third * inverse[3]


@compiled()
def _rasterise_one(
    source: Points,
    target: Points,
    corners: tuple[int, int, int],
    area: float,
    top: int,
    left: int,
    u: _Positions,
    v: _Positions,
) -> None:
    """Write to u, v the positions of the pixels of one triangle."""
    first, second, third = corners
    x, y = target[first]
    dx, dy = target[second, 0] - x, target[second, 1] - y
    ex, ey = target[third, 0] - x, target[third, 1] - y
    # u = across_u * column + down_u * row + constant_u, and v alike
    inverse = (ey / area, -ex / area, -dy / area, dx / area)
    origin_u, origin_v = source[first]
    across_u, down_u = _gradient(source[second, 0] - origin_u, source[third, 0] - origin_u, inverse)
    across_v, down_v = _gradient(source[second, 1] - origin_v, source[third, 1] - origin_v, inverse)
    constant_u = origin_u - (across_u * x + down_u * y)
    constant_v = origin_v - (across_v * x + down_v * y)
    height, width = u.shape
    least = min(y, target[second, 1], target[third, 1])
    greatest = max(y, target[second, 1], target[third, 1])
    first_row, end_row = _enclosed(least - top, greatest - top, height)
    for index in range(first_row, end_row):
        row = float(top + index)
        begin, end = _span(target, corners, row)
        # compared as floats: a corner may lie too far away for an integer
        begin, end = max(begin, float(left)), min(end, left + width - 1.0)
        if not begin <= end:  # or one of them is NaN
            continue
        start_u = across_u * begin + down_u * row + constant_u
        start_v = across_v * begin + down_v * row + constant_v
        place = int(begin) - left
        for step in range(int(end) - int(begin) + 1):
            u[index, place + step] = np.float32(start_u + step * across_u)
            v[index, place + step] = np.float32(start_v + step * across_v)


@compiled()
def rasterise(
    source: Points,
    target: Points,
    triangles: NDArray[np.int64],
    top: int,
    left: int,
    u: _Positions,
    v: _Positions,
) -> None:
    """Write to u, v the positions of all pixels of a part of the canvas, by a mesh.

    A triangle maps by the affine transform that its three points define. Of overlapping ones the last counts.

    Parameters
    ----------
    source, target : ndarray of float64, shape (points, 2)
        Points of the mesh on the source and on the canvas, x first.
    triangles : ndarray, shape (n, 3)
        Three points each. Those that are flat or not finite on the canvas are left out.
    top, left : int
        Row and column of the canvas at which u and v, shape (height, width), begin.
    """
    u[:] = np.nan
    for number in range(triangles.shape[0]):
        first, second, third = triangles[number, 0], triangles[number, 1], triangles[number, 2]
        dx, dy = target[second, 0] - target[first, 0], target[second, 1] - target[first, 1]
        ex, ey = target[third, 0] - target[first, 0], target[third, 1] - target[first, 1]
        area = dx * ey - dy * ex
        if area == 0 or not math.isfinite(area):
            continue
        if area < 0:  # turned so that inside is left of each edge
            second, third = third, second
        _rasterise_one(source, target, (first, second, third), abs(area), top, left, u, v)
