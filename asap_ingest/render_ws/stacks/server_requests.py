"""Requests about the service itself."""

from __future__ import annotations

import secrets
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.drawing.filter_lists import FILTER_LISTS
from asap_ingest.render_ws.http.answers import TEXT, json_answer
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import V1, Operations

#: Prometheus' text format, in the version that all of its releases read.
METRICS = "text/plain; version=0.0.4; charset=utf-8"
#: Properties that render-ws reads from a file; those without a setting in this service stay empty.
PROPERTY_NAMES = (
    "view.catmaidHost",
    "view.dynamicRenderHost",
    "view.matchCollection",
    "view.matchOwner",
    "view.ndvizHost",
    "view.renderStack",
    "view.renderStackOwner",
    "view.renderStackProject",
    "webService.maxImageProcessorCacheGb",
    "webService.maxTileSpecsToRender",
)
SERVER_OPERATIONS = Operations("Service")
answers = SERVER_OPERATIONS.answers


@answers("GET", "/health")
def get_health(call: Call) -> Response:
    """Check that the database can be read and its disk written: 503 with the reason if not."""
    faults = call.service.store.faults()
    answer = json_answer({name: faults.get(name, "ok") for name in ("store", "disk")})
    answer.status_code = 503 if faults else 200
    answer.headers["cache-control"] = "no-store"
    return answer


@answers("GET", "/metrics", METRICS)
def get_metrics(call: Call) -> Response:
    """Get requests, their times and the state of caches in Prometheus' text format."""
    headers = {"content-type": METRICS, "cache-control": "no-store"}
    return Response(call.service.metrics.text(), headers=headers)


@answers("GET", f"{V1}/versionInfo", statuses=(204,))
def get_version_info(call: Call) -> None:
    """Get build properties of render-ws: null, as this service is not built from it."""


@answers("GET", f"{V1}/serverProperties")
def get_server_properties(call: Call) -> Any:
    """Get the settings of the service under the names of render-ws."""
    limit = call.service.limits.tile_specs
    known = {"webService.maxTileSpecsToRender": "" if limit is None else str(limit)}
    properties = {name: known.get(name, "") for name in PROPERTY_NAMES}
    return {"filePath": "", "properties": properties}


@answers("GET", f"{V1}/namedFilterSpecLists")
def get_filter_lists(call: Call) -> Any:
    """List the filters that can be applied to images, by name."""
    return {"namedFilterSpecLists": FILTER_LISTS}


@answers("GET", f"{V1}/likelyUniqueId", TEXT)
def get_likely_unique_id(call: Call) -> str:
    """Make a random id of 24 hex digits."""
    return secrets.token_hex(12)


@answers("DELETE", f"{V1}/imageProcessorCache/allEntries")
def clear_image_cache(call: Call) -> None:
    """Clear the cache of tile images."""
    call.service.images.clear()
