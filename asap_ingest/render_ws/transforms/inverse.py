"""Map points of tiles to world coordinates, exactly, and world coordinates to points of tiles, by a mesh.

`tile` is a flattened tile spec as parsed JSON; nothing here reads files or a database.
"""

from __future__ import annotations

import math

import numpy as np
import orjson

from asap_ingest.render_ws.transforms.classes import Affine
from asap_ingest.render_ws.transforms.specs import Spec, build_steps, in_turn, merged, warped_steps
from asap_ingest.render_ws.transforms.transform_cache import memoised
from asap_ingest.render_ws.transforms.triangle_mesh import FLAT, TriangleLocator, columns_of, triangle_mesh
from asap_ingest.render_ws.transforms.warp_classes import Points
from asap_ingest.render_ws.wire.java_numbers import json_double
from asap_ingest.render_ws.wire.problems import IllegalStateError
from asap_ingest.render_ws.wire.tile_specs import DEFAULT_MESH_CELL_SIZE

#: Rounding may put a point of the border this many pixels outside.
_BORDER_TOLERANCE = 1e-7


def worlds_of(tile: Spec, local: Points) -> Points:
    """Map points of a tile to world coordinates.

    Parameters
    ----------
    tile : dict
        A flattened tile spec.
    local : ndarray of float64, shape (n, 2)
        Points in pixels of the tile, x first; they may lie outside of it.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Not rounded; the input for a tile without transforms.

    Raises
    ------
    IllegalArgumentError
        For a reference, or a transform that cannot be built.
    """
    with np.errstate(all="ignore"):
        return in_turn(build_steps(_leaves(tile)), local)


def locals_of(tile: Spec, world: Points, cell: float | None = None) -> Points:
    """Map world coordinates to points of a tile.

    Parameters
    ----------
    tile : dict
        A flattened tile spec.
    world : ndarray of float64, shape (n, 2)
        World coordinates, x first.
    cell : float, optional
        Mesh cell size in pixels; None takes that of the tile.

    Returns
    -------
    ndarray of float64, shape (n, 2)
        Pixels of the tile, not rounded. Without transforms the input; with affine ones the exact inverse
        within [0, width - 1] x [0, height - 1]; with others the inverse of the mesh's triangles. NaN for
        points outside of that, for all points of a mirrored tile and of one that is flat in the world.

    Raises
    ------
    IllegalArgumentError
        For a reference, a transform that cannot be built, a mesh cell size too small for the tile.
    IllegalStateError
        For a tile with transforms but without width or height.
    """
    specs = _leaves(tile)
    if not specs:
        return world.copy()
    steps = build_steps(specs)
    # tiles of a section share what comes before the affine ones at the end: one mesh serves them all
    inner = warped_steps(steps)
    outer = merged(steps[inner:])
    assert isinstance(outer, Affine)
    width, height = _size(tile)
    back = outer.inverse()
    m00, m01, _, m10, m11, _ = outer.matrix
    mirrored = m00 * m11 < m01 * m10
    has_area = 1 < min(width, height) <= max(width, height) < math.inf
    if back is None or _is_flat(outer) or not has_area or (mirrored and not inner):
        return np.full_like(world, np.nan)
    with np.errstate(all="ignore"):
        before = back(world)
        if not inner:
            return _inside(before, width, height)
        size = float(tile.get("meshCellSize", DEFAULT_MESH_CELL_SIZE)) if cell is None else cell
        mesh_of = orjson.dumps(specs[:inner]), width, height, size, mirrored
        return memoised(("locator", *mesh_of), lambda: _locator(*mesh_of), len(mesh_of[0])).sources_of(before)


def with_z(tile: Spec, points: Points) -> list[list[float | str]]:
    """[x, y, z] of points of shape (n, 2), z being that of the tile; [x, y] for a tile without z."""
    z = [tile["z"]] if "z" in tile else []
    if np.isfinite(points).all():
        return [[*point, *z] for point in points.tolist()]
    return [[json_double(x), json_double(y), *z] for x, y in points.tolist()]


def _leaves(tile: Spec) -> list[Spec]:
    return (tile.get("transforms") or {}).get("specList") or []


def _size(tile: Spec) -> tuple[float, float]:
    if "width" not in tile or "height" not in tile:
        raise IllegalStateError(
            f"tile '{tile.get('tileId')}' has no width or no height: both are needed to invert its transforms"
        )
    return float(tile["width"]), float(tile["height"])


def _is_flat(affine: Affine) -> bool:
    m00, m01, _, m10, m11, _ = affine.matrix
    return abs(m00 * m11 - m01 * m10) <= FLAT * (abs(m00 * m11) + abs(m01 * m10))


def _inside(local: Points, width: float, height: float) -> Points:
    """Points of an affine tile; NaN for those outside of it."""
    last = np.array([width - 1, height - 1])
    inside = ((local >= -_BORDER_TOLERANCE) & (local <= last + _BORDER_TOLERANCE)).all(axis=1, keepdims=True)
    return np.where(inside, local, np.nan)


def _locator(specs: bytes, width: float, height: float, cell: float, mirrored: bool) -> TriangleLocator:
    mesh = triangle_mesh(width, height, columns_of(width, cell))
    mapped = in_turn(build_steps(orjson.loads(specs)), mesh.points)
    return TriangleLocator(mesh, mapped, mirrored)
