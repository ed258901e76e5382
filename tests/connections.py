"""Many connections at once, and requests that are sent in part."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

from asap_ingest.web.connection_limits import connections_that_fit


def connect(url: str) -> socket.socket:
    parts = urlsplit(url)
    assert parts.hostname is not None
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


@contextmanager
def connected(url: str, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """Connections on which nothing is sent but the start of a request, open until the end."""
    # of each, both ends are in this process
    connections_that_fit(2 * count)
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] > 2 * count
    with ExitStack() as stack:
        opened = [stack.enter_context(connect(url)) for _ in range(count)]
        for connection in opened:
            connection.sendall(sent)
        yield opened


def received(connection: socket.socket) -> bytes:
    """All that comes until the server closes the connection."""
    parts = []
    try:
        while part := connection.recv(2**16):
            parts.append(part)
    except ConnectionResetError:
        # it was closed before it had read what was sent
        pass
    return b"".join(parts)


def exchange(url: str, target: str = "/") -> bytes:
    """Status line, header and body of the answer to a GET."""
    lines = [f"GET {target} HTTP/1.1", "Host: localhost", "Connection: close", "", ""]
    with connect(url) as connection:
        connection.sendall("\r\n".join(lines).encode())
        return received(connection)
