"""Requests for tile specs, shared transforms and collections of both."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass
from typing import Any, TypeVar

from asap_ingest.render_ws.drawing.channels import source_urls, tile_channels
from asap_ingest.render_ws.http.answers import TEXT, json_list
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import LAYER, STACK, TILE, Operations
from asap_ingest.render_ws.http.queries import Query, ZRange
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
from asap_ingest.render_ws.transforms.specs import build
from asap_ingest.render_ws.wire.java_numbers import json_double
from asap_ingest.render_ws.wire.json_types import double, dump, list_reader, text
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError, NotFoundError
from asap_ingest.render_ws.wire.stack_records import StackRecord
from asap_ingest.render_ws.wire.tile_rows import TileRow, counted, tile_row
from asap_ingest.render_ws.wire.tile_specs import read_resolved_tiles

Tiles = TypeVar("Tiles", bound=Sized)
TILE_OPERATIONS = Operations("Tiles and transforms")
answers, stores = TILE_OPERATIONS.answers, TILE_OPERATIONS.stores
read_ids = list_reader(text)


def transforms_of(session: Session, record: StackRecord, call: Call) -> TransformLookup:
    """The shared transforms of a stack; their bytes count as read for this request."""
    return TransformLookup(session, record.key, call.memory.count_read)


@answers("GET", TILE)
def get_tile(call: Call) -> bytes:
    """Get a tile spec as stored, with its references."""
    with call.reading() as session:
        return require_tile(session, call.stack_id, call.path["tile"])[1].spec


def require_tile(session: Session, stack_id: StackId, tile_id: str) -> tuple[StackRecord, TileRow]:
    """Record of the stack and row of the tile; NotFoundError if there is no such stack or tile."""
    record = require_stack(session, stack_id)
    rows = session.tiles(record.key, TileFilter(tile_id=tile_id))
    if not rows:
        raise NotFoundError(f"tile '{tile_id}' does not exist in {stack_id}")
    return record, rows[0]


@answers("GET", f"{STACK}/transform/{{transform}}")
def get_transform(call: Call) -> bytes:
    """Get a shared transform as stored."""
    stack_id, transform_id = call.stack_id, call.path["transform"]
    with call.reading() as session:
        content = session.transform(require_stack(session, stack_id).key, transform_id)
    if content is None:
        raise NotFoundError(f"transform '{transform_id}' does not exist in {stack_id}")
    return content


@answers("GET", f"{LAYER}/tile-specs")
def get_layer_tiles(call: Call) -> bytes:
    """List the tile specs of a layer, with references resolved."""
    with call.reading() as session:
        record, rows = layer_rows(session, call)
        lookup = transforms_of(session, record, call)
        return json_list(call, (lookup.flattened_json(row) for row in rows))


def layer_rows(session: Session, call: Call) -> tuple[StackRecord, list[TileRow]]:
    """Record of the stack and the tiles of a layer; IllegalArgumentError for no or too many tiles."""
    record, z = require_data(session, call.stack_id), call.path["z"]
    return record, require_tiles(record, z, limited_tiles(session, record, TileFilter(z=z), call.memory))


def require_tiles(record: StackRecord, z: float, tiles: Tiles) -> Tiles:
    """The tiles of a layer; IllegalArgumentError if there are none."""
    if not tiles:
        raise IllegalArgumentError(f"{record.stack_id} has no tiles at z {z}")
    return tiles


def limited_tiles(
    session: Session, record: StackRecord, which: TileFilter, memory: RequestMemory
) -> list[TileRow]:
    """The tiles; IllegalArgumentError when they exceed what one answer may hold, in number or bytes."""
    rows = [*counted(session.each_tile(record.key, which, MOST_TILES + 1), memory.count_read)]
    if len(rows) > MOST_TILES:
        raise IllegalArgumentError(f"more than {MOST_TILES} tiles of {record.stack_id} requested at once")
    return rows


@answers("PUT", f"{STACK}/tile-specs-with-ids", body=read_ids)
def get_tiles_with_ids(call: Call) -> bytes:
    """List the tile specs with the given ids, with references resolved; an empty list without stack."""
    stack_id = call.stack_id
    tile_ids = [name for name in call.required_json("tile ids", IllegalStateError) if name is not None]
    with call.reading() as session:
        record = session.stack(stack_id)
        if record is None:
            return json_list(call, [])
        lookup = transforms_of(session, record, call)
        rows = session.each_with_ids(record.key, tile_ids)
        return json_list(call, (lookup.flattened_json(row) for row in rows))


@answers("GET", f"{LAYER}/resolvedTiles")
def get_layer_collection(call: Call) -> bytes:
    """Get the tiles of a layer and the transforms that they refer to."""
    return _collection(call, TileFilter(z=call.path["z"]))


@dataclass(frozen=True)
class CollectionQuery(ZRange):
    """Limits of x, y and z, and a group; the box includes its edges."""

    min_x: float | None = None
    max_x: float | None = None
    min_y: float | None = None
    max_y: float | None = None
    group_id: str | None = None


@answers("GET", f"{STACK}/resolvedTiles", query=CollectionQuery)
def get_collection(call: Call) -> bytes:
    """Get tiles of a stack, filtered, and the transforms that they refer to."""
    return _collection(call, TileFilter(**vars(call.query)))


def _collection(call: Call, which: TileFilter) -> bytes:
    with call.reading() as session:
        record = require_data(session, call.stack_id)
        rows = limited_tiles(session, record, which, call.memory)
        if not rows:
            raise NotFoundError(f"{record.stack_id} has no such tiles")
        lookup = transforms_of(session, record, call)
        return collection_json(rows, lookup)


@dataclass(frozen=True)
class DeriveQuery(Query):
    """Whether the bounds of tiles are derived from their transforms."""

    derive_data: bool | None = None


@stores("PUT", f"{STACK}/resolvedTiles", read_resolved_tiles, query=DeriveQuery)
@stores("PUT", f"{LAYER}/resolvedTiles", read_resolved_tiles, query=DeriveQuery)
def put_collection(call: Call) -> None:
    """Store tiles and shared transforms: all of them or, with an error, none."""
    sent, stack_id = call.required_json("resolved tiles"), call.stack_id
    # checked twice: before the work, and in the transaction, which starts after it to be short
    with call.reading() as session:
        require_loading(session, stack_id)
    rows = accept(sent, call.query.derive_data is True, call.path.get("z"))
    with call.writing() as session:
        key = require_loading(session, stack_id).key
        session.put_transforms(key, transform_rows(sent.shared))
        session.put_tiles(key, rows)


@stores("PUT", f"{LAYER}/tileIds", read_ids)
def put_z_of_tiles(call: Call) -> None:
    """Move the tiles with the given ids to a layer; unknown ids are ignored."""
    tile_ids = [name for name in call.required_json("tile ids") if name is not None]
    with call.writing() as session:
        key = require_loading(session, call.stack_id).key
        _move(session, key, session.each_with_ids(key, tile_ids), call, call.path["z"])


@stores("PUT", f"{STACK}/section/{{section}}/z", double)
def put_z_of_section(call: Call) -> None:
    """Move all tiles of a section to the z in the body."""
    z = call.required_json("z")
    with call.writing() as session:
        key = require_loading(session, call.stack_id).key
        rows = session.each_tile(key, TileFilter(section_id=call.path["section"]))
        _move(session, key, rows, call, float(z))


def _move(session: Session, key: int, rows: Iterable[TileRow], call: Call, z: float) -> None:
    # all are read before the first is written
    moved = [tile_row({**row.parsed(), "z": json_double(z)}) for row in counted(rows, call.memory.count_read)]
    session.put_tiles(key, moved)


@answers("GET", f"{LAYER}/last-tile-transforms")
def get_last_transforms(call: Call) -> bytes:
    """List tile id and last transform of each tile of a layer, with references resolved."""
    with call.reading() as session:
        record, rows = layer_rows(session, call)
        lookup = transforms_of(session, record, call)
        return json_list(call, (dump(_last_transform(lookup.flattened(row))) for row in rows))


def _last_transform(tile: dict[str, Any]) -> dict[str, Any]:
    specs = tile["transforms"]["specList"]
    named = {"tileId": tile["tileId"]} if "tileId" in tile else {}
    return {**named, "lastTransform": specs[-1]} if specs else named


@answers("GET", f"{TILE}/validation-info", TEXT)
def get_validation_info(call: Call) -> None:
    """Check that the image files of a tile exist and its transforms can be built."""
    with call.reading() as session:
        record, row = require_tile(session, call.stack_id, call.path["tile"])
        tile = transforms_of(session, record, call).flattened(row)
    channels = tile_channels(tile)
    levels = [[*channel.images.values()] for channel in channels]
    if not all(images and all(image.get("imageUrl") for image in images) for images in levels):
        raise IllegalArgumentError(f"tile '{tile.get('tileId')}' has no images (mipmapLevels)")
    for url in source_urls(channels):
        call.images.check(url)
    build(tile["transforms"]["specList"])
