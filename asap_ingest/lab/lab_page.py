"""The start page of a server with stacks and volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from asap_ingest.render_ws.pages.page_files import CLIENT_INDEX
from asap_ingest.render_ws.wire.stack_records import StackRecord
from asap_ingest.volumes.serving.index_page import voxel_text
from asap_ingest.volumes.serving.served_volume import ServedVolume
from asap_ingest.volumes.serving.viewer_link import viewer_url

#: Stacks in the list; the page of all stacks has the others.
_MOST_STACKS = 12
_NM = 1e-9
#: The page runs no script, and loads files of this server only.
CONTENT_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self' 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_PAGE = Template(Path(__file__).with_name("start_page.html").read_text(encoding="utf-8"))
_NO_CLIENT = "Neuroglancer opens from here with the extra viewer: pip install 'asap_ingest[viewer]'."
_NO_STACKS = "<p>Stacks appear here once tiles are ingested.</p>"
_NO_VOLUMES = "<p>Volumes appear here once they are in the folder that is served.</p>"


def lab_page(
    stacks: Sequence[StackRecord], volumes: Mapping[str, ServedVolume], base_url: str, has_client: bool
) -> str:
    """The HTML of the page; links are relative, sources in Neuroglancer's links begin with `base_url`.

    `has_client`: whether this server has Neuroglancer's files; without them, the page has no links to it.
    """
    latest = sorted(stacks, key=lambda record: record.modified, reverse=True)[:_MOST_STACKS]
    more = f"<p>The {len(latest)} that were changed last:</p>" if len(latest) < len(stacks) else ""
    stack_rows = "".join(_stack(record, base_url, has_client) for record in latest)
    volume_rows = "".join(_volume(volume, base_url, has_client) for volume in volumes.values())
    return _PAGE.substitute(
        note="" if has_client else f"<p>{_NO_CLIENT}</p>",
        stack_count=number_of(len(stacks), "stack"),
        stacks=f"{more}<ul>{stack_rows}</ul>" if stacks else _NO_STACKS,
        volume_count=number_of(len(volumes), "volume"),
        volumes=f"<ul>{volume_rows}</ul>" if volumes else _NO_VOLUMES,
    )


def stack_viewer(record: StackRecord, base_url: str) -> str:
    """Address, relative to the start page, that shows a COMPLETE stack in this server's Neuroglancer."""
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


def number_of(count: int, noun: str) -> str:
    """A number with its noun: `1 stack`, `1,200 stacks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _stack(record: StackRecord, base_url: str, has_client: bool) -> str:
    names = record.stack_id
    page = f"render-ws/view/stack.html?{urlencode(names.to_json())}"
    where = f"{names.owner} / {names.project}"
    text = f'<span><a href="{escape(page)}">{escape(names.stack)}</a><small>{escape(where)}</small></span>'
    # the service has no bounds of a stack that is not COMPLETE, and Neuroglancer needs them
    is_shown = has_client and record.state == "COMPLETE"
    viewer = stack_viewer(record, base_url) if is_shown else ""
    state = f'<b class="{record.state}">{record.state}</b>' if record.state != "COMPLETE" else ""
    return _row(text + state, viewer, names.stack)


def _volume(volume: ServedVolume, base_url: str, has_client: bool) -> str:
    name = volume.name or volume.root.name
    size = " x ".join(f"{axis.size:,}" for axis in volume.axes) or "unknown size"
    facts = f"{volume.kind}, {size} voxels of {voxel_text(volume)}"
    page = f"volumes/{quote(volume.name)}"
    text = f'<span><a href="{escape(page)}">{escape(name)}</a><small>{escape(facts)}</small></span>'
    viewer = viewer_url([volume], f"{base_url}/volumes") if has_client else ""
    return _row(text, viewer, name)


def _row(text: str, viewer: str, name: str) -> str:
    opens = f'target="_blank" rel="noopener" aria-label="{escape(f"Open {name} in Neuroglancer")}"'
    link = f'<a {opens} href="{escape(viewer)}">Neuroglancer</a>' if viewer else ""
    return f"<li>{text}{link}</li>"
