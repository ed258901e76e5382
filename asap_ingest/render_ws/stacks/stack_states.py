"""States of a stack and the transitions between them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from asap_ingest.render_ws.store import Session, Store
from asap_ingest.render_ws.wire.json_types import json_values
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import (
    IllegalArgumentError,
    IllegalStateError,
    NotFoundError,
    RequestError,
)
from asap_ingest.render_ws.wire.stack_records import StackRecord, State

#: Changes what a transition changes besides the record, and returns the record to save.
Effect = Callable[[Session, StackRecord], StackRecord]
BOUND_FIELDS = ("minX", "minY", "minZ", "maxX", "maxY", "maxZ")


def require_stack(session: Session, stack_id: StackId) -> StackRecord:
    """Record of the stack; NotFoundError if there is none."""
    record = session.stack(stack_id)
    if record is None:
        raise NotFoundError(f"{stack_id} does not exist")
    return record


def require_data(session: Session, stack_id: StackId) -> StackRecord:
    """Record of the stack; NotFoundError if there is none, or it is OFFLINE and has no tiles."""
    record = require_stack(session, stack_id)
    if record.state is State.OFFLINE and record.sections is None:
        raise NotFoundError(f"the data of {stack_id} does not exist: it is OFFLINE")
    return record


def require_loading(
    session: Session, stack_id: StackId, problem: type[RequestError] = IllegalStateError
) -> StackRecord:
    """Record of the stack; `problem` unless it is LOADING, NotFoundError if there is none."""
    record = require_stack(session, stack_id)
    if record.state is not State.LOADING:
        raise problem(f"{stack_id} is {record.state} but must be LOADING to change its data")
    return record


def require_changeable(session: Session, stack_id: StackId) -> StackRecord:
    """Record of the stack; IllegalStateError if it is READ_ONLY, NotFoundError if there is none."""
    record = require_stack(session, stack_id)
    if record.state is State.READ_ONLY:
        raise IllegalStateError(f"{stack_id} cannot be modified because it is READ_ONLY")
    return record


def save_version(store: Store, stack_id: StackId, version: dict[str, Any]) -> None:
    """Create the stack, or replace its version; it is LOADING afterwards and keeps its tiles.

    Raises
    ------
    IllegalStateError
        For a READ_ONLY stack.
    """
    with store.writing() as session:
        if session.stack(stack_id) is None:
            session.save_stack(StackRecord(0, stack_id, State.LOADING, 0, 0, version).touched())
            return
        record = require_changeable(session, stack_id)
        session.save_stack(
            record.touched(
                state=State.LOADING, version_number=record.version_number + 1, version=version, stats=None
            )
        )


def delete_stack(store: Store, stack_id: StackId) -> None:
    """Remove the stack if there is one; IllegalStateError if it is READ_ONLY."""
    with store.writing() as session:
        if session.stack(stack_id) is not None:
            session.delete_stack(require_changeable(session, stack_id).key)


def change_state(store: Store, stack_id: StackId, wanted: State) -> None:
    """Change the state of a stack, as `TRANSITIONS` allows.

    Raises
    ------
    NotFoundError
        For a missing stack.
    IllegalArgumentError
        For a transition that is not in the table: the stack must first be COMPLETE.
    IllegalStateError
        For -> COMPLETE without tiles; the state stays.
    """
    with store.writing() as session:
        record = require_stack(session, stack_id)
        effect = TRANSITIONS.get((record.state, wanted))
        if effect is None:
            raise IllegalArgumentError(
                f"{stack_id} is {record.state} and must first be COMPLETE to become {wanted}"
            )
        changed = effect(session, record)
        session.save_stack(changed)
    if changed.state is not wanted:
        # the attempt leaves empty section data behind, as in render-ws
        raise IllegalStateError(f"{stack_id} cannot become {wanted} because it has no tiles")


def _keep(session: Session, record: StackRecord) -> StackRecord:
    return record


def _complete(session: Session, record: StackRecord) -> StackRecord:
    stats = session.stats(record.key)
    if stats["tileCount"] == 0:
        return record.changed(sections=[])
    bounds = json_values({name: stats.pop(name) for name in BOUND_FIELDS})
    changes = {"stats": {"stackBounds": bounds, **stats}, "sections": section_data(session, record)}
    if record.state is State.COMPLETE:
        return record.changed(**changes)
    return record.touched(state=State.COMPLETE, **changes)


def _reopen(session: Session, record: StackRecord) -> StackRecord:
    return record.touched(state=State.LOADING, version_number=record.version_number + 1, stats=None)


def _change_state(state: State, session: Session, record: StackRecord) -> StackRecord:
    return record.changed(state=state)


def _take_offline(session: Session, record: StackRecord) -> StackRecord:
    session.delete_data(record.key)
    return record.touched(state=State.OFFLINE, sections=None)


#: The effect of each transition (from, to); others are refused.
TRANSITIONS: dict[tuple[State, State], Effect] = {
    (State.LOADING, State.LOADING): _keep,
    (State.LOADING, State.COMPLETE): _complete,
    (State.COMPLETE, State.LOADING): _reopen,
    (State.COMPLETE, State.COMPLETE): _complete,
    (State.COMPLETE, State.READ_ONLY): partial(_change_state, State.READ_ONLY),
    (State.COMPLETE, State.OFFLINE): _take_offline,
    (State.READ_ONLY, State.COMPLETE): partial(_change_state, State.COMPLETE),
    (State.READ_ONLY, State.READ_ONLY): _keep,
    (State.READ_ONLY, State.OFFLINE): _take_offline,
    # it has no tiles, so this fails as for any other stack without tiles
    (State.OFFLINE, State.COMPLETE): _complete,
    (State.OFFLINE, State.OFFLINE): _keep,
}


def section_data(session: Session, record: StackRecord, z: float | None = None) -> list[dict[str, Any]]:
    """Tile count and box per section id and z, computed from the tiles that have a section id."""
    return [json_values(row) for row in session.sections(record.key, z)]
