"""Mapping of world coordinates to tiles of a stack, and of tile-local coordinates to the world."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from asap_ingest.render_ws.coordinates.coordinate_candidates import (
    Candidates,
    Floats,
    TileId,
    find_candidates,
)
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.store.resolved_tiles import TransformLookup
from asap_ingest.render_ws.transforms.inverse import locals_of, with_z, worlds_of
from asap_ingest.render_ws.transforms.triangle_mesh import Indices
from asap_ingest.render_ws.wire.coordinate_entries import JsonObject, named, point_text
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import (
    IllegalArgumentError,
    IllegalStateError,
    NotFoundError,
    RequestError,
)
from asap_ingest.render_ws.wire.tile_rows import NO_ID, TileRow, counted

#: A tile spec with references resolved, or the reason why there is none.
TileOrError = JsonObject | RequestError
#: The entries of a point, one per tile, or the reason why there are none.
Outcome = list[JsonObject] | RequestError


@dataclass(frozen=True)
class PlacesInTiles:
    """World points of shape (n, 3) with the tiles of a stack that may hold them."""

    stack_id: StackId
    points: Floats
    candidates: Candidates
    tiles: Mapping[TileId, TileOrError]

    def outcomes(self) -> list[Outcome]:
        """The tiles at each point, by tile id, the last one visible.

        Returns
        -------
        list of (list of entries, or RequestError)
            IllegalArgumentError where there is no tile, IllegalStateError where no tile can be inverted, or
            the error of one of the tiles.
        """
        tile_ids = [self.candidates.tile_ids[number] for number in self.candidates.tiles.tolist()]
        locals_ = self._locals()
        return [
            self._outcome(tile_ids[pairs], locals_[pairs], point)
            for pairs, point in zip(
                self.candidates.by_point(len(self.points)), self.points.tolist(), strict=True
            )
        ]

    def _locals(self) -> list[Any]:
        """For each pair the local point as JSON, None where there is none, or the error of the tile."""
        answers: list[Any] = [None] * len(self.candidates.points)
        for tile_id, pairs in self.candidates.by_tile():
            try:
                tile = _usable(self.tiles[tile_id])
                points = locals_of(tile, self.points[self.candidates.points[pairs], :2])
            except RequestError as error:
                _put(answers, pairs, [error] * len(pairs))
                continue
            there = np.isfinite(points).all(axis=1)
            _put(answers, pairs[there], with_z(tile, points[there]))
        return answers

    def _outcome(self, tile_ids: list[TileId], answers: list[Any], point: Sequence[float]) -> Outcome:
        if not tile_ids:
            return IllegalArgumentError(f"{self.stack_id} has no tile at {point_text(point)}")
        for answer in answers:
            if isinstance(answer, RequestError):
                return answer
        usable = [pair for pair in zip(tile_ids, answers, strict=True) if pair[1] is not None]
        if not usable:
            names = ", ".join(map(str, tile_ids))
            return IllegalStateError(
                f"no tile of {self.stack_id} can be inverted at {point_text(point)}; those there are: {names}"
            )
        *below, (top, local) = usable
        return [
            *({**named(tile_id), "local": answer} for tile_id, answer in below),
            {**named(top), "visible": True, "local": local},
        ]


def _usable(tile: TileOrError) -> JsonObject:
    if isinstance(tile, RequestError):
        raise tile
    return tile


def _put(answers: list[Any], where: Indices, values: Sequence[Any]) -> None:
    for place, value in zip(where.tolist(), values, strict=True):
        answers[place] = value


def find_places(
    session: Session, stack_id: StackId, points: Sequence[Sequence[float]], count: Callable[[int], None]
) -> PlacesInTiles:
    """Read the tiles at points x, y, z; `count` is called with their bytes, and may raise."""
    array = np.array(points, np.float64).reshape(-1, 3)
    candidates = find_candidates(session, stack_id, array)
    tiles = find_tiles(session, stack_id, candidates.tile_ids, count)
    return PlacesInTiles(stack_id, array, candidates, tiles)


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


def tile_ids_at(session: Session, stack_id: StackId, points: Sequence[Sequence[float]]) -> list[list[TileId]]:
    """Ids of the tiles whose bounds hold points x, y, z, ascending."""
    array = np.array(points, np.float64).reshape(-1, 3)
    candidates = find_candidates(session, stack_id, array)
    tile_ids = [candidates.tile_ids[number] for number in candidates.tiles.tolist()]
    return [tile_ids[pairs] for pairs in candidates.by_point(len(array))]


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
