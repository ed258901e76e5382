"""Requests for images and render parameters of boxes, layers and tiles."""

from __future__ import annotations

import json
from dataclasses import dataclass, make_dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from starlette.responses import Response

from asap_ingest.render_ws.drawing.draw import draw
from asap_ingest.render_ws.drawing.image_forms import FORMS, encode
from asap_ingest.render_ws.drawing.layer_files import MissingTiles, check_files
from asap_ingest.render_ws.drawing.layers import LayerTile, layer_of
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters, from_json, to_json
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
from asap_ingest.render_ws.pictures.picture_parameters import (
    BoxQuery,
    Build,
    DrawingQuery,
    NeighborsQuery,
    PictureRequest,
    TileQuery,
    build_box,
    build_layer,
    build_neighborhood,
    build_source,
    build_tile,
)
from asap_ingest.render_ws.stacks.stack_states import require_data, require_stack
from asap_ingest.render_ws.store import TileFilter
from asap_ingest.render_ws.tiles.tile_requests import require_tiles
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.wire.stack_records import StackRecord

CACHE_CONTROL = "no-transform, max-age=3600"
COUNT_HEADER, LIST_HEADER = "x-missing-tile-count", "x-missing-tiles"
#: Clients and proxies limit headers to some kilobytes: further tiles are only counted.
MOST_LISTED_BYTES = 4000
#: How long clients may cache a picture in which tiles are missing: their files may appear soon.
SECONDS_CACHED = 5
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
    """Parameters that render-ws does not have.

    `missing=skip` leaves out tiles that cannot be drawn; `seams=fill` fills gaps between tiles.
    """

    missing: str | None = None
    seams: str | None = None

    def check(self) -> None:
        """Raise IllegalArgumentError for any other value."""
        for name, value, known in (("missing", self.missing, "skip"), ("seams", self.seams, "fill")):
            if value not in (None, known):
                raise IllegalArgumentError(f"{name} may be {known!r} or left out, but is {value!r}")


def with_view(query: type[Query]) -> type[Query]:
    """A class of queries that have the parameters of `ViewQuery` too."""
    return make_dataclass(f"View{query.__name__}", [], bases=(query, ViewQuery), frozen=True)


def image_options(form: str, query: type[Query]) -> dict[str, Any]:
    """Keyword arguments of `Operations.answers` for images of part of a stack."""
    return {"produces": MEDIA_TYPES[form], "query": with_view(query), "draws": True, "statuses": (200, 304)}


def get_image(form: str, build: Build, call: Call) -> Response:
    """Draw a part of a stack, or answer 304 if the client has the image.

    Raises
    ------
    IllegalStateError
        For most errors before drawing starts, as in render-ws.
    IllegalArgumentError
        For a layer without tiles, a wrong query of a layer, and errors of drawing, such as a missing image.
    """
    stack_id = checked_id(call)
    with call.reading() as session:
        record = require_stack(session, stack_id)
        if is_cached(call, record):
            return Response(status_code=304, headers=caching_headers(record))
        parameters = build(PictureRequest(session, record, call, drawn=True))
    answer = _draw(call, parameters, form)
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


def get_parameters(build: Build, call: Call) -> bytes:
    """Get the render parameters of an image as JSON."""
    with call.reading() as session:
        record = require_stack(session, call.stack_id)
        parameters = build(PictureRequest(session, record, call, drawn=False))
    # the limit on the number of tiles is not part of the parameters
    return json_object(call, to_json(replace(parameters, max_tile_specs=None)))


def put_image(form: str, call: Call) -> Response:
    """Draw the render parameters in the body."""
    parameters = call.json()
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
    missing = None if query.missing is None else MissingTiles(parameters)
    claim = partial(call.memory.work.grow, may_wait=True)
    canvas = draw(parameters, call.images, limits.image_pixels, claim, missing)
    media_type, content = encode(canvas, form, parameters)
    return Response(content, headers={"content-type": media_type, **_missing_headers(missing)})


def _missing_headers(missing: MissingTiles | None) -> dict[str, str]:
    """Headers of a picture from which tiles were left out; {} if there are none.

    They hold the number of these tiles, and an ASCII JSON list of the first ones, as of
    `MissingTiles.described`.
    """
    if missing is None or not missing.reasons:
        return {}
    listed: list[str] = []
    for tile in missing.described():
        listed.append(json.dumps(tile))
        if sum(map(len, listed)) > MOST_LISTED_BYTES:
            break
    return {
        COUNT_HEADER: str(len(missing.reasons)),
        LIST_HEADER: f"[{', '.join(listed)}]",
        "cache-control": f"no-transform, max-age={SECONDS_CACHED}",
    }


class PicturePath(NamedTuple):
    """A path below which there are images, and their render parameters.

    Attributes
    ----------
    forms : dict
        Last part of the path of an image -> its form, a key of `image_forms.FORMS`.
    parameters_path : str
        Last part of the path of the render parameters.
    """

    path: str
    build: Build
    forms: dict[str, str]
    query: type[Query] = BoxQuery
    parameters_path: str = "render-parameters"


PICTURE_PATHS = (
    PicturePath(f"{STACK}/{BOX}", build_box, BOX_FORMS),
    PicturePath(f"{GROUP}/{BOX}", build_box, BASIC_FORMS),
    PicturePath(f"{STACK}/{DVID_BOX}", build_box, DVID_FORMS),
    PicturePath(f"{GROUP}/{DVID_BOX}", build_box, DVID_FORMS),
    PicturePath(LAYER, build_layer, BASIC_FORMS),
    PicturePath(TILE, build_tile, TILE_FORMS, TileQuery),
    PicturePath(f"{TILE}/withNeighbors", build_neighborhood, {"jpeg-image": "jpeg-image"}, NeighborsQuery),
    *(
        PicturePath(
            f"{TILE}/{kind}",
            partial(build_source, kind),
            BASIC_FORMS,
            DrawingQuery,
            "scale/{scale:double}/render-parameters",
        )
        for kind in ("source", "mask")
    ),
)
for _picture in PICTURE_PATHS:
    for _name, _form in _picture.forms.items():
        PICTURE_OPERATIONS.answers("GET", f"{_picture.path}/{_name}", **image_options(_form, _picture.query))(
            partial(get_image, _form, _picture.build)
        )
    PARAMETER_OPERATIONS.answers("GET", f"{_picture.path}/{_picture.parameters_path}", query=_picture.query)(
        partial(get_parameters, _picture.build)
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
        record = require_data(session, call.stack_id)
        tiles = PictureRequest(session, record, call, drawn=False).tiles(TileFilter(z=call.path["z"]))
        require_tiles(record, call.path["z"], tiles)

        def note(tile: LayerTile, error: Exception) -> None:
            missing.append({"tileId": tile.tile_id, "reason": str(error)})

        check_files(layer_of(tiles).tiles, call.images.check, note)
    return json_answer(missing)
