"""The render service as an ASGI application: the table of all requests it knows."""

from __future__ import annotations

import logging
from collections.abc import Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp

from asap_ingest.render_ws.coordinates.coordinate_requests import COORDINATE_OPERATIONS
from asap_ingest.render_ws.http.answers import JSON, TEXT, Service
from asap_ingest.render_ws.http.metrics import Metered
from asap_ingest.render_ws.http.path_patterns import AREA, DVID_BOX, LAYER, OWNER, PROJECT, STACK, TILE, V1
from asap_ingest.render_ws.http.query_parameters import Z_RANGE, declared
from asap_ingest.render_ws.http.resources import Operation, answer_error, routes_of
from asap_ingest.render_ws.http.transport import Transport
from asap_ingest.render_ws.matches.match_operations import MATCH_OPERATIONS
from asap_ingest.render_ws.pages import page_files, stacks_page, viewer_page
from asap_ingest.render_ws.pages.description_pages import describing
from asap_ingest.render_ws.pictures import missing_tile_options
from asap_ingest.render_ws.pictures.image_paths import IMAGE_OPERATIONS
from asap_ingest.render_ws.pictures.large_data_requests import LARGE_DATA_OPERATIONS
from asap_ingest.render_ws.stacks import (
    data_requests,
    merge_requests,
    server_requests,
    stack_requests,
    version_requests,
)
from asap_ingest.render_ws.stacks.layout_requests import LAYOUT_OPERATIONS
from asap_ingest.render_ws.store import DatabaseError
from asap_ingest.render_ws.tiles import copy_requests, tile_requests
from asap_ingest.render_ws.tiles.validation_requests import VALIDATION_OPERATIONS
from asap_ingest.render_ws.wire.problems import RequestError
from asap_ingest.render_ws.wire.stack_records import RESOLUTION_FIELDS
from asap_ingest.web.token_gate import behind_token
from asap_ingest.web.web_policy import DEFAULT_POLICY, WebPolicy

logger = logging.getLogger(__name__)

TILE_ID_QUERY = (*Z_RANGE, *declared(matchPattern="text"))
COLLECTION_QUERY = (
    *Z_RANGE,
    *declared(minX="double", maxX="double", minY="double", maxY="double", groupId="text"),
)
CLONE_QUERY = declared(z="doubles", toProject="text", skipTransforms="boolean")
DERIVE_QUERY = declared(deriveData="boolean")

