"""Requests for images and render parameters of boxes, layers and tiles."""

from __future__ import annotations

from dataclasses import dataclass, make_dataclass, replace
from functools import partial
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.drawing.draw import draw
from asap_ingest.render_ws.drawing.image_forms import FORMS, encode
from asap_ingest.render_ws.drawing.layers import layer_of
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters, from_json, to_json
from asap_ingest.render_ws.drawing.undrawn_tiles import MissingTiles
from asap_ingest.render_ws.http.answers import json_answer, json_object
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import (
    BOX,
    DVID_BOX,
    GROUP,
    LAYER,
    OWNER,
    STACK,
    TILE,
    Operations,
)
from asap_ingest.render_ws.http.queries import Query
from asap_ingest.render_ws.pictures.missing_tile_headers import COUNT_HEADER, missing_headers
from asap_ingest.render_ws.pictures.picture_parameters import (
    BoxQuery,
    Build,
    DrawingQuery,
    NeighborsQuery,
    Select,
    TileQuery,
    Tiles,
    box_tiles,
    build_box,
    build_layer,
    build_neighborhood,
    build_source,
    build_tile,
    layer_tiles,
    neighborhood,
    one_tile,
)
from asap_ingest.render_ws.stacks.stack_states import require_stack
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.wire.stack_records import StackRecord

CACHE_CONTROL = "no-transform, max-age=3600"
LAYER_SCALE = 0.01
#: Media type of each image form.
MEDIA_TYPES = {form: media_type for form, (media_type, _) in FORMS.items()}
BASIC_FORMS = {form: form for form in ("jpeg-image", "png-image", "tiff-image")}
TILE_FORMS = {**BASIC_FORMS, "tiff16-image": "tiff16-image"}
BOX_FORMS = {form: form for form in FORMS}
DVID_FORMS = {"jpg": "jpeg-image", "png": "png-image", "tif": "tiff-image"}
PICTURE_OPERATIONS = Operations("Images")
PARAMETER_OPERATIONS = Operations("Render parameters")


@dataclass(frozen=True)
class ViewQuery(Query):
    """Options that render-ws does not have.

    `missing=skip` leaves out tiles that cannot be drawn, `seams=fill` fills the gaps between tiles.
    """

    missing: str | None = None
    seams: str | None = None

    def check(self) -> None:
        """Raise IllegalArgumentError for other values than these two."""
        for name, value, known in (("missing", self.missing, "skip"), ("seams", self.seams, "fill")):
            if value not in (None, known):
                raise IllegalArgumentError(f"{name} may be {known!r} or left out, but is {value!r}")


def with_view(query: type[Query]) -> type[Query]:
    """A query with the parameters of `ViewQuery` added."""
    return make_dataclass(f"View{query.__name__}", [], bases=(query, ViewQuery), frozen=True)


def image_options(form: str, query: type[Query]) -> dict[str, Any]:
    """Parameters of `Operations.answers` for an image of part of a stack."""
    return {"produces": MEDIA_TYPES[form], "query": with_view(query), "draws": True, "statuses": (200, 304)}


def get_image(form: str, select: Select, build: Build, call: Call) -> Response:
    """Draw a part of a stack, or answer 304 if the client has the image.

    Raises
    ------
    IllegalStateError
        For errors before drawing starts, as in render-ws; argument errors included.
    IllegalArgumentError
        For a layer without tiles or with a wrong query, and for errors of drawing, such as a missing image.
    """
    stack_id = checked_id(call)
    with call.reading() as session:
        record = require_stack(session, stack_id)
        if is_cached(call, record):
            return Response(status_code=304, headers=caching_headers(record))
        record, tiles = select(session, call)
    answer = _draw(call, build(call, record, tiles), form)
    if COUNT_HEADER not in answer.headers:
        answer.headers.update(caching_headers(record))
    return answer


def caching_headers(record: StackRecord) -> dict[str, str]:
    """Headers that let clients cache an image until the stack changes."""
    return {"etag": f'"{record.modified}"', "cache-control": CACHE_CONTROL}


def checked_id(call: Call) -> StackId:
    """The stack named in the path; IllegalStateError for an invalid name."""
    try:
        return call.stack_id
    except IllegalArgumentError as error:
        raise IllegalStateError(str(error)) from error


def is_cached(call: Call, record: StackRecord) -> bool:
    """Whether the client has the current image in its cache."""
    known = [tag.strip().removeprefix("W/") for tag in call.headers.get("if-none-match", "").split(",")]
    return caching_headers(record)["etag"] in known or "*" in known


