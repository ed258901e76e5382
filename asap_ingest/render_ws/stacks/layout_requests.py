"""Requests for layout files: the positions of tiles as a table."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import TEXT, Call, IllTypedError, text_answer
from asap_ingest.render_ws.http.path_patterns import LAYER, STACK, TILE, V1
from asap_ingest.render_ws.http.query_parameters import Z_RANGE, declared
from asap_ingest.render_ws.http.resources import Operation
from asap_ingest.render_ws.stacks.stack_states import require_stack
from asap_ingest.render_ws.store import TileFilter
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

DEFAULT_FORMAT = "KARSH"


def get_layout_file(choose: Callable[[Call], TileFilter], call: Call) -> Response:
    """Positions of the tiles of a stack, a layer or a range of z, for other alignment tools."""
    from asap_ingest.render_ws.stacks.layout_lines import FORMATS

    wanted = DEFAULT_FORMAT if call.query.text("format") is None else call.query.text("format")
    if wanted not in FORMATS:
        raise IllTypedError(f"layout format {wanted!r} is none of {sorted(FORMATS)}")
    form = FORMATS[wanted]
    which = choose(call)
    with call.service.store.reading() as session:
        record = require_stack(session, call.stack_id)
        lines = [form.head(None if record.stats is None else record.stats["stackBounds"])]
        for row in session.tiles_in_order(record.key, which, form.order):
            tile = row.parsed()
            try:
                lines.append(form.line(tile, image_path(tile), _parameters_url(call, tile.get("tileId"))))
            except IllegalArgumentError as error:
                raise IllegalArgumentError(f"tile '{tile.get('tileId')}': {error}") from error
            call.memory.count_written(len(lines[-1]))
    return text_answer("".join(lines))


def image_path(tile: dict[str, Any]) -> str | None:
    """Path of the first image of a tile, None without one; the URL of an image that is no file."""
    from asap_ingest.render_ws.drawing.channels import tile_channels
    from asap_ingest.render_ws.drawing.image_urls import local_path

    first: dict[str, str] = next(iter(tile_channels(tile)[0].images.values()), {})
    url = first.get("imageUrl")
    try:
        return None if url is None else str(Path(local_path(url)))
    except IllegalArgumentError:
        return url


def of_stack(call: Call) -> TileFilter:
    """Tiles of the stack, within the limits of z in the query."""
    return TileFilter(min_z=call.query.double("minZ"), max_z=call.query.double("maxZ"))


def of_layer(call: Call) -> TileFilter:
    """Tiles of the layer in the path."""
    return TileFilter(z=call.path["z"])


def of_range(call: Call) -> TileFilter:
    """Tiles within the limits of z in the path."""
    return TileFilter(min_z=call.path["minZ"], max_z=call.path["maxZ"])


def _parameters_url(call: Call, tile_id: str | None) -> str:
    names = {name: call.path[name] for name in ("owner", "project", "stack")}
    path = TILE.format(**names, tile=quote(str(tile_id), safe=""))
    return f"{call.url.partition(f'{V1}/')[0]}{path}/render-parameters"


_FORMAT = declared(format="text")
LAYOUT_OPERATIONS = tuple(
    Operation("GET", f"{place}/layoutFile", partial(get_layout_file, choose), TEXT, query=query)
    for place, choose, query in (
        (STACK, of_stack, (*Z_RANGE, *_FORMAT)),
        (LAYER, of_layer, _FORMAT),
        (f"{STACK}/zRange/{{minZ:double}},{{maxZ:double}}", of_range, _FORMAT),
    )
)
