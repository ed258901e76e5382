"""Requests that map points between tiles and the world."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import JSON, Call, json_answer
from asap_ingest.render_ws.http.path_patterns import LAYER, OWNER, STACK, TILE
from asap_ingest.render_ws.http.query_parameters import declared, read_query
from asap_ingest.render_ws.http.resources import Operation
from asap_ingest.render_ws.pictures.image_requests import checked_id
from asap_ingest.render_ws.store.resolved_tiles import TransformLookup
from asap_ingest.render_ws.tiles.tile_requests import require_tile
from asap_ingest.render_ws.wire.coordinate_entries import (
    Entry,
    JsonObject,
    ReadPoints,
    failed,
    position,
    read_entries,
    read_points,
    with_tile,
)
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError, RequestError
from asap_ingest.render_ws.wire.tile_specs import read_tile

if TYPE_CHECKING:
    from asap_ingest.render_ws.coordinates.coordinate_search import Outcome

POINT = "{x:double},{y:double}"
TO_STACK_QUERY = declared(toOwner="text", toProject="text")
MESH_QUERY = declared(meshCellSize="double")


def get_world(call: Call) -> Response:
    """A point of a tile in the world."""
    return json_answer(_in_world(call, call.stack_id, call.path["tile"], [call.path["x"], call.path["y"]]))


def _in_world(call: Call, stack_id: StackId, tile_id: str, local: list[float]) -> JsonObject:
    with call.service.store.reading() as session:
        record, row = require_tile(session, stack_id, tile_id)
        tile = TransformLookup(session, record.key, call.memory.count_read).flattened(row)
    return {"tileId": tile_id, "world": _world_of_point(tile, local)}


def _world_of_point(tile: JsonObject, local: list[float]) -> list[float | str]:
    import numpy as np

    from asap_ingest.render_ws.transforms.inverse import with_z, worlds_of

    return with_z(tile, worlds_of(tile, np.array([local])))[0]


def get_locals(call: Call) -> Response:
    """A point of the world in the tiles there."""
    return json_answer(_in_tiles(call))


def _in_tiles(call: Call) -> list[JsonObject]:
    from asap_ingest.render_ws.coordinates.coordinate_search import find_places

    stack_id = call.stack_id
    with call.service.store.reading() as session:
        places = find_places(session, stack_id, [[call.path[axis] for axis in "xyz"]], call.memory.count_read)
    (outcome,) = places.outcomes()
    if isinstance(outcome, RequestError):
        raise outcome
    return outcome


def get_mapped(call: Call) -> Response:
    """A point of the world where another stack has it: through the tile that is seen there."""
    path, names = call.path, read_query(call.query, TO_STACK_QUERY)
    target = StackId(
        names["toOwner"] or path["owner"], names["toProject"] or path["project"], path["target"]
    ).checked()
    seen = _in_tiles(call)[-1]
    if "tileId" not in seen:
        point = position([path[axis] for axis in "xyz"])
        raise IllegalArgumentError(
            f"the tile of {call.stack_id} at {point} has no id to find it by in {target}"
        )
    return json_answer(
        _in_world(call, target, seen["tileId"], [float(number) for number in seen["local"][:2]])
    )


def put_locals(call: Call) -> Response:
    """Points of tiles in the world, in the order of the entries."""
    from asap_ingest.render_ws.coordinates.coordinate_search import find_tiles, worlds_in_tiles

    entries, stack_id = read_entries(call.json()), checked_id(call)
    read = read_points(entries, "local", 2)
    tile_ids = [entry["tileId"] for place in read.places if (entry := entries[place]) is not None]
    with call.service.store.reading() as session:
        tiles = find_tiles(session, stack_id, tile_ids, call.memory.count_read)
    answers = _answers(entries, read, worlds_in_tiles(tiles, tile_ids, read.points, stack_id))
    return json_answer([answer for (answer,) in answers])


def put_worlds(call: Call) -> Response:
    """Points of the world in the tiles there: a list for each entry."""
    from asap_ingest.render_ws.coordinates.coordinate_search import find_places

    entries, stack_id = read_entries(call.json()), checked_id(call)
    read = _read_worlds(call, entries)
    with call.service.store.reading() as session:
        places = find_places(session, stack_id, read.points, call.memory.count_read)
    return json_answer(_answers(entries, read, places.outcomes()))


def _read_worlds(call: Call, entries: Sequence[Entry]) -> ReadPoints:
    """Points x, y, z: z from the path or, without one there, from the entry."""
    if "z" not in call.path:
        return read_points(entries, "world", 3)
    read = read_points(entries, "world", 2)
    return ReadPoints(read.places, [[*point, call.path["z"]] for point in read.points], read.problems)


def _answers(
    entries: Sequence[Entry], read: ReadPoints, outcomes: Sequence[Outcome]
) -> list[list[JsonObject]]:
    outcome_of: dict[int, Outcome] = dict(zip(read.places, outcomes, strict=True))
    return [
        _answer(entry, outcome_of.get(place), read.problems.get(place)) for place, entry in enumerate(entries)
    ]


def _answer(entry: Entry, outcome: Outcome | None, problem: str | None) -> list[JsonObject]:
    if outcome is None or isinstance(outcome, RequestError):
        return [failed(entry, problem or str(outcome))]
    return outcome


def put_tile_ids(call: Call) -> Response:
    """The entries once for each tile whose box holds the point, with its id; without one as they are."""
    from asap_ingest.render_ws.coordinates.coordinate_search import tile_ids_at

    entries, stack_id = read_entries(call.json()), call.stack_id
    read = _read_worlds(call, entries)
    for place, problem in read.problems.items():
        raise IllegalStateError(f"entry {place} cannot be used: {problem}")
    with call.service.store.reading() as session:
        found = tile_ids_at(session, stack_id, read.points)
    return json_answer(
        [
            [with_tile(entry or {}, tile_id) for tile_id in tile_ids] or [entry]
            for entry, tile_ids in zip(entries, found, strict=True)
        ]
    )


def put_tile_for_world(call: Call) -> Response:
    """A point of the tile in the body in the world."""
    return json_answer(_world_of_point(_tile_of(call), [call.path["x"], call.path["y"]]))


def put_tile_for_local(call: Call) -> Response:
    """A point of the world in the tile in the body; IllegalStateError where there is no way back."""
    import numpy as np

    from asap_ingest.render_ws.transforms.inverse import locals_of, with_z

    tile, point = _tile_of(call), [call.path["x"], call.path["y"]]
    local = locals_of(tile, np.array([point]), read_query(call.query, MESH_QUERY)["meshCellSize"])
    if not np.isfinite(local).all():
        raise IllegalStateError(f"tile '{tile.get('tileId')}' cannot be inverted at {position(point)}")
    return json_answer(with_z(tile, local)[0])


def _tile_of(call: Call) -> JsonObject:
    value = call.json()
    if value is None:
        raise IllegalStateError("no tile spec given")
    return read_tile(value)


#: (path, what points are mapped from entries there)
_FOR_ENTRIES = (
    ("local-to-world-coordinates", put_locals),
    ("world-to-local-coordinates", put_worlds),
    ("tileIdsForCoordinates", put_tile_ids),
)
COORDINATE_OPERATIONS = (
    Operation("GET", f"{TILE}/local-to-world-coordinates/{POINT}", get_world),
    Operation("GET", f"{LAYER}/world-to-local-coordinates/{POINT}", get_locals),
    Operation(
        "GET",
        f"{LAYER}/world-coordinates/{POINT}/mapped-to-stack/{{target}}",
        get_mapped,
        query=TO_STACK_QUERY,
    ),
    *(
        Operation("PUT", f"{place}/{name}", handler, JSON, JSON, body="Coordinates")
        for name, handler in _FOR_ENTRIES
        for place in (STACK, LAYER)
    ),
    Operation(
        "PUT", f"{OWNER}/local-to-world-coordinates/{POINT}", put_tile_for_world, JSON, JSON, body="Tile"
    ),
    Operation(
        "PUT",
        f"{OWNER}/world-to-local-coordinates/{POINT}",
        put_tile_for_local,
        JSON,
        JSON,
        query=MESH_QUERY,
        body="Tile",
    ),
)
