"""What clients do with a stack as a whole: open it for tiles, or make it after the model of another."""

from __future__ import annotations

import logging
import time
from typing import Any

import orjson

from asap_ingest.errors import ServiceError
from asap_ingest.render_ws.client_scripts.options import Arguments, Option
from asap_ingest.render_ws.client_scripts.web import WebStack, find_json, get_json, put_json, send
from asap_ingest.render_ws.wire.stack_records import RESOLUTION_FIELDS

TARGET_OPTIONS = (
    Option("targetOwner", "owner of the stack that receives the tiles (default: that of the source)"),
    Option("targetProject", "project of the stack that receives the tiles (default: that of the source)"),
)
PATH_BUILDER = "mipmapPathBuilder"

logger = logging.getLogger(__name__)


def target_of(arguments: Arguments, source: WebStack) -> WebStack:
    """The stack that receives the tiles; what the target options leave out is as in the source."""
    owner, project, name = (arguments.values.get(f"target{part}") for part in ("Owner", "Project", "Stack"))
    return WebStack(
        source.base_data_url, owner or source.owner, project or source.project, name or source.name
    )


def open_for_tiles(stack: WebStack) -> None:
    """Set the stack LOADING unless it is; ServiceError where it is missing, READ_ONLY or OFFLINE."""
    if get_json(stack.url())["state"] != "LOADING":
        set_state(stack, "LOADING")


def set_state(stack: WebStack, state: str) -> None:
    """Bring the stack into a state."""
    send("PUT", stack.url(f"/state/{state}"))
    logger.info("%s is %s", stack, state)


def derive(source: WebStack, target: WebStack) -> None:
    """Have the target LOADING, with the resolution and mipmap paths of the source where it has none.

    Raises
    ------
    ServiceError
        The source is missing; the target is READ_ONLY or OFFLINE.
    """
    model = get_json(source.url()).get("currentVersion", {})
    found = find_json(target.url())
    if found is None:
        _create(source, target, model)
        return
    version = found.get("currentVersion", {})
    if _lacks_resolution(version) and not _lacks_resolution(model):
        put_json(target.url("/resolutionValues"), [model[name] for name in RESOLUTION_FIELDS])
    if PATH_BUILDER not in version and PATH_BUILDER in model:
        put_json(target.url(f"/{PATH_BUILDER}"), model[PATH_BUILDER])
    open_for_tiles(target)


def _lacks_resolution(version: dict[str, Any]) -> bool:
    return any(name not in version for name in RESOLUTION_FIELDS)


def _create(source: WebStack, target: WebStack, model: dict[str, Any]) -> None:
    kept = {name: model[name] for name in (*RESOLUTION_FIELDS, PATH_BUILDER) if name in model}
    create(target, {"versionNotes": f"derived from {source}", **kept})


def create(stack: WebStack, version: dict[str, Any]) -> None:
    """Make the stack, or give it a new version, created now."""
    send("POST", stack.url(), orjson.dumps({"createTimestamp": int(time.time() * 1000), **version}))
    logger.info("created %s", stack)


def layer_tiles(stack: WebStack, z: float) -> dict[str, Any]:
    """The resolved-tile collection of a layer; ServiceError where it has no tiles."""
    url = stack.layer_url(z, "/resolvedTiles")
    collection: dict[str, Any] = get_json(url)
    if not collection["tileIdToSpecMap"]:
        raise ServiceError("GET", url, 200, "the layer has no tiles")
    return collection
