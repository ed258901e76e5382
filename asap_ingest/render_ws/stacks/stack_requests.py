"""Requests about stacks as a whole: listings, versions, states, deletion."""

from __future__ import annotations

import secrets

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import (
    Call,
    IllTypedError,
    created,
    done,
    json_answer,
    text_answer,
)
from asap_ingest.render_ws.stacks.stack_states import (
    change_state,
    delete_stack,
    require_stack,
    save_version,
)
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.stack_records import StackRecord, State, in_listing_order, read_version


def likely_unique_id(call: Call) -> Response:
    """24 hex digits, new on each call."""
    return text_answer(secrets.token_hex(12))


def clear_image_cache(call: Call) -> Response:
    """Forget all tile images in memory."""
    call.service.images.clear()
    return done()


def list_owners(call: Call) -> Response:
    """Names of all owners of stacks."""
    with call.service.store.reading() as session:
        return json_answer(session.owners())


def list_projects(call: Call) -> Response:
    """Names of the projects of an owner."""
    return json_answer(sorted({record.stack_id.project for record in _records(call)}))


def list_stack_ids(call: Call) -> Response:
    """Names of the stacks of an owner or project."""
    return json_answer([record.stack_id.to_json() for record in _records(call)])


def list_stacks(call: Call) -> Response:
    """Metadata of the stacks of an owner or project; `[]` for unknown ones."""
    return json_answer([record.to_json() for record in _records(call)])


def _records(call: Call) -> list[StackRecord]:
    with call.service.store.reading() as session:
        return in_listing_order(session.stacks(call.path["owner"], call.path.get("project")))


def get_stack(call: Call) -> Response:
    """Metadata of one stack."""
    with call.service.store.reading() as session:
        return json_answer(require_stack(session, call.stack_id).to_json())


def post_stack(call: Call) -> Response:
    """Create the stack, or give it a new version."""
    value, stack_id = call.json(), call.stack_id
    if value is None:
        raise IllegalArgumentError(f"no version given for {stack_id}")
    save_version(call.service.store, stack_id, read_version(value))
    return created(call)


def remove_stack(call: Call) -> Response:
    """Delete the stack; fine when there is none."""
    delete_stack(call.service.store, call.stack_id)
    return done()


def put_state(call: Call) -> Response:
    """Change the state of the stack."""
    if call.path["state"] not in State.__members__:
        raise IllTypedError(f"unknown state {call.path['state']}")
    change_state(call.service.store, call.stack_id, State(call.path["state"]))
    return created(call)
