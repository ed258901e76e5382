"""HTTP around the routes: access control, cross-origin headers, preflight requests, clean paths."""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asap_ingest.render_ws.http.answers import text_answer
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.web.web_policy import SAFE_METHODS, Access, WebPolicy

ALLOWED_METHODS = ("GET", "POST", "PUT", "OPTIONS", "HEAD")
ALLOWED_HEADERS = ("X-Requested-With", "Content-Type", "Accept", "Origin")
PREFLIGHT_SECONDS = 1800
_BROKEN_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})|%00")


def decode_path(raw: str) -> str:
    """Path as routes match it: matrix parameters cut off, escapes decoded, one trailing slash dropped.

    An encoded slash counts as a separator.

    Raises
    ------
    IllegalArgumentError
        For an empty segment, a broken escape, `%00`, and bytes that are not UTF-8.
    """
    if "//" in raw:
        raise IllegalArgumentError("ambiguous empty segment in path")
    if _BROKEN_ESCAPE.search(raw):
        raise IllegalArgumentError("broken escape in path")
    try:
        path = unquote(without_matrix_parameters(raw), errors="strict")
    except UnicodeDecodeError as error:
        raise IllegalArgumentError("path is not UTF-8") from error
    return path.removesuffix("/") if len(path) > 1 else path


def without_matrix_parameters(raw: str) -> str:
    """The path with `;x=y` cut off every segment."""
    return "/".join(part.partition(";")[0] for part in raw.split("/"))


def preflight_headers(headers: Headers, access: Access) -> dict[str, str]:
    """Headers of the answer to a preflight request; {} when a method or header is not allowed."""
    methods = ALLOWED_METHODS if access.may_write else SAFE_METHODS
    requested = [
        name.strip().lower() for name in headers.get("access-control-request-headers", "").split(",")
    ]
    allowed = {name.lower() for name in ALLOWED_HEADERS} | {""}
    is_allowed = headers["access-control-request-method"] in methods and allowed.issuperset(requested)
    if access.reader is None or not is_allowed:
        return {}
    allowed_headers = {
        **origin_headers(access),
        "access-control-max-age": str(PREFLIGHT_SECONDS),
        "access-control-allow-methods": ",".join(methods),
        "access-control-allow-headers": ",".join(ALLOWED_HEADERS),
    }
    if headers.get("access-control-request-private-network") == "true":
        allowed_headers["access-control-allow-private-network"] = "true"
    return allowed_headers


def origin_headers(access: Access) -> dict[str, str]:
    """Headers of every answer that a page of another origin may read; credentials are never allowed."""
    return {} if access.reader is None else {"access-control-allow-origin": access.reader}


class Transport:
    """ASGI layer around the routes; sets `is_cross_origin` in the scope of a request."""

    def __init__(self, app: ASGIApp, policy: WebPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer requests that need no route, pass others on with a clean path."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        vary = {"vary": "Origin"}
        access = self._policy.access(scope["method"], scope["scheme"], headers)
        if access.refusal is not None:
            refused = text_answer(access.refusal, 403)
            refused.headers.update({**origin_headers(access), **vary})
            await refused(scope, receive, send)
            return
        if (
            "origin" in headers
            and scope["method"] == "OPTIONS"
            and "access-control-request-method" in headers
        ):
            await Response(headers={**preflight_headers(headers, access), **vary})(scope, receive, send)
            return
        extra = {**origin_headers(access), **vary}

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(extra)
            await send(message)

        await self._pass_on({**scope, "is_cross_origin": access.is_cross_origin}, receive, send_with_headers)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        # render-ws takes a bare circumflex for an attack
        if b"^" in scope["query_string"]:
            await text_answer("illegal character in query", 500)(scope, receive, send)
            return
        try:
            path = decode_path(scope["raw_path"].decode("latin-1"))
        except IllegalArgumentError as error:
            await text_answer(str(error), error.status)(scope, receive, send)
            return
        await self._app({**scope, "path": path}, receive, send)
