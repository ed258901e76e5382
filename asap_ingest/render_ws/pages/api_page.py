"""Descriptions of the service: for programs as JSON, for people as a page of all operations by subject."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from html import escape
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import json_bytes
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import Operation, Operations
from asap_ingest.render_ws.pages.openapi import (
    is_described,
    media_type,
    openapi,
    path_template,
    problem_statuses,
    success_statuses,
    swagger,
)
from asap_ingest.render_ws.pages.page_files import FOLDER, inline_source
from asap_ingest.render_ws.wire.json_types import dump

YAML = "application/yaml"
STYLE = (FOLDER / "api.css").read_text(encoding="utf-8")
#: Only the page's own style is allowed; there is no script.
CONTENT_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src {inline_source(STYLE)}"
)


def describing(operations: Sequence[Operation]) -> Operations:
    """Operations that describe these operations and themselves."""
    own = Operations("Descriptions")

    @cache
    def written(form: Callable[[Iterable[Operation]], dict[str, Any]]) -> bytes:
        return dump(form([*operations, *own]))

    @own.answers("GET", "/render-ws/swagger.json")
    def get_swagger(call: Call) -> Response:
        """Get the description as Swagger 2.0, from which Neuroglancer reads hints."""
        return json_bytes(written(swagger))

    @own.answers("GET", "/render-ws/swagger.yaml", YAML)
    def get_swagger_yaml(call: Call) -> Response:
        """Get the Swagger description as YAML; JSON is YAML."""
        return Response(written(swagger), headers={"content-type": YAML})

    @own.answers("GET", "/render-ws/openapi.json")
    def get_openapi(call: Call) -> Response:
        """Get the description as OpenAPI 3.1, with schemas of bodies."""
        return json_bytes(written(openapi))

    @own.answers("GET", "/render-ws/view/api.html", "text/html")
    def show_operations(call: Call) -> Response:
        """Show the description as a page."""
        headers = {"content-security-policy": CONTENT_POLICY, "cache-control": "no-cache"}
        return Response(api_page([*operations, *own]), media_type="text/html", headers=headers)

    return own


def api_page(operations: Iterable[Operation]) -> str:
    """The HTML of the page."""
    groups: dict[str, list[Operation]] = {}
    for operation in filter(is_described, operations):
        groups.setdefault(operation.subject, []).append(operation)
    links = "".join(f'<a href="#{_anchor(title)}">{escape(title)}</a>' for title in sorted(groups))
    sections = "".join(_section(title, groups[title]) for title in sorted(groups))
    count = sum(map(len, groups.values()))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Requests</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><header><h1>Requests</h1><p>{count} operations of this render "
        'service, below <code>/render-ws</code>. For programs: <a href="/render-ws/openapi.json">OpenAPI'
        '</a>, <a href="/render-ws/swagger.json">Swagger</a>. <a href="/render-ws/view/stacks.html">Stacks'
        f"</a></p><nav>{links}</nav></header><main>{sections}</main></body></html>"
    )


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _section(title: str, operations: list[Operation]) -> str:
    rows = "".join(map(_row, sorted(operations, key=path_template)))
    return f'<section id="{_anchor(title)}"><h2>{escape(title)}</h2>{rows}</section>'


def _row(operation: Operation) -> str:
    parameters = operation.query.parameters().items()
    facts = {
        "Query": ", ".join(f"{name} ({value_type.name})" for name, value_type in parameters),
        "Body": operation.consumes or "",
        "Answer": media_type(operation) or "",
        "Success": ", ".join(map(str, success_statuses(operation))),
        "Errors": ", ".join(map(str, problem_statuses(operation))),
    }
    shown = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts.items() if value)
    return (
        f'<details><summary><b class="{operation.method}">{operation.method}</b> '
        f"<code>{escape(path_template(operation))}</code>"
        f"<span>{escape(operation.summary)}</span></summary><dl>{shown}</dl></details>"
    )
