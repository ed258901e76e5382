"""Requests for tile specs, shared transforms and collections of both."""

from __future__ import annotations

from collections.abc import Sized
from typing import TypeVar

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import Call, created, json_bytes, json_list
from asap_ingest.render_ws.memory.limits import MOST_TILES
from asap_ingest.render_ws.memory.memory_budget import RequestMemory
from asap_ingest.render_ws.stacks.stack_states import require_data, require_loading, require_stack
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.store.resolved_tiles import (
    TransformLookup,
    accept,
    collection_json,
    transform_rows,
)
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError, NotFoundError
from asap_ingest.render_ws.wire.stack_records import StackRecord
from asap_ingest.render_ws.wire.tile_rows import TileRow, counted
from asap_ingest.render_ws.wire.tile_specs import read_resolved_tiles

Some = TypeVar("Some", bound=Sized)


def get_tile(call: Call) -> Response:
    """One tile spec as stored, references kept."""
    with call.service.store.reading() as session:
        return json_bytes(require_tile(session, call.stack_id, call.path["tile"])[1].spec)


def require_tile(session: Session, stack_id: StackId, tile_id: str) -> tuple[StackRecord, TileRow]:
    """Record of the stack and row of the tile; NotFoundError without one of them."""
    record = require_stack(session, stack_id)
    rows = session.tiles(record.key, TileFilter(tile_id=tile_id))
    if not rows:
        raise NotFoundError(f"tile '{tile_id}' does not exist in {stack_id}")
    return record, rows[0]


def get_transform(call: Call) -> Response:
    """One shared transform as stored."""
    stack_id, transform_id = call.stack_id, call.path["transform"]
    with call.service.store.reading() as session:
        content = session.transform(require_stack(session, stack_id).key, transform_id)
    if content is None:
        raise NotFoundError(f"transform '{transform_id}' does not exist in {stack_id}")
    return json_bytes(content)


def get_layer_tiles(call: Call) -> Response:
    """Flattened tile specs of a layer, by tile id."""
    with call.service.store.reading() as session:
        record, rows = layer_rows(session, call)
        lookup = TransformLookup(session, record.key, call.memory.count_read)
        return json_list(call, (lookup.flattened_json(row) for row in rows))


def layer_rows(session: Session, call: Call) -> tuple[StackRecord, list[TileRow]]:
    """Record of the stack and the tiles of a layer; IllegalArgumentError without tiles or for too many."""
    record, z = require_data(session, call.stack_id), call.path["z"]
    return record, required(record, z, limited_tiles(session, record, TileFilter(z=z), call.memory))


def required(record: StackRecord, z: float, tiles: Some) -> Some:
    """The tiles of a layer; IllegalArgumentError without any."""
    if not tiles:
        raise IllegalArgumentError(f"{record.stack_id} has no tiles at z {z}")
    return tiles


def limited_tiles(
    session: Session, record: StackRecord, which: TileFilter, memory: RequestMemory
) -> list[TileRow]:
    """The tiles; IllegalArgumentError when they are more than one answer may hold, by number or bytes."""
    rows = [*counted(session.each_tile(record.key, which, MOST_TILES + 1), memory.count_read)]
    if len(rows) > MOST_TILES:
        raise IllegalArgumentError(f"more than {MOST_TILES} tiles of {record.stack_id} asked for at once")
    return rows


def get_tiles_with_ids(call: Call) -> Response:
    """Flattened specs of the tiles with the ids in the body; `[]` without stack."""
    tile_ids, stack_id = call.texts(), call.stack_id
    if tile_ids is None:
        raise IllegalStateError(f"no tile ids given for {stack_id}")
    with call.service.store.reading() as session:
        record = session.stack(stack_id)
        if record is None:
            return json_list(call, [])
        lookup = TransformLookup(session, record.key, call.memory.count_read)
        rows = session.each_with_ids(record.key, tile_ids)
        return json_list(call, (lookup.flattened_json(row) for row in rows))


def get_layer_collection(call: Call) -> Response:
    """Tiles of a layer and the transforms they refer to."""
    return _collection(call, TileFilter(z=call.path["z"]))


def get_collection(call: Call) -> Response:
    """Tiles of the stack, filtered, and the transforms they refer to."""
    query = call.query
    return _collection(
        call,
        TileFilter(
            min_z=query.double("minZ"),
            max_z=query.double("maxZ"),
            min_x=query.double("minX"),
            max_x=query.double("maxX"),
            min_y=query.double("minY"),
            max_y=query.double("maxY"),
            group_id=query.text("groupId"),
        ),
    )


def _collection(call: Call, which: TileFilter) -> Response:
    with call.service.store.reading() as session:
        record = require_data(session, call.stack_id)
        rows = limited_tiles(session, record, which, call.memory)
        if not rows:
            raise NotFoundError(f"{record.stack_id} has no such tiles")
        lookup = TransformLookup(session, record.key, call.memory.count_read)
        return json_bytes(collection_json(rows, lookup))


def put_collection(call: Call) -> Response:
    """Store tiles and shared transforms: all of them or, with an error, none."""
    value, stack_id, store = call.json(), call.stack_id, call.service.store
    sent = None if value is None else read_resolved_tiles(value)
    if sent is None:
        raise IllegalArgumentError(f"no resolved tiles given for {stack_id}")
    with store.reading() as session:
        require_loading(session, stack_id)
    rows = accept(sent, call.query.flag("deriveData") is True, call.path.get("z"))
    with store.writing() as session:
        key = require_loading(session, stack_id).key
        session.put_transforms(key, transform_rows(sent.shared))
        session.put_tiles(key, rows)
    return created(call)
