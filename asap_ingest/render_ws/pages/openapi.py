"""The operations as OpenAPI 3.1, and as Swagger 2.0 for viewers that read hints from it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from asap_ingest.render_ws.http.operations import Operation
from asap_ingest.render_ws.http.queries import TYPES
from asap_ingest.render_ws.transforms.classes import TRANSFORM_CLASSES
from asap_ingest.render_ws.wire.json_types import schema_of
from asap_ingest.render_ws.wire.names import NAME_SCHEMA
from asap_ingest.render_ws.wire.stack_records import State
from asap_ingest.render_ws.wire.transform_specs import transform_schemas

JsonObject = dict[str, Any]
CONTEXT = "/render-ws"
INFO = {
    "title": "Embedded render service",
    "version": "v1",
    "description": "Stacks of tiles, their transforms, and images of them.",
}
#: Descriptions of statuses of success.
SUCCESS = {200: "Done", 201: "Stored", 204: "The value is null", 302: "Redirect", 304: "Not modified"}
_PLACEHOLDER = re.compile(r"\{(?P<name>\w+)(?::(?P<type>\w+))?\}")
#: Schema of a value in a path by the type in its placeholder.
_PATH_TYPES = {
    None: {"type": "string"},
    "double": TYPES["float | None"].schema,
    "int32": TYPES["int | None"].schema,
}
#: Schema of a value in a path by its name, where it says more than the type.
_PATH_VALUES: dict[str, JsonObject] = {
    **dict.fromkeys(("owner", "project", "stack", "target"), NAME_SCHEMA),
    "state": {"enum": [str(state) for state in State]},
}


def openapi(operations: Iterable[Operation]) -> JsonObject:
    """The OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": CONTEXT}],
        "paths": _paths(operations, _openapi_operation),
        "components": {"schemas": transform_schemas(sorted(TRANSFORM_CLASSES))},
    }


def swagger(operations: Iterable[Operation]) -> JsonObject:
    """The Swagger 2.0 document: parameters carry their type themselves, bodies are any JSON."""
    return {
        "swagger": "2.0",
        "info": INFO,
        "basePath": CONTEXT,
        "paths": _paths(operations, _swagger_operation),
    }


def path_template(operation: Operation) -> str:
    """Path below the context, placeholders without types: `/v1/owner/{owner}/projects`."""
    return _PLACEHOLDER.sub(r"{\g<name>}", operation.path.removeprefix(CONTEXT)) or "/"


def is_described(operation: Operation) -> bool:
    """Whether the operation is below the context; others redirect browsers or are for administrators."""
    return operation.path.startswith(f"{CONTEXT}/")


def success_statuses(operation: Operation) -> tuple[int, ...]:
    """Statuses of answers to requests that succeed."""
    if operation.statuses:
        return operation.statuses
    stores = operation.method in ("PUT", "POST") and operation.produces is None
    return (201,) if stores else (200,)


def problem_statuses(operation: Operation) -> dict[int, str]:
    """Statuses of errors with their descriptions."""
    statuses = {
        400: "A name, value or body is invalid or too large",
        404: "Something named does not exist, or a value in path or query has the wrong type",
        500: "The state of the stack, or its data, does not allow it",
    }
    if operation.produces is not None:
        statuses[406] = "The Accept header does not allow the answer"
    if operation.consumes is not None:
        statuses[415] = f"The body must be {operation.consumes}"
    return dict(sorted(statuses.items()))


def media_type(operation: Operation) -> str | None:
    """Media type of the answer, without parameters; None for an answer without body."""
    return None if operation.produces is None else operation.produces.partition(";")[0]


def _paths(operations: Iterable[Operation], describe: Callable[[Operation], JsonObject]) -> JsonObject:
    paths: dict[str, JsonObject] = {}
    for operation in filter(is_described, operations):
        common = {"tags": [operation.subject], "summary": operation.summary}
        paths.setdefault(path_template(operation), {})[operation.method.lower()] = {
            **common,
            **describe(operation),
        }
    return paths


def _parameters(operation: Operation) -> Iterator[tuple[JsonObject, JsonObject]]:
    """Name and place, and schema, of all parameters in path and query."""
    for match in _PLACEHOLDER.finditer(operation.path):
        name = match["name"]
        schema = {**_PATH_TYPES[match["type"]], **_PATH_VALUES.get(name, {})}
        yield {"name": name, "in": "path", "required": True}, schema
    for name, value_type in operation.query.parameters().items():
        yield {"name": name, "in": "query", "required": False}, value_type.schema


def _openapi_operation(operation: Operation) -> JsonObject:
    description: JsonObject = {
        "parameters": [{**head, "schema": schema} for head, schema in _parameters(operation)],
        "responses": _openapi_responses(operation),
    }
    if operation.consumes is not None:
        schema = {} if operation.body is None else schema_of(operation.body)
        description["requestBody"] = {"required": True, "content": {operation.consumes: {"schema": schema}}}
    return description


def _openapi_responses(operation: Operation) -> JsonObject:
    answer = media_type(operation)
    content: JsonObject = {} if answer is None else {"content": {answer: {}}}
    texts: JsonObject = {"content": {"text/plain": {}, "text/html": {}}}
    return {
        **{
            str(status): {"description": SUCCESS[status], **(content if status == 200 else {})}
            for status in success_statuses(operation)
        },
        **{
            str(status): {"description": text, **(texts if status in (400, 500) else {})}
            for status, text in problem_statuses(operation).items()
        },
    }


def _swagger_operation(operation: Operation) -> JsonObject:
    answer = media_type(operation)
    parameters = [
        {**head, **schema, **({"collectionFormat": "multi"} if schema["type"] == "array" else {})}
        for head, schema in _parameters(operation)
    ]
    if operation.consumes is not None:
        parameters.append({"name": "body", "in": "body", "required": True, "schema": {}})
    responses = {
        **{status: SUCCESS[status] for status in success_statuses(operation)},
        **problem_statuses(operation),
    }
    return {
        "produces": [] if answer is None else [answer],
        "consumes": [] if operation.consumes is None else [operation.consumes],
        "parameters": parameters,
        "responses": {str(status): {"description": text} for status, text in responses.items()},
    }