OPERATIONS = (
    Operation("GET", "/", stacks_page.go_to_page, None, statuses=(302,)),
    Operation("GET", "/render-ws", stacks_page.go_to_page, None, statuses=(302,)),
    Operation("GET", "/render-ws/view/stacks.html", stacks_page.show_stacks, "text/html"),
    Operation("GET", "/render-ws/view", page_files.go_to_index, None, statuses=(302,)),
    Operation("GET", "/render-ws/view/features.json", page_files.get_features),
    Operation("GET", "/render-ws/view/neuroglancer", viewer_page.go_to_client, None, statuses=(302,)),
    Operation("GET", viewer_page.PATH, viewer_page.go_to_client, None, statuses=(302,)),
    Operation("GET", f"{viewer_page.PATH}/{{file}}", viewer_page.get_client_file, None),
    Operation("GET", "/render-ws/view/{file}", page_files.get_file, None),
    Operation("GET", "/health", server_requests.get_health),
    Operation("GET", "/metrics", server_requests.get_metrics, server_requests.METRICS),
    Operation("GET", f"{V1}/versionInfo", server_requests.get_version_info, statuses=(204,)),
    Operation("GET", f"{V1}/serverProperties", server_requests.get_server_properties),
    Operation("GET", f"{V1}/namedFilterSpecLists", server_requests.get_filter_lists),
    Operation("GET", f"{V1}/likelyUniqueId", stack_requests.likely_unique_id, TEXT),
    Operation("GET", f"{V1}/owners", stack_requests.list_owners),
    Operation("DELETE", f"{V1}/imageProcessorCache/allEntries", stack_requests.clear_image_cache),
    Operation("GET", f"{OWNER}/projects", stack_requests.list_projects),
    Operation("GET", f"{OWNER}/stackIds", stack_requests.list_stack_ids),
    Operation("GET", f"{OWNER}/stacks", stack_requests.list_stacks),
    Operation("GET", f"{PROJECT}/stackIds", stack_requests.list_stack_ids),
    Operation("GET", f"{PROJECT}/stacks", stack_requests.list_stacks),
    Operation("GET", STACK, stack_requests.get_stack),
    Operation("POST", STACK, stack_requests.post_stack, None, JSON, body="StackVersion"),
    Operation("DELETE", STACK, stack_requests.remove_stack, None),
    Operation("PUT", f"{STACK}/state/{{state}}", stack_requests.put_state, None),
    Operation(
        "PUT", f"{STACK}/stackId", copy_requests.rename_stack, None, JSON, body="StackId", statuses=(200,)
    ),
    Operation(
        "PUT",
        f"{STACK}/cloneTo/{{target}}",
        copy_requests.clone_stack,
        None,
        JSON,
        query=CLONE_QUERY,
        body="StackVersion",
    ),
    Operation("GET", f"{STACK}/hierarchicalData", version_requests.get_hierarchical_data, statuses=(204,)),
    Operation("GET", f"{STACK}/bounds", data_requests.get_stack_bounds),
    Operation("GET", f"{STACK}/zValues", data_requests.get_z_values, query=Z_RANGE),
    Operation("GET", f"{STACK}/sectionData", data_requests.get_section_data, query=Z_RANGE),
    Operation(
        "GET", f"{STACK}/reorderedSectionData", merge_requests.get_reordered_section_data, query=Z_RANGE
    ),
    Operation("GET", f"{STACK}/mergedZValues", merge_requests.get_merged_z_values, query=Z_RANGE),
    Operation("GET", f"{STACK}/mergeableZValues", merge_requests.get_mergeable_z_values, query=Z_RANGE),
    Operation("GET", f"{STACK}/mergeableData", merge_requests.get_mergeable_data, TEXT, query=Z_RANGE),
    Operation("GET", f"{STACK}/tileIds", data_requests.get_tile_ids, query=TILE_ID_QUERY),
    Operation("GET", f"{STACK}/section/{{section}}/tileBounds", data_requests.get_tile_bounds),
    Operation("GET", f"{STACK}/section/{{section}}/z", data_requests.get_section_z),
    Operation(
        "PUT", f"{STACK}/section/{{section}}/z", copy_requests.put_z_of_section, None, JSON, body="Number"
    ),
    Operation("PUT", f"{LAYER}/tileIds", copy_requests.put_z_of_tiles, None, JSON, body="TileIds"),
    Operation("GET", f"{LAYER}/last-tile-transforms", copy_requests.get_last_transforms),
    Operation("DELETE", f"{STACK}/section/{{section}}", data_requests.delete_tiles, None),
    Operation("GET", f"{LAYER}/bounds", data_requests.get_layer_bounds),
    Operation("GET", f"{LAYER}/tileBounds", data_requests.get_tile_bounds),
    Operation("GET", f"{LAYER}/missing-tiles", missing_tile_options.get_missing_tiles),
    Operation("GET", f"{LAYER}/sectionData", data_requests.get_layer_section_data),
    Operation("GET", f"{LAYER}/box/{AREA}/tile-count", data_requests.get_tile_count),
    Operation("GET", f"{STACK}/{DVID_BOX}/tile-count", data_requests.get_tile_count),
    Operation("DELETE", LAYER, data_requests.delete_tiles, None),
    Operation("GET", TILE, tile_requests.get_tile),
    Operation("DELETE", TILE, data_requests.delete_tiles, None),
    Operation("GET", f"{STACK}/transform/{{transform}}", tile_requests.get_transform),
    Operation(
        "PUT", f"{STACK}/tile-specs-with-ids", tile_requests.get_tiles_with_ids, JSON, JSON, body="TileIds"
    ),
    Operation("GET", f"{LAYER}/tile-specs", tile_requests.get_layer_tiles),
    Operation("GET", f"{LAYER}/resolvedTiles", tile_requests.get_layer_collection),
    Operation(
        "PUT",
        f"{LAYER}/resolvedTiles",
        tile_requests.put_collection,
        None,
        JSON,
        query=DERIVE_QUERY,
        body="ResolvedTiles",
    ),
    Operation("GET", f"{STACK}/resolvedTiles", tile_requests.get_collection, query=COLLECTION_QUERY),
    Operation(
        "PUT",
        f"{STACK}/resolvedTiles",
        tile_requests.put_collection,
        None,
        JSON,
        query=DERIVE_QUERY,
        body="ResolvedTiles",
    ),
)

