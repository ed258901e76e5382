"""The render service as an ASGI application: the table of all requests it knows."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from asap_ingest.render_ws import routes_copies, routes_data, routes_stacks, routes_tiles, routes_versions
from asap_ingest.render_ws.answers import JSON, TEXT, Service
from asap_ingest.render_ws.image_places import IMAGE_OPERATIONS
from asap_ingest.render_ws.paths import AREA, DVID_BOX, LAYER, OWNER, PROJECT, STACK, TILE, V1
from asap_ingest.render_ws.problems import Problem
from asap_ingest.render_ws.resources import Operation, answer_problem, routes_of
from asap_ingest.render_ws.transport import Transport
from asap_ingest.render_ws.view import stacks_page

OPERATIONS = (
    Operation("GET", "/", stacks_page.go_to_page, None),
    Operation("GET", "/render-ws", stacks_page.go_to_page, None),
    Operation("GET", "/render-ws/view/stacks.html", stacks_page.show_stacks, "text/html"),
    Operation("GET", f"{V1}/likelyUniqueId", routes_stacks.likely_unique_id, TEXT),
    Operation("GET", f"{V1}/owners", routes_stacks.list_owners),
    Operation("DELETE", f"{V1}/imageProcessorCache/allEntries", routes_stacks.clear_image_cache),
    Operation("GET", f"{OWNER}/projects", routes_stacks.list_projects),
    Operation("GET", f"{OWNER}/stackIds", routes_stacks.list_stack_ids),
    Operation("GET", f"{OWNER}/stacks", routes_stacks.list_stacks),
    Operation("GET", f"{PROJECT}/stackIds", routes_stacks.list_stack_ids),
    Operation("GET", f"{PROJECT}/stacks", routes_stacks.list_stacks),
    Operation("GET", STACK, routes_stacks.get_stack),
    Operation("POST", STACK, routes_stacks.post_stack, None, JSON),
    Operation("DELETE", STACK, routes_stacks.remove_stack, None),
    Operation("PUT", f"{STACK}/state/{{state}}", routes_stacks.put_state, None),
    Operation("PUT", f"{STACK}/stackId", routes_copies.rename_stack, None, JSON),
    Operation("PUT", f"{STACK}/cloneTo/{{target}}", routes_copies.clone_stack, None, JSON),
    Operation("GET", f"{STACK}/hierarchicalData", routes_versions.get_hierarchical_data),
    Operation("GET", f"{STACK}/bounds", routes_data.get_stack_bounds),
    Operation("GET", f"{STACK}/zValues", routes_data.get_z_values),
    Operation("GET", f"{STACK}/sectionData", routes_data.get_section_data),
    Operation("GET", f"{STACK}/tileIds", routes_data.get_tile_ids),
    Operation("GET", f"{STACK}/section/{{section}}/tileBounds", routes_data.get_tile_bounds),
    Operation("GET", f"{STACK}/section/{{section}}/z", routes_data.get_section_z),
    Operation("PUT", f"{STACK}/section/{{section}}/z", routes_copies.put_z_of_section, None, JSON),
    Operation("PUT", f"{LAYER}/tileIds", routes_copies.put_z_of_tiles, None, JSON),
    Operation("GET", f"{LAYER}/last-tile-transforms", routes_copies.get_last_transforms),
    Operation("DELETE", f"{STACK}/section/{{section}}", routes_data.delete_tiles, None),
    Operation("GET", f"{LAYER}/bounds", routes_data.get_layer_bounds),
    Operation("GET", f"{LAYER}/tileBounds", routes_data.get_tile_bounds),
    Operation("GET", f"{LAYER}/sectionData", routes_data.get_layer_section_data),
    Operation("GET", f"{LAYER}/box/{AREA}/tile-count", routes_data.get_tile_count),
    Operation("GET", f"{STACK}/{DVID_BOX}/tile-count", routes_data.get_tile_count),
    Operation("DELETE", LAYER, routes_data.delete_tiles, None),
    Operation("GET", TILE, routes_tiles.get_tile),
    Operation("DELETE", TILE, routes_data.delete_tiles, None),
    Operation("GET", f"{STACK}/transform/{{transform}}", routes_tiles.get_transform),
    Operation("PUT", f"{STACK}/tile-specs-with-ids", routes_tiles.get_tiles_with_ids, JSON, JSON),
    Operation("GET", f"{LAYER}/tile-specs", routes_tiles.get_layer_tiles),
    Operation("GET", f"{LAYER}/resolvedTiles", routes_tiles.get_layer_collection),
    Operation("PUT", f"{LAYER}/resolvedTiles", routes_tiles.put_collection, None, JSON),
    Operation("GET", f"{STACK}/resolvedTiles", routes_tiles.get_collection),
    Operation("PUT", f"{STACK}/resolvedTiles", routes_tiles.put_collection, None, JSON),
)

#: (field of the version, how it is read, how it is set, media type of the body, what a deletion removes)
VERSION_FIELDS = (
    (
        "resolutionValues",
        routes_versions.get_resolution,
        routes_versions.put_resolution,
        JSON,
        routes_versions.RESOLUTION_FIELDS,
    ),
    (
        "materializedBoxRootPath",
        routes_versions.get_box_root,
        routes_versions.put_box_root,
        "text/plain",
        ("materializedBoxRootPath",),
    ),
    (
        "mipmapPathBuilder",
        routes_versions.get_path_builder,
        routes_versions.put_path_builder,
        JSON,
        ("mipmapPathBuilder",),
    ),
    (
        "defaultChannel",
        routes_versions.get_default_channel,
        routes_versions.put_default_channel,
        JSON,
        ("defaultChannel",),
    ),
    (
        "cycle",
        routes_versions.get_cycle,
        routes_versions.put_cycle,
        JSON,
        tuple(routes_versions.CYCLE_FIELDS.values()),
    ),
)
VERSION_OPERATIONS = tuple(
    operation
    for field, get, put, consumes, removed in VERSION_FIELDS
    for operation in (
        Operation("GET", f"{STACK}/{field}", get, TEXT if consumes != JSON else JSON),
        Operation("PUT", f"{STACK}/{field}", put, None, consumes),
        Operation("DELETE", f"{STACK}/{field}", routes_versions.forget_fields(*removed), None),
    )
)


def build_app(service: Service) -> ASGIApp:
    """The application; it serves until `service.store` is closed."""
    app = Starlette(
        routes=routes_of((*OPERATIONS, *VERSION_OPERATIONS, *IMAGE_OPERATIONS), service),
        exception_handlers={
            Problem: answer_problem,
            HTTPException: _answer_unknown_path,
            ClientDisconnect: _answer_nobody,
            Exception: answer_problem,
        },
    )
    app.router.redirect_slashes = False
    return Transport(app)


async def _answer_unknown_path(request: Request, error: Exception) -> Response:
    return Response(status_code=error.status_code if isinstance(error, HTTPException) else 404)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    # the client went away while it sent its body: nothing was stored, and no fault to report
    return Response(status_code=400)
