"""Requests that move what exists: renamed and cloned stacks, tiles at another z."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import Call, created, done, json_list
from asap_ingest.render_ws.stacks.stack_states import require_loading, require_stack
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.store.resolved_tiles import TransformLookup
from asap_ingest.render_ws.tiles.tile_requests import layer_rows
from asap_ingest.render_ws.wire.json_types import double, dump, json_double, object_reader, text
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.wire.stack_records import StackRecord, State, read_version
from asap_ingest.render_ws.wire.tile_rows import TileRow, counted, tile_row
from asap_ingest.render_ws.wire.tile_specs import in_field_order

_read_stack_id = object_reader((("owner", text), ("project", text), ("stack", text)))


def rename_stack(call: Call) -> Response:
    """Give the stack other names; tiles, state and version stay.

    Names that the service could not find again are refused, which render-ws does not.
    """
    value, stack_id = call.json(), call.stack_id
    names = {} if value is None else _read_stack_id(value)
    target = StackId(*(names.get(kind, "") for kind in ("owner", "project", "stack")))
    with call.service.store.writing() as session:
        record = require_stack(session, stack_id)
        target.checked()
        if record.state not in (State.LOADING, State.COMPLETE):
            raise IllegalArgumentError(f"{stack_id} cannot be renamed because it is {record.state}")
        if session.stack(target) is not None:
            raise IllegalArgumentError(f"{target} already exists")
        session.save_stack(record.touched(stack_id=target))
    return done()


def clone_stack(call: Call) -> Response:
    """Copy tiles and shared transforms to a stack that is missing or LOADING, and give it a new version.

    Raises
    ------
    IllegalStateError
        For a target in another state, or with tiles: those it lacks are copied all the same.
    """
    value, source_id = call.json(), call.stack_id
    project = call.query.text("toProject") or source_id.project
    target_id = StackId(source_id.owner, project, call.path["target"]).checked()
    if value is None:
        raise IllegalArgumentError(f"no version given for {target_id}")
    version, z_values = read_version(value), call.query.doubles("z")
    with call.service.store.writing() as session:
        source = require_stack(session, source_id)
        target = _loading_target(session, target_id)
        had_tiles = session.tile_count(target.key, TileFilter()) > 0
        if call.query.flag("skipTransforms") is not True:
            session.copy_transforms(source.key, target.key)
        session.copy_tiles(source.key, target.key, z_values or None)
        if not had_tiles:
            session.save_stack(target.touched(version=version, version_number=0, stats=None))
    if had_tiles:
        raise IllegalStateError(
            f"{target_id} had tiles before: what it lacked was copied, its version stays; use a new name"
        )
    return created(call)


def _loading_target(session: Session, target_id: StackId) -> StackRecord:
    """Record of the target, made if it is missing; IllegalStateError unless it is LOADING."""
    if session.stack(target_id) is None:
        session.save_stack(StackRecord(0, target_id, State.LOADING, 0, 0, {}).touched())
    return require_loading(session, target_id)


def put_z_of_tiles(call: Call) -> Response:
    """Move the tiles with the ids in the body to the layer in the path; unknown ids are left out."""
    tile_ids, stack_id = call.texts(), call.stack_id
    if tile_ids is None:
        raise IllegalArgumentError(f"no tile ids given for {stack_id}")
    with call.service.store.writing() as session:
        key = require_loading(session, stack_id).key
        _move(session, key, session.each_with_ids(key, tile_ids), call, call.path["z"])
    return created(call)


def put_z_of_section(call: Call) -> Response:
    """Move all tiles of a section to the z in the body."""
    value, stack_id = call.json(), call.stack_id
    z = None if value is None else double(value)
    if z is None:
        raise IllegalArgumentError(f"no z given for section '{call.path['section']}' of {stack_id}")
    with call.service.store.writing() as session:
        key = require_loading(session, stack_id).key
        rows = session.each_tile(key, TileFilter(section_id=call.path["section"]))
        _move(session, key, rows, call, float(z))
    return created(call)


def _move(session: Session, key: int, rows: Iterable[TileRow], call: Call, z: float) -> None:
    # all are read before the first is written
    moved = [
        tile_row(in_field_order({**row.parsed(), "z": json_double(z)}))
        for row in counted(rows, call.memory.count_read)
    ]
    session.put_tiles(key, moved)


def get_last_transforms(call: Call) -> Response:
    """Tile id and last transform, references resolved, of each tile of a layer."""
    with call.service.store.reading() as session:
        record, rows = layer_rows(session, call)
        lookup = TransformLookup(session, record.key, call.memory.count_read)
        return json_list(call, (dump(_last_transform(lookup.flattened(row))) for row in rows))


def _last_transform(tile: dict[str, Any]) -> dict[str, Any]:
    specs = tile["transforms"]["specList"]
    named = {"tileId": tile["tileId"]} if "tileId" in tile else {}
    return {**named, "lastTransform": specs[-1]} if specs else named
