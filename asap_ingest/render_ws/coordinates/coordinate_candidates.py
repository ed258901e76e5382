"""Search for the tiles of a stack at points, by their bounds."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.transforms.triangle_locator import expanded
from asap_ingest.render_ws.transforms.triangle_mesh import Indices
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

TileId = str | bytes
Floats = NDArray[np.float64]

#: Pairs of points and tiles that are compared at once.
BLOCK = 2**20
#: Pairs in one answer, which take about 1 GB; tiles of real sections overlap few others.
MOST_PAIRS = 2**22


@dataclass(frozen=True)
class Candidates:
    """Pairs of a point and a tile whose bounds hold it.

    Attributes
    ----------
    points : ndarray of int64, shape (n,)
        Index of the point of each pair, ascending; the tiles of a point are in drawing order.
    tiles : ndarray of int64, shape (n,)
        Index of the tile of each pair in `tile_ids`.
    """

    points: Indices
    tiles: Indices
    tile_ids: list[TileId]

    def by_point(self, count: int) -> Iterator[slice]:
        """The pairs of each of `count` points."""
        ends = np.searchsorted(self.points, np.arange(count + 1)).tolist()
        return itertools.starmap(slice, itertools.pairwise(ends))

    def by_tile(self) -> Iterator[tuple[TileId, Indices]]:
        """The pairs of each tile."""
        return ((self.tile_ids[number], pairs) for number, pairs in _groups(self.tiles))


def find_candidates(session: Session, stack_id: StackId, points: Floats) -> Candidates:
    """Find the tiles of a stack at points of shape (n, 3); none if the stack does not exist.

    Raises
    ------
    IllegalArgumentError
        For more than `MOST_PAIRS` pairs of a point and a tile.
    """
    record = session.stack(stack_id)
    numbers: dict[TileId, int] = {}
    pairs = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for _, members in _groups(points[:, 2]):
        if record is None:
            break
        rows = session.tile_bounds(record.key, _surroundings(points[members]))
        boxes = np.array([tuple(row)[:4] for row in rows], np.float64).reshape(-1, 4)
        point, box = pairs_in_boxes(points[members, :2], boxes)
        wanted, inverse = np.unique(box, return_inverse=True)
        known = [numbers.setdefault(rows[number]["tileId"], len(numbers)) for number in wanted.tolist()]
        pairs.append((members[point], np.array(known, np.int64)[inverse]))
        _require_few(pairs)
    point, tile = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    # the pairs of a point come from one layer: sorting by point keeps its tiles in order
    order = np.argsort(point, kind="stable")
    return Candidates(point[order], tile[order], list(numbers))


def _require_few(pairs: Sequence[tuple[Indices, Indices]]) -> None:
    if sum(len(point) for point, _ in pairs) > MOST_PAIRS:
        raise IllegalArgumentError(
            f"more than {MOST_PAIRS} pairs of a point and a tile in one request: send fewer points"
        )


def _groups(keys: NDArray[Any]) -> Iterator[tuple[Any, Indices]]:
    """Distinct values ascending, each with its indices."""
    order = np.argsort(keys, kind="stable")
    values, starts = np.unique(keys[order], return_index=True)
    return zip(values.tolist(), np.split(order, starts[1:]), strict=False)


def _surroundings(points: Floats) -> TileFilter:
    """The tiles of one layer that may hold points of shape (n, 3)."""
    low, high = (fold.reduce(points, axis=0).tolist() for fold in (np.fmin, np.fmax))
    return TileFilter(z=low[2], min_x=low[0], max_x=high[0], min_y=low[1], max_y=high[1])


def pairs_in_boxes(points: Floats, boxes: Floats) -> tuple[Indices, Indices]:
    """Find the pairs of a point and a box that holds it, edges included.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
    boxes : ndarray, shape (m, 4)
        minX, minY, maxX, maxY.

    Returns
    -------
    two ndarrays of int64, shape (pairs,)
        Indices of points and of boxes, sorted by point and then by box.

    Raises
    ------
    IllegalArgumentError
        For more than `MOST_PAIRS` pairs.
    """
    order = np.argsort(points[:, 0], kind="stable")
    ascending = points[order]
    first = np.searchsorted(ascending[:, 0], boxes[:, 0], "left")
    end = np.maximum(first, np.searchsorted(ascending[:, 0], boxes[:, 2], "right"))
    pairs = [(np.zeros(0, np.int64), np.zeros(0, np.int64))]
    for some in _blocks(end - first):
        # a box is compared only with the few points between its left and right edge
        owner, point = expanded(first[some], end[some])
        corners = boxes[some][owner]
        inside = ((ascending[point] >= corners[:, :2]) & (ascending[point] <= corners[:, 2:])).all(axis=1)
        pairs.append((order[point[inside]], owner[inside] + some.start))
        _require_few(pairs)
    point, box = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    ranking = np.lexsort((box, point))
    return point[ranking], box[ranking]


def _blocks(counts: Indices) -> Iterator[slice]:
    """Slices of neighbours with a total count of at most `BLOCK`, or of a single one that exceeds it."""
    total = np.cumsum(counts)
    start = 0
    while start < len(counts):
        before = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + BLOCK, "right")))
        yield slice(start, stop)
        start = stop
