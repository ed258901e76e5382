"""Where a mapped mesh holds a point: the triangle around it, and the place in the mesh before mapping."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.transforms.classes import Points
from asap_ingest.render_ws.transforms.integer_ranges import expanded
from asap_ingest.render_ws.transforms.triangle_mesh import Indices, Mesh

#: Areas below this share of what their products could be are rounding.
FLAT = 1e-12
#: Rounding may put a point of an edge this far outside, as a share of the triangle.
SNAP = 1e-9
#: Entries of triangles in cells, and pairs of points and triangles that are tested in one go.
MOST_ENTRIES = 2**24
BLOCK = 2**19


@dataclass(frozen=True)
class _Grid:
    """Square cells over the mapped mesh: `number` each way, x fastest when counted."""

    origin: NDArray[np.float64]
    step: NDArray[np.float64]
    number: int

    def columns_and_rows(self, points: Points) -> Indices:
        """Cell of each point, shape (n, 2); points outside count to the nearest cell."""
        return np.clip((points - self.origin) / self.step, 0, self.number - 1).astype(np.int64)

    def cells(self, points: Points) -> Indices:
        """Number of the cell of each point."""
        column, row = self.columns_and_rows(points).T
        cells: Indices = row * self.number + column
        return cells


@dataclass(frozen=True)
class TriangleLocator:
    """Triangles of a mapped mesh, and in which cells of a grid they lie.

    Attributes
    ----------
    origin, weigh : ndarrays, shapes (m, 2) and (m, 2, 2)
        weigh @ (point - origin) are the weights of the second and third corner.
    source : ndarray, shape (m, 3, 2)
        The first corner before mapping, and the way from it to the other two.
    starts, members : ndarrays of int64
        The triangles of cell i are members[starts[i] : starts[i + 1]].
    """

    origin: Points
    weigh: NDArray[np.float64]
    source: NDArray[np.float64]
    grid: _Grid
    starts: Indices
    members: Indices

    def sources_of(self, points: Points) -> Points:
        """Where mapped points, shape (n, 2), come from; NaN for those in none of the triangles."""
        found = np.full_like(points, np.nan)
        usable = np.flatnonzero(np.isfinite(points).all(axis=1))
        if not len(self.members):
            return found
        step = max(1, BLOCK // int(np.diff(self.starts).max()))
        for start in range(0, len(usable), step):
            which = usable[start : start + step]
            found[which] = self._sources_of_block(points[which])
        return found

    def _sources_of_block(self, points: Points) -> Points:
        cells = self.grid.cells(points)
        owner, place = expanded(self.starts[cells], self.starts[cells + 1])
        triangle = self.members[place]
        second, third = (self.weigh[triangle] @ (points[owner] - self.origin[triangle])[:, :, None])[
            :, :, 0
        ].T
        inside = np.minimum(np.minimum(second, third), 1 - second - third)
        # of several triangles, neighbours at an edge or folds, the one that holds the point best
        best = np.lexsort((inside, owner))
        best = best[inside[best] >= -SNAP]
        found = np.full_like(points, np.nan)
        corner, to_second, to_third = np.moveaxis(self.source[triangle[best]], 1, 0)
        found[owner[best]] = corner + second[best, None] * to_second + third[best, None] * to_third
        return found


def triangle_locator(mesh: Mesh, mapped: Points, mirrored: bool) -> TriangleLocator:
    """Prepare the search in a mapped mesh.

    Parameters
    ----------
    mesh : Mesh
    mapped : ndarray, shape (n, 2)
        Where its points lie after mapping.
    mirrored : bool
        Which triangles count: those that mapping turned over (True), or those that it did not. Triangles
        that are flat or not finite after it never count.
    """
    source, target = mesh.points[mesh.triangles], mapped[mesh.triangles]
    with np.errstate(all="ignore"):
        area, scale = _areas(target)
        turned = (area < 0) != (_areas(source)[0] < 0)
        counts = np.isfinite(area) & (np.abs(area) > FLAT * scale) & (turned == mirrored)
    source, target, area = source[counts], target[counts], area[counts]
    (dx, dy), (ex, ey) = (np.moveaxis(target[:, corner] - target[:, 0], 1, 0) for corner in (1, 2))
    weigh = np.stack([np.stack([ey, -ex], 1), np.stack([-dy, dx], 1)], 1) / area[:, None, None]
    source[:, 1:] -= source[:, :1]
    grid, starts, members = _cells_of(target)
    return TriangleLocator(target[:, 0], weigh, source, grid, starts, members)


def _areas(corners: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Twice the area of each triangle, with the sign of its turn, and the size of what it is made of."""
    (dx, dy), (ex, ey) = (np.moveaxis(corners[:, corner] - corners[:, 0], 1, 0) for corner in (1, 2))
    return dx * ey - dy * ex, np.abs(dx * ey) + np.abs(dy * ex)


def _cells_of(corners: NDArray[np.float64]) -> tuple[_Grid, Indices, Indices]:
    """A grid with about as many cells as triangles, and the triangles whose boxes touch each cell."""
    count = len(corners)
    if not count:
        return _Grid(np.zeros(2), np.ones(2), 1), np.zeros(2, np.int64), np.zeros(0, np.int64)
    low, high = corners.min(axis=1), corners.max(axis=1)
    origin = low.min(axis=0)
    number = max(1, int(min(math.sqrt(count), math.sqrt(MOST_ENTRIES / count))))
    grid = _Grid(origin, (high.max(axis=0) - origin) / number, number)
    margin = SNAP * (high - low)
    first, last = grid.columns_and_rows(low - margin), grid.columns_and_rows(high + margin)
    triangle, row = expanded(first[:, 1], last[:, 1] + 1)
    entry, column = expanded(first[triangle, 0], last[triangle, 0] + 1)
    cell = row[entry] * number + column
    order = np.argsort(cell, kind="stable")
    starts = np.searchsorted(cell[order], np.arange(number * number + 1))
    return grid, starts, triangle[entry][order]
