"""HTTP details in front of all routes: odd paths, cross-origin headers, preflight requests."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asap_ingest.render_ws.http.answers import text_answer

ALLOWED_METHODS = ("GET", "POST", "PUT", "OPTIONS", "HEAD")
ALLOWED_HEADERS = ("X-Requested-With", "Content-Type", "Accept", "Origin")
PREFLIGHT_SECONDS = 1800
_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})|%00")


class BadPathError(Exception):
    """A path that is refused before it is looked at: 400."""


def decode_path(raw: str) -> str:
    """Path as routes see it: matrix parameters cut off, escapes decoded, one trailing slash dropped.

    An encoded slash counts as a separator.

    Raises
    ------
    BadPathError
        For an empty segment, a broken escape, `%00`, and bytes that are not UTF-8.
    """
    if "//" in raw:
        raise BadPathError("ambiguous empty segment in path")
    if _BROKEN_ESCAPE.search(raw):
        raise BadPathError("broken escape in path")
    try:
        path = unquote(without_matrix_parameters(raw), errors="strict")
    except UnicodeDecodeError as error:
        raise BadPathError("path is not UTF-8") from error
    return path.removesuffix("/") if len(path) > 1 else path


def without_matrix_parameters(raw: str) -> str:
    """The path with `;x=y` cut off every segment."""
    return "/".join(part.partition(";")[0] for part in raw.split("/"))


def preflight_headers(headers: Headers) -> dict[str, str]:
    """What a preflight request is told: nothing when it asks for a method or header not allowed."""
    asked = [name.strip().lower() for name in headers.get("access-control-request-headers", "").split(",")]
    allowed = {name.lower() for name in ALLOWED_HEADERS} | {""}
    if headers["access-control-request-method"] not in ALLOWED_METHODS or not allowed.issuperset(asked):
        return {}
    return {
        **origin_headers(headers),
        "access-control-max-age": str(PREFLIGHT_SECONDS),
        "access-control-allow-methods": ",".join(ALLOWED_METHODS),
        "access-control-allow-headers": ",".join(ALLOWED_HEADERS),
    }


def origin_headers(headers: Headers) -> dict[str, str]:
    """What every answer to a cross-origin request carries; {} without Origin."""
    if "origin" not in headers:
        return {}
    return {
        "access-control-allow-origin": headers["origin"],
        "access-control-allow-credentials": "true",
    }


class Transport:
    """ASGI layer around the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what needs no route, else pass the request on with its path cleaned."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        vary = {"vary": "Origin"}
        if (
            "origin" in headers
            and scope["method"] == "OPTIONS"
            and "access-control-request-method" in headers
        ):
            await Response(headers={**preflight_headers(headers), **vary})(scope, receive, send)
            return
        extra = {**origin_headers(headers), **vary}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(extra)
            await send(message)

        await self._pass_on(scope, receive, send_with_headers)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        # render-ws takes a bare circumflex for an attack
        if b"^" in scope["query_string"]:
            await text_answer("illegal character in query", 500)(scope, receive, send)
            return
        try:
            path = decode_path(scope["raw_path"].decode("latin-1"))
        except BadPathError as error:
            await text_answer(str(error), 400)(scope, receive, send)
            return
        await self._app({**scope, "path": path}, receive, send)
