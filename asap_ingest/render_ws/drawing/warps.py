"""Transforms that are not affine: meshes over tiles, and tables that lead back to the tile.

Both are made of the transforms up to the last that is not affine, which the tiles of a section share, a lens
correction for one. What is affine behind them is each tile's own, and left to the compiled loops.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.bounded_cache import BoundedCache, CacheState
from asap_ingest.render_ws.drawing.mesh import rasterise
from asap_ingest.render_ws.drawing.mipmap_levels import LinearPart, fit_linear_part
from asap_ingest.render_ws.transforms.classes import Affine, Points
from asap_ingest.render_ws.transforms.specs import build
from asap_ingest.render_ws.transforms.triangle_mesh import Mesh, columns_of, triangle_mesh

#: Pixels of level 0 between two nodes of a table.
NODE_STEP = 8
#: Bytes for meshes and tables: of a tile of 3840 x 3840, 250 KB a level and 2 MB.
_KEPT: BoundedCache[Any] = BoundedCache(2**28)
_Value = TypeVar("_Value")


@dataclass(frozen=True)
class Table:
    """Where positions behind a warp come from.

    Attributes
    ----------
    nodes : ndarray of float32, shape (rows, columns, 2)
        u and v in pixels of level 0; NaN where the mesh does not reach.
    to_warped : Affine
        From column and row of a node to where the warp leads to.
    """

    nodes: NDArray[np.float32]
    to_warped: Affine


@dataclass(frozen=True)
class Warp:
    """Transforms of a tile of `width` x `height` pixels, as JSON of their flattened specifications."""

    specs: bytes
    width: float
    height: float
    cell: float

    def linear_part(self) -> LinearPart | None:
        """What decides the mipmap level: see `mipmap_levels.fit_linear_part`."""
        return self._kept("linear", lambda: fit_linear_part(self._transform(), *self._size), lambda _: 100)

    def mesh(self, level: int, source_yx: tuple[int, int]) -> tuple[Mesh, Points]:
        """The mesh over an image of a level, and where its points are led to."""

        def make() -> tuple[Mesh, Points]:
            mesh = triangle_mesh(*source_yx[::-1], columns_of(self.width, self.cell))
            return mesh, np.ascontiguousarray(self._transform().apply(from_level(level).apply(mesh.points)))

        return self._kept(("mesh", level, source_yx), make, lambda made: 2 * made[1].nbytes)

    def table(self) -> Table | None:
        """The way back, None for a warp that folds the tile: two positions lead to the same place."""
        return self._kept("table", self._make_table, lambda made: 100 if made is None else made.nodes.nbytes)

    @property
    def _size(self) -> tuple[float, float, float]:
        return self.width, self.height, self.cell

    def _transform(self) -> Any:
        return self._kept("transform", lambda: build(orjson.loads(self.specs)), lambda _: len(self.specs))

    def _kept(self, what: Any, make: Callable[[], _Value], size: Callable[[_Value], int]) -> _Value:
        # in a tuple: None may be what was made
        found: tuple[_Value] | None = _KEPT.get((self, what))
        if found is None:
            found = (make(),)
            _KEPT.keep((self, what), found, size(found[0]))
        return found[0]

    def _make_table(self) -> Table | None:
        # one cell more on each side: positions on the border lie between nodes too
        columns = columns_of(self.width, self.cell) + 2
        mesh = triangle_mesh(self.width + 2 * self.cell, self.height + 2 * self.cell, columns)
        source = np.ascontiguousarray(mesh.points - self.cell)
        warped = self._transform().apply(source)
        if not np.isfinite(warped).all() or _folds(warped, mesh.triangles):
            return None
        first = np.floor(warped.min(axis=0))
        extent = np.ceil((warped.max(axis=0) - first) / NODE_STEP) + 1
        if extent.prod() > _MOST_NODES:
            return None
        size = extent.astype(int)
        nodes = np.full((size[1], size[0], 2), np.nan, np.float32)
        u, v = np.empty((2, size[1], size[0]), np.float32)
        rasterise(source, np.ascontiguousarray((warped - first) / NODE_STEP), mesh.triangles, 0, 0, u, v)
        nodes[..., 0], nodes[..., 1] = u, v
        return Table(nodes, Affine((NODE_STEP, 0.0, float(first[0]), 0.0, NODE_STEP, float(first[1]))))


def cache_state() -> CacheState:
    """How the cache of meshes and tables does, which all services of a process share."""
    return _KEPT.state


#: A warp that spreads a tile over more nodes than these is drawn by its mesh.
_MOST_NODES = 2**22


def from_level(level: int) -> Affine:
    """Pixels of a level to pixels of level 0."""
    size = float(2**level)
    offset = (size - 1) / 2
    return Affine((size, 0.0, offset, 0.0, size, offset))


def _folds(warped: Points, triangles: NDArray[np.int64]) -> bool:
    """Whether some triangles lie upside down beside the others, or are flat."""
    first, second, third = (warped[triangles[:, corner]] for corner in range(3))
    (dx, dy), (ex, ey) = (second - first).T, (third - first).T
    areas = dx * ey - dy * ex
    return not (np.all(areas > 0) or np.all(areas < 0))
