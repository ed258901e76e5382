"""Triangle meshes over tiles: inside a triangle a transform is taken as affine, so that it can be inverted.

Layout: that of render-ws 4.0. A mesh covers the centres of the pixels of an image, [0, width - 1] x
[0, height - 1].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.transforms.warp_classes import Points
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

Indices = NDArray[np.int64]

#: Points at which a tile may be sampled: 4096 x 4096 pixels with cells of 4 pixels.
MOST_POINTS = 2**20
#: A determinant below this share of the two products that it is the difference of is a rounding error.
FLAT = 1e-12
#: Rounding may put a point of an edge this far outside, as a share of the triangle.
_EDGE_TOLERANCE = 1e-9
#: Pairs of a triangle and a grid cell that are stored, and pairs of a point and a triangle that are tested at
#: once.
MOST_ENTRIES, BLOCK = 2**24, 2**19


@dataclass(frozen=True)
class Mesh:
    """Points of shape (n, 2), x first, and triangles of shape (m, 3): three indices of points each."""

    points: Points
    triangles: Indices


def check_points(points: float, cell: float) -> None:
    """Raise IllegalArgumentError if a tile needs more points than `MOST_POINTS`, or infinitely many."""
    if not points <= MOST_POINTS:
        raise IllegalArgumentError(
            f"a tile needs {points:g} mesh points with cells of about {cell:g} pixels, the limit is "
            f"{MOST_POINTS}: give it a larger meshCellSize"
        )


def columns_of(width: float, cell: float) -> int:
    """Points in a row of the mesh of a tile; the fewest, 2, for a cell size that is not above 0."""
    if not cell > 0:
        return 2
    check_points(width / cell, cell)
    return max(2, math.trunc(width / cell + 0.5))


def triangle_mesh(width: float, height: float, columns: int) -> Mesh:
    """Cover [0, width - 1] x [0, height - 1] with triangles that are nearly equilateral.

    Rows of `columns` points alternate with rows of one point less, shifted by half a step.
    """
    rows = max(2, math.floor(height / (math.sqrt(3) * width / (columns - 1)) + 0.5) + 1)
    check_points(2.0 * rows * columns, width / columns)
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


def _expanded(first: Indices, end: Indices) -> tuple[Indices, Indices]:
    """The integers of half-open ranges first[i] to end[i], joined: the i of each, and the integers."""
    count = end - first
    owner = np.repeat(np.arange(len(first)), count)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) + first[owner]


class TriangleLocator:
    """Inverts the mapping of a mesh: finds the triangle around each mapped point.

    The bounds of the mapped mesh are divided into a grid of equal cells, about as many as triangles, and for
    each cell the triangles that may reach into it are stored.

    Parameters
    ----------
    mesh : Mesh
    mapped : ndarray, shape (n, 2)
        Its points after mapping.
    mirrored : bool
        Use the triangles that the mapping mirrored (True), or the others (False). Triangles that are flat or
        not finite after mapping are never used.
    """

    def __init__(self, mesh: Mesh, mapped: Points, mirrored: bool) -> None:
        source, target = mesh.points[mesh.triangles], mapped[mesh.triangles]
        with np.errstate(all="ignore"):
            area, scale = signed_areas(target)
            is_mirrored = (area < 0) != (signed_areas(source)[0] < 0)
            usable = np.isfinite(area) & (np.abs(area) > FLAT * scale) & (is_mirrored == mirrored)
        source, target, area = source[usable], target[usable], area[usable]
        (dx, dy), (ex, ey) = _edges(target)
        # barycentric @ (point - origin): the weights of the second and third corner
        self.origin = target[:, 0]
        self.barycentric = np.stack([np.stack([ey, -ex], 1), np.stack([-dy, dx], 1)], 1) / area[:, None, None]
        # the first corner before mapping, and the other two relative to it
        source[:, 1:] -= source[:, :1]
        self.source = source
        self._fill_cells(target)

    def _fill_cells(self, corners: NDArray[np.float64]) -> None:
        """Store the triangles whose bounds touch cell i as members[starts[i] : starts[i + 1]]."""
        count = len(corners)
        low, high = corners.min(axis=1, initial=np.inf), corners.max(axis=1, initial=-np.inf)
        # cells along a side of the grid, lower corner of the grid, and size of a cell
        self.side = max(1, int(min(math.sqrt(count), math.sqrt(MOST_ENTRIES / max(1, count)))))
        self.corner = low.min(axis=0, initial=np.inf)
        self.step = (high.max(axis=0, initial=-np.inf) - self.corner) / self.side
        margin = _EDGE_TOLERANCE * (high - low)
        first, last = self._cells(low - margin), self._cells(high + margin)
        # a row of cells that a triangle touches, then each cell of that row
        triangle, row = _expanded(first[:, 1], last[:, 1] + 1)
        entry, column = _expanded(first[triangle, 0], last[triangle, 0] + 1)
        cell = row[entry] * self.side + column
        order = np.argsort(cell, kind="stable")
        self.starts = np.searchsorted(cell[order], np.arange(self.side**2 + 1))
        self.members = triangle[entry][order]

    def _cells(self, points: Points) -> Indices:
        """Column and row of each point's cell, shape (n, 2); outside the grid, of the nearest cell."""
        return np.clip((points - self.corner) / self.step, 0, self.side - 1).astype(np.int64)

    def sources_of(self, points: Points) -> Points:
        """Map points, shape (n, 2), back to the mesh; NaN for those that lie in no triangle."""
        result = np.full_like(points, np.nan)
        usable = np.flatnonzero(np.isfinite(points).all(axis=1))
        if not len(self.members):
            return result
        step = max(1, BLOCK // int(np.diff(self.starts).max()))
        for start in range(0, len(usable), step):
            which = usable[start : start + step]
            result[which] = self._sources_of_block(points[which])
        return result

    def _sources_of_block(self, points: Points) -> Points:
        column, row = self._cells(points).T
        cells = row * self.side + column
        # pairs of a point and a triangle of its cell, and the least of the three weights
        point, member = _expanded(self.starts[cells], self.starts[cells + 1])
        triangle = self.members[member]
        offset = (points[point] - self.origin[triangle])[:, :, None]
        second, third = (self.barycentric[triangle] @ offset)[:, :, 0].T
        least = np.minimum(np.minimum(second, third), 1 - second - third)
        # in order, so that of several triangles, at an edge or a fold, the one in which the point lies
        # deepest is written last
        best = np.lexsort((least, point))
        best = best[least[best] >= -_EDGE_TOLERANCE]
        result = np.full_like(points, np.nan)
        corner, to_second, to_third = np.moveaxis(self.source[triangle[best]], 1, 0)
        result[point[best]] = corner + second[best, None] * to_second + third[best, None] * to_third
        return result


def _edges(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges from the first corner of each triangle to the second and third: shape (2, 2, n)."""
    return np.stack([(corners[:, corner] - corners[:, 0]).T for corner in (1, 2)])


def signed_areas(corners: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Twice the signed area of triangles with corners of shape (n, 3, 2), and a scale of its rounding error.

    The area is the difference of two products, the scale the sum of their magnitudes.
    """
    (dx, dy), (ex, ey) = _edges(corners)
    return dx * ey - dy * ex, np.abs(dx * ey) + np.abs(dy * ex)
