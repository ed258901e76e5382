"""The page that lists the stacks of the service."""

from __future__ import annotations

import math
from html import escape
from itertools import groupby
from urllib.parse import urlencode

from starlette.responses import RedirectResponse, Response

from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import Operations
from asap_ingest.render_ws.pages.page_files import FOLDER, HEADERS, inline_source
from asap_ingest.render_ws.pages.previews import MOST_COUNTED, Overview, overview, stack_path
from asap_ingest.render_ws.pages.stack_choice import ChoiceQuery, StackChoice, filter_form, page_links
from asap_ingest.render_ws.wire.json_types import format_date
from asap_ingest.render_ws.wire.stack_records import in_listing_order

PAGE = "/render-ws/view/stacks.html"
PAGE_OPERATIONS = Operations("Pages")
answers = PAGE_OPERATIONS.answers
STYLE = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("pages.css", "stacks.css"))
SCRIPT = (FOLDER / "stacks.js").read_text(encoding="utf-8")

#: Only the page's own style and script are allowed, whatever a stack is called.
CONTENT_POLICY = (
    "default-src 'none'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    f"frame-ancestors 'none'; style-src {inline_source(STYLE)}; script-src {inline_source(SCRIPT)}"
)

#: Fill pattern of tiles that cannot be drawn.
HATCHING = (
    '<svg width="0" height="0" aria-hidden="true"><defs><pattern id="hatching" width="10" height="10" '
    'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect width="3" height="10" /></pattern>'
    "</defs></svg>"
)


@answers("GET", "/", None, statuses=(302,))
@answers("GET", "/render-ws", None, statuses=(302,))
def go_to_page(call: Call) -> Response:
    """Redirect to the page of stacks."""
    return RedirectResponse(PAGE, 302)


@answers("GET", PAGE, "text/html", ChoiceQuery)
def show_stacks(call: Call) -> Response:
    """Show the stacks by owner and project, each with a picture."""
    with call.reading() as session:
        records = in_listing_order(session.stacks())
        choice = StackChoice.read(call.query, [record.stack_id for record in records])
        chosen = choice.on_page(record for record in records if choice.fits(record.stack_id))
        overviews = [overview(session, record) for record in chosen]
    headers = {**HEADERS, "content-security-policy": CONTENT_POLICY}
    return Response(page(overviews, choice), media_type="text/html", headers=headers)


def page(overviews: list[Overview], choice: StackChoice | None = None) -> str:
    """The HTML of the page; `overviews` in listing order, selected by `choice`."""

    def names(shown: Overview) -> tuple[str, str]:
        return shown.record.stack_id.owner, shown.record.stack_id.project

    projects = "".join(
        f"<section><h2>{escape(owner)} <small>/</small> {escape(project)}</h2>"
        f'<div class="stacks">{"".join(map(_card, group))}</div></section>'
        for (owner, project), group in groupby(overviews, names)
    )
    form = filter_form(choice) if choice and choice.stack_ids else ""
    paging = page_links(choice) if choice else ""
    empty = "<p>No stacks yet. They appear here as soon as something is ingested.</p>"
    if form:
        empty = "<p>No stack of that owner, project and search text.</p>"
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Stacks</title>'
        '<link rel="icon" href="icon.svg">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><header>"
        '<nav aria-label="Pages"><a href="index.html">Render service</a></nav><h1>Stacks</h1>'
        f"<p>{_total(overviews, choice)} in this render service</p>{form}</header>"
        f"<main>{projects or empty}{paging}</main>{HATCHING}<script>{SCRIPT}</script></body></html>"
    )


def _card(shown: Overview) -> str:
    record = shown.record
    names, metadata = record.stack_id, stack_path(record.stack_id)
    stack_page = f"stack.html?{urlencode(names.to_json())}"
    facts = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in _facts(shown))
    return (
        f"<article>{_figure(shown)}{_slider(shown)}"
        f'<div class="text"><div class="title">'
        f'<h3><a href="{escape(stack_page)}">{escape(names.stack)}</a></h3>'
        f'<span class="state {record.state}">{record.state}</span></div>'
        '<details class="missing" hidden><summary></summary><ul></ul></details>'
        f'<dl>{facts}</dl><div class="links">'
        f'<a href="{escape(metadata)}">metadata</a><a href="{escape(metadata)}/zValues">z values</a>'
        "</div></div></article>"
    )


def _figure(shown: Overview) -> str:
    if shown.picture is None or shown.z_range is None:
        return "<figure><span>No tiles</span></figure>"
    z = f"{shown.z_range[0]:g}"
    note = "Outlines of tiles: pictures come with mipmaps" if shown.outlines else ""
    source = escape(shown.picture.replace("{z}", str(shown.z_range[0])))
    return (
        f'<figure><img loading="lazy" alt="section at z {z}" src="{source}" '
        f'data-source="{escape(shown.picture)}"><svg aria-hidden="true"></svg>'
        f"<span>{escape(note)}</span></figure>"
    )


def _slider(shown: Overview) -> str:
    if shown.picture is None or shown.z_range is None or shown.section_count < 2:
        return ""
    return (
        f'<label class="sections" data-z="{escape(stack_path(shown.record.stack_id))}/zValues">section'
        f'<input type="range" min="0" max="{shown.section_count - 1}" value="0">'
        f"<output>z {shown.z_range[0]:g}</output></label>"
    )


def _facts(shown: Overview) -> list[tuple[str, str]]:
    box, version = shown.box, shown.record.version
    resolution = [float(version.get(f"stackResolution{axis}", "nan")) for axis in "XYZ"]
    span = {0: "", 1: " (z {0:g})"}.get(shown.section_count, " (z {0:g} to {1:g})")
    facts = [("sections", f"{shown.section_count:,}" + span.format(*(shown.z_range or ())))]
    is_loading = shown.record.stats is None
    more = " or more" if is_loading and shown.tile_count == MOST_COUNTED else ""
    facts.append(("tiles", f"{shown.tile_count:,}{more}"))
    if box is not None:
        where = f" at z {shown.z_range[0]:g}" if is_loading and shown.z_range else ""
        facts.append(("x", f"{box['minX']:,.0f} to {box['maxX']:,.0f} px{where}"))
        facts.append(("y", f"{box['minY']:,.0f} to {box['maxY']:,.0f} px{where}"))
    if all(map(math.isfinite, resolution)):
        facts.append(("resolution", " x ".join(f"{value:g}" for value in resolution) + " nm"))
    facts.append(("changed", format_date(shown.record.modified)[:19].replace("T", " ") + " UTC"))
    return facts


def _total(overviews: list[Overview], choice: StackChoice | None) -> str:
    if choice is None or len(choice.stack_ids) == choice.count:
        return number_of(len(overviews) if choice is None else choice.count, "stack")
    return f"{choice.count:,} of {number_of(len(choice.stack_ids), 'stack')}"


def number_of(count: int, noun: str) -> str:
    """A number with its noun: `1 stack`, `1,200 stacks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
