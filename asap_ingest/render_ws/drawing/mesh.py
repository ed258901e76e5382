"""Triangle meshes on the canvas: how tiles with transforms that are not affine are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.warp import SNAP, Patch, blocks, enclosed
from asap_ingest.render_ws.transforms.classes import Points
from asap_ingest.render_ws.transforms.triangle_mesh import Indices, Mesh


@dataclass(frozen=True)
class _Triangles:
    """Triangles on the canvas, turned so that inside is left of each edge, and their maps back.

    `corners` has shape (m, 3, 2); `back` (m, 2, 3): source = back[:, :, :2] @ target + back[:, :, 2].
    """

    corners: NDArray[np.float64]
    back: NDArray[np.float64]


def mesh_patches(mesh: Mesh, mapped: Points, canvas_yx: tuple[int, int]) -> Iterator[Patch]:
    """Patches of a canvas that a mesh covers.

    Parameters
    ----------
    mesh : Mesh
        Over the pixels of the source.
    mapped : ndarray, shape (n, 2)
        Its points on the canvas. Triangles that are flat or not finite there are left out.
    """
    triangles = _on_canvas(mesh, mapped, canvas_yx)
    if not len(triangles.corners):
        return
    y, x = triangles.corners[:, :, 1], triangles.corners[:, :, 0]
    rows, columns = enclosed(y.min(), y.max(), canvas_yx[0]), enclosed(x.min(), x.max(), canvas_yx[1])
    for block_rows, block_columns in blocks(rows, columns):
        yield _rasterised(triangles, block_rows, block_columns)


def _on_canvas(mesh: Mesh, mapped: Points, canvas_yx: tuple[int, int]) -> _Triangles:
    """Turn triangles the same way round, and leave out flat ones and those outside the canvas."""
    target = mapped[mesh.triangles]
    with np.errstate(invalid="ignore"):
        near = np.flatnonzero(np.all((_greatest(target) >= 0) & (_least(target) <= canvas_yx[::-1]), axis=1))
    target = target[near]
    (dx, dy), (ex, ey) = (np.moveaxis(target[:, corner] - target[:, 0], 1, 0) for corner in (1, 2))
    with np.errstate(invalid="ignore"):
        area = dx * ey - dy * ex
    seen = np.isfinite(area) & (area != 0)
    source, target, area = mesh.points[mesh.triangles[near[seen]]], target[seen], area[seen]
    turned = area < 0
    source[turned], target[turned] = source[turned][:, [0, 2, 1]], target[turned][:, [0, 2, 1]]
    edges = target[:, 1:] - target[:, :1]
    (dx, dy), (ex, ey) = edges[:, 0].T, edges[:, 1].T
    reciprocal = np.stack([np.stack([ey, -ex], 1), np.stack([-dy, dx], 1)], 1) / np.abs(area)[:, None, None]
    linear = np.moveaxis(source[:, 1:] - source[:, :1], 1, 2) @ reciprocal
    constant = source[:, 0] - np.einsum("mij,mj->mi", linear, target[:, 0])
    return _Triangles(target, np.concatenate([linear, constant[:, :, None]], axis=2))


def _least(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    # over an axis of three, `min` takes ten times as long
    return np.minimum(np.minimum(corners[:, 0], corners[:, 1]), corners[:, 2])


def _greatest(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.maximum(np.maximum(corners[:, 0], corners[:, 1]), corners[:, 2])


def _rasterised(triangles: _Triangles, rows: range, columns: range) -> Patch:
    """Source positions of a block of pixels: each triangle row by row, later triangles on top."""
    owner, y = _scan_lines(triangles.corners[:, :, 1], rows)
    first, last = _spans(triangles.corners[owner], y)
    start_columns = np.maximum(first, columns.start).astype(np.int64)
    counts = np.minimum(last, columns.stop - 1).astype(np.int64) - start_columns + 1
    crossed = np.flatnonzero(counts > 0)
    begin, count, y = start_columns[crossed], counts[crossed], y[crossed]
    back = triangles.back[owner[crossed]]
    start = back[:, :, 0] * begin[:, None] + back[:, :, 1] * y[:, None] + back[:, :, 2]
    end = np.cumsum(count)
    number = np.arange(end[-1] if len(end) else 0)
    place = number + np.repeat(
        (y - rows.start).astype(np.int64) * len(columns) + begin - columns.start - (end - count), count
    )
    step = number - np.repeat(end - count, count)
    u, v = (np.full(len(rows) * len(columns), -1, np.float32) for _ in range(2))
    covered = np.zeros(len(rows) * len(columns), np.bool_)
    u[place] = np.repeat(start[:, 0], count) + step * np.repeat(back[:, 0, 0], count)
    v[place] = np.repeat(start[:, 1], count) + step * np.repeat(back[:, 1, 0], count)
    covered[place] = True
    shape = (len(rows), len(columns))
    return Patch(
        slice(rows.start, rows.stop),
        slice(columns.start, columns.stop),
        u.reshape(shape),
        v.reshape(shape),
        covered.reshape(shape),
    )


def _scan_lines(y: NDArray[np.float64], rows: range) -> tuple[Indices, NDArray[np.float64]]:
    """Pairs of triangle index and canvas row that it touches."""
    first = np.ceil(np.clip(_least(y) - SNAP, rows.start, rows.stop))
    last = np.floor(np.clip(_greatest(y) + SNAP, rows.start - 1, rows.stop - 1))
    count = np.maximum(0, last - first + 1).astype(np.int64)
    owner = np.repeat(np.arange(len(y)), count)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return owner, first[owner] + step


def _spans(
    corners: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """First and last column of each triangle in its row: pixels on an edge belong to it."""
    first, last = np.full(len(y), -1e9), np.full(len(y), 1e9)
    for index in range(3):
        (ax, ay), (bx, by) = corners[:, index].T, corners[:, (index + 1) % 3].T
        rise = by - ay
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            x = ax + (bx - ax) * (y - ay) / rise
        last = np.where(rise > 0, np.minimum(last, x), last)
        first = np.where(rise < 0, np.maximum(first, x), first)
    return np.ceil(first - SNAP), np.floor(last + SNAP)
