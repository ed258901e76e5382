"""Mapping of world coordinates to tiles of a stack, and of local coordinates of tiles to the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.store.resolved_tiles import TransformLookup
from asap_ingest.render_ws.transforms.inverse import to_local, to_world, with_z
from asap_ingest.render_ws.transforms.triangle_mesh import Indices
from asap_ingest.render_ws.wire.coordinate_entries import JsonObject, point_text, tile_field
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import (
    IllegalArgumentError,
    IllegalStateError,
    NotFoundError,
    RequestError,
)
from asap_ingest.render_ws.wire.tile_rows import NO_ID, TileRow, counted

Floats = NDArray[np.float64]
TileId = str | bytes
#: A tile spec with references resolved, or the error of resolving them.
TileOrError = JsonObject | RequestError
#: The entries in the answer for a point, one per tile, or the error why there are none.
Outcome = list[JsonObject] | RequestError

#: Pairs of a point and a tile in one answer, about 1 GB. Tiles of real sections overlap few others.
MOST_PAIRS = 2**22


def points_in_boxes(points: Floats, boxes: Floats) -> Iterator[tuple[int, Indices]]:
    """Find the points in each of some boxes, edges included.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
        x and y.
    boxes : ndarray, shape (m, 4)
        minX, minY, maxX, maxY.

    Yields
    ------
    pair of int and ndarray of int64
        Index of a box that has points, and the indices of these, ascending.
    """
    order = np.argsort(points[:, 0], kind="stable")
    # in order of x, a box is compared only with the few points between its left and right edges
    across = points[order, 0]
    first, end = np.searchsorted(across, boxes[:, 0], "left"), np.searchsorted(across, boxes[:, 2], "right")
    for number in np.flatnonzero(first < end).tolist():
        near, box = np.sort(order[first[number] : end[number]]), boxes[number]
        inside = ((points[near] >= box[:2]) & (points[near] <= box[2:])).all(axis=1)
        if inside.any():
            yield number, near[inside]


def tiles_at(session: Session, stack_id: StackId, points: Floats) -> list[tuple[TileId, Indices]]:
    """Find the tiles of a stack whose bounds hold points x, y, z, shape (n, 3).

    Returns
    -------
    list of (tile id, indices of its points)
        Layer by layer, in each by tile id. Empty if the stack does not exist.

    Raises
    ------
    IllegalArgumentError
        For more than `MOST_PAIRS` pairs of a point and a tile.
    """
    record = session.stack(stack_id)
    hits: list[tuple[TileId, Indices]] = []
    if record is None or not len(points):
        return hits
    pairs = 0
    by_z = np.argsort(points[:, 2], kind="stable")
    _, starts = np.unique(points[by_z, 2], return_index=True)
    for layer in np.split(by_z, starts[1:]):
        rows = session.tile_bounds(record.key, _surroundings(points[layer]))
        boxes = np.array([tuple(row)[:4] for row in rows], np.float64).reshape(-1, 4)
        for number, inside in points_in_boxes(points[layer, :2], boxes):
            pairs += len(inside)
            if pairs > MOST_PAIRS:
                raise IllegalArgumentError(
                    f"more than {MOST_PAIRS} pairs of a point and a tile in one request: send fewer points"
                )
            hits.append((rows[number]["tileId"], layer[inside]))
    return hits


def _surroundings(points: Floats) -> TileFilter:
    """The tiles of a layer that meet the bounds of its points x, y, z, shape (n, 3)."""
    low, high = (fold.reduce(points, axis=0).tolist() for fold in (np.fmin, np.fmax))
    return TileFilter(z=low[2], min_x=low[0], max_x=high[0], min_y=low[1], max_y=high[1])


def tile_ids_at(session: Session, stack_id: StackId, points: Sequence[Sequence[float]]) -> list[list[TileId]]:
    """The ids of the tiles whose bounds hold each point x, y, z: a list per point, ascending."""
    tile_ids: list[list[TileId]] = [[] for _ in points]
    for tile_id, indices in tiles_at(session, stack_id, np.array(points, np.float64).reshape(-1, 3)):
        for index in indices.tolist():
            tile_ids[index].append(tile_id)
    return tile_ids


@dataclass(frozen=True)
class TilesAtPoints:
    """World points, and the specs of the tiles whose bounds hold them: all that local coordinates need.

    Attributes
    ----------
    points : ndarray, shape (n, 3)
        x, y, z.
    indices : list of (tile id, indices of its points)
        As of `tiles_at`.
    """

    stack_id: StackId
    points: Floats
    indices: list[tuple[TileId, Indices]]
    tiles: Mapping[TileId, TileOrError]

    def outcomes(self) -> list[Outcome]:
        """Map each point to local coordinates of its tiles.

        Returns
        -------
        list of (list of entries, or RequestError)
            Entries by tile id, of which the last is visible. IllegalArgumentError for a point without a tile,
            IllegalStateError if none of its tiles can be inverted there, or the error of one of its tiles.
        """
        answers: list[list[tuple[TileId, Any]]] = [[] for _ in self.points]
        for tile_id, indices in self.indices:
            local_points = self._local_points(tile_id, self.points[indices, :2])
            for index, local in zip(indices.tolist(), local_points, strict=True):
                answers[index].append((tile_id, local))
        return [self._outcome(*pair) for pair in zip(answers, self.points.tolist(), strict=True)]

    def _local_points(self, tile_id: TileId, points: Floats) -> list[Any]:
        """For each point its JSON in a tile, None where the tile cannot be inverted, or the tile's error."""
        try:
            tile = _without_error(self.tiles[tile_id])
            local = to_local(tile, points)
        except RequestError as error:
            return [error] * len(points)
        inverted = np.isfinite(local[:, 0]) & np.isfinite(local[:, 1])
        local[~inverted] = 0.0  # numbers that are all finite are turned into JSON at once
        pairs = zip(with_z(tile, local), inverted.tolist(), strict=True)
        return [point if is_inverted else None for point, is_inverted in pairs]

    def _outcome(self, answers: list[tuple[TileId, Any]], point: Sequence[float]) -> Outcome:
        """The outcome of a point from its answer in each tile, as of `_local_points`."""
        if not answers:
            return IllegalArgumentError(f"{self.stack_id} has no tile at {point_text(point)}")
        for _, answer in answers:
            if isinstance(answer, RequestError):
                return answer
        usable = [pair for pair in answers if pair[1] is not None]
        if not usable:
            names = ", ".join(str(tile_id) for tile_id, _ in answers)
            return IllegalStateError(
                f"no tile of {self.stack_id} can be inverted at {point_text(point)}; those there are: {names}"
            )
        *below, (top, local) = usable
        return [
            *({**tile_field(tile_id), "local": answer} for tile_id, answer in below),
            {**tile_field(top), "visible": True, "local": local},
        ]


