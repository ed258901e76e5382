"""Time limit of request bodies: one that stops arriving, or is too slow, is answered 408."""

from __future__ import annotations

import asyncio

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from asap_ingest.web.connection_limits import ConnectionLimits

_GONE: Message = {"type": "http.disconnect"}


class BodyTimeLimit:
    """ASGI middleware that treats a client that is too slow as disconnected: what it sent is dropped."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, send, self._limits)
        await self._app(scope, body.receive, body.send)
        if body.is_late and not body.is_answered:
            text = (
                f"the request body arrives too slowly: {body.received} bytes came; this service waits "
                f"{self._limits.body_seconds:g} s for the next byte, and for a mean of "
                f"{self._limits.body_bytes_per_second:g} bytes a second"
            )
            await PlainTextResponse(text, 408, {"connection": "close"})(scope, receive, send)


class _Body:
    """The body of one request, and the answer to it."""

    def __init__(self, receive: Receive, send: Send, limits: ConnectionLimits) -> None:
        self._receive, self._send, self._limits = receive, send, limits
        self._start: float | None = None
        self._is_whole = False
        self.received = 0
        self.is_late = self.is_answered = False

    async def receive(self) -> Message:
        if self.is_late:
            return _GONE
        if self._is_whole:
            # the next message is that the client disconnects
            return await self._receive()
        try:
            async with asyncio.timeout_at(self._deadline()):
                message = await self._receive()
        except TimeoutError:
            self.is_late = True
            return _GONE
        self.received += len(message.get("body", b""))
        self._is_whole = not message.get("more_body", False)
        return message

    def _deadline(self) -> float:
        now = asyncio.get_running_loop().time()
        if self._start is None:
            self._start = now
        whole = self._start + self._limits.body_seconds + self.received / self._limits.body_bytes_per_second
        return min(now + self._limits.body_seconds, whole)

    async def send(self, message: Message) -> None:
        # the answer of the application to a disconnected client must not reach one that is late
        if self.is_answered or not self.is_late:
            self.is_answered = True
            await self._send(message)
