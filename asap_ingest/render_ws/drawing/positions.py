"""Compiled loops that say where the pixels of a canvas come from: by a matrix, a table, or a mesh.

Coverage: section 7.2 of the description of the render-ws interface. A position is a column u and a row v of a
source, rounded to single precision; NaN where the source does not reach.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images.compiled import compiled

_Points = NDArray[np.float64]
_Positions = NDArray[np.float32]
Matrix = tuple[float, float, float, float, float, float]

#: Coordinates nearer than this to a whole pixel are taken as the whole pixel: rounding of products.
SNAP = 1e-7


@compiled()
def inverse(matrix: Any) -> tuple[bool, Matrix]:
    """Whether a matrix has an inverse, and which; values near whole numbers are taken as these."""
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
    nearest = np.rint(value)
    return nearest if abs(value - nearest) < SNAP / 100 else value


@compiled()
def enclosed(least: float, greatest: float, size: int) -> tuple[int, int]:
    """First whole position between two, limited to 0 .. size - 1, and the end of them."""
    # limited as floats: what is beyond whole numbers cannot become one
    first = min(max(0.0, np.ceil(least - SNAP)), float(size))
    last = max(-1.0, min(size - 1.0, np.floor(greatest + SNAP)))
    return int(first), max(int(first), int(last) + 1)


@compiled()
def reached(
    matrix: Any, width: float, height: float, canvas_yx: tuple[int, int]
) -> tuple[int, int, int, int]:
    """First row and end, first column and end of the pixels that [0, width] x [0, height] encloses."""
    least_x, greatest_x, least_y, greatest_y = math.inf, -math.inf, math.inf, -math.inf
    for x in (0.0, width):
        for y in (0.0, height):
            across = x * matrix[0] + y * matrix[1] + matrix[2]
            down = x * matrix[3] + y * matrix[4] + matrix[5]
            if not (math.isfinite(across) and math.isfinite(down)):
                return 0, 0, 0, 0
            least_x, greatest_x = min(least_x, across), max(greatest_x, across)
            least_y, greatest_y = min(least_y, down), max(greatest_y, down)
    return (*enclosed(least_y, greatest_y, canvas_yx[0]), *enclosed(least_x, greatest_x, canvas_yx[1]))


@compiled()
def row_of_matrix(
    back: Matrix, right: float, bottom: float, y: int, x: int, u: _Positions, v: _Positions
) -> None:
    """Positions of the pixels of a row, from column `x` on, in a source of [0, right] x [0, bottom]."""
    a, b, c, d, e, f = back
    constant_u, constant_v = b * y + c, e * y + f
    for index in range(u.size):
        column, row = a * (x + index) + constant_u, d * (x + index) + constant_v
        inside = column >= -SNAP and column <= right + SNAP and row >= -SNAP and row <= bottom + SNAP
        u[index] = np.float32(column if inside else np.nan)
        v[index] = np.float32(row)


@compiled()
def row_of_table(
    back: Matrix, table: _Positions, source: Any, y: int, x: int, u: _Positions, v: _Positions
) -> None:
    """The same by a table of positions in level 0, interpolated between its nodes; `back` leads to nodes."""
    a, b, c, d, e, f = back
    constant_x, constant_y = b * y + c, e * y + f
    last_x, last_y = table.shape[1] - 1, table.shape[0] - 1
    size = float(1 << source.level)
    offset, part = np.float32((size - 1) / 2), np.float32(1 / size)
    least, nothing = np.float32(-SNAP), np.float32(np.nan)
    right, bottom = np.float32(source.width - 1), np.float32(source.height - 1)
    for index in range(u.size):
        column, row = a * (x + index) + constant_x, d * (x + index) + constant_y
        u[index] = nothing
        if column >= 0 and column < last_x and row >= 0 and row < last_y:
            i, j = np.uint32(column), np.uint32(row)
            across, down = np.float32(column - i), np.float32(row - j)
            found_u = (_mean(table, i, j, 0, across, down) - offset) * part
            found_v = (_mean(table, i, j, 1, across, down) - offset) * part
            if found_u >= least and found_u <= right and found_v >= least and found_v <= bottom:
                u[index], v[index] = found_u, found_v


@compiled()
def _mean(table: _Positions, i: Any, j: Any, what: int, across: Any, down: Any) -> Any:
    """Bilinear interpolation between nodes, in single precision."""
    right, lower = np.uint32(i + 1), np.uint32(j + 1)
    first, second = table[j, i, what], table[lower, i, what]
    above = first + (table[j, right, what] - first) * across
    below = second + (table[lower, right, what] - second) * across
    return above + (below - above) * down
