"""What the commands that serve have in common: a listening socket, a first line with the URL, a clean end."""

from __future__ import annotations

import argparse
import ipaddress
import socket
import sys
from collections.abc import Callable, Sequence
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from asap_ingest.end_signals import end_signals
from asap_ingest.errors import ParameterError

LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
SHUTDOWN_SECONDS = 10
#: Longer than clients pause between requests: a connection closed meanwhile would cost them a retry.
KEEP_ALIVE_SECONDS = 75
LISTEN_BACKLOG = 2048
#: Sent with every answer of an application: browsers are not to guess types and find scripts.
EVERY_ANSWER = [("x-content-type-options", "nosniff")]

#: Lines to print after the base URL, which is given.
Announcement = Callable[[str], Sequence[str]]


def add_host_names(parser: argparse.ArgumentParser) -> None:
    """The argument that names a server; its values are read by `web_policy.host_names`."""
    parser.add_argument(
        "--host_names",
        nargs="+",
        default=[],
        metavar="NAME",
        help="further names that clients know this server by, beside IP addresses, localhost and this "
        "machine's name; requests to any other are refused",
    )


def listen(bind: str, port: int) -> socket.socket:
    """A socket that listens; ParameterError when the address cannot be used."""
    if not 0 <= port <= 65535:
        raise ParameterError("port", f"{port} is not between 0 and 65535")
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    # with the protocol named, asyncio switches off the delay of small answers
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((bind, port))
        listening.listen(LISTEN_BACKLOG)
    except OSError as error:
        listening.close()
        raise ParameterError("port", f"cannot listen on {bind}:{port}: {error.strerror or error}") from error
    return listening


def base_url(listening: socket.socket) -> str:
    """`http://host:port` of a listening socket; of one that listens on all addresses that of localhost."""
    host, port = listening.getsockname()[:2]
    if _is_any_address(host):
        return f"http://localhost:{port}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def url_from_elsewhere(listening: socket.socket) -> str | None:
    """`http://name:port` with this machine's name; None for a socket that listens on one address."""
    host, port = listening.getsockname()[:2]
    return f"http://{socket.gethostname()}:{port}" if _is_any_address(host) else None


def _is_any_address(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_unspecified


class EndSignals:
    """Context in which SIGTERM and SIGINT end a server after the requests under way, or before the first.

    uvicorn raises the signal that ended it again: without handlers that would be our exit code; and before
    it has its own handlers, a signal must not be lost.
    """

    def __init__(self) -> None:
        self._came = False
        self._server: uvicorn.Server | None = None
        self._heard = end_signals(self._end)

    def __enter__(self) -> EndSignals:
        self._heard.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._heard.__exit__(None, None, None)

    def reach(self, server: uvicorn.Server) -> None:
        """The server that is to be ended; at once, if a signal came already."""
        self._server = server
        server.should_exit = self._came

    def _end(self, number: int, frame: FrameType | None) -> None:
        self._came = True
        if self._server is not None:
            self._server.should_exit = True


def serve(
    app: ASGIApp,
    listening: socket.socket,
    log_level: str,
    signals: EndSignals,
    announce: Announcement = lambda url: (),
) -> None:
    """Serve until a signal; the requests under way are answered.

    The first line on standard output is the base URL, written once the service answers.
    """
    config = uvicorn.Config(
        app,
        log_level=log_level.lower(),
        access_log=log_level == "DEBUG",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
        headers=EVERY_ANSWER,
    )
    server = _AnnouncedServer(config, announce)
    signals.reach(server)
    server.run(sockets=[listening])


class _AnnouncedServer(uvicorn.Server):
    """Writes the base URL, and what is to follow it, when the service answers."""

    def __init__(self, config: uvicorn.Config, announce: Announcement) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if sockets and not self.should_exit:
            url, elsewhere = base_url(sockets[0]), url_from_elsewhere(sockets[0])
            lines = [url, *self._announce(url)]
            if elsewhere is not None:
                lines.append(f"from other machines: {elsewhere}")
            sys.stdout.write("".join(f"{line}\n" for line in lines))
            sys.stdout.flush()