#: (field of the version, how it is read, how it is set, media type of the body, what a deletion removes)
VERSION_FIELDS = (
    (
        "resolutionValues",
        version_requests.get_resolution,
        version_requests.put_resolution,
        JSON,
        RESOLUTION_FIELDS,
    ),
    (
        "materializedBoxRootPath",
        version_requests.get_box_root,
        version_requests.put_box_root,
        "text/plain",
        ("materializedBoxRootPath",),
    ),
    (
        "mipmapPathBuilder",
        version_requests.get_path_builder,
        version_requests.put_path_builder,
        JSON,
        ("mipmapPathBuilder",),
    ),
    (
        "defaultChannel",
        version_requests.get_default_channel,
        version_requests.put_default_channel,
        JSON,
        ("defaultChannel",),
    ),
    (
        "cycle",
        version_requests.get_cycle,
        version_requests.put_cycle,
        JSON,
        tuple(version_requests.CYCLE_FIELDS.values()),
    ),
)
VERSION_OPERATIONS = tuple(
    operation
    for field, get, put, consumes, removed in VERSION_FIELDS
    for operation in (
        Operation("GET", f"{STACK}/{field}", get, TEXT if consumes != JSON else JSON, statuses=(200, 204)),
        Operation("PUT", f"{STACK}/{field}", put, None, consumes, body=field, statuses=(200,)),
        Operation("DELETE", f"{STACK}/{field}", version_requests.forget_fields(*removed), None),
    )
)
#: Every request the service answers; its descriptions are made from this.
ALL_OPERATIONS = (
    *OPERATIONS,
    *VERSION_OPERATIONS,
    *COORDINATE_OPERATIONS,
    *MATCH_OPERATIONS,
    *IMAGE_OPERATIONS,
    *LARGE_DATA_OPERATIONS,
    *LAYOUT_OPERATIONS,
    *VALIDATION_OPERATIONS,
)


def build_app(
    service: Service,
    policy: WebPolicy = DEFAULT_POLICY,
    token: str | None = None,
    extended: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> ASGIApp:
    """The application; it serves until `service.store` is closed, and those who send the token, if any.

    `extended` may put other applications beside the service, behind the same policy and token.
    """
    # paths are tried one after the other: those of images are asked for most
    operations = sorted((*describing(ALL_OPERATIONS), *ALL_OPERATIONS), key=lambda found: not found.draws)
    app = Starlette(
        routes=routes_of(operations, service),
        exception_handlers={
            RequestError: answer_error,
            DatabaseError: _answer_faulty_database,
            HTTPException: _answer_unknown_path,
            ClientDisconnect: _answer_nobody,
            RecursionError: answer_error,
            Exception: answer_error,
        },
    )
    app.router.redirect_slashes = False
    return Metered(Transport(behind_token(extended(app), token), policy), service.metrics)


async def _answer_unknown_path(request: Request, error: Exception) -> Response:
    return Response(status_code=error.status_code if isinstance(error, HTTPException) else 404)


async def _answer_faulty_database(request: Request, error: Exception) -> Response:
    # no fault of the request, nor of the program: whoever keeps the service is to know
    logger.error("%s", error)
    return await answer_error(request, error)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    # the client went away while it sent its body: nothing was stored, and no fault to report
    return Response(status_code=400)
