"""The render service as an ASGI application: the table of all requests it knows."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from asap_ingest.render_ws.http.answers import JSON, TEXT, Service
from asap_ingest.render_ws.http.paths import AREA, DVID_BOX, LAYER, OWNER, PROJECT, STACK, TILE, V1
from asap_ingest.render_ws.http.resources import Operation, answer_error, routes_of
from asap_ingest.render_ws.http.transport import Transport
from asap_ingest.render_ws.problems import RequestError
from asap_ingest.render_ws.routes import copies, data, stacks, tiles, versions
from asap_ingest.render_ws.routes.image_places import IMAGE_OPERATIONS
from asap_ingest.render_ws.view import stacks_page

OPERATIONS = (
    Operation("GET", "/", stacks_page.go_to_page, None),
    Operation("GET", "/render-ws", stacks_page.go_to_page, None),
    Operation("GET", "/render-ws/view/stacks.html", stacks_page.show_stacks, "text/html"),
    Operation("GET", f"{V1}/likelyUniqueId", stacks.likely_unique_id, TEXT),
    Operation("GET", f"{V1}/owners", stacks.list_owners),
    Operation("DELETE", f"{V1}/imageProcessorCache/allEntries", stacks.clear_image_cache),
    Operation("GET", f"{OWNER}/projects", stacks.list_projects),
    Operation("GET", f"{OWNER}/stackIds", stacks.list_stack_ids),
    Operation("GET", f"{OWNER}/stacks", stacks.list_stacks),
    Operation("GET", f"{PROJECT}/stackIds", stacks.list_stack_ids),
    Operation("GET", f"{PROJECT}/stacks", stacks.list_stacks),
    Operation("GET", STACK, stacks.get_stack),
    Operation("POST", STACK, stacks.post_stack, None, JSON),
    Operation("DELETE", STACK, stacks.remove_stack, None),
    Operation("PUT", f"{STACK}/state/{{state}}", stacks.put_state, None),
    Operation("PUT", f"{STACK}/stackId", copies.rename_stack, None, JSON),
    Operation("PUT", f"{STACK}/cloneTo/{{target}}", copies.clone_stack, None, JSON),
    Operation("GET", f"{STACK}/hierarchicalData", versions.get_hierarchical_data),
    Operation("GET", f"{STACK}/bounds", data.get_stack_bounds),
    Operation("GET", f"{STACK}/zValues", data.get_z_values),
    Operation("GET", f"{STACK}/sectionData", data.get_section_data),
    Operation("GET", f"{STACK}/tileIds", data.get_tile_ids),
    Operation("GET", f"{STACK}/section/{{section}}/tileBounds", data.get_tile_bounds),
    Operation("GET", f"{STACK}/section/{{section}}/z", data.get_section_z),
    Operation("PUT", f"{STACK}/section/{{section}}/z", copies.put_z_of_section, None, JSON),
    Operation("PUT", f"{LAYER}/tileIds", copies.put_z_of_tiles, None, JSON),
    Operation("GET", f"{LAYER}/last-tile-transforms", copies.get_last_transforms),
    Operation("DELETE", f"{STACK}/section/{{section}}", data.delete_tiles, None),
    Operation("GET", f"{LAYER}/bounds", data.get_layer_bounds),
    Operation("GET", f"{LAYER}/tileBounds", data.get_tile_bounds),
    Operation("GET", f"{LAYER}/sectionData", data.get_layer_section_data),
    Operation("GET", f"{LAYER}/box/{AREA}/tile-count", data.get_tile_count),
    Operation("GET", f"{STACK}/{DVID_BOX}/tile-count", data.get_tile_count),
    Operation("DELETE", LAYER, data.delete_tiles, None),
    Operation("GET", TILE, tiles.get_tile),
    Operation("DELETE", TILE, data.delete_tiles, None),
    Operation("GET", f"{STACK}/transform/{{transform}}", tiles.get_transform),
    Operation("PUT", f"{STACK}/tile-specs-with-ids", tiles.get_tiles_with_ids, JSON, JSON),
    Operation("GET", f"{LAYER}/tile-specs", tiles.get_layer_tiles),
    Operation("GET", f"{LAYER}/resolvedTiles", tiles.get_layer_collection),
    Operation("PUT", f"{LAYER}/resolvedTiles", tiles.put_collection, None, JSON),
    Operation("GET", f"{STACK}/resolvedTiles", tiles.get_collection),
    Operation("PUT", f"{STACK}/resolvedTiles", tiles.put_collection, None, JSON),
)

#: (field of the version, how it is read, how it is set, media type of the body, what a deletion removes)
VERSION_FIELDS = (
    (
        "resolutionValues",
        versions.get_resolution,
        versions.put_resolution,
        JSON,
        versions.RESOLUTION_FIELDS,
    ),
    (
        "materializedBoxRootPath",
        versions.get_box_root,
        versions.put_box_root,
        "text/plain",
        ("materializedBoxRootPath",),
    ),
    (
        "mipmapPathBuilder",
        versions.get_path_builder,
        versions.put_path_builder,
        JSON,
        ("mipmapPathBuilder",),
    ),
    (
        "defaultChannel",
        versions.get_default_channel,
        versions.put_default_channel,
        JSON,
        ("defaultChannel",),
    ),
    (
        "cycle",
        versions.get_cycle,
        versions.put_cycle,
        JSON,
        tuple(versions.CYCLE_FIELDS.values()),
    ),
)
VERSION_OPERATIONS = tuple(
    operation
    for field, get, put, consumes, removed in VERSION_FIELDS
    for operation in (
        Operation("GET", f"{STACK}/{field}", get, TEXT if consumes != JSON else JSON),
        Operation("PUT", f"{STACK}/{field}", put, None, consumes),
        Operation("DELETE", f"{STACK}/{field}", versions.forget_fields(*removed), None),
    )
)


def build_app(service: Service) -> ASGIApp:
    """The application; it serves until `service.store` is closed."""
    app = Starlette(
        routes=routes_of((*OPERATIONS, *VERSION_OPERATIONS, *IMAGE_OPERATIONS), service),
        exception_handlers={
            RequestError: answer_error,
            HTTPException: _answer_unknown_path,
            ClientDisconnect: _answer_nobody,
            Exception: answer_error,
        },
    )
    app.router.redirect_slashes = False
    return Transport(app)


async def _answer_unknown_path(request: Request, error: Exception) -> Response:
    return Response(status_code=error.status_code if isinstance(error, HTTPException) else 404)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    # the client went away while it sent its body: nothing was stored, and no fault to report
    return Response(status_code=400)
