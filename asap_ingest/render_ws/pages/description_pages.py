"""Requests for the descriptions: for programs as JSON, for people as a page."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.description.openapi import openapi, swagger
from asap_ingest.render_ws.http.answers import JSON, Call, json_bytes
from asap_ingest.render_ws.http.resources import Operation
from asap_ingest.render_ws.pages.api_page import CONTENT_POLICY, api_page
from asap_ingest.render_ws.wire.json_types import dump

YAML = "application/yaml"


def describing(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """Operations that describe these operations and themselves."""

    @cache
    def written(form: Callable[[Iterable[Operation]], dict[str, Any]]) -> bytes:
        return dump(form(everything))

    def get_swagger(call: Call) -> Response:
        """All operations as Swagger 2.0, from which Neuroglancer reads hints."""
        return json_bytes(written(swagger))

    def get_swagger_yaml(call: Call) -> Response:
        """The same as YAML; JSON is YAML."""
        return Response(written(swagger), headers={"content-type": YAML})

    def get_openapi(call: Call) -> Response:
        """All operations as OpenAPI 3.1, with schemas of bodies."""
        return json_bytes(written(openapi))

    def show_operations(call: Call) -> Response:
        """All operations as a page to read."""
        headers = {"content-security-policy": CONTENT_POLICY, "cache-control": "no-cache"}
        return Response(api_page(everything), media_type="text/html", headers=headers)

    own = (
        Operation("GET", "/render-ws/swagger.json", get_swagger, JSON),
        Operation("GET", "/render-ws/swagger.yaml", get_swagger_yaml, YAML),
        Operation("GET", "/render-ws/openapi.json", get_openapi, JSON),
        Operation("GET", "/render-ws/view/api.html", show_operations, "text/html"),
    )
    everything = (*operations, *own)
    return own
