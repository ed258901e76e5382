"""The table of places that have images and render parameters: which tiles, what of them, in which forms."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from asap_ingest.render_ws.http.answers import JSON
from asap_ingest.render_ws.http.path_patterns import BOX, DVID_BOX, GROUP, LAYER, OWNER, STACK, TILE
from asap_ingest.render_ws.http.query_parameters import (
    BOX_QUERY,
    DRAWING_QUERY,
    NEIGHBORHOOD_QUERY,
    TILE_QUERY,
    VIEW_QUERY,
    QueryParameter,
    declared,
)
from asap_ingest.render_ws.http.resources import Operation
from asap_ingest.render_ws.pictures.drawing_parameters import (
    Build,
    Select,
    box_tiles,
    build_box,
    build_layer,
    build_neighborhood,
    build_source,
    build_tile,
    get_parameters,
    layer_tiles,
    neighborhood,
    one_tile,
)
from asap_ingest.render_ws.pictures.image_requests import (
    MEDIA_TYPES,
    build_layer_image,
    build_source_image,
    get_image,
    put_image,
    strictly,
)

BASIC_FORMS = {form: form for form in ("jpeg-image", "png-image", "tiff-image")}
TILE_FORMS = {**BASIC_FORMS, "tiff16-image": "tiff16-image"}
BOX_FORMS = {form: form for form in MEDIA_TYPES}
DVID_FORMS = {"jpg": "jpeg-image", "png": "png-image", "tif": "tiff-image"}


@dataclass(frozen=True)
class Place:
    """A path below which images can be asked for.

    Attributes
    ----------
    forms : dict
        Last part of the path -> form of the image.
    parameters_path : str
        Where the render parameters are, below `path`.
    build_parameters : callable or None
        Builds the render parameters; None: what is drawn.
    query : tuple of QueryParameter
        What the query may hold, of images and of render parameters.
    """

    path: str
    select: Select
    build: Build
    forms: dict[str, str]
    parameters_path: str = "render-parameters"
    build_parameters: Build | None = None
    query: tuple[QueryParameter, ...] = BOX_QUERY


PLACES = (
    Place(f"{STACK}/{BOX}", box_tiles, strictly(build_box), BOX_FORMS, build_parameters=build_box),
    Place(f"{GROUP}/{BOX}", box_tiles, strictly(build_box), BASIC_FORMS, build_parameters=build_box),
    Place(f"{STACK}/{DVID_BOX}", box_tiles, strictly(build_box), DVID_FORMS, build_parameters=build_box),
    Place(f"{GROUP}/{DVID_BOX}", box_tiles, strictly(build_box), DVID_FORMS, build_parameters=build_box),
    Place(LAYER, layer_tiles, build_layer_image, BASIC_FORMS, build_parameters=build_layer),
    Place(TILE, one_tile, build_tile, TILE_FORMS, query=TILE_QUERY),
    Place(
        f"{TILE}/withNeighbors",
        neighborhood,
        build_neighborhood,
        {"jpeg-image": "jpeg-image"},
        query=(*NEIGHBORHOOD_QUERY, *declared(boundingBoxesOnly="boolean")),
    ),
    *(
        Place(
            f"{TILE}/{kind}",
            one_tile,
            partial(build_source_image, kind),
            BASIC_FORMS,
            "scale/{scale:double}/render-parameters",
            partial(build_source, kind),
            query=DRAWING_QUERY,
        )
        for kind in ("source", "mask")
    ),
)


def _operations() -> Iterator[Operation]:
    for place in PLACES:
        for name, form in place.forms.items():
            handler = partial(get_image, form, place.select, place.build)
            yield Operation(
                "GET",
                f"{place.path}/{name}",
                handler,
                MEDIA_TYPES[form],
                draws=True,
                query=(*place.query, *VIEW_QUERY),
                statuses=(200, 304),
            )
        handler = partial(get_parameters, place.select, place.build_parameters or place.build)
        yield Operation("GET", f"{place.path}/{place.parameters_path}", handler, query=place.query)
    for form in BASIC_FORMS:
        handler = partial(put_image, form)
        yield Operation(
            "PUT",
            f"{OWNER}/{form}",
            handler,
            MEDIA_TYPES[form],
            JSON,
            draws=True,
            query=VIEW_QUERY,
            body="RenderParameters",
        )


IMAGE_OPERATIONS = tuple(_operations())
