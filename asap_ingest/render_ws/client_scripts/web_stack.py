"""A stack of the service as clients use it, and the options that name it."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson

from asap_ingest.errors import ServiceError
from asap_ingest.render_ws.client_scripts.client_json import get_json, send
from asap_ingest.render_ws.client_scripts.client_options import option, required
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.stack_records import RESOLUTION_FIELDS

PATH_BUILDER = "mipmapPathBuilder"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WebStack:
    """A stack of the service at `base_data_url` (`http://host:port/render-ws/v1`)."""

    base_data_url: str
    owner: str
    project: str
    name: str

    def __str__(self) -> str:
        return str(StackId(self.owner, self.project, self.name))

    def owner_url(self, path: str) -> str:
        """Address below that of the owner (`path` starts with a slash)."""
        return f"{self.base_data_url.rstrip('/')}/owner/{quote(self.owner, safe='')}{path}"

    def url(self, path: str = "") -> str:
        """Address of the stack, or below it."""
        project, stack = quote(self.project, safe=""), quote(self.name, safe="")
        return self.owner_url(f"/project/{project}/stack/{stack}{path}")

    def layer_url(self, z: float, path: str = "") -> str:
        """Address of a layer, or below it."""
        return self.url(f"/z/{z}{path}")

    def tile_url(self, tile_id: str) -> str:
        """Address of a tile."""
        return self.url(f"/tile/{quote(tile_id, safe='')}")

    def create(self, version: dict[str, Any]) -> None:
        """Create the stack, or give it a new version, with the current time."""
        send("POST", self.url(), orjson.dumps({"createTimestamp": int(time.time() * 1000), **version}))
        logger.info("created %s", self)

    def set_state(self, state: str) -> None:
        """Bring the stack into a state."""
        send("PUT", self.url(f"/state/{state}"))
        logger.info("%s is %s", self, state)

    def open_for_tiles(self) -> None:
        """Set the stack LOADING unless it is; ServiceError where it is missing, READ_ONLY or OFFLINE."""
        if get_json(self.url())["state"] != "LOADING":
            self.set_state("LOADING")

    def derive_from(self, source: WebStack) -> None:
        """Create the stack or open it for tiles, with resolution and mipmap paths of the source unless set.

        Raises
        ------
        ServiceError
            The source is missing; the stack is READ_ONLY or OFFLINE.
        """
        model = get_json(source.url()).get("currentVersion", {})
        try:
            version = get_json(self.url()).get("currentVersion", {})
        except ServiceError as error:
            if error.status != 404:
                raise
            kept = {name: model[name] for name in (*RESOLUTION_FIELDS, PATH_BUILDER) if name in model}
            self.create({"versionNotes": f"derived from {source}", **kept})
            return
        if _has_resolution(model) and not _has_resolution(version):
            sizes = [model[name] for name in RESOLUTION_FIELDS]
            send("PUT", self.url("/resolutionValues"), orjson.dumps(sizes))
        if PATH_BUILDER not in version and PATH_BUILDER in model:
            send("PUT", self.url(f"/{PATH_BUILDER}"), orjson.dumps(model[PATH_BUILDER]))
        self.open_for_tiles()

    def layer_tiles(self, z: float) -> dict[str, Any]:
        """The resolved-tile collection of a layer; ServiceError where it has no tiles."""
        url = self.layer_url(z, "/resolvedTiles")
        collection: dict[str, Any] = get_json(url)
        if not collection["tileIdToSpecMap"]:
            raise ServiceError("GET", url, 200, "the layer has no tiles")
        return collection


def _has_resolution(version: dict[str, Any]) -> bool:
    return all(name in version for name in RESOLUTION_FIELDS)


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """What every client of a stack needs to find it."""

    base_data_url: str = required(
        "baseDataUrl", "address of the service up to the version: http://host:port/render-ws/v1"
    )
    owner: str = required("owner", "owner of the stack")
    project: str = required("project", "project of the stack")
    stack: str = required("stack", "name of the stack")

    @property
    def source(self) -> WebStack:
        """The stack that these options name."""
        return WebStack(self.base_data_url, self.owner, self.project, self.stack)

    def other_stack(self, owner: str | None, project: str | None, name: str | None) -> WebStack:
        """Another stack of the same service; what is None is as in the source."""
        return WebStack(self.base_data_url, owner or self.owner, project or self.project, name or self.stack)


@dataclass(frozen=True, kw_only=True)
class TargetOptions(StackOptions):
    """Options of clients that write the tiles of a stack to a target stack."""

    target_owner: str | None = option(
        "targetOwner", "owner of the target stack (default: that of the source)"
    )
    target_project: str | None = option(
        "targetProject", "project of the target stack (default: that of the source)"
    )
    target_stack: str | None = option(
        "targetStack", "stack that receives the tiles, created if missing (default: the source)"
    )

    @property
    def target(self) -> WebStack:
        """The stack that receives the tiles."""
        return self.other_stack(self.target_owner, self.target_project, self.target_stack)
