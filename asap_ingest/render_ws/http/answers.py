"""JSON and text of answers. Most handlers return a value, which `Operation.answer` turns into a response."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.wire.json_types import dump

TEXT = "text/plain;charset=utf-8"
JSON = "application/json"


def json_answer(value: Any) -> Response:
    """200 with a JSON value."""
    return Response(dump(value), media_type=JSON)


def json_list(call: Call, entries: Iterable[bytes]) -> bytes:
    """JSON of a list, from the JSON of its entries; errors as `RequestMemory.count_written`."""
    return b"".join(_list_parts(call, entries))


def json_object(call: Call, value: Mapping[str, Any]) -> bytes:
    """JSON of an object; its lists are written entry by entry, so that memory is counted before it is used.

    Errors as `RequestMemory.count_written`.
    """
    parts = [b"{"]
    for name, entry in value.items():
        parts += [b"," if len(parts) > 1 else b"", dump(name), b":"]
        if isinstance(entry, list):
            parts += _list_parts(call, map(dump, entry))
        else:
            parts.append(dump(entry))
    return b"".join([*parts, b"}"])


def _list_parts(call: Call, entries: Iterable[bytes]) -> list[bytes]:
    parts = []
    for entry in entries:
        call.memory.count_written(len(entry) + 1)
        parts += [b",", entry]
    return [b"[", *parts[1:], b"]"]


def text_answer(content: str, status: int = 200) -> Response:
    """A text; its content type is spelled as in render-ws."""
    return Response(content.encode(), status, headers={"content-type": TEXT})
