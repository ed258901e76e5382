"""Headers of pictures without some of their tiles: `missing=skip`."""

from __future__ import annotations

import json

from asap_ingest.render_ws.drawing.undrawn_tiles import MissingTiles

COUNT_HEADER, LIST_HEADER = "x-missing-tile-count", "x-missing-tiles"
#: Clients and proxies take some kilobytes of headers: more tiles than this are only counted.
MOST_LISTED_BYTES = 4000
#: How long clients cache a picture without some tiles: the files may be added.
SECONDS_KEPT = 5


def missing_headers(missing: MissingTiles | None) -> dict[str, str]:
    """Headers of a picture without these tiles; {} for none.

    The count of all, and a JSON list of the first ones: `tileId`, `reason`, and `box` (left, top, right,
    bottom in pixels of the picture). The list is ASCII.
    """
    if not missing:
        return {}
    listed: list[str] = []
    size = 0
    for tile in missing:
        listed.append(json.dumps({"tileId": tile.tile_id, "reason": tile.reason, "box": tile.box}))
        size += len(listed[-1])
        if size > MOST_LISTED_BYTES:
            break
    return {
        COUNT_HEADER: str(len(missing)),
        LIST_HEADER: f"[{', '.join(listed)}]",
        "cache-control": f"no-transform, max-age={SECONDS_KEPT}",
    }
