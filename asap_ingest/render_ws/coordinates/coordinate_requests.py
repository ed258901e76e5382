"""Requests that map coordinates between tiles and the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asap_ingest.render_ws.coordinates.coordinate_search import (
    Outcome,
    read_tiles,
    read_tiles_at,
    tile_ids_at,
    world_outcomes,
)
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import LAYER, OWNER, STACK, TILE, Operations
from asap_ingest.render_ws.http.queries import Query
from asap_ingest.render_ws.pictures.picture_requests import checked_id
from asap_ingest.render_ws.tiles.tile_requests import require_tile, transforms_of
from asap_ingest.render_ws.transforms.inverse import to_local, to_world, with_z
from asap_ingest.render_ws.wire.coordinate_entries import (
    Entry,
    JsonObject,
    ReadPoints,
    failed,
    point_text,
    read_entries,
    read_points,
    with_tile,
)
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError, RequestError
from asap_ingest.render_ws.wire.tile_specs import read_tile

POINT = "{x:double},{y:double}"
COORDINATE_OPERATIONS = Operations("Coordinates")
answers = COORDINATE_OPERATIONS.answers


@answers("GET", f"{TILE}/local-to-world-coordinates/{POINT}")
def get_world(call: Call) -> JsonObject:
    """Map a tile-local point to world coordinates."""
    return _in_world(call, call.stack_id, call.path["tile"], [call.path["x"], call.path["y"]])


def _in_world(call: Call, stack_id: StackId, tile_id: str, local: list[float]) -> JsonObject:
    with call.reading() as session:
        record, row = require_tile(session, stack_id, tile_id)
        tile = transforms_of(session, record, call).flattened(row)
    return {"tileId": tile_id, "world": _world_of_point(tile, local)}


def _world_of_point(tile: JsonObject, local: list[float]) -> list[float | str]:
    return with_z(tile, to_world(tile, np.array([local])))[0]


@answers("GET", f"{LAYER}/world-to-local-coordinates/{POINT}")
def get_locals(call: Call) -> list[JsonObject]:
    """Map a world point to local coordinates of the tiles that hold it."""
    return _in_tiles(call)


def _in_tiles(call: Call) -> list[JsonObject]:
    stack_id = call.stack_id
    with call.reading() as session:
        tiles = read_tiles_at(
            session, stack_id, [[call.path[axis] for axis in "xyz"]], call.memory.count_read
        )
    (outcome,) = tiles.outcomes()
    if isinstance(outcome, RequestError):
        raise outcome
    return outcome


@dataclass(frozen=True)
class TargetQuery(Query):
    """Owner and project of the target stack; by default those of the source."""

    to_owner: str | None = None
    to_project: str | None = None


@answers("GET", f"{LAYER}/world-coordinates/{POINT}/mapped-to-stack/{{target}}", query=TargetQuery)
def get_mapped(call: Call) -> JsonObject:
    """Map a world point to world coordinates of another stack, by the tile that is visible there."""
    path, query = call.path, call.query
    target = StackId(
        query.to_owner or path["owner"], query.to_project or path["project"], path["target"]
    ).checked()
    visible = _in_tiles(call)[-1]
    if "tileId" not in visible:
        point = point_text([path[axis] for axis in "xyz"])
        raise IllegalArgumentError(
            f"the tile of {call.stack_id} at {point} has no id, so it cannot be found in {target}"
        )
    return _in_world(call, target, visible["tileId"], [float(number) for number in visible["local"][:2]])


def _entries(call: Call) -> list[Entry]:
    entries: list[Entry] | None = call.json()
    if entries is None:
        raise IllegalStateError("no coordinates given: a list of entries is needed")
    return entries


@answers("PUT", f"{STACK}/local-to-world-coordinates", body=read_entries)
@answers("PUT", f"{LAYER}/local-to-world-coordinates", body=read_entries)
def put_locals(call: Call) -> list[JsonObject]:
    """Map tile-local points to world coordinates."""
    entries, stack_id = _entries(call), checked_id(call)
    read = read_points(entries, "local", 2)
    tile_ids = [entry["tileId"] for index in read.indices if (entry := entries[index]) is not None]
    with call.reading() as session:
        tiles = read_tiles(session, stack_id, tile_ids, call.memory.count_read)
    outcomes = world_outcomes(tiles, tile_ids, read.points, stack_id)
    return [result for (result,) in _answers(entries, read, outcomes)]


@answers("PUT", f"{STACK}/world-to-local-coordinates", body=read_entries)
@answers("PUT", f"{LAYER}/world-to-local-coordinates", body=read_entries)
def put_worlds(call: Call) -> list[list[JsonObject]]:
    """Map world points to local coordinates of the tiles that hold them: a list for each point."""
    entries, stack_id = _entries(call), checked_id(call)
    read = _read_worlds(call, entries)
    with call.reading() as session:
        tiles = read_tiles_at(session, stack_id, read.points, call.memory.count_read)
    return _answers(entries, read, tiles.outcomes())


def _read_worlds(call: Call, entries: Sequence[Entry]) -> ReadPoints:
    """Points x, y, z of entries; z is that of the path, if it has one."""
    if "z" not in call.path:
        return read_points(entries, "world", 3)
    read = read_points(entries, "world", 2)
    return ReadPoints(read.indices, [[*point, call.path["z"]] for point in read.points], read.problems)


def _answers(
    entries: Sequence[Entry], read: ReadPoints, outcomes: Sequence[Outcome]
) -> list[list[JsonObject]]:
    """For each entry of the request a list: its outcome or, if it failed, the entry itself with the error."""
    results: dict[int, Outcome | str] = {**read.problems, **dict(zip(read.indices, outcomes, strict=True))}
    return [
        result if isinstance(result := results[index], list) else [failed(entry, str(result))]
        for index, entry in enumerate(entries)
    ]


@answers("PUT", f"{STACK}/tileIdsForCoordinates", body=read_entries)
@answers("PUT", f"{LAYER}/tileIdsForCoordinates", body=read_entries)
def put_tile_ids(call: Call) -> list[list[Entry]]:
    """Find the tiles whose bounds hold world points: each entry once for every tile, with its id."""
    entries, stack_id = _entries(call), call.stack_id
    read = _read_worlds(call, entries)
    for index, problem in read.problems.items():
        raise IllegalStateError(f"entry {index} cannot be used: {problem}")
    with call.reading() as session:
        all_ids = tile_ids_at(session, stack_id, read.points)
    return [
        [with_tile(entry or {}, tile_id) for tile_id in tile_ids] or [entry]
        for entry, tile_ids in zip(entries, all_ids, strict=True)
    ]


@answers("PUT", f"{OWNER}/local-to-world-coordinates/{POINT}", body=read_tile)
def put_tile_for_world(call: Call) -> list[float | str]:
    """Map a local point of the tile in the body to world coordinates."""
    return _world_of_point(_tile_of(call), [call.path["x"], call.path["y"]])


@dataclass(frozen=True)
class MeshQuery(Query):
    """Cell size of the mesh that inverts transforms; by default that of the tile."""

    mesh_cell_size: float | None = None


@answers("PUT", f"{OWNER}/world-to-local-coordinates/{POINT}", query=MeshQuery, body=read_tile)
def put_tile_for_local(call: Call) -> list[float | str]:
    """Map a world point to local coordinates of the tile in the body.

    Raises
    ------
    IllegalStateError
        If the transforms of the tile cannot be inverted there.
    """
    tile, point = _tile_of(call), [call.path["x"], call.path["y"]]
    local = to_local(tile, np.array([point]), call.query.mesh_cell_size)
    if not np.isfinite(local).all():
        raise IllegalStateError(f"tile '{tile.get('tileId')}' cannot be inverted at {point_text(point)}")
    return with_z(tile, local)[0]


def _tile_of(call: Call) -> JsonObject:
    tile: JsonObject | None = call.json()
    if tile is None:
        raise IllegalStateError("no tile spec given")
    return tile
