"""What answers tell of tiles that were left out of a picture, or will be: `missing=skip`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import Call, json_answer
from asap_ingest.render_ws.pictures.drawing_parameters import layer_tiles

if TYPE_CHECKING:
    from asap_ingest.render_ws.drawing.undrawn_tiles import MissingTiles

COUNT_HEADER, LIST_HEADER = "x-missing-tile-count", "x-missing-tiles"
#: Clients and proxies take some kilobytes of headers: more tiles than this are only counted.
MOST_LISTED_BYTES = 4000
#: For so long clients keep a picture with tiles left out: their files may come.
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


def get_missing_tiles(call: Call) -> Response:
    """Tiles of a section with image files that are missing, empty or not to be read: ids and reasons.

    What is no image shows only when it is drawn.
    """
    from asap_ingest.render_ws.drawing.layers import layer_of

    with call.service.store.reading() as session:
        _, tiles = layer_tiles(session, call.stack_id, call)
        layer, which = layer_of(tiles)
        found: list[dict[str, Any]] = []

        def note(index: int, error: Exception) -> None:
            found.append({"tileId": layer.sources(index).tile_id, "reason": str(error)})

        layer.check_files(which, call.images.check, note)
    return json_answer(found)
