"""The operations as OpenAPI 3.1, and as Swagger 2.0 for viewers that read hints from it; requests for them.

The page of all operations is made from OpenAPI.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import Operation, Operations
from asap_ingest.render_ws.http.queries import TYPES
from asap_ingest.render_ws.transforms.classes import TRANSFORM_CLASSES
from asap_ingest.render_ws.wire.json_types import dump, schema_of
from asap_ingest.render_ws.wire.names import NAME_SCHEMA
from asap_ingest.render_ws.wire.stack_records import State
from asap_ingest.render_ws.wire.transform_specs import transform_schemas

JsonObject = dict[str, Any]
YAML = "application/yaml"
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
    paths: dict[str, JsonObject] = {}
    for operation in filter(is_described, operations):
        paths.setdefault(path_template(operation), {})[operation.method.lower()] = _described(operation)
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": CONTEXT}],
        "paths": paths,
        "components": {"schemas": transform_schemas(sorted(TRANSFORM_CLASSES))},
    }


def swagger(operations: Iterable[Operation]) -> JsonObject:
    """The Swagger 2.0 document: parameters carry their type themselves, bodies are any JSON."""
    paths = {
        path: {method: _in_swagger(described) for method, described in methods.items()}
        for path, methods in openapi(operations)["paths"].items()
    }
    return {"swagger": "2.0", "info": INFO, "basePath": CONTEXT, "paths": paths}


def path_template(operation: Operation) -> str:
    """Path below the context, placeholders without types: `/v1/owner/{owner}/projects`."""
    return _PLACEHOLDER.sub(r"{\g<name>}", operation.path.removeprefix(CONTEXT)) or "/"


def is_described(operation: Operation) -> bool:
    """Whether the operation is below the context; others redirect browsers or are for administrators."""
    return operation.path.startswith(f"{CONTEXT}/")


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


def _described(operation: Operation) -> JsonObject:
    """An operation in OpenAPI."""
    described: JsonObject = {
        "tags": [operation.subject],
        "summary": operation.summary,
        "parameters": [*_parameters(operation)],
        "responses": _responses(operation),
    }
    if operation.consumes is not None:
        schema = {} if operation.body is None else schema_of(operation.body)
        described["requestBody"] = {"required": True, "content": {operation.consumes: {"schema": schema}}}
    return described


def _parameters(operation: Operation) -> Iterator[JsonObject]:
    """The parameters in path and query."""
    for match in _PLACEHOLDER.finditer(operation.path):
        name = match["name"]
        schema = {**_PATH_TYPES[match["type"]], **_PATH_VALUES.get(name, {})}
        yield {"name": name, "in": "path", "required": True, "schema": schema}
    for name, value_type in operation.query.parameters().items():
        yield {"name": name, "in": "query", "required": False, "schema": value_type.schema}


def _responses(operation: Operation) -> JsonObject:
    responses: JsonObject = {str(status): {"description": SUCCESS[status]} for status in operation.success}
    if operation.produces is not None and "200" in responses:
        responses["200"]["content"] = {operation.produces.partition(";")[0]: {}}
    for status, text in problem_statuses(operation).items():
        responses[str(status)] = {"description": text}
        if status in (400, 500):
            responses[str(status)]["content"] = {"text/plain": {}, "text/html": {}}
    return responses


def _in_swagger(described: JsonObject) -> JsonObject:
    """The same operation in Swagger."""
    parameters = [{**entry, **entry["schema"]} for entry in described["parameters"]]
    for entry in parameters:
        del entry["schema"]
        if entry["type"] == "array":
            entry["collectionFormat"] = "multi"
    consumes = [*described.get("requestBody", {}).get("content", {})]
    if consumes:
        parameters.append({"name": "body", "in": "body", "required": True, "schema": {}})
    responses = described["responses"]
    return {
        "tags": described["tags"],
        "summary": described["summary"],
        "produces": [*responses.get("200", {}).get("content", {})],
        "consumes": consumes,
        "parameters": parameters,
        "responses": {status: {"description": entry["description"]} for status, entry in responses.items()},
    }


def describing(operations: Sequence[Operation]) -> Operations:
    """Operations that describe these operations and themselves."""
    own = Operations("Descriptions")

    @cache
    def written(form: Callable[[Iterable[Operation]], JsonObject]) -> bytes:
        return dump(form([*operations, *own]))

    @own.answers("GET", "/render-ws/swagger.json")
    def get_swagger(call: Call) -> bytes:
        """Get the description as Swagger 2.0, from which Neuroglancer reads hints."""
        return written(swagger)

    @own.answers("GET", "/render-ws/swagger.yaml", YAML)
    def get_swagger_yaml(call: Call) -> bytes:
        """Get the Swagger description as YAML; JSON is YAML."""
        return written(swagger)

    @own.answers("GET", "/render-ws/openapi.json")
    def get_openapi(call: Call) -> bytes:
        """Get the description as OpenAPI 3.1, with schemas of bodies."""
        return written(openapi)

    return own
