"""Warps of tiles, and what tiles are drawn by: meshes and inverse maps.

A warp is the transforms of a tile up to the last that is not affine: for example a lens correction, which the
tiles of a section share. Affine transforms after it, which differ from tile to tile, are left to the compiled
loops.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.mipmap_levels import fit_affine
from asap_ingest.render_ws.drawing.positions import rasterise
from asap_ingest.render_ws.transforms.classes import Affine
from asap_ingest.render_ws.transforms.specs import build
from asap_ingest.render_ws.transforms.transform_cache import memoised
from asap_ingest.render_ws.transforms.triangle_mesh import Mesh, columns_of, signed_areas, triangle_mesh
from asap_ingest.render_ws.transforms.warp_classes import Points, Transform

#: Pixels of level 0 between two nodes of an inverse map.
NODE_STEP = 8
#: A warp that spreads a tile over more nodes than this is drawn by its mesh.
_MOST_NODES = 2**22


@dataclass(frozen=True)
class InverseMap:
    """The inverse map of a warp on a grid of nodes.

    Attributes
    ----------
    nodes : ndarray of float32, shape (rows, columns, 2)
        u and v in pixels of level 0; NaN where the mesh does not reach.
    to_warped : Affine
        From column and row of a node to warped coordinates.
    """

    nodes: NDArray[np.float32]
    to_warped: Affine


@dataclass(frozen=True)
class Warp:
    """A warp of tiles of `width` x `height` pixels; what is derived from it is cached by its values.

    Attributes
    ----------
    specs : bytes
        JSON of the flattened transform specifications.
    cell : float
        Mesh cell size in pixels.
    """

    specs: bytes
    width: float
    height: float
    cell: float

    def nearest_affine(self) -> Affine | None:
        """The affine transform by which the mipmap level is chosen: see `mipmap_levels.fit_affine`."""
        return self._memoised(self._fit_affine)

    def mesh(self, level: int, source_yx: tuple[int, int]) -> tuple[Mesh, Points]:
        """The mesh over the image of a level, of shape `source_yx`, and its points after the warp."""
        return self._memoised(self._make_mesh, level, source_yx)

    def inverse_map(self) -> InverseMap | None:
        """The inverse map; None for a warp that folds the tile, or needs more than `_MOST_NODES`."""
        return self._memoised(self._make_inverse_map)

    def _memoised(self, make: Any, *arguments: Any) -> Any:
        return memoised((self, make.__name__, *arguments), lambda: make(*arguments), len(self.specs))

    def _transform(self) -> Transform:
        return build(orjson.loads(self.specs))

    def _fit_affine(self) -> Affine | None:
        return fit_affine(self._transform(), self.width, self.height, self.cell)

    def _make_mesh(self, level: int, source_yx: tuple[int, int]) -> tuple[Mesh, Points]:
        mesh = triangle_mesh(*source_yx[::-1], columns_of(self.width, self.cell))
        full_size = from_level(level)(mesh.points)
        return mesh, np.ascontiguousarray(self._transform()(full_size))

    def _make_inverse_map(self) -> InverseMap | None:
        # with one cell more on each side, positions on the border lie between nodes too
        columns = columns_of(self.width, self.cell) + 2
        mesh = triangle_mesh(self.width + 2 * self.cell, self.height + 2 * self.cell, columns)
        source = np.ascontiguousarray(mesh.points - self.cell)
        warped = self._transform()(source)
        if not np.isfinite(warped).all() or _folds(warped, mesh.triangles):
            return None
        first = np.floor(warped.min(axis=0))
        extent = np.ceil((warped.max(axis=0) - first) / NODE_STEP) + 1
        if extent.prod() > _MOST_NODES:
            return None
        size = extent.astype(int)
        u, v = np.empty((2, size[1], size[0]), np.float32)
        rasterise(source, np.ascontiguousarray((warped - first) / NODE_STEP), mesh.triangles, 0, 0, u, v)
        return InverseMap(
            np.stack([u, v], axis=2),
            Affine((NODE_STEP, 0.0, float(first[0]), 0.0, NODE_STEP, float(first[1]))),
        )


def shared_warp(specs: bytes, width: float, height: float, cell: float) -> Warp:
    """A warp, the same object for equal ones while it is cached: its text may have megabytes."""
    warp = Warp(specs, width, height, cell)
    return memoised(warp, lambda: warp, len(specs))


def from_level(level: int) -> Affine:
    """From pixels of a mipmap level to those of level 0; integers are centres of pixels."""
    size = 2.0**level
    offset = (size - 1) / 2
    return Affine((size, 0.0, offset, 0.0, size, offset))


def _folds(warped: Points, triangles: NDArray[np.int64]) -> bool:
    """Whether some triangles are flat, or mirrored while others are not."""
    areas, _ = signed_areas(warped[triangles])
    return not (np.all(areas > 0) or np.all(areas < 0))
