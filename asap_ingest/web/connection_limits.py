"""Limits of a server's connections: their number, and how long it waits for clients to send and to receive.

uvicorn itself waits without limit for the end of a header and for clients that receive their answers, and
accepts connections until no file can be opened.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import resource
from dataclasses import dataclass
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

logger = logging.getLogger(__name__)

#: A connection is a file descriptor, and sending a file takes another.
FILES_PER_CONNECTION = 2
#: Databases, images, libraries, connections that are accepted and not yet registered.
OTHER_FILES = 640
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
#: Least time between two log lines on a server whose connections are all in use.
FULL_LOG_SECONDS = 60
_FULL = "all connections of this server are in use: try again in a moment"


@dataclass(frozen=True)
class ConnectionLimits:
    """Limits of connections: their number, and how long a server waits for clients.

    Attributes
    ----------
    connections : int
        Open at the same time.
    header_seconds : float
        From the connection, or the first byte of a further request, to the end of the header.
    header_bytes : int
        Of a header.
    body_seconds : float
        Until the next byte of a request's body.
    body_bytes_per_second : float
        Least mean rate of a body that takes longer than `body_seconds`.
    answer_seconds : float
        Until the client takes the next byte of an answer.
    keep_alive_seconds : int
        Between requests. Longer than the pauses of clients: a closed connection would cost them a retry.
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
        """Register a connection; if all are in use, close one that waits for its client, or return False."""
        if len(self._open) >= self.limits.connections:
            self.log_full()
            waiting = next((other for other in self._open if other.waits_for_client()), None)
            if waiting is None:
                return False
            self.remove(waiting)
            waiting.transport.abort()
        self._open[connection] = None
        return True

    def touch(self, connection: BoundedProtocol) -> None:
        """Move a connection to the end of the order: it is the last that had data."""
        if connection in self._open:
            del self._open[connection]
            self._open[connection] = None

    def remove(self, connection: BoundedProtocol) -> None:
        self._open.pop(connection, None)

    def close_late(self, now: float) -> None:
        """Close the connections that exceed a time limit; `now` is the time of the event loop."""
        for connection in list(self._open):
            connection.close_if_late(now, self.limits)

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
    """A connection that registers itself, and records since when it waits for its client."""

    def __init__(self, connections: Connections, **settings: Any) -> None:
        super().__init__(**settings)
        self._all = connections
        # start of the header under way; None for none
        self._header_since: float | None = None
        self._header_bytes = 0
        self._last_byte = self._body_since = self.loop.time()
        self._body_bytes = 0
        self._unsent = 0
        self._unsent_since = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._header_since = self.loop.time()
        if not self._all.has_room_for(self):
            transport.write(_last_answer("503 Service Unavailable", _FULL, "retry-after: 1"))
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
            self._body_since = self._last_byte
        elif self._header_since is not None:
            self._header_bytes += len(data)
            if self._header_bytes > self._all.limits.header_bytes:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Record the start of a header: nothing else shows it after a body that was not read to its end."""
        super().on_message_begin()
        self._header_since, self._header_bytes = self.loop.time(), 0
        self._body_bytes = 0

    def on_body(self, body: bytes) -> None:
        """Count the bytes of a body."""
        super().on_body(body)
        self._body_bytes += len(body)

    def _waits_for_header(self) -> bool:
        # after an answer to an incomplete body, more of the body may come
        return self.cycle is None or (self.cycle.response_complete and not self.cycle.more_body)

    def waits_for_client(self) -> bool:
        """Whether neither a complete request nor an answer is under way."""
        if self.cycle is None or self.cycle.response_complete:
            return not self.transport.get_write_buffer_size()
        return self.cycle.more_body

    def close_if_late(self, now: float, limits: ConnectionLimits) -> None:
        """Close a connection whose client takes too long to send a header or a body, or to take its answer.

        If the body is late and nothing has been answered, the client gets 408.
        """
        is_late_body = self._has_late_body(now, limits)
        if is_late_body and not self.cycle.response_started:
            self.transport.write(_late_answer(self._body_bytes, limits))
            self.transport.close()
        elif is_late_body or self._has_late_header_or_answer(now, limits):
            self.transport.abort()

    def _has_late_header_or_answer(self, now: float, limits: ConnectionLimits) -> bool:
        if self._header_since is not None and now - self._header_since > limits.header_seconds:
            return True
        unsent = self.transport.get_write_buffer_size()
        if unsent != self._unsent:
            self._unsent, self._unsent_since = unsent, now
        return unsent > 0 and now - self._unsent_since > limits.answer_seconds

    def _has_late_body(self, now: float, limits: ConnectionLimits) -> bool:
        if self.cycle is None or not self.cycle.more_body or self.transport.get_write_buffer_size():
            return False
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:
            # the client waits for the application, which takes no more of the body for now
            self._last_byte = self._body_since = now
            self._body_bytes = 0
        whole = self._body_since + limits.body_seconds + self._body_bytes / limits.body_bytes_per_second
        return now > min(self._last_byte + limits.body_seconds, whole)


def _late_answer(received: int, limits: ConnectionLimits) -> bytes:
    text = (
        f"the request body arrives too slowly: {received} bytes came; this service waits "
        f"{limits.body_seconds:g} s for the next byte, and for a mean of "
        f"{limits.body_bytes_per_second:g} bytes a second"
    )
    return _last_answer("408 Request Timeout", text)


def _last_answer(status: str, text: str, *headers: str) -> bytes:
    """The bytes of an answer that this layer sends itself before it closes the connection."""
    fields = (
        "connection: close",
        "content-type: text/plain; charset=utf-8",
        "x-content-type-options: nosniff",
    )
    lines = (f"HTTP/1.1 {status}", *fields, f"content-length: {len(text)}", *headers, "", text)
    return "\r\n".join(lines).encode("latin-1")


def connections_that_fit(most: int) -> int:
    """Raise the limit of open files as far as `most` connections need it; how many connections fit then.

    If the system allows few files, at least a quarter of them are for connections.
    """
    limit = _raised_to(most * FILES_PER_CONNECTION + OTHER_FILES)
    return min(most, max(1, limit // 4, (limit - OTHER_FILES) // FILES_PER_CONNECTION))


def is_out_of_files(error: BaseException | None) -> bool:
    """Whether an error means that the limit of open files, or the memory for them, is exhausted."""
    return isinstance(error, OSError) and error.errno in _EXHAUSTED


def _raised_to(wanted: int) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if allowed <= soft:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    except (OSError, ValueError):
        # macOS reports no limit, and has one
        return soft
    return allowed
