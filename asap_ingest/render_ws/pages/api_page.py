"""The page of all operations, grouped by what they are about."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from asap_ingest.render_ws.description.operation_facts import (
    is_described,
    media_type,
    path_template,
    problem_statuses,
    subject,
    success_statuses,
    summary,
)
from asap_ingest.render_ws.http.resources import Operation
from asap_ingest.render_ws.pages.page_files import FOLDER, inline_source

STYLE = (FOLDER / "api.css").read_text(encoding="utf-8")
#: Nothing but the page's own style; there is no script.
CONTENT_POLICY = (
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src {inline_source(STYLE)}"
)


def api_page(operations: Iterable[Operation]) -> str:
    """The HTML."""
    groups: dict[str, list[Operation]] = {}
    for operation in filter(is_described, operations):
        groups.setdefault(subject(operation), []).append(operation)
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
    facts = "".join(
        f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in _facts(operation).items() if value
    )
    return (
        f'<details><summary><b class="{operation.method}">{operation.method}</b> '
        f"<code>{escape(path_template(operation))}</code>"
        f"<span>{escape(summary(operation))}</span></summary><dl>{facts}</dl></details>"
    )


def _facts(operation: Operation) -> dict[str, str]:
    body = operation.consumes and f"{operation.consumes} {operation.body or ''}"
    return {
        "Query": ", ".join(f"{parameter.name} ({parameter.type})" for parameter in operation.query),
        "Body": body or "",
        "Answer": media_type(operation) or "",
        "Done": ", ".join(map(str, success_statuses(operation))),
        "Refused": ", ".join(map(str, problem_statuses(operation))),
    }
