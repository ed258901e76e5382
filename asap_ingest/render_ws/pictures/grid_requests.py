"""Requests for boxes of a grid with levels, and for overviews of layers: the tile sources of CATMAID."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from starlette.responses import Response

from asap_ingest.render_ws.drawing.box_files import BoxName, read_box_file
from asap_ingest.render_ws.drawing.render_parameters import Box, RenderParameters, box_parameters
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import STACK, Operations
from asap_ingest.render_ws.pictures.picture_parameters import BoxQuery, Tiles, tiles_in
from asap_ingest.render_ws.pictures.picture_requests import (
    MEDIA_TYPES,
    caching_headers,
    checked_id,
    get_image,
    image_options,
    is_cached,
    strictly,
)
from asap_ingest.render_ws.stacks.stack_states import require_stack
from asap_ingest.render_ws.store import Session
from asap_ingest.render_ws.wire.java_numbers import truncate_to_int
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.stack_records import StackRecord

GRID = f"{STACK}/largeDataTileSource/{{width:int32}}/{{height:int32}}"
#: Form of the image by extension.
FORMS = {"jpg": "jpeg-image", "png": "png-image"}
#: Levels whose pixels can be counted in 32 bits.
LEVELS = range(31)
MOST_TILES_DRAWN = 40
OVERVIEW_SIZE = 192


@dataclass(frozen=True)
class OverviewQuery(BoxQuery):
    """Size of an overview, and whether it begins where the stack does."""

    max_overview_width_and_height: int | None = None
    translate_origin: bool | None = None


def get_box(extension: str, call: Call) -> Response:
    """Get a box of the grid of a level: from a file that was drawn in advance, or drawn now."""
    with call.reading() as session:
        record = require_stack(session, checked_id(call))
    content = _drawn_in_advance(extension, call, record)
    if content is None:
        return get_image(FORMS[extension], _level_tiles, strictly(_build_level), call)
    caching = caching_headers(record)
    if is_cached(call, record):
        return Response(status_code=304, headers=caching)
    return Response(content, headers={"content-type": MEDIA_TYPES[FORMS[extension]], **caching})


def _drawn_in_advance(extension: str, call: Call, record: StackRecord) -> bytes | None:
    root = record.version.get("materializedBoxRootPath")
    if not root or call.query.max_tile_specs_to_render == 0:
        return None
    names = {name: call.path[name] for name in ("width", "height", "level", "z", "row", "column")}
    return read_box_file(root, BoxName(**names, extension=extension), call.images)


def _level_box(call: Call) -> Box:
    path = call.path
    if path["level"] not in LEVELS:
        raise IllegalArgumentError(f"level {path['level']} is not between 0 and {LEVELS[-1]}")
    pixel = 2 ** path["level"]
    width, height = path["width"] * pixel, path["height"] * pixel
    return Box(float(path["column"] * width), float(path["row"] * height), width, height, 1 / pixel)


def _level_tiles(session: Session, call: Call) -> tuple[StackRecord, Tiles]:
    record = require_stack(session, call.stack_id)
    return record, tiles_in(session, record, call, call.path["z"], _level_box(call))


def _build_level(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    return _parameters(call, record, tiles, _level_box(call))


def get_overview(extension: str, call: Call) -> Response:
    """Draw a whole layer scaled to fit into a square.

    It begins at world 0, 0, or where the stack does if that is below 0 or `translateOrigin` is given.
    """
    return get_image(FORMS[extension], _overview_tiles, strictly(_build_overview), call)


def _overview_box(call: Call, record: StackRecord) -> Box:
    if record.stats is None:
        raise IllegalArgumentError(f"{record.stack_id} has no bounds: it must be COMPLETE")
    bounds = {name: float(value) for name, value in record.stats["stackBounds"].items()}
    x, y = bounds["minX"], bounds["minY"]
    if not (call.query.translate_origin or x < 0 or y < 0):
        x, y = 0.0, 0.0
    width, height = truncate_to_int(bounds["maxX"] - x), truncate_to_int(bounds["maxY"] - y)
    size = call.query.max_overview_width_and_height
    return Box(x, y, width, height, (OVERVIEW_SIZE if size is None else size) / max(width, height, 1))


def _overview_tiles(session: Session, call: Call) -> tuple[StackRecord, Tiles]:
    record = require_stack(session, call.stack_id)
    return record, tiles_in(session, record, call, call.path["z"], _overview_box(call, record))


def _build_overview(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    return _parameters(call, record, tiles, _overview_box(call, record))


def _parameters(call: Call, record: StackRecord, tiles: Tiles, box: Box) -> RenderParameters:
    parameters = box_parameters(call.query.by_parameter(), tiles, box, record.version)
    limit = parameters.max_tile_specs
    return replace(parameters, max_tile_specs=MOST_TILES_DRAWN if limit is None else limit)


GRID_OPERATIONS = Operations("Images")
for _extension, _form in FORMS.items():
    GRID_OPERATIONS.answers(
        "GET",
        f"{GRID}/{{level:int32}}/{{z:double}}/{{row:int32}}/{{column:int32}}.{_extension}",
        **image_options(_form, BoxQuery),
    )(partial(get_box, _extension))
    GRID_OPERATIONS.answers(
        "GET", f"{GRID}/small/{{z:double}}.{_extension}", **image_options(_form, OverviewQuery)
    )(partial(get_overview, _extension))
