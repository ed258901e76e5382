"""One application for stacks and volumes: the render service, volumes below `/volumes`, and a start page."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from asap_ingest.errors import ParameterError, VolumeError
from asap_ingest.lab.lab_page import CONTENT_POLICY, lab_page
from asap_ingest.neuroglancer_client import client_folder
from asap_ingest.render_ws.app import build_app
from asap_ingest.render_ws.http.calls import Service
from asap_ingest.volumes.serving.served_volume import ServedVolume
from asap_ingest.volumes.serving.volume_app import VolumesApp, base_url
from asap_ingest.volumes.serving.volume_list import find_volumes
from asap_ingest.web.web_policy import DEFAULT_POLICY, SAFE_METHODS, WebPolicy

VOLUMES = "/volumes"
#: Shortest time between two searches of the folder.
_FRESH_SECONDS = 2.0
_log = logging.getLogger(__name__)


class VolumeFolder:
    """The volumes below a folder, which may have none yet; new ones appear by themselves.

    Raises
    ------
    ParameterError
        There is no such folder.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser()
        if not self._folder.is_dir():
            raise ParameterError("volumes", f"there is no folder {self._folder}")
        self._lock = threading.Lock()
        self._volumes: Mapping[str, ServedVolume] = {}
        self._searched_at = -_FRESH_SECONDS

    def __call__(self, name: str | None = None) -> Mapping[str, ServedVolume]:
        """Volumes by name; searches the folder again for a list (None), or a path below no known volume."""
        with self._lock:
            is_old = time.monotonic() - self._searched_at >= _FRESH_SECONDS
            if is_old and (name is None or not _is_in(self._volumes, name)):
                self._searched_at = time.monotonic()
                try:
                    self._volumes = find_volumes(self._folder)
                except VolumeError as error:
                    self._volumes = {}
                    _warn_once(str(error))
            return self._volumes


@lru_cache(maxsize=64)
def _warn_once(problem: str) -> None:
    _log.warning("%s", problem)


def _is_in(volumes: Mapping[str, ServedVolume], path: str) -> bool:
    return any(not name or path == name or path.startswith(f"{name}/") for name in volumes)


def build_lab_app(
    service: Service, volumes: VolumeFolder, policy: WebPolicy = DEFAULT_POLICY, token: str | None = None
) -> ASGIApp:
    """The application; what the render service does for all requests (policy, token, metrics) includes it."""
    return build_app(service, policy, token, lambda render: _Lab(render, service, volumes))


class _Lab:
    """Dispatches requests by their path: start page, volumes, render service."""

    def __init__(self, render: ASGIApp, service: Service, volumes: VolumeFolder) -> None:
        self._render = render
        self._service = service
        self._volumes = volumes
        self._volume_app = VolumesApp(volumes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] == "http" and (path == VOLUMES or path.startswith(f"{VOLUMES}/")):
            below = {"path": path.removeprefix(VOLUMES) or "/", "root_path": scope["root_path"] + VOLUMES}
            await self._volume_app({**scope, **below}, receive, send)
        elif scope["type"] == "http" and path == "/" and scope["method"] in SAFE_METHODS:
            response = await asyncio.to_thread(self._start_page, Request(scope))
            await response(scope, receive, send)
        else:
            await self._render(scope, receive, send)

    def _start_page(self, request: Request) -> HTMLResponse:
        with self._service.store.reading() as session:
            stacks = session.stacks()
        page = lab_page(stacks, self._volumes(), base_url(request), client_folder() is not None)
        headers = {"cache-control": "no-store", "content-security-policy": CONTENT_POLICY}
        return HTMLResponse(page, headers=headers)
