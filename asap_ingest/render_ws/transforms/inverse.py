"""Mapping of points: local coordinates of tiles to world coordinates, and back by a mesh.

`tile` is a flattened tile spec as parsed JSON.
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

#: Rounding may put a point on the border this many pixels outside.
_BORDER_TOLERANCE = 1e-7


def to_world(tile: Spec, local: Points) -> Points:
    """Map local coordinates of a tile to world coordinates.

    Parameters
    ----------
    tile : dict
        A flattened tile spec.
    local : ndarray of float64, shape (n, 2)
        In pixels, x first; points may lie outside of the tile.

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


def to_local(tile: Spec, world: Points, cell: float | None = None) -> Points:
    """Map world coordinates to local coordinates of a tile.

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
        In pixels, not rounded. For a tile without transforms the input; with affine ones only, the exact
        inverse within [0, width - 1] x [0, height - 1]; with others, that of the triangles of a mesh. NaN for
        points outside of the tile, and for all points of a tile that is mirrored or flat in the world.

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
    # tiles of a section share the warp, so one mesh serves them all; the affine transform after it is exact
    warped = warped_steps(steps)
    affine = merged(steps[warped:])
    assert isinstance(affine, Affine)
    width, height = _size(tile)
    back = affine.inverse()
    m00, m01, _, m10, m11, _ = affine.matrix
    mirrored = m00 * m11 < m01 * m10
    has_area = 1 < min(width, height) <= max(width, height) < math.inf
    if back is None or _is_flat(affine) or not has_area or (mirrored and not warped):
        return np.full_like(world, np.nan)
    with np.errstate(all="ignore"):
        before = back(world)
        if not warped:
            return _inside(before, width, height)
        size = float(tile.get("meshCellSize", DEFAULT_MESH_CELL_SIZE)) if cell is None else cell
        warp = orjson.dumps(specs[:warped]), width, height, size, mirrored
        locator = memoised(("locator", *warp), lambda: _locator(*warp), len(warp[0]))
        return locator.sources_of(before)


def with_z(tile: Spec, points: Points) -> list[list[float | str]]:
    """Points of shape (n, 2) as [x, y, z] for JSON, with the z of the tile; [x, y] for a tile without z."""
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
    """The local coordinates, with NaN for points outside of the tile."""
    last = np.array([width - 1, height - 1])
    inside = ((local >= -_BORDER_TOLERANCE) & (local <= last + _BORDER_TOLERANCE)).all(axis=1, keepdims=True)
    return np.where(inside, local, np.nan)


def _locator(specs: bytes, width: float, height: float, cell: float, mirrored: bool) -> TriangleLocator:
    """Inverts a warp (JSON of its specifications); `mirrored`: so is the affine transform after it."""
    mesh = triangle_mesh(width, height, columns_of(width, cell))
    mapped = in_turn(build_steps(orjson.loads(specs)), mesh.points)
    return TriangleLocator(mesh, mapped, mirrored)