def strictly(build: Build) -> Build:
    """The same, but argument errors become IllegalStateError: images of boxes answer 500 for them."""

    def build_strictly(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
        try:
            return build(call, record, tiles)
        except IllegalArgumentError as error:
            raise IllegalStateError(str(error)) from error

    return build_strictly


def _build_layer_image(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    return build_layer(call, record, tiles, LAYER_SCALE)


def _build_source_image(kind: str, call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    if call.query.channels is not None:
        raise IllegalStateError(f"the {kind} of a tile has no channels")
    return build_source(kind, call, record, tiles)


def get_parameters(select: Select, build: Build, call: Call) -> bytes:
    """Get the render parameters of an image as JSON."""
    with call.reading() as session:
        record, tiles = select(session, call)
    # the limit on the number of tiles is not part of the parameters
    return json_object(call, to_json(replace(build(call, record, tiles), max_tile_specs=None)))


def put_image(form: str, call: Call) -> Response:
    """Draw the render parameters in the body."""
    parameters = call.value()
    if parameters is None:
        raise IllegalStateError("no render parameters given")
    return _draw(call, parameters, form)


def _draw(call: Call, parameters: RenderParameters, form: str) -> Response:
    limits, query = call.service.limits, call.query
    if call.head_only:
        # the length is not known before the image is drawn
        answer = Response(headers={"content-type": MEDIA_TYPES[form]})
        del answer.headers["content-length"]
        return answer
    query.check()
    max_tile_specs = limits.tile_specs if parameters.max_tile_specs is None else parameters.max_tile_specs
    parameters = replace(parameters, max_tile_specs=max_tile_specs, fill_seams=query.seams is not None)
    missing = None if query.missing is None else MissingTiles()
    claim = partial(call.memory.work.grow, may_wait=True)
    canvas = draw(parameters, call.images, limits.image_pixels, claim, missing)
    media_type, content = encode(canvas, form, parameters)
    return Response(content, headers={"content-type": media_type, **missing_headers(missing)})


@dataclass(frozen=True)
class Place:
    """A path below which there are images.

    Attributes
    ----------
    forms : dict
        Last part of the path -> form of the image.
    parameters_path : str
        Path of the render parameters, below `path`.
    build_parameters : callable or None
        Builds the render parameters in the answer, where they differ from those of the image.
    query : type of Query
        Parameters of images and of render parameters.
    """

    path: str
    select: Select
    build: Build
    forms: dict[str, str]
    parameters_path: str = "render-parameters"
    build_parameters: Build | None = None
    query: type[Query] = BoxQuery


PLACES = (
    Place(f"{STACK}/{BOX}", box_tiles, strictly(build_box), BOX_FORMS, build_parameters=build_box),
    Place(f"{GROUP}/{BOX}", box_tiles, strictly(build_box), BASIC_FORMS, build_parameters=build_box),
    Place(f"{STACK}/{DVID_BOX}", box_tiles, strictly(build_box), DVID_FORMS, build_parameters=build_box),
    Place(f"{GROUP}/{DVID_BOX}", box_tiles, strictly(build_box), DVID_FORMS, build_parameters=build_box),
    Place(LAYER, layer_tiles, _build_layer_image, BASIC_FORMS, build_parameters=build_layer),
    Place(TILE, one_tile, build_tile, TILE_FORMS, query=TileQuery),
    Place(
        f"{TILE}/withNeighbors",
        neighborhood,
        build_neighborhood,
        {"jpeg-image": "jpeg-image"},
        query=NeighborsQuery,
    ),
    *(
        Place(
            f"{TILE}/{kind}",
            one_tile,
            partial(_build_source_image, kind),
            BASIC_FORMS,
            "scale/{scale:double}/render-parameters",
            partial(build_source, kind),
            query=DrawingQuery,
        )
        for kind in ("source", "mask")
    ),
)
for _place in PLACES:
    for _name, _form in _place.forms.items():
        PICTURE_OPERATIONS.answers("GET", f"{_place.path}/{_name}", **image_options(_form, _place.query))(
            partial(get_image, _form, _place.select, _place.build)
        )
    PARAMETER_OPERATIONS.answers("GET", f"{_place.path}/{_place.parameters_path}", query=_place.query)(
        partial(get_parameters, _place.select, _place.build_parameters or _place.build)
    )
for _form in BASIC_FORMS:
    PICTURE_OPERATIONS.answers(
        "PUT", f"{OWNER}/{_form}", MEDIA_TYPES[_form], ViewQuery, body=from_json, draws=True
    )(partial(put_image, _form))


@PICTURE_OPERATIONS.answers("GET", f"{LAYER}/missing-tiles")
def get_missing_tiles(call: Call) -> Response:
    """List the tiles of a layer whose image files are missing, empty or unreadable.

    Files that are not images are found only when they are drawn.
    """
    missing: list[dict[str, Any]] = []
    with call.reading() as session:
        layer, which = layer_of(layer_tiles(session, call)[1])

        def note(index: int, error: Exception) -> None:
            missing.append({"tileId": layer.sources(index).tile_id, "reason": str(error)})

        layer.check_files(which, call.images.check, note)
    return json_answer(missing)
