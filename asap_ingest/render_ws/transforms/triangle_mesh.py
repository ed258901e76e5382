"""Triangle meshes over tiles: inside a triangle a transform is taken as affine.

Layout: that of render-ws 4.0. A mesh covers the pixels of an image, [0, width - 1] x [0, height - 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.transforms.classes import Points
from asap_ingest.render_ws.transforms.transform_cache import memoised
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

Indices = NDArray[np.int64]

#: Points at which a tile may be sampled: 4096 x 4096 pixels with cells of 4 pixels.
MOST_POINTS = 2**20


@dataclass(frozen=True)
class Mesh:
    """Points of shape (n, 2), x first, and triangles: three point indices each, shape (m, 3)."""

    points: Points
    triangles: Indices


def check_points(width: float, height: float, cell: float, points: float) -> None:
    """Raise IllegalArgumentError for more than `MOST_POINTS`, or a number of points that is not finite."""
    if not points <= MOST_POINTS:
        raise IllegalArgumentError(
            f"a tile of {width:g} x {height:g} pixels with mesh cells of {cell:g} pixels needs {points:g} "
            f"points, the limit is {MOST_POINTS}: give it a larger meshCellSize"
        )


def columns_of(width: float, cell: float) -> int:
    """Points per row of the mesh of a tile."""
    if not cell > 0:
        return 2
    check_points(width, 1.0, cell, width / cell)
    return max(2, math.trunc(width / cell + 0.5))


def triangle_mesh(width: float, height: float, columns: int) -> Mesh:
    """Nearly equilateral triangles over [0, width - 1] x [0, height - 1].

    Rows of `columns` points alternate with rows of one point less, shifted by half a step.
    """
    return memoised(("mesh", width, height, columns), lambda: _mesh(width, height, columns))


def _mesh(width: float, height: float, columns: int) -> Mesh:
    # rows are as far apart as makes triangles nearly equilateral
    rows = max(2, math.floor(height / (math.sqrt(3) * width / (columns - 1)) + 0.5) + 1)
    check_points(width, height, width / columns, 2.0 * rows * columns)
    step_x, step_y = (width - 1) / (columns - 1), (height - 1) / (rows - 1)
    corners = _grid(np.arange(columns) * step_x, np.arange(rows) * step_y)
    centres = _grid((np.arange(columns - 1) + 0.5) * step_x, (np.arange(rows - 1) + 0.5) * step_y)
    corner = np.arange(rows * columns).reshape(rows, columns)
    centre = rows * columns + np.arange((rows - 1) * (columns - 1)).reshape(rows - 1, columns - 1)
    triangles = [
        (corner[:-1, :-1], corner[:-1, 1:], centre),
        (corner[1:, 1:], corner[1:, :-1], centre),
        (corner[:-1, 1:-1], centre[:, 1:], centre[:, :-1]),
        (corner[1:, 1:-1], centre[:, :-1], centre[:, 1:]),
        (corner[:-1, :1], centre[:, :1], corner[1:, :1]),
        (corner[:-1, -1:], corner[1:, -1:], centre[:, -1:]),
    ]
    return Mesh(
        np.concatenate([corners, centres]),
        np.concatenate([np.stack(three, axis=-1).reshape(-1, 3) for three in triangles]),
    )


def _grid(x: NDArray[np.floating[Any]], y: NDArray[np.floating[Any]]) -> Points:
    return np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
