"""Middleware that lets requests with the token of a server pass, and answers 401 to all others.

Programs send it in the header `Authorization`, browsers in a cookie, which they get when they open the
address with the token.
"""

from __future__ import annotations

import hashlib
import hmac
from urllib.parse import unquote

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from asap_ingest.web.access_token import QUERY_NAME, REALM, VARIABLE

_HOW_TO_SEND = (
    f"set {VARIABLE} to it for programs of asap_ingest, send 'Authorization: Bearer ...' from others, "
    "and open the address that the server printed in a browser"
)
_NOT_KEPT = {"cache-control": "no-store"}
_CHALLENGE = {**_NOT_KEPT, "www-authenticate": f'Bearer realm="{REALM}"'}


def behind_token(app: ASGIApp, token: str | None) -> ASGIApp:
    """An application that requires a token; unchanged without one."""
    return app if token is None else TokenGate(app, token)


class TokenGate:
    """ASGI middleware that answers 401 to requests without the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token
        # browsers send cookies to all ports of a host: those of two servers need two names
        self._cookie = f"asap_ingest_{hashlib.sha256(token.encode()).hexdigest()[:12]}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app if scope["type"] != "http" else self._for_request(scope)
        await app(scope, receive, send)

    def _for_request(self, scope: Scope) -> ASGIApp:
        parts = scope["query_string"].decode("latin-1").split("&")
        in_address, others = _split_off_tokens(parts)
        if scope["method"] in ("GET", "HEAD") and any(self._is_token(text) for text in in_address):
            return self._redirect_without_token(scope, others)
        sent = self._sent(Headers(scope=scope))
        if any(self._is_token(text) for text in sent):
            return self._app
        return _refusal(bool(sent or in_address))

    def _is_token(self, text: str) -> bool:
        # constant time: the duration does not reveal a correct prefix
        return hmac.compare_digest(text.encode("utf-8", "surrogateescape"), self._token.encode())

    def _sent(self, headers: Headers) -> list[str]:
        """Bearer tokens in the headers, and values of our cookie."""
        kinds = (header.partition(" ") for header in headers.getlist("authorization"))
        sent = [value.strip() for kind, _, value in kinds if kind.lower() == "bearer"]
        cookies = (cookie_parser(header) for header in headers.getlist("cookie"))
        return [*sent, *(values[self._cookie] for values in cookies if self._cookie in values)]

    def _redirect_without_token(self, scope: Scope, others: list[str]) -> Response:
        """Move the token from the address, which bookmarks and screenshots show, to a cookie."""
        # relative to the address in the browser, which may have the prefix of a proxy
        last = scope["raw_path"].decode("latin-1").rpartition("/")[2]
        location = f"./{last}{'?' if others else ''}{'&'.join(others)}"
        response = Response(status_code=303, headers={**_NOT_KEPT, "location": location})
        response.set_cookie(
            self._cookie, self._token, httponly=True, samesite="lax", secure=scope["scheme"] == "https"
        )
        return response


def _split_off_tokens(parts: list[str]) -> tuple[list[str], list[str]]:
    """The tokens in the parts of a query, and its other parts unchanged."""
    start = f"{QUERY_NAME}="
    tokens = [unquote(part.removeprefix(start)) for part in parts if part.startswith(start)]
    return tokens, [part for part in parts if part and not part.startswith(start)]


def _refusal(is_wrong: bool) -> Response:
    if is_wrong:
        text = f"the token that was sent is not the one of this server: {_HOW_TO_SEND}"
    else:
        text = f"this server requires its token: {_HOW_TO_SEND}"
    return PlainTextResponse(text, 401, _CHALLENGE)
