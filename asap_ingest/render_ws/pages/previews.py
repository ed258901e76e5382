"""Overview of a stack for the page of stacks: counts, bounds and a preview picture."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from asap_ingest.render_ws.http.operations import STACK
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.stack_records import StackRecord, State

#: Longer side of a picture, pixels.
PREVIEW_PIXELS = 600
#: Source pixels to read for a picture; if there are more, it shows only outlines of tiles.
MOST_SOURCE_PIXELS = 10**9
#: Tiles of a stack that is loading are counted up to here, to limit the cost of the page.
MOST_COUNTED = 20_000


@dataclass(frozen=True)
class Overview:
    """A stack as the page shows it.

    Attributes
    ----------
    tile_count : int
        `MOST_COUNTED` stands for as many or more while the stack has no stats.
    box : dict or None
        minX, minY, maxX, maxY of all tiles, or of the first section for a stack without stats; None without
        tiles.
    picture : str or None
        URL of the picture, with the placeholder `{z}`.
    outlines : bool
        Whether the picture shows outlines of tiles only.
    """

    record: StackRecord
    tile_count: int = 0
    section_count: int = 0
    z_range: tuple[float, float] | None = None
    box: dict[str, float] | None = None
    picture: str | None = None
    outlines: bool = False


def overview(session: Session, record: StackRecord) -> Overview:
    """Collect what the page shows of a stack, in any state.

    The cost does not depend on the number of tiles: a COMPLETE stack has stats, and of a stack that is
    loading only the first section is read.
    """
    if record.state is State.OFFLINE:
        return Overview(record)
    bounds = (record.stats or {}).get("stackBounds", {"minX": None})
    known = None not in bounds.values()
    counted = _of_stats(record, bounds) if known else _counted_now(session, record)
    if counted.box is None or counted.z_range is None:
        return counted
    scale = _scale(counted.box)
    outlines = _source_pixels(session, record, counted.z_range[0], scale) > MOST_SOURCE_PIXELS
    return replace(counted, picture=_picture(counted, scale, outlines), outlines=outlines)


def _of_stats(record: StackRecord, bounds: dict[str, Any]) -> Overview:
    stats: dict[str, Any] = record.stats or {}
    sides = {name: float(side) for name, side in bounds.items()}
    return Overview(record, stats["tileCount"], stats["sectionCount"], (sides["minZ"], sides["maxZ"]), sides)


def _counted_now(session: Session, record: StackRecord) -> Overview:
    z_values = session.z_values(record.key)
    if not z_values:
        return Overview(record)
    count = session.tile_count(record.key, TileFilter(), MOST_COUNTED)
    box = session.box(record.key, TileFilter(z=z_values[0]))
    return Overview(record, count, len(z_values), (z_values[0], z_values[-1]), box)


def _scale(box: dict[str, float]) -> float:
    longer = max(box["maxX"] - box["minX"], box["maxY"] - box["minY"], 1.0)
    return min(1.0, PREVIEW_PIXELS / longer) if math.isfinite(longer) else 1.0


def _picture(shown: Overview, scale: float, outlines: bool) -> str:
    limit = "&maxTileSpecsToRender=0" if outlines else ""
    # v= defeats browser caches: the picture's tag stays the same while tiles are loaded
    version = f"{shown.record.modified}.{shown.tile_count}"
    query = f"scale={scale:.6g}{limit}&missing=skip&seams=fill&v={version}"
    return f"{stack_path(shown.record.stack_id)}/z/{{z}}/jpeg-image?{query}"


def stack_path(stack_id: StackId) -> str:
    """Path of a stack in the addresses of the service."""
    return STACK.format(**{kind: quote(name, safe="") for kind, name in stack_id.to_json().items()})


def _source_pixels(session: Session, record: StackRecord, z: float, scale: float) -> float:
    """Estimate the pixels that must be read to draw the section, from its first tile."""
    count = session.tile_count(record.key, TileFilter(z=z), MOST_COUNTED)
    if count == MOST_COUNTED:
        return math.inf
    tile = session.tiles(record.key, TileFilter(z=z), limit=1)[0].parsed()
    levels = [int(level) for level in _levels(tile)]
    builder = record.version.get("mipmapPathBuilder", {})
    wanted = max(0, math.floor(math.log2(1 / scale)))
    levels += range(min(wanted, builder.get("numberOfLevels", 0)) + 1)
    level = max((level for level in levels if 0 <= level <= wanted), default=0)
    return count * float(tile.get("width", 0)) * float(tile.get("height", 0)) / 4.0**level


def _levels(tile: dict[str, Any]) -> dict[str, Any]:
    # a null among the channels is stored like any other
    first = next(filter(None, tile.get("channels") or []), tile)
    levels: dict[str, Any] = first["mipmapLevels"]
    return levels
