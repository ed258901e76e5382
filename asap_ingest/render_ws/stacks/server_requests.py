"""Requests about the service itself."""

from __future__ import annotations

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import Call, json_answer, no_content

#: Prometheus' text format, as every version of it reads it.
METRICS = "text/plain; version=0.0.4; charset=utf-8"
#: Properties that render-ws reads from a file; what this service has no setting for stays empty.
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


def get_health(call: Call) -> Response:
    """Whether the database can be read, and its disk takes more: 503, with what is wrong, where not."""
    faults = call.service.store.faults()
    answer = json_answer({name: faults.get(name, "ok") for name in ("store", "disk")})
    answer.status_code = 503 if faults else 200
    answer.headers["cache-control"] = "no-store"
    return answer


def get_metrics(call: Call) -> Response:
    """Requests, their times and the caches, in Prometheus' text format."""
    headers = {"content-type": METRICS, "cache-control": "no-store"}
    return Response(call.service.metrics.text(), headers=headers)


def get_version_info(call: Call) -> Response:
    """Build properties of render-ws: null, as this service is not built from it."""
    return no_content()


def get_server_properties(call: Call) -> Response:
    """Settings under the names that render-ws has for them; there is no file that they come from."""
    limit = call.service.limits.tile_specs
    known = {"webService.maxTileSpecsToRender": "" if limit is None else str(limit)}
    properties = {name: known.get(name, "") for name in PROPERTY_NAMES}
    return json_answer({"filePath": "", "properties": properties})


def get_filter_lists(call: Call) -> Response:
    """The named lists of filters that images can be asked for with."""
    from asap_ingest.render_ws.drawing.filter_lists import FILTER_LISTS

    return json_answer({"namedFilterSpecLists": FILTER_LISTS})
