"""Which picture stands for a stack, and what is told about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from asap_ingest.render_ws.records.stack_records import StackRecord
from asap_ingest.render_ws.store import Session, TileFilter

#: Longer side of a picture, pixels.
PREVIEW_PIXELS = 600
#: More source pixels than this are not read for a picture: outlines of the tiles are shown.
MOST_SOURCE_PIXELS = 10**9


@dataclass(frozen=True)
class Overview:
    """A stack as the page shows it.

    Attributes
    ----------
    box : tuple or None
        minX, minY, maxX, maxY over all tiles now stored, None without tiles.
    picture : str or None
        URL of the picture, with `{z}` where the section goes.
    outlines : bool
        Whether the picture shows outlines of tiles only.
    """

    record: StackRecord
    tile_count: int
    z_values: list[float]
    box: tuple[float, float, float, float] | None
    picture: str | None
    outlines: bool


def overview(session: Session, record: StackRecord) -> Overview:
    """Look up what the page shows of a stack; works in every state."""
    key = record.key
    z_values = session.z_values(key)
    box = session.box(key, TileFilter())
    tile_count = session.tile_count(key, TileFilter())
    if box is None or not z_values:
        return Overview(record, tile_count, z_values, box, None, False)
    scale = _scale(box)
    outlines = _source_pixels(session, record, z_values[0], scale) > MOST_SOURCE_PIXELS
    return Overview(
        record, tile_count, z_values, box, _picture(record, scale, tile_count, outlines), outlines
    )


def _scale(box: tuple[float, float, float, float]) -> float:
    longer = max(box[2] - box[0], box[3] - box[1], 1.0)
    return min(1.0, PREVIEW_PIXELS / longer) if math.isfinite(longer) else 1.0


def _picture(record: StackRecord, scale: float, tile_count: int, outlines: bool) -> str:
    names = "/".join(f"{kind}/{quote(name, safe='')}" for kind, name in record.stack_id.to_json().items())
    limit = "&maxTileSpecsToRender=0" if outlines else ""
    # the last part only defeats caches: while tiles are loaded the picture's tag stays
    query = f"scale={scale:.6g}{limit}&v={record.modified}.{tile_count}"
    return f"/render-ws/v1/{names}/z/{{z}}/jpeg-image?{query}"


def _source_pixels(session: Session, record: StackRecord, z: float, scale: float) -> float:
    """About how many pixels must be read to draw the section, judged by its first tile."""
    count = session.tile_count(record.key, TileFilter(z=z))
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
