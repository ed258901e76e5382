"""The start page of a server with stacks and volumes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from asap_ingest.render_ws.pages.page_files import CLIENT_INDEX, FOLDER, inline_source
from asap_ingest.render_ws.wire.stack_records import StackRecord
from asap_ingest.volumes.serving.index_page import voxel_text
from asap_ingest.volumes.serving.served_volume import ServedVolume
from asap_ingest.volumes.serving.viewer_link import viewer_url

#: Stacks that are named; the page of all stacks has the others.
_MOST_STACKS = 12
_NM = 1e-9
_STYLE = (
    (FOLDER / "pages.css").read_text(encoding="utf-8")
    + """
main { display: grid; gap: 1.25rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 26rem), 1fr));
  align-items: start; }
main section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1rem 1.25rem; min-width: 0; }
main h2 { margin-top: 0; }
ul { list-style: none; margin: .75rem 0 0; padding: 0; }
li { display: flex; flex-wrap: wrap; gap: .1rem 1rem; padding: .5rem 0; border-top: 1px solid var(--line); }
li > span { flex: 1 1 14rem; overflow-wrap: anywhere; min-width: 0; }
li small { display: block; color: var(--faint); }
"""
)
CONTENT_POLICY = (
    "default-src 'none'; img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    f"style-src {inline_source(_STYLE)}"
)
_NO_CLIENT = "Neuroglancer opens from here with the extra viewer: pip install 'asap_ingest[viewer]'."
_NEW_TAB = 'target="_blank" rel="noopener"'


def lab_page(
    stacks: Sequence[StackRecord], volumes: Mapping[str, ServedVolume], base_url: str, has_client: bool
) -> str:
    """The HTML.

    Parameters
    ----------
    base_url : str
        Of the server, for sources of Neuroglancer, which are whole addresses; links are relative.
    has_client : bool
        Whether there is a Neuroglancer to open.
    """
    latest = sorted(stacks, key=lambda record: record.modified, reverse=True)[:_MOST_STACKS]
    stack_rows = "".join(_stack(record, base_url, has_client) for record in latest)
    volume_rows = "".join(_volume(volume, base_url, has_client) for volume in volumes.values())
    note = "" if has_client else f"<p>{_NO_CLIENT}</p>"
    more = f"<p>The {len(latest)} that were changed last:</p>" if len(latest) < len(stacks) else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Stacks and volumes</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<link rel="icon" href="render-ws/view/icon.svg"><style>{_STYLE}</style></head><body>'
        f"<header><h1>Stacks and volumes</h1>{note}</header><main>"
        f'<section aria-labelledby="stacks"><h2 id="stacks">{_number(len(stacks), "stack")}</h2>'
        '<div class="bar"><a class="main button" href="render-ws/view/stacks.html">All stacks</a>'
        '<a class="button" href="render-ws/view/index.html">Render service</a></div>'
        f"{more}<ul>{stack_rows}</ul>{'' if stacks else '<p>Stacks appear here once tiles are ingested.</p>'}"
        "</section>"
        f'<section aria-labelledby="volumes"><h2 id="volumes">{_number(len(volumes), "volume")}</h2>'
        '<div class="bar"><a class="main button" href="volumes/">All volumes</a></div>'
        f"<ul>{volume_rows}</ul>"
        f"{'' if volumes else '<p>Volumes appear here once they are in the folder that is served.</p>'}"
        "</section></main></body></html>"
    )


def stack_viewer(record: StackRecord, base_url: str) -> str:
    """Address, relative to the start page, of the Neuroglancer client with a COMPLETE stack."""
    names = record.stack_id
    nm = [record.version.get(f"stackResolution{axis}") for axis in "XYZ"]
    sides = [float(length) if length else 1.0 for length in nm] if all(nm) else [1.0, 1.0, 1.0]
    path = "/".join(quote(name, safe="") for name in (names.owner, names.project, names.stack))
    state: dict[str, Any] = {
        "dimensions": {axis: [side * _NM, "m"] for axis, side in zip("xyz", sides, strict=True)},
        "layers": [{"type": "image", "name": names.stack, "source": f"render://{base_url}/{path}"}],
        "layout": "xy",
    }
    return f"{CLIENT_INDEX.lstrip('/')}#!{quote(orjson.dumps(state).decode())}"


def _stack(record: StackRecord, base_url: str, has_client: bool) -> str:
    names = record.stack_id
    page = f"render-ws/view/stack.html?{urlencode(names.to_json())}"
    where = f"{names.owner} / {names.project}"
    text = f'<a href="{escape(page)}">{escape(names.stack)}</a><small>{escape(where)}</small>'
    # of a stack that is not COMPLETE the service has no bounds, and Neuroglancer shows nothing without
    is_shown = has_client and record.state == "COMPLETE"
    viewer = stack_viewer(record, base_url) if is_shown else ""
    state = f'<b class="{record.state}">{record.state}</b>' if record.state != "COMPLETE" else ""
    return "".join(_row(text, state, viewer, names.stack))


def _volume(volume: ServedVolume, base_url: str, has_client: bool) -> str:
    name = volume.name or volume.root.name
    size = " x ".join(f"{axis.size:,}" for axis in volume.axes) or "size not said"
    facts = f"{volume.kind}, {size} voxels of {voxel_text(volume)}"
    page = f"volumes/{quote(volume.name)}"
    text = f'<a href="{escape(page)}">{escape(name)}</a><small>{escape(facts)}</small>'
    viewer = viewer_url([volume], f"{base_url}/volumes") if has_client else ""
    return "".join(_row(text, "", viewer, name))


def _row(text: str, state: str, viewer: str, name: str) -> Iterator[str]:
    yield f"<li><span>{text}</span>{state}"
    if viewer:
        label = escape(f"Open {name} in Neuroglancer")
        yield f'<a {_NEW_TAB} href="{escape(viewer)}" aria-label="{label}">Neuroglancer</a>'
    yield "</li>"


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
