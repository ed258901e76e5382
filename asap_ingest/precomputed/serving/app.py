"""A volume as an ASGI application, with the Neuroglancer client beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asap_ingest.neuroglancer_client import client_file, client_folder
from asap_ingest.precomputed.serving.answers import Answer, Asked, VolumeAnswers, text_answer
from asap_ingest.precomputed.serving.served_volume import ServedVolume
from asap_ingest.precomputed.serving.viewer_link import CLIENT_PATH, source_url, viewer_url

_METHODS = ("GET", "HEAD", "OPTIONS")
_PREFLIGHT_SECONDS = "86400"
_READABLE = (
    (b"access-control-allow-origin", b"*"),
    (
        b"access-control-expose-headers",
        b"content-range, content-length, content-encoding, etag, accept-ranges",
    ),
    (b"x-content-type-options", b"nosniff"),
)
#: Files may lie on a slow file system: more threads than cores.
_THREADS = 16
#: Escapes that spell a separator, a dot or an end in another way; a name of ours has one spelling.
_TRICKS = (b"%2f", b"%5c", b"%2e", b"%00", b"%25")


def build_app(volume: ServedVolume, display_range: tuple[float, float] | None = None) -> ASGIApp:
    """The application.

    Parameters
    ----------
    display_range : pair of float or None
        Samples that the viewer's link shows black and white.
    """

    def show_start(request: Request) -> Response:
        """Send a person who opens the address to the viewer."""
        url = str(request.base_url).rstrip("/")
        if client_folder() is None:
            return PlainTextResponse(f"{source_url(volume, url)}\n")
        return RedirectResponse(viewer_url(volume, url, display_range), 302)

    def get_client_file(request: Request) -> Response:
        return client_file(request.path_params["file"])

    pages = Starlette(
        routes=[Route("/", show_start), Route(f"{CLIENT_PATH}/{{file}}", get_client_file)],
    )
    return _CrossOrigin(_Files(volume, pages))


class _Files:
    """Answers for files of the volume in threads: a slow disk, or a chunk to decode, holds up nobody else.

    They go around the routes, which would take longer than the answer.
    """

    def __init__(self, volume: ServedVolume, pages: ASGIApp) -> None:
        self._answers = VolumeAnswers(volume)
        self._threads = ThreadPoolExecutor(_THREADS, "volume")
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "")
        if scope["type"] != "http" or path == "/" or path.startswith(f"{CLIENT_PATH}/"):
            await self._pages(scope, receive, send)
            return
        raw_path = scope["raw_path"].lower()
        if any(trick in raw_path for trick in _TRICKS):
            await _send(text_answer(404, "the volume has no file of that name"), send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        asked = Asked(headers, scope["method"] == "HEAD")
        answer = await self._in_thread(self._answers.answer, path[1:], asked)
        try:
            await _send(answer, send, self._in_thread, asked.is_head)
        finally:
            if answer.rest is not None:
                answer.rest.close()

    async def _in_thread(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)


async def _send(
    answer: Answer, send: Send, in_thread: Callable[..., Any] | None = None, is_head: bool = False
) -> None:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    if answer.rest is not None and in_thread is not None:
        while piece := await in_thread(answer.rest.next_piece):
            await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"" if is_head else answer.body})


class _CrossOrigin:
    """Lets pages of any origin read: every answer says so, whatever its status."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_READABLE]
            await send(message)

        app = self._app
        if scope["method"] == "OPTIONS":
            app = Response(status_code=204, headers=_preflight(Headers(scope=scope)))
        elif scope["method"] not in _METHODS:
            app = PlainTextResponse("only GET and HEAD", 405, {"allow": ", ".join(_METHODS)})
        await app(scope, receive, send_with_headers)


def _preflight(asked: Headers) -> dict[str, str]:
    headers = {
        "allow": ", ".join(_METHODS),
        "access-control-allow-methods": ", ".join(_METHODS),
        "access-control-allow-headers": asked.get("access-control-request-headers", "*"),
        "access-control-max-age": _PREFLIGHT_SECONDS,
        "vary": "access-control-request-headers, access-control-request-private-network",
    }
    if asked.get("access-control-request-private-network") == "true":
        headers["access-control-allow-private-network"] = "true"
    return headers
