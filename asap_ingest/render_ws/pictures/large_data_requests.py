"""Requests for boxes of a grid with levels, and for overviews of layers: what CATMAID shows as tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import Call
from asap_ingest.render_ws.http.path_patterns import STACK
from asap_ingest.render_ws.http.query_parameters import BOX_QUERY, VIEW_QUERY, declared, read_query
from asap_ingest.render_ws.http.resources import Operation
from asap_ingest.render_ws.pictures.drawing_parameters import Tiles, tiles_of
from asap_ingest.render_ws.pictures.image_requests import (
    MEDIA_TYPES,
    caching_headers,
    checked_id,
    get_image,
    is_kept,
    strictly,
)
from asap_ingest.render_ws.stacks.stack_states import require_stack
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.stack_records import StackRecord

if TYPE_CHECKING:
    from asap_ingest.render_ws.drawing.render_parameters import Box, RenderParameters

PLACE = f"{STACK}/largeDataTileSource/{{width:int32}}/{{height:int32}}"
OVERVIEW_QUERY = (*BOX_QUERY, *declared(maxOverviewWidthAndHeight="integer", translateOrigin="boolean"))
#: Form of the image by extension.
FORMS = {"jpg": "jpeg-image", "png": "png-image"}
#: Levels whose pixels 32 bits can count.
LEVELS = range(31)
MOST_TILES_DRAWN = 40
OVERVIEW_SIZE = 192


def get_box(extension: str, call: Call) -> Response:
    """A box of the grid of a level: the file drawn in advance, if there is one, else drawn now."""
    with call.service.store.reading() as session:
        record = require_stack(session, checked_id(call))
    content = _drawn_in_advance(extension, call, record)
    if content is None:
        return get_image(FORMS[extension], _level_tiles, strictly(_build_level), call)
    caching = caching_headers(record)
    if is_kept(call, record):
        return Response(status_code=304, headers=caching)
    return Response(content, headers={"content-type": MEDIA_TYPES[FORMS[extension]], **caching})


def _drawn_in_advance(extension: str, call: Call, record: StackRecord) -> bytes | None:
    from asap_ingest.render_ws.drawing.box_files import BoxName, read_box_file

    root = record.version.get("materializedBoxRootPath")
    if not root or call.query.integer("maxTileSpecsToRender") == 0:
        return None
    place = {name: call.path[name] for name in ("width", "height", "level", "z", "row", "column")}
    return read_box_file(root, BoxName(**place, extension=extension), call.images)


def _level_box(call: Call) -> Box:
    from asap_ingest.render_ws.drawing.render_parameters import Box

    path = call.path
    if path["level"] not in LEVELS:
        raise IllegalArgumentError(f"level {path['level']} is not between 0 and {LEVELS[-1]}")
    pixel = 2 ** path["level"]
    width, height = path["width"] * pixel, path["height"] * pixel
    return Box(float(path["column"] * width), float(path["row"] * height), width, height, 1 / pixel)


def _level_tiles(session: Session, stack_id: StackId, call: Call) -> tuple[StackRecord, Tiles]:
    record = require_stack(session, stack_id)
    return record, _tiles_in(session, record, call, _level_box(call))


def _build_level(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    return _parameters(call, record, tiles, _level_box(call))


def get_overview(extension: str, call: Call) -> Response:
    """A whole layer fitted into a square: it begins at world 0, 0, or as `_overview_corner` says."""
    return get_image(FORMS[extension], _overview_tiles, strictly(_build_overview), call)


def _overview_box(call: Call, record: StackRecord) -> Box:
    from asap_ingest.render_ws.drawing.render_parameters import Box
    from asap_ingest.render_ws.wire.java_numbers import truncate_to_int

    if record.stats is None:
        raise IllegalArgumentError(f"{record.stack_id} has no bounds: it must be COMPLETE")
    bounds = {name: float(value) for name, value in record.stats["stackBounds"].items()}
    x, y = _overview_corner(bounds["minX"], bounds["minY"], call.query.flag("translateOrigin") is True)
    width, height = truncate_to_int(bounds["maxX"] - x), truncate_to_int(bounds["maxY"] - y)
    size = call.query.integer("maxOverviewWidthAndHeight")
    return Box(x, y, width, height, (OVERVIEW_SIZE if size is None else size) / max(width, height, 1))


def _overview_corner(min_x: float, min_y: float, translated: bool) -> tuple[float, float]:
    """Where an overview begins: at 0, 0, or where the stack does, if so asked or if it reaches below 0."""
    return (min_x, min_y) if translated or min_x < 0 or min_y < 0 else (0.0, 0.0)


def _overview_tiles(session: Session, stack_id: StackId, call: Call) -> tuple[StackRecord, Tiles]:
    record = require_stack(session, stack_id)
    return record, _tiles_in(session, record, call, _overview_box(call, record))


def _build_overview(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    return _parameters(call, record, tiles, _overview_box(call, record))


def _tiles_in(session: Session, record: StackRecord, call: Call, box: Box) -> Tiles:
    which = TileFilter(
        z=call.path["z"], min_x=box.x, max_x=box.x + box.width, min_y=box.y, max_y=box.y + box.height
    )
    return tiles_of(session, record, call, which)


def _parameters(call: Call, record: StackRecord, tiles: Tiles, box: Box) -> RenderParameters:
    from asap_ingest.render_ws.drawing.render_parameters import box_parameters

    parameters = box_parameters(read_query(call.query, BOX_QUERY), tiles, box, record.version)
    limit = parameters.max_tile_specs
    return replace(parameters, max_tile_specs=MOST_TILES_DRAWN if limit is None else limit)


def _operations() -> Iterator[Operation]:
    for extension, form in FORMS.items():
        for path, handler, query in (
            (f"{{level:int32}}/{{z:double}}/{{row:int32}}/{{column:int32}}.{extension}", get_box, BOX_QUERY),
            (f"small/{{z:double}}.{extension}", get_overview, OVERVIEW_QUERY),
        ):
            yield Operation(
                "GET",
                f"{PLACE}/{path}",
                partial(handler, extension),
                MEDIA_TYPES[form],
                draws=True,
                query=(*query, *VIEW_QUERY),
                statuses=(200, 304),
            )


LARGE_DATA_OPERATIONS = tuple(_operations())
