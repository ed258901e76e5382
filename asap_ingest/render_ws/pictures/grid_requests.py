"""Requests for boxes of a grid with levels, and for overviews of layers, as CATMAID makes them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from starlette.responses import Response

from asap_ingest.render_ws.drawing.box_files import box_paths, read_box_file
from asap_ingest.render_ws.drawing.render_parameters import Box, RenderParameters
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import STACK, Operations
from asap_ingest.render_ws.pictures.picture_parameters import BoxQuery, PictureRequest
from asap_ingest.render_ws.pictures.picture_requests import (
    MEDIA_TYPES,
    caching_headers,
    checked_id,
    get_image,
    image_options,
    is_cached,
)
from asap_ingest.render_ws.stacks.stack_states import require_stack
from asap_ingest.render_ws.wire.java_numbers import truncate_to_int
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.stack_records import StackRecord

GRID = f"{STACK}/largeDataTileSource/{{width:int32}}/{{height:int32}}"
#: Extension -> form of the image, a key of `image_forms.FORMS`.
FORMS = {"jpg": "jpeg-image", "png": "png-image"}
#: Levels whose pixels have a side of 31 bits at most.
LEVELS = range(31)
MOST_TILES_DRAWN = 40
OVERVIEW_SIZE = 192


@dataclass(frozen=True)
class OverviewQuery(BoxQuery):
    """Largest side of an overview in pixels, and whether it begins at the corner of the stack."""

    max_overview_width_and_height: int | None = None
    translate_origin: bool | None = None


def get_box(extension: str, call: Call) -> Response:
    """Get a box of the grid of a level, from a file that was drawn in advance, or drawn now."""
    with call.reading() as session:
        record = require_stack(session, checked_id(call))
    content = _drawn_in_advance(extension, call, record)
    if content is None:
        return get_image(FORMS[extension], _build_level, call)
    caching = caching_headers(record)
    if is_cached(call, record):
        return Response(status_code=304, headers=caching)
    return Response(content, headers={"content-type": MEDIA_TYPES[FORMS[extension]], **caching})


def _drawn_in_advance(extension: str, call: Call, record: StackRecord) -> bytes | None:
    root = record.version.get("materializedBoxRootPath")
    if not root or call.query.max_tile_specs_to_render == 0:
        return None
    names = {name: call.path[name] for name in ("width", "height", "level", "z", "row", "column")}
    return read_box_file(root, box_paths(**names), extension, call.images)


def _build_level(request: PictureRequest) -> RenderParameters:
    path = request.call.path
    if path["level"] not in LEVELS:
        raise IllegalArgumentError(f"level {path['level']} is not between 0 and {LEVELS[-1]}")
    pixel = 2 ** path["level"]
    width, height = path["width"] * pixel, path["height"] * pixel
    x, y = float(path["column"] * width), float(path["row"] * height)
    return _with_few_tiles(request, Box(x, y, width, height, 1 / pixel))


def _with_few_tiles(request: PictureRequest, box: Box) -> RenderParameters:
    """Parameters of a box; without a limit in the query, more than `MOST_TILES_DRAWN` tiles show outlines."""
    parameters = request.in_box(request.call.path["z"], box, strict=True)
    limit = parameters.max_tile_specs
    return replace(parameters, max_tile_specs=MOST_TILES_DRAWN if limit is None else limit)


def get_overview(extension: str, call: Call) -> Response:
    """Draw a whole layer scaled to fit into a square.

    It begins at world 0, 0, or where the stack does if that is below 0 or `translateOrigin` is given.
    """
    return get_image(FORMS[extension], _build_overview, call)


def _build_overview(request: PictureRequest) -> RenderParameters:
    record, query = request.record, request.call.query
    if record.stats is None:
        raise IllegalArgumentError(f"{record.stack_id} has no bounds: it must be COMPLETE")
    bounds = {name: float(value) for name, value in record.stats["stackBounds"].items()}
    x, y = bounds["minX"], bounds["minY"]
    if not (query.translate_origin or x < 0 or y < 0):
        x, y = 0.0, 0.0
    width, height = truncate_to_int(bounds["maxX"] - x), truncate_to_int(bounds["maxY"] - y)
    size = query.max_overview_width_and_height
    scale = (OVERVIEW_SIZE if size is None else size) / max(width, height, 1)
    return _with_few_tiles(request, Box(x, y, width, height, scale))


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