def _without_error(tile: TileOrError) -> JsonObject:
    if isinstance(tile, RequestError):
        raise tile
    return tile


def read_tiles_at(
    session: Session, stack_id: StackId, points: Sequence[Sequence[float]], count: Callable[[int], None]
) -> TilesAtPoints:
    """Read the tiles at points x, y, z; `count` is called with the bytes that are read, and may raise."""
    array = np.array(points, np.float64).reshape(-1, 3)
    indices = tiles_at(session, stack_id, array)
    tiles = read_tiles(session, stack_id, (tile_id for tile_id, _ in indices), count)
    return TilesAtPoints(stack_id, array, indices, tiles)


def read_tiles(
    session: Session, stack_id: StackId, tile_ids: Iterable[TileId], count: Callable[[int], None]
) -> dict[TileId, TileOrError]:
    """Read the specs of existing tiles, by tile id, with references resolved, or the error of resolving them.

    `count` is called with the bytes that are read, and may raise.
    """
    record = session.stack(stack_id)
    if record is None:
        return {}
    wanted = set(tile_ids)
    rows: Iterator[TileRow] = session.each_with_ids(
        record.key, [name for name in wanted if isinstance(name, str)]
    )
    if NO_ID in wanted:
        rows = chain(rows, session.each_tile(record.key, TileFilter(tile_id=NO_ID)))
    lookup = TransformLookup(session, record.key, count)
    return {row.tile_id: _flattened(lookup, row) for row in counted(rows, count)}


def _flattened(lookup: TransformLookup, row: TileRow) -> TileOrError:
    try:
        return lookup.flattened(row)
    except RequestError as error:
        return error


def world_outcomes(
    tiles: Mapping[TileId, TileOrError],
    tile_ids: Sequence[str],
    points: Sequence[Sequence[float]],
    stack_id: StackId,
) -> list[Outcome]:
    """Map point i (x, y in the tile `tile_ids[i]`) to the world: one entry each, or the error of its tile."""
    outcomes: list[Outcome] = [[] for _ in points]
    of_tile: dict[str, list[int]] = {}
    for index, tile_id in enumerate(tile_ids):
        of_tile.setdefault(tile_id, []).append(index)
    array = np.array(points, np.float64).reshape(-1, 2)
    for tile_id, indices in of_tile.items():
        tile = tiles.get(tile_id, NotFoundError(f"tile '{tile_id}' does not exist in {stack_id}"))
        for index, outcome in zip(indices, _outcomes_of_tile(tile, tile_id, array[indices]), strict=True):
            outcomes[index] = outcome
    return outcomes


def _outcomes_of_tile(tile: TileOrError, tile_id: str, points: Floats) -> list[Outcome]:
    try:
        spec = _without_error(tile)
        return [[{"tileId": tile_id, "world": world}] for world in with_z(spec, to_world(spec, points))]
    except RequestError as error:
        return [error] * len(points)
