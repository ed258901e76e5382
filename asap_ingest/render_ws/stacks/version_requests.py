"""Requests for single fields of a stack version; they change neither time stamp, state nor version number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from asap_ingest.render_ws.http.answers import JSON, TEXT
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import STACK, Operations
from asap_ingest.render_ws.stacks.stack_states import require_changeable, require_stack
from asap_ingest.render_ws.wire.json_types import double, in_order, integer, list_reader, object_reader, text
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.stack_records import RESOLUTION_FIELDS, VERSION_FIELDS
from asap_ingest.render_ws.wire.tile_specs import read_path_builder

CYCLE_FIELDS = {"number": "cycleNumber", "stepNumber": "cycleStepNumber"}
BUILDER_NEEDS = ("rootPath", "numberOfLevels", "extension")
VERSION_OPERATIONS = Operations("Fields of a stack version")
answers, stores = VERSION_OPERATIONS.answers, VERSION_OPERATIONS.stores
_read_resolution = list_reader(double)
_read_cycle = object_reader((("number", integer), ("stepNumber", integer)))
#: Statuses of success of requests whose value may be null, and of changes.
_MAY_BE_NULL, _DONE = (200, 204), (200,)


def _version(call: Call) -> dict[str, Any]:
    with call.reading() as session:
        return require_stack(session, call.stack_id).version


def _change(call: Call, changes: dict[str, Any]) -> None:
    with call.writing() as session:
        record = require_changeable(session, call.stack_id)
        session.save_stack(record.changed(version=in_order(VERSION_FIELDS, {**record.version, **changes})))


def _text(call: Call) -> str:
    try:
        return call.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise IllegalArgumentError("the body is not UTF-8") from error


@answers("GET", f"{STACK}/resolutionValues", statuses=_MAY_BE_NULL)
def get_resolution(call: Call) -> Any:
    """Get the size of a pixel in x, y, z in nm, null where unknown."""
    version = _version(call)
    return [version.get(name) for name in RESOLUTION_FIELDS]


@stores("PUT", f"{STACK}/resolutionValues", _read_resolution, statuses=_DONE)
def put_resolution(call: Call) -> None:
    """Set the size of a pixel in x, y, z; further values are ignored."""
    values = call.required_json("resolution values")
    _change(call, dict(zip(RESOLUTION_FIELDS, values, strict=False)))


@answers("GET", f"{STACK}/materializedBoxRootPath", TEXT, statuses=_MAY_BE_NULL)
def get_box_root(call: Call) -> Any:
    """Get the folder of boxes that were drawn in advance."""
    return _version(call).get("materializedBoxRootPath")


@stores("PUT", f"{STACK}/materializedBoxRootPath", text, consumes="text/plain", statuses=_DONE)
def put_box_root(call: Call) -> None:
    """Set the folder of boxes; the body is the path."""
    _change(call, {"materializedBoxRootPath": _text(call)})


@answers("GET", f"{STACK}/mipmapPathBuilder", statuses=_MAY_BE_NULL)
def get_path_builder(call: Call) -> Any:
    """Get the rule for the locations of mipmaps."""
    return _version(call).get("mipmapPathBuilder")


@stores("PUT", f"{STACK}/mipmapPathBuilder", read_path_builder, statuses=_DONE)
def put_path_builder(call: Call) -> None:
    """Set the rule for the locations of mipmaps; a slash is added to rootPath."""
    builder = call.json() or {}
    missing = [name for name in BUILDER_NEEDS if name not in builder]
    if missing:
        raise IllegalArgumentError(f"the mipmapPathBuilder lacks {', '.join(missing)}")
    builder["rootPath"] = builder["rootPath"].rstrip("/") + "/"
    _change(call, {"mipmapPathBuilder": builder})


@answers("GET", f"{STACK}/defaultChannel", statuses=_MAY_BE_NULL)
def get_default_channel(call: Call) -> Any:
    """Get the channel that is drawn when none is named, exactly as it was put."""
    channel = _version(call).get("defaultChannel")
    return None if channel is None else channel.encode()


@stores("PUT", f"{STACK}/defaultChannel", text, consumes=JSON, statuses=_DONE)
def put_default_channel(call: Call) -> None:
    """Set the default channel; the body is stored as it is, including quotes."""
    _change(call, {"defaultChannel": _text(call)})


@answers("GET", f"{STACK}/cycle", statuses=_MAY_BE_NULL)
def get_cycle(call: Call) -> Any:
    """Get number and step of the alignment cycle."""
    version = _version(call)
    return {key: version[name] for key, name in CYCLE_FIELDS.items() if name in version}


@stores("PUT", f"{STACK}/cycle", _read_cycle, statuses=_DONE)
def put_cycle(call: Call) -> None:
    """Set number and step of the alignment cycle; a missing one is removed."""
    cycle = call.required_json("cycle")
    _change(call, {name: cycle.get(key) for key, name in CYCLE_FIELDS.items()})


def remove_fields(names: Sequence[str], call: Call) -> None:
    """Remove the field."""
    _change(call, dict.fromkeys(names))


for _path, _names in (
    ("resolutionValues", RESOLUTION_FIELDS),
    ("materializedBoxRootPath", ("materializedBoxRootPath",)),
    ("mipmapPathBuilder", ("mipmapPathBuilder",)),
    ("defaultChannel", ("defaultChannel",)),
    ("cycle", tuple(CYCLE_FIELDS.values())),
):
    answers("DELETE", f"{STACK}/{_path}", None)(partial(remove_fields, _names))
