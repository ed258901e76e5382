"""The render service as an ASGI application: all of its requests and the layers around them."""

from __future__ import annotations

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from asap_ingest.render_ws.coordinates.coordinate_requests import COORDINATE_OPERATIONS
from asap_ingest.render_ws.http.answers import text_answer
from asap_ingest.render_ws.http.calls import Service
from asap_ingest.render_ws.http.metrics import Metered
from asap_ingest.render_ws.http.operations import LAYER, OWNER, PROJECT, STACK
from asap_ingest.render_ws.http.resources import ERROR_ANSWERS, answer_error, routes_of
from asap_ingest.render_ws.http.transport import Transport
from asap_ingest.render_ws.matches.match_requests import MATCH_OPERATIONS
from asap_ingest.render_ws.pages.openapi import describing
from asap_ingest.render_ws.pages.page_files import FILE_OPERATIONS
from asap_ingest.render_ws.pages.previews import PREVIEW_OPERATIONS
from asap_ingest.render_ws.pictures.grid_requests import GRID_OPERATIONS
from asap_ingest.render_ws.pictures.picture_requests import PARAMETER_OPERATIONS, PICTURE_OPERATIONS
from asap_ingest.render_ws.stacks.layout_requests import LAYOUT_OPERATIONS
from asap_ingest.render_ws.stacks.section_requests import SECTION_OPERATIONS
from asap_ingest.render_ws.stacks.server_requests import SERVER_OPERATIONS
from asap_ingest.render_ws.stacks.stack_requests import STACK_OPERATIONS
from asap_ingest.render_ws.stacks.version_requests import VERSION_OPERATIONS
from asap_ingest.render_ws.tiles.tile_requests import TILE_OPERATIONS
from asap_ingest.web.token_gate import behind_token
from asap_ingest.web.web_policy import DEFAULT_POLICY, WebPolicy

#: Every operation of the service; its descriptions are made from this.
ALL_OPERATIONS = (
    *FILE_OPERATIONS,
    *PREVIEW_OPERATIONS,
    *SERVER_OPERATIONS,
    *STACK_OPERATIONS,
    *VERSION_OPERATIONS,
    *SECTION_OPERATIONS,
    *LAYOUT_OPERATIONS,
    *TILE_OPERATIONS,
    *COORDINATE_OPERATIONS,
    *MATCH_OPERATIONS,
    *PICTURE_OPERATIONS,
    *GRID_OPERATIONS,
    *PARAMETER_OPERATIONS,
)
HIERARCHICAL = "hierarchical alignment is not part of this service"
TRIALS = "match trials need feature matching, which is not part of this service"
VALIDATION = "JSON is validated when it is stored; ValidateTilesClient validates files"
#: Requests of render-ws without a known client, which are answered with 501: (method, path, reason).
NOT_IMPLEMENTED = (
    ("POST", f"{OWNER}/matchTrial", TRIALS),
    ("GET", f"{OWNER}/matchTrial/{{trial}}", TRIALS),
    ("DELETE", f"{OWNER}/matchTrial/{{trial}}", TRIALS),
    ("PUT", f"{OWNER}/validate-json/{{kind}}", VALIDATION),
    ("GET", f"{PROJECT}/missingTierMatchLayers", HIERARCHICAL),
    ("DELETE", f"{PROJECT}/tierData", HIERARCHICAL),
    ("GET", f"{PROJECT}/z/{{z}}/affineWarpFieldTransform", HIERARCHICAL),
    ("GET", f"{PROJECT}/z/{{z}}/affineWarpFieldTransformDebug", HIERARCHICAL),
    ("GET", f"{STACK}/hierarchicalData", HIERARCHICAL),
    ("PUT", f"{STACK}/hierarchicalData", HIERARCHICAL),
    ("DELETE", f"{STACK}/hierarchicalData", HIERARCHICAL),
    ("GET", f"{STACK}/missingTierMatchLayers", HIERARCHICAL),
    ("POST", f"{STACK}/pairResidualCalculation", "residuals of pairs are not computed by this service"),
    (
        "GET",
        f"{LAYER}/clusteredTileBoundsForCollection/{{matchCollection}}",
        "tiles are not clustered by this service",
    ),
)


def build_app(
    service: Service,
    policy: WebPolicy = DEFAULT_POLICY,
    token: str | None = None,
    extended: Callable[[ASGIApp], ASGIApp] = lambda app: app,
) -> ASGIApp:
    """The application, which requires the token if there is one.

    `extended` may add other applications beside the service, behind the same policy and token.
    """
    # a request is compared with one path after the other: those of images come first, as the most requested
    operations = sorted((*describing(ALL_OPERATIONS), *ALL_OPERATIONS), key=lambda entry: not entry.draws)
    app = Starlette(
        routes=[*routes_of(operations, service), *_routes_not_implemented()],
        exception_handlers=dict.fromkeys(ERROR_ANSWERS, answer_error),
    )
    app.router.redirect_slashes = False
    return Metered(Transport(behind_token(extended(app), token), policy), service.metrics)


def _routes_not_implemented() -> list[Route]:
    def refusal(reason: str) -> Callable[[Request], Response]:
        return lambda request: text_answer(reason, 501)

    return [Route(path, refusal(reason), methods=[method]) for method, path, reason in NOT_IMPLEMENTED]
