"""Requests for single fields of a stack version; they leave time stamp, state and version number alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import JSON, Call, done, json_answer, no_content, text_answer
from asap_ingest.render_ws.stacks.stack_states import require_changeable, require_stack
from asap_ingest.render_ws.wire.json_types import double, integer, list_reader, object_reader
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.stack_records import RESOLUTION_FIELDS, with_version_field
from asap_ingest.render_ws.wire.tile_specs import read_path_builder

CYCLE_FIELDS = {"number": "cycleNumber", "stepNumber": "cycleStepNumber"}
BUILDER_NEEDS = ("rootPath", "numberOfLevels", "extension")
_read_resolution = list_reader(double)
_read_cycle = object_reader((("number", integer), ("stepNumber", integer)))


def _version(call: Call) -> dict[str, Any]:
    with call.service.store.reading() as session:
        return require_stack(session, call.stack_id).version


def _change(call: Call, changes: dict[str, Any]) -> Response:
    with call.service.store.writing() as session:
        record = require_changeable(session, call.stack_id)
        version = record.version
        for name, value in changes.items():
            version = with_version_field(version, name, value)
        session.save_stack(record.changed(version=version))
    return done()


def forget_fields(*names: str) -> Callable[[Call], Response]:
    """Handler that removes the fields."""

    def forget(call: Call) -> Response:
        """Remove the field."""
        return _change(call, dict.fromkeys(names))

    return forget


def get_resolution(call: Call) -> Response:
    """Size of a pixel in x, y, z in nm, null where unknown."""
    version = _version(call)
    return json_answer([version.get(name) for name in RESOLUTION_FIELDS])


def put_resolution(call: Call) -> Response:
    """Set the first values, or all three; more are ignored."""
    value = call.json()
    if value is None:
        raise IllegalArgumentError("no resolution values given")
    return _change(call, dict(zip(RESOLUTION_FIELDS, _read_resolution(value), strict=False)))


def get_box_root(call: Call) -> Response:
    """Folder of boxes drawn in advance."""
    path = _version(call).get("materializedBoxRootPath")
    return no_content() if path is None else text_answer(path)


def put_box_root(call: Call) -> Response:
    """Set the folder of boxes; the body is the path."""
    return _change(call, {"materializedBoxRootPath": _text(call)})


def get_path_builder(call: Call) -> Response:
    """Where mipmaps lie."""
    builder = _version(call).get("mipmapPathBuilder")
    return no_content() if builder is None else json_answer(builder)


def put_path_builder(call: Call) -> Response:
    """Set where mipmaps lie; rootPath gets a slash at its end."""
    value = call.json()
    builder = None if value is None else read_path_builder(value)
    missing = [name for name in BUILDER_NEEDS if name not in (builder or {})]
    if builder is None or missing:
        raise IllegalArgumentError(f"the mipmapPathBuilder lacks {', '.join(missing)}")
    builder["rootPath"] = builder["rootPath"].rstrip("/") + "/"
    return _change(call, {"mipmapPathBuilder": builder})


def get_default_channel(call: Call) -> Response:
    """The channel that is drawn when none is named; sent as it was put, whatever its type says."""
    channel = _version(call).get("defaultChannel")
    return no_content() if channel is None else Response(channel.encode(), media_type=JSON)


def put_default_channel(call: Call) -> Response:
    """Set the channel; the body counts as it stands, quotes included."""
    return _change(call, {"defaultChannel": _text(call)})


def get_hierarchical_data(call: Call) -> Response:
    """Always null: this service splits no stacks."""
    _version(call)
    return no_content()


def get_cycle(call: Call) -> Response:
    """Number and step of the alignment cycle, as far as they are set."""
    version = _version(call)
    return json_answer({key: version[name] for key, name in CYCLE_FIELDS.items() if name in version})


def put_cycle(call: Call) -> Response:
    """Set number and step; what is missing is unset."""
    value = call.json()
    if value is None:
        raise IllegalArgumentError("no cycle given")
    cycle = _read_cycle(value)
    return _change(call, {name: cycle.get(key) for key, name in CYCLE_FIELDS.items()})


def _text(call: Call) -> str:
    try:
        return call.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise IllegalArgumentError("the body is not UTF-8") from error
