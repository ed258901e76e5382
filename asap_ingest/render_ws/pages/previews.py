"""Overviews of stacks for the page that lists them: counts, bounds and a preview picture."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import quote

from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import STACK, Operations
from asap_ingest.render_ws.pages.page_files import VIEW
from asap_ingest.render_ws.stacks.stack_states import require_stack
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.wire.java_numbers import json_double
from asap_ingest.render_ws.wire.json_types import json_values
from asap_ingest.render_ws.wire.stack_records import StackRecord, State

JsonObject = dict[str, Any]
#: Longer side of a picture, pixels.
PREVIEW_PIXELS = 600
#: A picture that needs more source pixels shows only outlines of tiles.
MOST_SOURCE_PIXELS = 10**9
#: Tiles of a stack that is loading are counted up to here, to limit the cost of the page.
MOST_COUNTED = 20_000
PREVIEW_OPERATIONS = Operations("Pages")


@PREVIEW_OPERATIONS.answers("GET", f"{VIEW}/overview/{{owner}}/{{project}}/{{stack}}")
def get_overview(call: Call) -> JsonObject:
    """Get what the page of stacks shows of a stack."""
    with call.reading() as session:
        return overview(session, require_stack(session, call.stack_id))


def overview(session: Session, record: StackRecord) -> JsonObject:
    """What the page shows of a stack, in any state.

    The cost does not depend on the number of tiles: a COMPLETE stack has stats, and of a stack that is
    loading only the first section is read.

    Returns
    -------
    dict
        `stack`, its metadata; `tileCount`, and whether `tilesAreMore` than were counted; `sectionCount`.
        With tiles: `zRange`, first and last z; `box`, that of all tiles, or of the first section for a stack
        without stats; `picture`, a path with the placeholder `{z}`, and whether it shows `outlines` only.
    """
    counted = _from_stats(record) or _counted_now(session, record)
    shown = {"stack": record.to_json(), "tileCount": 0, "sectionCount": 0, "tilesAreMore": False, **counted}
    if "box" not in counted:
        return shown
    scale = _scale({name: float(side) for name, side in counted["box"].items()})
    outlines = _source_pixels(session, record, float(counted["zRange"][0]), scale) > MOST_SOURCE_PIXELS
    limit = "&maxTileSpecsToRender=0" if outlines else ""
    # v= defeats browser caches: the picture's tag stays the same while tiles are loaded
    query = f"scale={scale:.6g}{limit}&missing=skip&seams=fill&v={record.modified}.{shown['tileCount']}"
    stack = STACK.format(**{kind: quote(name, safe="") for kind, name in record.stack_id.to_json().items()})
    return {**shown, "picture": f"{stack}/z/{{z}}/jpeg-image?{query}", "outlines": outlines}


def _from_stats(record: StackRecord) -> JsonObject | None:
    """Counts and box by the stats, None without stats; also if tiles lack z, or are gone (OFFLINE)."""
    if record.state is State.OFFLINE or record.stats is None:
        return None
    bounds = record.stats["stackBounds"]
    if None in bounds.values():
        return None
    counts = {name: record.stats[name] for name in ("tileCount", "sectionCount")}
    return {**counts, "zRange": [bounds["minZ"], bounds["maxZ"]], "box": bounds}


def _counted_now(session: Session, record: StackRecord) -> JsonObject:
    z_values = session.z_values(record.key)
    count = session.tile_count(record.key, TileFilter(), MOST_COUNTED) if z_values else 0
    box = session.box(record.key, TileFilter(z=z_values[0])) if z_values else None
    if box is None:
        return {}
    z_range = [json_double(z_values[0]), json_double(z_values[-1])]
    counts = {"tileCount": count, "sectionCount": len(z_values), "tilesAreMore": count == MOST_COUNTED}
    return {**counts, "zRange": z_range, "box": json_values(box)}


def _scale(box: dict[str, float]) -> float:
    longer = max(box["maxX"] - box["minX"], box["maxY"] - box["minY"], 1.0)
    return min(1.0, PREVIEW_PIXELS / longer) if math.isfinite(longer) else 1.0


def _source_pixels(session: Session, record: StackRecord, z: float, scale: float) -> float:
    """Estimate the pixels that must be read to draw the section, from its first tile."""
    count = session.tile_count(record.key, TileFilter(z=z), MOST_COUNTED)
    if count == MOST_COUNTED:
        return math.inf
    tile = session.tiles(record.key, TileFilter(z=z), limit=1)[0].parsed()
    # a null among the channels is stored like any other
    first = next(filter(None, tile.get("channels") or []), tile)
    levels = [int(level) for level in first["mipmapLevels"]]
    builder = record.version.get("mipmapPathBuilder", {})
    wanted = max(0, math.floor(math.log2(1 / scale)))
    levels += range(min(wanted, builder.get("numberOfLevels", 0)) + 1)
    level = max((level for level in levels if 0 <= level <= wanted), default=0)
    return count * float(tile.get("width", 0)) * float(tile.get("height", 0)) / 4.0**level
