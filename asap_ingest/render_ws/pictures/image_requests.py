"""Requests for images: of a box, a layer, a tile, and of render parameters sent along."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import Call
from asap_ingest.render_ws.http.query_parameters import VIEW_QUERY, read_query
from asap_ingest.render_ws.pictures.drawing_parameters import Build, Select, Tiles, build_layer, build_source
from asap_ingest.render_ws.pictures.missing_tile_options import COUNT_HEADER, missing_headers
from asap_ingest.render_ws.stacks.stack_states import require_stack
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.wire.stack_records import StackRecord

if TYPE_CHECKING:
    from asap_ingest.render_ws.drawing.render_parameters import RenderParameters

CACHE_CONTROL = "no-transform, max-age=3600"
LAYER_SCALE = 0.01
#: The only value of each parameter of `VIEW_QUERY`.
VIEW_VALUES = {"missing": "skip", "seams": "fill"}
#: Media type of each image form.
MEDIA_TYPES = {
    "jpeg-image": "image/jpeg",
    "png-image": "image/png",
    "tiff-image": "image/tiff",
    "tiff16-image": "image/tiff",
    "png16-image": "image/png",
    "raw-image": "application/octet-stream",
    "raw16-image": "application/octet-stream",
}


def get_image(form: str, select: Select, build: Build, call: Call) -> Response:
    """An image of part of a stack, or 304 when the client has it.

    Raises
    ------
    IllegalStateError
        For all that is wrong before drawing starts, argument errors included, as render-ws does.
    IllegalArgumentError
        For a layer without tiles or with a wrong query, and for what fails while drawing: a missing image,
        for one.
    """
    stack_id = checked_id(call)
    with call.service.store.reading() as session:
        record = require_stack(session, stack_id)
        if is_kept(call, record):
            return Response(status_code=304, headers=caching_headers(record))
        record, tiles = select(session, stack_id, call)
    answer = _draw(call, build(call, record, tiles), form)
    if COUNT_HEADER not in answer.headers:
        answer.headers.update(caching_headers(record))
    return answer


def caching_headers(record: StackRecord) -> dict[str, str]:
    """How long, and until which change of the stack, clients may keep an image."""
    return {"etag": f'"{record.modified}"', "cache-control": CACHE_CONTROL}


def checked_id(call: Call) -> StackId:
    """The stack named in the path; IllegalStateError for a bad name."""
    try:
        return call.stack_id
    except IllegalArgumentError as error:
        raise IllegalStateError(str(error)) from error


def is_kept(call: Call, record: StackRecord) -> bool:
    """Whether the client has the image as it would be now."""
    known = [tag.strip().removeprefix("W/") for tag in call.headers.get("if-none-match", "").split(",")]
    return caching_headers(record)["etag"] in known or "*" in known


def strictly(build: Build) -> Build:
    """The same, but argument errors become IllegalStateError: boxes answer 500 for them."""

    def build_strictly(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
        try:
            return build(call, record, tiles)
        except IllegalArgumentError as error:
            raise IllegalStateError(str(error)) from error

    return build_strictly


def build_layer_image(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    """Parameters of a layer, at a hundredth of its size unless the query has a scale."""
    return build_layer(call, record, tiles, LAYER_SCALE)


def build_source_image(kind: str, call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    """Parameters of the image or mask of a tile; IllegalStateError where a channel is asked for."""
    if call.query.text("channels") is not None:
        raise IllegalStateError(f"the {kind} of a tile has no channels")
    return build_source(kind, call, record, tiles)


def put_image(form: str, call: Call) -> Response:
    """The image of the render parameters in the body."""
    from asap_ingest.render_ws.drawing.render_parameters import from_json

    value = call.json()
    if value is None:
        raise IllegalStateError("no render parameters given")
    return _draw(call, from_json(value), form)


def _head(form: str) -> Response:
    """The head of an image that nobody reads; its length is not known before it is drawn."""
    answer = Response(headers={"content-type": MEDIA_TYPES[form]})
    del answer.headers["content-length"]
    return answer


def _draw(call: Call, parameters: RenderParameters, form: str) -> Response:
    from asap_ingest.render_ws.drawing.draw import draw
    from asap_ingest.render_ws.drawing.image_forms import encode
    from asap_ingest.render_ws.drawing.undrawn_tiles import MissingTiles

    limits = call.service.limits
    if parameters.max_tile_specs is None:
        parameters = replace(parameters, max_tile_specs=limits.tile_specs)
    if call.head_only:
        return _head(form)
    asked = _view_query(call)
    missing = MissingTiles() if asked["missing"] else None
    parameters = replace(parameters, fill_seams=asked["seams"])
    claim = partial(call.memory.work.grow, may_wait=True)
    canvas = draw(parameters, call.images, limits.image_pixels, claim, missing)
    media_type, content = encode(canvas, form, parameters)
    return Response(content, headers={"content-type": media_type, **missing_headers(missing)})


def _view_query(call: Call) -> dict[str, bool]:
    """Which parameters of `VIEW_QUERY` are given; IllegalArgumentError for a value that there is not."""
    given = read_query(call.query, VIEW_QUERY)
    for name, value in given.items():
        if value not in (None, VIEW_VALUES[name]):
            raise IllegalArgumentError(f"{name} may be {VIEW_VALUES[name]!r} or left out, but is {value!r}")
    return {name: value is not None for name, value in given.items()}
