"""Where a tile lies on a canvas: its transforms, with what is costly about them kept for the next picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import orjson

from asap_ingest.render_ws.drawing.mesh import mesh_patches
from asap_ingest.render_ws.drawing.mipmap_levels import LinearPart, fit_linear_part
from asap_ingest.render_ws.drawing.warp import Patch
from asap_ingest.render_ws.transforms.classes import Affine, CoordinateTransform, Matrix, Points
from asap_ingest.render_ws.transforms.specs import Spec, build
from asap_ingest.render_ws.transforms.triangle_mesh import columns_of, triangle_mesh


@dataclass(frozen=True)
class TileGeometry:
    """A tile's size in pixels of level 0, and its way to world coordinates.

    Attributes
    ----------
    width, height : float
        Size of the tile spec.
    cell : float
        Mesh cell size.
    affine : Affine or None
        All transforms in one, where all are affine.
    specs : bytes
        The transform specifications as JSON, where they are not.
    """

    width: float
    height: float
    cell: float
    affine: Affine | None
    specs: bytes

    def linear_part(self) -> LinearPart | None:
        """What decides the mipmap level: see `mipmap_levels.fit_linear_part`."""
        if self.affine is not None:
            return fit_linear_part(self.affine, self.width, self.height, self.cell)
        return _linear_part(self.specs, self.width, self.height, self.cell)

    def matrix_of(self, level: int) -> Matrix | None:
        """From pixels of a level to world coordinates, None where that is not affine."""
        return None if self.affine is None else _from_level(level).then(self.affine).matrix

    def mesh_patches(
        self, level: int, source_yx: tuple[int, int], to_canvas: Affine, canvas_yx: tuple[int, int]
    ) -> Iterator[Patch]:
        """Patches of the canvas that an image of a level covers, where the transforms are not affine."""
        columns = columns_of(self.width, self.cell)
        points = to_canvas.apply(_world_points(self.specs, level, source_yx, columns))
        return mesh_patches(triangle_mesh(*source_yx[::-1], columns), points, canvas_yx)


def tile_geometry(specs: list[Spec], width: float, height: float, cell: float) -> TileGeometry:
    """Geometry of a tile of flattened transform specifications; errors as `transforms.build`."""
    transform = build(specs)
    if isinstance(transform, Affine):
        return TileGeometry(width, height, cell, transform, b"")
    return TileGeometry(width, height, cell, None, orjson.dumps(specs))


def _from_level(level: int) -> Affine:
    """Pixels of a level to pixels of level 0."""
    size = float(2**level)
    offset = (size - 1) / 2
    return Affine((size, 0.0, offset, 0.0, size, offset))


@lru_cache(maxsize=256)
def _transform(specs: bytes) -> CoordinateTransform:
    return build(orjson.loads(specs))


@lru_cache(maxsize=4096)
def _linear_part(specs: bytes, width: float, height: float, cell: float) -> LinearPart | None:
    return fit_linear_part(_transform(specs), width, height, cell)


@lru_cache(maxsize=256)
def _world_points(specs: bytes, level: int, source_yx: tuple[int, int], columns: int) -> Points:
    """Mesh points in world coordinates: 100 KB for a tile of 60 cells a side."""
    points = _from_level(level).apply(triangle_mesh(*source_yx[::-1], columns).points)
    world = _transform(specs).apply(points)
    world.setflags(write=False)
    return world
