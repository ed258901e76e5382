"""Triangle meshes on the canvas: how tiles with transforms that are not affine are drawn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

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
    target = np.take(mapped, mesh.triangles, axis=0)
    with np.errstate(invalid="ignore"):
        near = np.flatnonzero(np.all((_greatest(target) >= 0) & (_least(target) <= canvas_yx[::-1]), axis=1))
    target = np.take(target, near, axis=0)
    (dx, dy), (ex, ey) = (np.moveaxis(target[:, corner] - target[:, 0], 1, 0) for corner in (1, 2))
    with np.errstate(invalid="ignore"):
        area = dx * ey - dy * ex
    seen = np.isfinite(area) & (area != 0)
    source = np.take(mesh.points, np.take(mesh.triangles, near[seen], axis=0), axis=0)
    target, area = target[seen], area[seen]
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


@dataclass(frozen=True)
class _Spans:
    """Neighbouring pixels of a block that one triangle covers; pixels are numbered row by row.

    Attributes
    ----------
    owner : ndarray of int
        Index of the triangle.
    begin, count : ndarray of int
        Number of the first pixel, and how many there are.
    start, step : ndarray, shape (n, 2)
        u and v of the first pixel, and how they grow from one pixel to the next.
    """

    owner: Indices
    begin: Indices
    count: Indices
    start: NDArray[np.float64]
    step: NDArray[np.float64]


def _rasterised(triangles: _Triangles, rows: range, columns: range) -> Patch:
    """Source positions of a block of pixels: each triangle row by row, later triangles on top."""
    spans = _spans_in(triangles, rows, columns)
    pixels = len(rows) * len(columns)
    u, v, covered = _side_by_side(spans, pixels) or _on_top(spans, pixels)
    shape = (len(rows), len(columns))
    return Patch(
        slice(rows.start, rows.stop),
        slice(columns.start, columns.stop),
        u.reshape(shape),
        v.reshape(shape),
        None if covered is None else covered.reshape(shape),
    )


def _spans_in(triangles: _Triangles, rows: range, columns: range) -> _Spans:
    """Spans by triangle, then by row."""
    owner, y = _scan_lines(triangles.corners[:, :, 1], rows)
    first, last = _spans(np.take(triangles.corners, owner, axis=0), y)
    start_columns = np.maximum(first, columns.start).astype(np.int64)
    counts = np.minimum(last, columns.stop - 1).astype(np.int64) - start_columns + 1
    crossed = np.flatnonzero(counts > 0)
    owner, begin, y = owner[crossed], start_columns[crossed], y[crossed]
    back = np.take(triangles.back, owner, axis=0)
    start = back[:, :, 0] * begin[:, None] + back[:, :, 1] * y[:, None] + back[:, :, 2]
    number = (y - rows.start).astype(np.int64) * len(columns) + begin - columns.start
    return _Spans(owner, number, counts[crossed], start, back[:, :, 0])


_Filled = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_] | None]


def _side_by_side(spans: _Spans, pixels: int) -> _Filled | None:
    """u, v and what is covered, from left to right; None where more than two spans overlap in a pixel.

    Triangles share the pixels on their edges: the earlier one gives way, so that no pixel is written twice.
    """
    # numbers of 16 bits are sorted by digits; blocks are as small as that
    kind = np.uint16 if pixels <= 2**16 else np.int64
    order = np.argsort(spans.begin.astype(kind), kind="stable")
    owner, begin = spans.owner[order], spans.begin[order]
    end = begin + spans.count[order]
    if np.any(end[:-1] > end[1:]) or np.any(end[:-2] > begin[2:]):
        return None
    shared = np.maximum(0, end[:-1] - begin[1:])
    gives_way = owner[1:] > owner[:-1]
    first, last = begin.copy(), end
    first[1:] += np.where(gives_way, 0, shared)
    last[:-1] -= np.where(gives_way, shared, 0)
    gaps = np.append(first, pixels) - np.append(0, last)
    count = _between(gaps, last - first)
    step = np.arange(pixels, dtype=np.float64)
    step -= np.repeat(_between(np.zeros(len(gaps)), begin), count)
    filled = []
    for axis in range(2):
        values = step * np.repeat(_between(np.zeros(len(gaps)), spans.step[order, axis]), count)
        values += np.repeat(_between(np.full(len(gaps), -1.0), spans.start[order, axis]), count)
        filled.append(values.astype(np.float32))
    is_span = np.arange(len(count)) % 2 == 1
    return filled[0], filled[1], np.repeat(is_span, count) if gaps.any() else None


def _between(outer: NDArray[Any], inner: NDArray[Any]) -> NDArray[Any]:
    """One of the outer, one of the inner, and so on; there is one outer more."""
    both = np.empty(len(outer) + len(inner), outer.dtype)
    both[::2], both[1::2] = outer, inner
    return both


def _on_top(spans: _Spans, pixels: int) -> _Filled:
    """u, v and what is covered: one span after the other, over what is there."""
    count, end = spans.count, np.cumsum(spans.count)
    number = np.arange(end[-1] if len(end) else 0)
    step = number - np.repeat(end - count, count)
    place = step + np.repeat(spans.begin, count)
    u, v = (np.full(pixels, -1, np.float32) for _ in range(2))
    for axis, values in enumerate((u, v)):
        grown = step * np.repeat(spans.step[:, axis], count)
        values[place] = np.repeat(spans.start[:, axis], count) + grown
    covered = np.zeros(pixels, np.bool_)
    covered[place] = True
    return u, v, covered


def _scan_lines(y: NDArray[np.float64], rows: range) -> tuple[Indices, NDArray[np.float64]]:
    """Pairs of triangle index and canvas row that it touches."""
    first = np.ceil(np.clip(_least(y) - SNAP, rows.start, rows.stop))
    last = np.floor(np.clip(_greatest(y) + SNAP, rows.start - 1, rows.stop - 1))
    count = np.maximum(0, last - first + 1).astype(np.int64)
    owner = np.repeat(np.arange(len(y)), count)
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return owner, np.take(first, owner) + step


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
