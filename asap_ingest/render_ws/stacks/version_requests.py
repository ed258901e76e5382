"""Requests for single fields of a stack version; they change neither time stamp, state nor version number."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import JSON, TEXT, done, json_answer, json_or_none, text_answer
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import STACK, Operations
from asap_ingest.render_ws.stacks.stack_states import require_changeable, require_stack
from asap_ingest.render_ws.wire.json_types import double, integer, list_reader, object_reader, text
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.stack_records import RESOLUTION_FIELDS, with_version_field
from asap_ingest.render_ws.wire.tile_specs import read_path_builder

CYCLE_FIELDS = {"number": "cycleNumber", "stepNumber": "cycleStepNumber"}
BUILDER_NEEDS = ("rootPath", "numberOfLevels", "extension")
VERSION_OPERATIONS = Operations("Fields of a stack version")
answers, stores = VERSION_OPERATIONS.answers, VERSION_OPERATIONS.stores
_read_resolution = list_reader(double)
_read_cycle = object_reader((("number", integer), ("stepNumber", integer)))
_MAY_BE_NULL = (200, 204)
_DONE = (200,)


def _version(call: Call) -> dict[str, Any]:
    with call.reading() as session:
        return require_stack(session, call.stack_id).version


def _change(call: Call, changes: dict[str, Any]) -> Response:
    with call.writing() as session:
        record = require_changeable(session, call.stack_id)
        version = record.version
        for name, value in changes.items():
            version = with_version_field(version, name, value)
        session.save_stack(record.changed(version=version))
    return done()


def _text(call: Call) -> str:
    try:
        return call.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise IllegalArgumentError("the body is not UTF-8") from error


@answers("GET", f"{STACK}/resolutionValues", statuses=_MAY_BE_NULL)
def get_resolution(call: Call) -> Response:
    """Get the size of a pixel in x, y, z in nm, null where unknown."""
    version = _version(call)
    return json_answer([version.get(name) for name in RESOLUTION_FIELDS])


@stores("PUT", f"{STACK}/resolutionValues", _read_resolution, statuses=_DONE)
def put_resolution(call: Call) -> Response:
    """Set the size of a pixel in x, y, z; further values are ignored."""
    values = call.value()
    if values is None:
        raise IllegalArgumentError("no resolution values given")
    return _change(call, dict(zip(RESOLUTION_FIELDS, values, strict=False)))


@answers("GET", f"{STACK}/materializedBoxRootPath", TEXT, statuses=_MAY_BE_NULL)
def get_box_root(call: Call) -> Response:
    """Get the folder of boxes that were drawn in advance."""
    path = _version(call).get("materializedBoxRootPath")
    return json_or_none(None) if path is None else text_answer(path)


@stores("PUT", f"{STACK}/materializedBoxRootPath", text, consumes="text/plain", statuses=_DONE)
def put_box_root(call: Call) -> Response:
    """Set the folder of boxes; the body is the path."""
    return _change(call, {"materializedBoxRootPath": _text(call)})


@answers("GET", f"{STACK}/mipmapPathBuilder", statuses=_MAY_BE_NULL)
def get_path_builder(call: Call) -> Response:
    """Get the rule for the locations of mipmaps."""
    return json_or_none(_version(call).get("mipmapPathBuilder"))


@stores("PUT", f"{STACK}/mipmapPathBuilder", read_path_builder, statuses=_DONE)
def put_path_builder(call: Call) -> Response:
    """Set the rule for the locations of mipmaps; a slash is added to rootPath."""
    builder = call.value() or {}
    missing = [name for name in BUILDER_NEEDS if name not in builder]
    if missing:
        raise IllegalArgumentError(f"the mipmapPathBuilder lacks {', '.join(missing)}")
    builder["rootPath"] = builder["rootPath"].rstrip("/") + "/"
    return _change(call, {"mipmapPathBuilder": builder})


@answers("GET", f"{STACK}/defaultChannel", statuses=_MAY_BE_NULL)
def get_default_channel(call: Call) -> Response:
    """Get the channel that is drawn when none is named, exactly as it was put."""
    channel = _version(call).get("defaultChannel")
    return json_or_none(None) if channel is None else Response(channel.encode(), media_type=JSON)


@stores("PUT", f"{STACK}/defaultChannel", text, consumes=JSON, statuses=_DONE)
def put_default_channel(call: Call) -> Response:
    """Set the default channel; the body is stored as it is, including quotes."""
    return _change(call, {"defaultChannel": _text(call)})


@answers("GET", f"{STACK}/cycle", statuses=_MAY_BE_NULL)
def get_cycle(call: Call) -> Response:
    """Get number and step of the alignment cycle."""
    version = _version(call)
    return json_answer({key: version[name] for key, name in CYCLE_FIELDS.items() if name in version})


@stores("PUT", f"{STACK}/cycle", _read_cycle, statuses=_DONE)
def put_cycle(call: Call) -> Response:
    """Set number and step of the alignment cycle; a missing one is removed."""
    cycle = call.value()
    if cycle is None:
        raise IllegalArgumentError("no cycle given")
    return _change(call, {name: cycle.get(key) for key, name in CYCLE_FIELDS.items()})


def remove_fields(names: Sequence[str], call: Call) -> Response:
    """Remove the field."""
    return _change(call, dict.fromkeys(names))


for _path, _names in (
    ("resolutionValues", RESOLUTION_FIELDS),
    ("materializedBoxRootPath", ("materializedBoxRootPath",)),
    ("mipmapPathBuilder", ("mipmapPathBuilder",)),
    ("defaultChannel", ("defaultChannel",)),
    ("cycle", tuple(CYCLE_FIELDS.values())),
):
    answers("DELETE", f"{STACK}/{_path}", None)(partial(remove_fields, _names))
