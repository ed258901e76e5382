"""What the table of operations tells about one of them, whatever the form of the description."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from asap_ingest.render_ws.http.resources import Operation

CONTEXT = "/render-ws"
_PLACEHOLDER = re.compile(r"\{(?P<name>\w+)(?::(?P<type>\w+))?\}")

#: JSON schema of a value by the name of its type, in paths and queries.
TYPES: dict[str | None, dict[str, Any]] = {
    None: {"type": "string"},
    "boolean": {"type": "boolean"},
    "double": {"type": "number", "format": "double"},
    "doubles": {"type": "array", "items": {"type": "number", "format": "double"}},
    "int32": {"type": "integer", "format": "int32"},
    "integer": {"type": "integer", "format": "int32"},
    "text": {"type": "string"},
    "texts": {"type": "array", "items": {"type": "string"}},
}
#: Title of a group of operations by the module of their handlers; others are named for the module.
SUBJECTS = {
    "copies": "Renamed, cloned and moved",
    "data": "What a stack holds",
    "images": "Images",
    "pages": "Descriptions",
    "large_data": "Images",
    "layout_files": "What a stack holds",
    "matches": "Match collections",
    "missing_tiles": "Images",
    "merges": "What a stack holds",
    "parameters": "Render parameters",
    "stacks": "Stacks",
    "stacks_page": "Pages",
    "tiles": "Tiles and transforms",
    "versions": "Fields of a stack version",
}


@dataclass(frozen=True)
class PathParameter:
    """One placeholder of a path and the name of its type; None stands for text."""

    name: str
    type: str | None


def path_template(operation: Operation) -> str:
    """Path below the context, placeholders without types: `/v1/owner/{owner}/projects`."""
    return _PLACEHOLDER.sub(r"{\g<name>}", operation.path.removeprefix(CONTEXT)) or "/"


def path_parameters(operation: Operation) -> list[PathParameter]:
    """The placeholders of the path, in their order."""
    found = _PLACEHOLDER.finditer(operation.path)
    return [PathParameter(match["name"], match["type"]) for match in found]


def is_described(operation: Operation) -> bool:
    """Whether it lies below the context; what lies beside it only sends browsers on."""
    return operation.path.startswith(f"{CONTEXT}/")


def handler_function(operation: Operation) -> Callable[..., Any]:
    """The function that carries the operation out, without what it was given beforehand."""
    handler: Any = operation.handler
    while isinstance(handler, partial):
        handler = handler.func
    return handler


def summary(operation: Operation) -> str:
    """First line of the handler's docstring."""
    return (inspect.getdoc(handler_function(operation)) or "").partition("\n")[0]


def subject(operation: Operation) -> str:
    """Title of the group that the operation belongs to."""
    module = handler_function(operation).__module__.rpartition(".")[2]
    return SUBJECTS.get(module, module.replace("_", " ").capitalize())


def success_statuses(operation: Operation) -> tuple[int, ...]:
    """Statuses of answers to requests that are carried out."""
    if operation.statuses:
        return operation.statuses
    stores = operation.method in ("PUT", "POST") and operation.produces is None
    return (201,) if stores else (200,)


def problem_statuses(operation: Operation) -> dict[int, str]:
    """Statuses of refusals and what they mean."""
    found = {
        400: "A name, value or body that cannot be used, or one that is too large",
        404: "Something named does not exist, or a value in path or query has the wrong type",
        500: "The stack, or what is stored in it, does not allow it",
    }
    if operation.produces is not None:
        found[406] = "The Accept header allows nothing of what there is"
    if operation.consumes is not None and not operation.any_type:
        found[415] = f"The body must be {operation.consumes}"
    return dict(sorted(found.items()))


def media_type(operation: Operation) -> str | None:
    """Media type of the answer, without parameters; None for an answer without body."""
    return None if operation.produces is None else operation.produces.partition(";")[0]
