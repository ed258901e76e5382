"""Bounding boxes of tiles in world coordinates, derived from their transforms.

Sampling and rounding: those of render-ws 4.0. Only points on the border of a tile are mapped, and the corner
(width, height) is not one of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.transforms.specs import Spec, build_steps, in_turn, warped_steps
from asap_ingest.render_ws.transforms.triangle_mesh import check_points
from asap_ingest.render_ws.transforms.warp_classes import Points, Transform
from asap_ingest.render_ws.wire.java_numbers import LARGEST_INT, SMALLEST_INT
from asap_ingest.render_ws.wire.problems import IllegalStateError

#: Points that are mapped at once: they stay in the processor's cache.
BLOCK_POINTS = 2**14
LARGEST_DOUBLE = float(np.finfo(np.float64).max)

#: What the bounding box of a tile depends on: width, height and mesh cell size in pixels, and its flattened
#: transform specifications.
TileFrame = tuple[float | None, float | None, float, list[Spec]]


def derive_boxes(tiles: Sequence[TileFrame]) -> NDArray[np.float64]:
    """Bounding boxes of tiles.

    Parameters
    ----------
    tiles : sequence of `TileFrame`

    Returns
    -------
    ndarray of float64, shape (n, 4)
        minX, minY, maxX, maxY. Minima are truncated toward zero; maxima are these plus the extent, which is
        rounded up.

    Raises
    ------
    IllegalStateError
        For a tile without width or height.
    IllegalArgumentError
        For a transform that cannot be built.
    """
    boxes = np.empty((len(tiles), 4))
    groups: dict[tuple[float, float, float, tuple[int, ...], int], list[int]] = defaultdict(list)
    steps: list[list[Transform]] = []
    for index, (width, height, cell, specs) in enumerate(tiles):
        if width is None or height is None:
            raise IllegalStateError("width and height of a tile are needed to derive its bounding box")
        steps.append(build_steps(specs))
        # tiles of a section share the objects of a lens correction, so their border is warped once for all
        shared_ids = tuple(map(id, steps[-1][: warped_steps(steps[-1])]))
        groups[float(width), float(height), float(cell), shared_ids, len(steps[-1])].append(index)
    for (width, height, cell, shared_ids, _), members in groups.items():
        points = border_points(width, height, cell)
        shared = len(shared_ids)
        if not shared:
            points = points[_extremes(points)]
        points = in_turn(steps[members[0]][:shared], points)
        size = max(1, BLOCK_POINTS // max(1, len(points)))
        for start in range(0, len(members), size):
            block = members[start : start + size]
            boxes[block] = _boxes(*_mapped_by_affines(points, [steps[index][shared:] for index in block]))
    return boxes


def border_points(width: float, height: float, cell: float) -> Points:
    """Points on the border of a tile, about `cell` apart, shape (n, 2); none for a cell size of 0."""
    if not cell:
        return np.empty((0, 2))
    check_points((abs(width) + abs(height)) / abs(cell), cell)
    xs, ys = _positions(width, cell), _positions(height, cell)
    edges = [(xs, np.zeros_like(xs)), (xs, np.full_like(xs, height)), (np.zeros_like(ys), ys)]
    return np.concatenate([np.stack(edge, axis=1) for edge in [*edges, (np.full_like(ys, width), ys)]])


def _positions(size: float, cell: float) -> NDArray[np.float64]:
    count = max(2, math.floor(size / cell + 0.5))
    return np.arange(count, dtype=np.float64) * ((size - 1) / (count - 1))


def _mapped_by_affines(
    points: Points, steps: Sequence[Sequence[Transform]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Map the same points by the affine steps of several tiles: x and y, both of shape (tiles, points).

    The steps are applied one by one: a product of matrices would round differently, and a box that ends on a
    whole pixel could shift by one.
    """
    x, y = (np.broadcast_to(axis, (len(steps), len(points))) for axis in np.ascontiguousarray(points.T))
    for depth in range(len(steps[0])):
        matrices = np.array([tile[depth].matrix for tile in steps])  # type: ignore[attr-defined]
        m00, m01, m02, m10, m11, m12 = matrices.T[:, :, None]
        x, y = x * m00 + y * m01 + m02, x * m10 + y * m11 + m12
    return x, y


def _extremes(points: Points) -> list[int]:
    """Indices of the ends of the four edges of `border_points`: affine maps have their extremes there."""
    if not len(points):
        return []
    turns = np.flatnonzero(np.any(np.diff(points, axis=0) < 0, axis=1))
    return sorted({0, len(points) - 1, *turns.tolist(), *(turns + 1).tolist()})


def _boxes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Boxes of mapped border points, both of shape (tiles, points); NaN points do not count."""
    least, greatest = (
        np.stack([fold.reduce(axis, axis=1, initial=initial) for axis in (x, y)], axis=1)
        for fold, initial in ((np.fmin, LARGEST_DOUBLE), (np.fmax, -LARGEST_DOUBLE))
    )
    with np.errstate(over="ignore"):
        extent = greatest - least
    origin = truncate_all(least)
    size = np.clip(np.ceil(extent), SMALLEST_INT, LARGEST_INT)
    return np.concatenate([origin, origin + np.nan_to_num(size, nan=0.0)], axis=1)


def truncate_all(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`truncate_to_int` for arrays; the results are whole numbers as float64, never -0.0."""
    return np.nan_to_num(np.trunc(np.clip(values, SMALLEST_INT, LARGEST_INT)), nan=0.0) + 0.0
