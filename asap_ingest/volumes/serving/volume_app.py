"""Volumes as an ASGI application, with the Neuroglancer client beside them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from asap_ingest.neuroglancer_client import client_file, client_folder
from asap_ingest.volumes.serving.byte_answers import answer, message_answer
from asap_ingest.volumes.serving.index_page import CONTENT_POLICY, index_page
from asap_ingest.volumes.serving.served_volume import ServedVolume
from asap_ingest.volumes.serving.viewer_link import CLIENT_PATH, source_url, viewer_url
from asap_ingest.web.token_gate import behind_token
from asap_ingest.web.web_policy import DEFAULT_POLICY, SAFE_METHODS, WebPolicy

_PREFLIGHT_SECONDS = 86400
#: Headers that pages of other origins may see.
_EXPOSED = "content-range, content-length, content-encoding, etag, accept-ranges"
#: Files may lie on a slow file system: more threads than cores.
_THREADS = 16
#: Escapes of `/`, `\`, `.` and the null byte: they would give a file a second address.
_FORBIDDEN_ESCAPES = (b"%2f", b"%5c", b"%2e", b"%00")
#: `X-Forwarded-Prefix` of a proxy in front: only plain names are accepted, not `.` and `..`.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")

#: Called with a requested path or None; returns volumes by name: all for None, else at least those that the
#: path may be in.
Volumes = Callable[[str | None], Mapping[str, ServedVolume]]


def build_app(
    volumes: Mapping[str, ServedVolume], policy: WebPolicy = DEFAULT_POLICY, token: str | None = None
) -> ASGIApp:
    """The application of a server of volumes, which pages of any origin may read.

    Parameters
    ----------
    volumes : mapping
        By name, see `find_volumes`.
    policy : WebPolicy
        Only its host names count.
    token : str or None
        All requests must have it; None for no such requirement.
    """
    readable = CORSMiddleware(
        behind_token(VolumesApp(lambda name: volumes), token),
        allow_origins=["*"],
        allow_methods=SAFE_METHODS,
        allow_headers=["*"],
        allow_private_network=True,
        max_age=_PREFLIGHT_SECONDS,
    )

    async def with_known_host(scope: Scope, receive: Receive, send: Send) -> None:
        refusal = policy.host_refusal(Headers(scope=scope)) if scope["type"] == "http" else None
        await (readable if refusal is None else message_answer(403, refusal))(scope, receive, send)

    return with_known_host


class VolumesApp:
    """Answers requests that read volumes; the application around it decides who may read.

    It works in threads, so that a slow disk, or a chunk to decode, delays no other request.
    """

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes
        self._threads = ThreadPoolExecutor(_THREADS, "volume")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # the server's start and end need no work
        if scope["method"] in ("GET", "HEAD"):
            work = partial(self._answer, Request(scope))
            response = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        elif scope["method"] == "OPTIONS":
            response = Response(status_code=204, headers={"allow": ", ".join(SAFE_METHODS)})
        else:
            response = message_answer(405, "only GET and HEAD", allow=", ".join(SAFE_METHODS))
        response.headers["access-control-expose-headers"] = _EXPOSED
        await response(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        path = request.scope["path"]
        raw_path = request.scope["raw_path"].lower()
        if not path.startswith("/") or any(escape in raw_path for escape in _FORBIDDEN_ESCAPES):
            return message_answer(404, "the volume has no file of that name")
        if path.startswith(f"{CLIENT_PATH}/"):
            return client_file(path.removeprefix(f"{CLIENT_PATH}/"))
        volumes = self._volumes(None if path == "/" else path[1:])
        if path == "/" and list(volumes) != [""]:
            page = index_page(volumes, base_url(request), client_folder() is not None)
            return HTMLResponse(
                page, headers={"cache-control": "no-store", "content-security-policy": CONTENT_POLICY}
            )
        volume, rest = _volume_of(volumes, path[1:])
        if volume is None:
            return message_answer(404, "there is no volume of that name")
        if not rest:
            return _open_viewer(volume, base_url(request))
        return answer(volume, rest, request.headers, request.method == "HEAD")


def _volume_of(volumes: Mapping[str, ServedVolume], path: str) -> tuple[ServedVolume | None, str]:
    """The volume with the longest name that a path begins with, if any, and the rest of the path."""
    parts = path.split("/")
    for count in range(len(parts), 0, -1):
        name = "/".join(parts[:count])
        if name and name in volumes:
            return volumes[name], "/".join(parts[count:])
    return volumes.get(""), path


def _open_viewer(volume: ServedVolume, base_url: str) -> Response:
    """Redirect from the address of a volume to the viewer; without the client, its source URL as text."""
    if client_folder() is None:
        return message_answer(200, f"{source_url(volume, base_url)}\n")
    return RedirectResponse(viewer_url([volume], base_url), 302, {"cache-control": "no-store"})


def base_url(request: Request) -> str:
    """The address that the browser knows this application by, with the prefix of a proxy in front."""
    prefix = request.headers.get("x-forwarded-prefix", "").rstrip("/")
    known = prefix if _PREFIX.fullmatch(prefix) else ""
    path = request.scope.get("root_path", "")
    return f"{str(request.base_url).rstrip('/').removesuffix(path)}{known}{path}"
