"""Mapping of world coordinates to tiles of a stack, and of tile-local coordinates to the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.store.resolved_tiles import TransformLookup
from asap_ingest.render_ws.transforms.inverse import locals_of, with_z, worlds_of
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
#: A tile spec with references resolved, or the reason why there is none.
TileOrError = JsonObject | RequestError
#: The entries of a point, one per tile, or the reason why there are none.
Outcome = list[JsonObject] | RequestError

#: Pairs of a point and a tile in one answer: about 1 GB; tiles of real sections overlap few others.
MOST_PAIRS = 2**22


def points_in_boxes(points: Floats, boxes: Floats) -> Iterator[tuple[int, Indices]]:
    """Find the boxes that hold points, edges included.

    Parameters
    ----------
    points : ndarray, shape (n, 2)
    boxes : ndarray, shape (m, 4)
        minX, minY, maxX, maxY.

    Yields
    ------
    pair of int and ndarray of int64
        Index of a box, and those of its points, ascending.
    """
    order = np.argsort(points[:, 0], kind="stable")
    # a box is compared only with the few points between its left and right edge
    across = points[order, 0]
    first, end = np.searchsorted(across, boxes[:, 0], "left"), np.searchsorted(across, boxes[:, 2], "right")
    for number in np.flatnonzero(first < end).tolist():
        near, box = np.sort(order[first[number] : end[number]]), boxes[number]
        inside = ((points[near] >= box[:2]) & (points[near] <= box[2:])).all(axis=1)
        if inside.any():
            yield number, near[inside]


def tiles_at(session: Session, stack_id: StackId, points: Floats) -> list[tuple[TileId, Indices]]:
    """Find the tiles of a stack whose bounds hold points of shape (n, 3), by tile id in each layer.

    Returns
    -------
    list of (tile id, indices of its points)
        Empty if the stack does not exist.

    Raises
    ------
    IllegalArgumentError
        For more than `MOST_PAIRS` pairs of a point and a tile.
    """
    record = session.stack(stack_id)
    held: list[tuple[TileId, Indices]] = []
    if record is None or not len(points):
        return held
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
            held.append((rows[number]["tileId"], layer[inside]))
    return held


def _surroundings(points: Floats) -> TileFilter:
    """The tiles of one layer that may hold points of shape (n, 3)."""
    low, high = (fold.reduce(points, axis=0).tolist() for fold in (np.fmin, np.fmax))
    return TileFilter(z=low[2], min_x=low[0], max_x=high[0], min_y=low[1], max_y=high[1])


def tile_ids_at(session: Session, stack_id: StackId, points: Sequence[Sequence[float]]) -> list[list[TileId]]:
    """Ids of the tiles whose bounds hold points x, y, z, ascending."""
    tile_ids: list[list[TileId]] = [[] for _ in points]
    for tile_id, which in tiles_at(session, stack_id, np.array(points, np.float64).reshape(-1, 3)):
        for place in which.tolist():
            tile_ids[place].append(tile_id)
    return tile_ids


@dataclass(frozen=True)
class PlacesInTiles:
    """World points of shape (n, 3), and the tiles of a stack that may hold them, as of `tiles_at`."""

    stack_id: StackId
    points: Floats
    held: list[tuple[TileId, Indices]]
    tiles: Mapping[TileId, TileOrError]

    def outcomes(self) -> list[Outcome]:
        """The tiles at each point, by tile id, the last one visible.

        Returns
        -------
        list of (list of entries, or RequestError)
            IllegalArgumentError where there is no tile, IllegalStateError where no tile can be inverted, or
            the error of one of the tiles.
        """
        answers: list[list[tuple[TileId, Any]]] = [[] for _ in self.points]
        for tile_id, which in self.held:
            locals_ = self._locals(tile_id, self.points[which, :2])
            for place, local in zip(which.tolist(), locals_, strict=True):
                answers[place].append((tile_id, local))
        return [self._outcome(*pair) for pair in zip(answers, self.points.tolist(), strict=True)]

    def _locals(self, tile_id: TileId, points: Floats) -> list[Any]:
        """The points in a tile as JSON, None where there is none, or the error of the tile for each."""
        try:
            tile = _usable(self.tiles[tile_id])
            local = locals_of(tile, points)
        except RequestError as error:
            return [error] * len(points)
        there = np.isfinite(local[:, 0]) & np.isfinite(local[:, 1])
        local[~there] = 0.0
        pairs = zip(with_z(tile, local), there.tolist(), strict=True)
        return [point if is_there else None for point, is_there in pairs]

    def _outcome(self, answers: list[tuple[TileId, Any]], point: Sequence[float]) -> Outcome:
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


def _usable(tile: TileOrError) -> JsonObject:
    if isinstance(tile, RequestError):
        raise tile
    return tile


def find_places(
    session: Session, stack_id: StackId, points: Sequence[Sequence[float]], count: Callable[[int], None]
) -> PlacesInTiles:
    """Read the tiles at points x, y, z; `count` is called with their bytes, and may raise."""
    array = np.array(points, np.float64).reshape(-1, 3)
    held = tiles_at(session, stack_id, array)
    tiles = find_tiles(session, stack_id, (tile_id for tile_id, _ in held), count)
    return PlacesInTiles(stack_id, array, held, tiles)


def find_tiles(
    session: Session, stack_id: StackId, tile_ids: Iterable[TileId], count: Callable[[int], None]
) -> dict[TileId, TileOrError]:
    """Read tile specs by id, with references resolved; an error in place of a spec that refers to nothing.

    `count` is called with their bytes, and may raise.
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


def worlds_in_tiles(
    tiles: Mapping[TileId, TileOrError],
    tile_ids: Sequence[str],
    points: Sequence[Sequence[float]],
    stack_id: StackId,
) -> list[Outcome]:
    """Map points x, y of tiles to the world: one entry each, or the error of its tile."""
    outcomes: list[Outcome] = [[] for _ in points]
    members: dict[str, list[int]] = {}
    for place, tile_id in enumerate(tile_ids):
        members.setdefault(tile_id, []).append(place)
    array = np.array(points, np.float64).reshape(-1, 2)
    for tile_id, places in members.items():
        tile = tiles.get(tile_id, NotFoundError(f"tile '{tile_id}' does not exist in {stack_id}"))
        for place, outcome in zip(places, _worlds_in_tile(tile, tile_id, array[places]), strict=True):
            outcomes[place] = outcome
    return outcomes


def _worlds_in_tile(tile: TileOrError, tile_id: str, points: Floats) -> list[Outcome]:
    try:
        spec = _usable(tile)
        return [[{"tileId": tile_id, "world": world}] for world in with_z(spec, worlds_of(spec, points))]
    except RequestError as error:
        return [error] * len(points)
