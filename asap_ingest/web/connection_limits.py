"""Limits of a server's connections: their number, and how long it waits for clients to send and to receive.

uvicorn itself waits without limit for the end of a header and for clients that receive their answers, and
accepts connections until no file can be opened.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

logger = logging.getLogger(__name__)

#: Least time between two log lines on a server whose connections are all in use.
FULL_LOG_SECONDS = 60
_FULL = b"all connections of this server are in use: try again in a moment"
_FULL_ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\n\r\n%s" % (len(_FULL), _FULL)
)


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of connections.

    Attributes
    ----------
    connections : int
        Open at the same time.
    header_seconds : float
        From the connection, or the first byte of a further request, to the end of the header.
    header_bytes : int
        Of a header.
    body_seconds : float
        Without a byte of a body that is under way.
    body_bytes_per_second : float
        Mean rate of a body that takes longer than `body_seconds`.
    answer_seconds : float
        Without a byte taken of an answer.
    keep_alive_seconds : int
        Between requests. Longer than clients pause: a connection closed meanwhile would cost them a retry.
    """

    connections: int = 4096
    header_seconds: float = 30
    header_bytes: int = 64 * 2**10
    body_seconds: float = 60
    body_bytes_per_second: float = 1000
    answer_seconds: float = 60
    keep_alive_seconds: int = 75


DEFAULT_CONNECTION_LIMITS = ConnectionLimits()


class Connections:
    """The open connections of a server, ordered by the time of their last data."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self._open: dict[BoundedProtocol, None] = {}
        self._last_log = float("-inf")

    def has_room_for(self, connection: BoundedProtocol) -> bool:
        """Register a connection; if all are in use, close an idle one for it. False if none is idle."""
        if len(self._open) >= self.limits.connections:
            self.log_full()
            idle = next((other for other in self._open if other.waits_for_client()), None)
            if idle is None:
                return False
            self.remove(idle)
            idle.transport.abort()
        self._open[connection] = None
        return True

    def touch(self, connection: BoundedProtocol) -> None:
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def remove(self, connection: BoundedProtocol) -> None:
        self._open.pop(connection, None)

    def close_late(self, now: float) -> None:
        """Close the connections that exceed a time limit; `now` is the time of the event loop."""
        for connection in list(self._open):
            if connection.is_late(now, self.limits):
                connection.transport.abort()

    def log_full(self) -> None:
        """Log that all connections are in use: one line per `FULL_LOG_SECONDS`."""
        now = asyncio.get_running_loop().time()
        if now - self._last_log < FULL_LOG_SECONDS:
            return
        self._last_log = now
        logger.warning(
            "all %d connections are in use: for each new one, the one that waited longest for its "
            "client is closed; while all have requests under way, new ones get 503",
            len(self._open),
        )


class BoundedProtocol(HttpToolsProtocol):
    """A connection that is registered, and records since when it waits for its client."""

    def __init__(self, connections: Connections, **settings: Any) -> None:
        super().__init__(**settings)
        self._all = connections
        # start of the header under way; None for none
        self._header_since: float | None = None
        self._header_bytes = 0
        self._last_byte = self.loop.time()
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._header_since = self.loop.time()
        if not self._all.has_room_for(self):
            transport.write(_FULL_ANSWER)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._all.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._all.touch(self)
        self._last_byte = self.loop.time()
        if self._header_since is None and self._waits_for_header():
            self._header_since = self._last_byte
        previous = self.cycle
        super().data_received(data)
        if self.cycle is not previous:
            self._header_since, self._header_bytes = None, 0
        elif self._header_since is not None:
            self._header_bytes += len(data)
            if self._header_bytes > self._all.limits.header_bytes:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Record the start of a header, also after a body that was answered early."""
        super().on_message_begin()
        self._header_since, self._header_bytes = self.loop.time(), 0

    def _waits_for_header(self) -> bool:
        # after an early answer the end of the body is not known here
        return self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)

    def waits_for_client(self) -> bool:
        """Whether neither a complete request nor an answer is under way."""
        if self.cycle is None or self.cycle.response_complete:
            return not self.transport.get_write_buffer_size()
        return self.cycle.more_body

    def is_late(self, now: float, limits: ConnectionLimits) -> bool:
        """Whether the client takes too long to send a header, to take its answer, or to end a body after it.

        A body before its answer has `BodyTimeLimit`.
        """
        if self._header_since is not None and now - self._header_since > limits.header_seconds:
            return True
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        if unsent:
            return now - self._unsent_since > limits.answer_seconds
        is_answered = self.cycle is not None and self.cycle.response_complete and self.cycle.more_body
        return is_answered and now - self._last_byte > limits.body_seconds
