"""Requests about stacks as a whole: listings, versions, states, renaming, cloning, deletion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import OWNER, PROJECT, STACK, V1, Operations
from asap_ingest.render_ws.http.queries import IllTypedError, Query
from asap_ingest.render_ws.stacks.stack_states import (
    change_state,
    delete_stack,
    require_loading,
    require_stack,
    save_version,
)
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.wire.json_types import object_reader, text
from asap_ingest.render_ws.wire.names import NAME_SCHEMA, StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.wire.stack_records import StackRecord, State, in_listing_order, read_version

STACK_OPERATIONS = Operations("Stacks")
answers, stores = STACK_OPERATIONS.answers, STACK_OPERATIONS.stores
_NAMES = ("owner", "project", "stack")
_read_stack_id = object_reader([(name, text) for name in _NAMES], schemas=dict.fromkeys(_NAMES, NAME_SCHEMA))


@answers("GET", f"{V1}/owners")
def list_owners(call: Call) -> Any:
    """List the owners of stacks."""
    with call.reading() as session:
        return session.owners()


@answers("GET", f"{OWNER}/projects")
def list_projects(call: Call) -> Any:
    """List the projects of an owner."""
    return sorted({record.stack_id.project for record in _records(call)})


@answers("GET", f"{OWNER}/stackIds")
@answers("GET", f"{PROJECT}/stackIds")
def list_stack_ids(call: Call) -> Any:
    """List the names of the stacks of an owner or project."""
    return [record.stack_id.to_json() for record in _records(call)]


@answers("GET", f"{OWNER}/stacks")
@answers("GET", f"{PROJECT}/stacks")
def list_stacks(call: Call) -> Any:
    """List the metadata of the stacks of an owner or project."""
    return [record.to_json() for record in _records(call)]


def _records(call: Call) -> list[StackRecord]:
    with call.reading() as session:
        return in_listing_order(session.stacks(call.path["owner"], call.path.get("project")))


@answers("GET", STACK)
def get_stack(call: Call) -> Any:
    """Get the metadata of a stack."""
    with call.reading() as session:
        return require_stack(session, call.stack_id).to_json()


@stores("POST", STACK, read_version)
def post_stack(call: Call) -> None:
    """Create a stack, or give it a new version."""
    version = call.required_json("version")
    save_version(call.service.store, call.stack_id, version)


@answers("DELETE", STACK, None)
def remove_stack(call: Call) -> None:
    """Delete a stack if it exists."""
    delete_stack(call.service.store, call.stack_id)


@stores("PUT", f"{STACK}/state/{{state}}")
def put_state(call: Call) -> None:
    """Change the state of a stack."""
    if call.path["state"] not in State.__members__:
        raise IllTypedError(f"unknown state {call.path['state']}")
    change_state(call.service.store, call.stack_id, State(call.path["state"]))


@stores("PUT", f"{STACK}/stackId", _read_stack_id, statuses=(200,))
def rename_stack(call: Call) -> None:
    """Rename a stack; tiles, state and version stay.

    Names under which the service could not find it again are refused, unlike in render-ws.
    """
    names, stack_id = call.json() or {}, call.stack_id
    target = StackId(*(names.get(kind, "") for kind in _NAMES))
    with call.writing() as session:
        record = require_stack(session, stack_id)
        target.checked()
        if record.state not in (State.LOADING, State.COMPLETE):
            raise IllegalArgumentError(f"{stack_id} cannot be renamed because it is {record.state}")
        if session.stack(target) is not None:
            raise IllegalArgumentError(f"{target} already exists")
        session.save_stack(record.touched(stack_id=target))


@dataclass(frozen=True)
class CloneQuery(Query):
    """What to clone (default: all tiles and transforms), and the project of the copy."""

    z: tuple[float, ...] = ()
    to_project: str | None = None
    skip_transforms: bool | None = None


@stores("PUT", f"{STACK}/cloneTo/{{target}}", read_version, query=CloneQuery)
def clone_stack(call: Call) -> None:
    """Copy tiles and shared transforms to a stack that does not exist or is LOADING.

    Raises
    ------
    IllegalStateError
        For a target in another state, or with tiles: those it lacks are copied all the same.
    """
    version, source_id, query = call.required_json("version"), call.stack_id, call.query
    target_id = StackId(source_id.owner, query.to_project or source_id.project, call.path["target"]).checked()
    with call.writing() as session:
        source = require_stack(session, source_id)
        target = _loading_target(session, target_id)
        had_tiles = session.tile_count(target.key, TileFilter()) > 0
        if not query.skip_transforms:
            session.copy_transforms(source.key, target.key)
        session.copy_tiles(source.key, target.key, query.z or None)
        if not had_tiles:
            session.save_stack(target.touched(version=version, version_number=0, stats=None))
    if had_tiles:
        raise IllegalStateError(
            f"{target_id} had tiles before: what it lacked was copied, its version stays; use a new name"
        )


def _loading_target(session: Session, target_id: StackId) -> StackRecord:
    """Record of the target, created if needed; IllegalStateError unless it is LOADING."""
    if session.stack(target_id) is None:
        session.save_stack(StackRecord(0, target_id, State.LOADING, 0, 0, {}).touched())
    return require_loading(session, target_id)
