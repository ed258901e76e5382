"""Volumes as an ASGI application, with the Neuroglancer client beside them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asap_ingest.neuroglancer_client import client_file, client_folder
from asap_ingest.volumes.serving.byte_answers import answer, text_answer
from asap_ingest.volumes.serving.index_page import CONTENT_POLICY, index_page
from asap_ingest.volumes.serving.served_volume import ServedVolume
from asap_ingest.volumes.serving.viewer_link import CLIENT_PATH, source_url, viewer_url
from asap_ingest.web.token_gate import behind_token
from asap_ingest.web.web_policy import DEFAULT_POLICY, SAFE_METHODS, WebPolicy

_PREFLIGHT_SECONDS = "86400"
_EXPOSED = (
    b"access-control-expose-headers",
    b"content-range, content-length, content-encoding, etag, accept-ranges",
)
_READABLE = ((b"access-control-allow-origin", b"*"), _EXPOSED)
#: Files may lie on a slow file system: more threads than cores.
_THREADS = 16
#: Escapes that spell a separator, a dot or an end in another way; a name of ours has one spelling.
_TRICKS = (b"%2f", b"%5c", b"%2e", b"%00")
#: What a proxy in front may say that its addresses begin with: plain segments, none of dots alone.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~-]+)+")


#: The volumes by their names, when a file of one of them is asked for, or (None) the list of them.
Volumes = Callable[[str | None], Mapping[str, ServedVolume]]


def build_app(
    volumes: Mapping[str, ServedVolume], policy: WebPolicy = DEFAULT_POLICY, token: str | None = None
) -> ASGIApp:
    """The application.

    Parameters
    ----------
    volumes : mapping
        By their paths in the address; that of a folder that is a volume itself is empty.
    policy : WebPolicy
        Of it only the names of the server count: volumes may be read by all, and written by nobody.
    token : str or None
        What all requests must have; None: nothing.
    """
    return _CrossOrigin(behind_token(_Volumes(lambda name: volumes), token), policy)


def read_only(volumes: Volumes) -> ASGIApp:
    """The volumes as a part of an application that decides itself who may read."""
    return _ReadOnly(_Volumes(volumes))


class _Volumes:
    """Answers in threads: a slow disk, or a chunk to decode, holds up nobody else."""

    def __init__(self, volumes: Volumes) -> None:
        self._volumes = volumes
        self._threads = ThreadPoolExecutor(_THREADS, "volume")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return  # nothing is to be done at the start and the end
        work = partial(self._answer, Request(scope))
        response = await asyncio.get_running_loop().run_in_executor(self._threads, work)
        await response(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        path = request.scope["path"]
        raw_path = request.scope["raw_path"].lower()
        if not path.startswith("/") or any(trick in raw_path for trick in _TRICKS):
            return text_answer(404, "the volume has no file of that name")
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
            return text_answer(404, "there is no volume of that name")
        if not rest:
            return _open_viewer(volume, base_url(request))
        return answer(volume, rest, request.headers, request.method == "HEAD")


def _volume_of(volumes: Mapping[str, ServedVolume], path: str) -> tuple[ServedVolume | None, str]:
    """The volume with the longest name that a path begins with, and the rest of the path."""
    parts = path.split("/")
    for count in range(len(parts), 0, -1):
        name = "/".join(parts[:count])
        if name and name in volumes:
            return volumes[name], "/".join(parts[count:])
    return volumes.get(""), path


def _open_viewer(volume: ServedVolume, base_url: str) -> Response:
    """Send a person who opens the address of a volume to the viewer."""
    if client_folder() is None:
        return text_answer(200, f"{source_url(volume, base_url)}\n")
    return RedirectResponse(viewer_url([volume], base_url), 302, {"cache-control": "no-store"})


def base_url(request: Request) -> str:
    """The address that the browser knows this application by, with the prefix of a proxy in front."""
    prefix = request.headers.get("x-forwarded-prefix", "").rstrip("/")
    known = prefix if _PREFIX.fullmatch(prefix) else ""
    path = request.scope.get("root_path", "")
    return f"{str(request.base_url).rstrip('/').removesuffix(path)}{known}{path}"


class _CrossOrigin:
    """Lets pages of any origin read: every answer says so, whatever its status."""

    def __init__(self, app: ASGIApp, policy: WebPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_READABLE]
            await send(message)

        app = self._app
        headers = Headers(scope=scope)
        refusal = self._policy.host_refusal(headers)
        if refusal is not None:
            app = text_answer(403, refusal)
        elif scope["method"] == "OPTIONS":
            app = Response(status_code=204, headers=_preflight(headers))
        elif scope["method"] not in SAFE_METHODS:
            app = _only_reading()
        await app(scope, receive, send_with_headers)


class _ReadOnly:
    """Refuses what is no reading; pages that may read an answer see the headers that viewers need."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], _EXPOSED]
            await send(message)

        is_reading = scope["method"] in ("GET", "HEAD")
        await (self._app if is_reading else _only_reading())(scope, receive, send_with_headers)


def _only_reading() -> Response:
    return PlainTextResponse("only GET and HEAD", 405, {"allow": ", ".join(SAFE_METHODS)})


def _preflight(asked: Headers) -> dict[str, str]:
    headers = {
        "allow": ", ".join(SAFE_METHODS),
        "access-control-allow-methods": ", ".join(SAFE_METHODS),
        "access-control-allow-headers": asked.get("access-control-request-headers", "*"),
        "access-control-max-age": _PREFLIGHT_SECONDS,
        "vary": "access-control-request-headers, access-control-request-private-network",
    }
    if asked.get("access-control-request-private-network") == "true":
        headers["access-control-allow-private-network"] = "true"
    return headers
