"""The operations as OpenAPI 3.1 and, for viewers that read hints from it, as Swagger 2.0."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from asap_ingest.render_ws.description.body_schemas import PATH_VALUES, components
from asap_ingest.render_ws.description.operation_facts import (
    CONTEXT,
    TYPES,
    is_described,
    media_type,
    path_parameters,
    path_template,
    problem_statuses,
    subject,
    success_statuses,
    summary,
)
from asap_ingest.render_ws.http.resources import Operation

JsonObject = dict[str, Any]
INFO = {
    "title": "Embedded render service",
    "version": "v1",
    "description": "Stacks of tiles, their transforms, and the images drawn of them.",
}


def openapi(operations: Iterable[Operation]) -> JsonObject:
    """The OpenAPI 3.1 document."""
    return {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": [{"url": CONTEXT}],
        "paths": _paths(operations, _openapi_operation),
        "components": {"schemas": components()},
    }


def swagger(operations: Iterable[Operation]) -> JsonObject:
    """The Swagger 2.0 document: parameters carry their type themselves, bodies are any JSON."""
    return {
        "swagger": "2.0",
        "info": INFO,
        "basePath": CONTEXT,
        "paths": _paths(operations, _swagger_operation),
    }


def _paths(operations: Iterable[Operation], describe: Callable[[Operation], JsonObject]) -> JsonObject:
    paths: dict[str, JsonObject] = {}
    for operation in filter(is_described, operations):
        paths.setdefault(path_template(operation), {})[operation.method.lower()] = describe(operation)
    return paths


def _parameters(operation: Operation) -> list[tuple[str, str, JsonObject]]:
    """Name, place and schema of all parameters in path and query."""
    in_path = [
        (parameter.name, "path", {**TYPES[parameter.type], **PATH_VALUES.get(parameter.name, {})})
        for parameter in path_parameters(operation)
    ]
    return [*in_path, *((entry.name, "query", TYPES[entry.type]) for entry in operation.query)]


def _common(operation: Operation) -> JsonObject:
    return {"tags": [subject(operation)], "summary": summary(operation)}


def _openapi_operation(operation: Operation) -> JsonObject:
    found = {
        **_common(operation),
        "parameters": [
            {"name": name, "in": place, "required": place == "path", "schema": schema}
            for name, place, schema in _parameters(operation)
        ],
        "responses": _openapi_responses(operation),
    }
    if operation.consumes is not None:
        schema = {"$ref": f"#/components/schemas/{operation.body}"} if operation.body else {}
        found["requestBody"] = {"required": True, "content": {operation.consumes: {"schema": schema}}}
    return found


def _openapi_responses(operation: Operation) -> JsonObject:
    answer = media_type(operation)
    content: JsonObject = {} if answer is None else {"content": {answer: {}}}
    texts: JsonObject = {"content": {"text/plain": {}, "text/html": {}}}
    return {
        **{
            str(status): {"description": MEANINGS[status], **(content if status == 200 else {})}
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
        {"name": name, "in": place, "required": place == "path", **schema, **_several(schema)}
        for name, place, schema in _parameters(operation)
    ]
    if operation.consumes is not None:
        parameters.append({"name": "body", "in": "body", "required": True, "schema": {}})
    responses = {
        **{status: MEANINGS[status] for status in success_statuses(operation)},
        **problem_statuses(operation),
    }
    return {
        **_common(operation),
        "produces": [] if answer is None else [answer],
        "consumes": [] if operation.consumes is None else [operation.consumes],
        "parameters": parameters,
        "responses": {str(status): {"description": text} for status, text in responses.items()},
    }


def _several(schema: JsonObject) -> JsonObject:
    return {"collectionFormat": "multi"} if schema["type"] == "array" else {}


#: What a status of success says.
MEANINGS = {
    200: "Carried out",
    201: "Stored",
    204: "There is no such value",
    302: "Elsewhere",
    304: "The client has it",
}
