"""What the commands that serve have in common: a listening socket, the lines with its URL, a clean end."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import FrameType
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from asap_ingest.errors import ParameterError
from asap_ingest.execution.end_signals import end_signals
from asap_ingest.web.access_token import VARIABLE, new_token, token_of_environment, token_query
from asap_ingest.web.body_time_limit import BodyTimeLimit
from asap_ingest.web.connection_limits import DEFAULT_LIMITS, BoundedProtocol, ConnectionLimits, Connections
from asap_ingest.web.open_files import connections_that_fit, is_out_of_files

LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
SHUTDOWN_SECONDS = 10
LISTEN_BACKLOG = 2048
#: Connections that are accepted before any of them is counted.
ACCEPTED_AT_ONCE = 128
_TICKS_PER_SECOND = 10  # of uvicorn's main loop
#: Sent with every answer of an application: browsers are not to guess types and find scripts.
EVERY_ANSWER = [("x-content-type-options", "nosniff")]


@dataclass(frozen=True)
class Announcement:
    """What is printed when a server answers.

    Attributes
    ----------
    token : str or None
        What the server asks for: a line has the address with it.
    lines : callable
        Further lines, of the base URL.
    """

    token: str | None = field(default=None, repr=False)
    lines: Callable[[str], Sequence[str]] = lambda url: ()

    def of(self, listening: socket.socket) -> list[str]:
        """The base URL, and the lines after it."""
        url, elsewhere = base_url(listening), url_from_elsewhere(listening)
        query = f"/{token_query(self.token)}" if self.token else ""
        lines = [url, *([f"with the token: {url}{query}"] if query else []), *self.lines(url)]
        return lines if elsewhere is None else [*lines, f"from other machines: {elsewhere}{query}"]


def add_token(parser: argparse.ArgumentParser) -> None:
    """The switch for a token; `chosen_token` reads it."""
    parser.add_argument(
        "--token",
        action="store_true",
        help=f"answer only those who send a token: the one in the environment variable {VARIABLE} (then this "
        "switch is not needed), else a random one; the second line on standard output is an address with it, "
        "to be opened in a browser",
    )


def chosen_token(is_asked_for: bool) -> str | None:
    """The token that a server is to ask for; None for none.

    Raises
    ------
    ParameterError
        The one in the environment cannot be used.
    """
    return token_of_environment() or (new_token() if is_asked_for else None)


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
    announcement: Announcement = Announcement(),
) -> None:
    """Serve until a signal; the requests under way are answered.

    The first line on standard output is the base URL, written once the service answers.
    """
    limits = replace(DEFAULT_LIMITS, connections=connections_that_fit(DEFAULT_LIMITS.connections))
    server = _AnnouncedServer(
        app,
        limits,
        announcement,
        log_level=log_level.lower(),
        access_log=log_level == "DEBUG",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
    )
    signals.reach(server)
    server.run(sockets=[listening])


class BoundedServer(uvicorn.Server):
    """uvicorn with limits on connections; `settings` are those of `uvicorn.Config`."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits = DEFAULT_LIMITS, **settings: Any) -> None:
        self._connections = Connections(limits)
        config = uvicorn.Config(
            BodyTimeLimit(app, limits),
            http=partial(BoundedProtocol, self._connections),  # type: ignore[arg-type] # called like a class
            ws="none",  # nothing here speaks it, and its connections would not be counted
            backlog=ACCEPTED_AT_ONCE,
            timeout_keep_alive=limits.keep_alive_seconds,
            headers=EVERY_ANSWER,
            **settings,
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)
        await super().startup(sockets=sockets)
        for listening in sockets or ():
            # asyncio took the backlog for the number to accept at once; more than that may wait
            listening.listen(LISTEN_BACKLOG)

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_SECOND == 0:
            self._connections.close_late(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # of connections that cannot be accepted asyncio tells a hundred times a second, each with a traceback
        if is_out_of_files(context.get("exception")):
            self._connections.log_full()
        else:
            loop.default_exception_handler(context)


class _AnnouncedServer(BoundedServer):
    """Writes the base URL, and what is to follow it, when the service answers."""

    def __init__(
        self, app: ASGIApp, limits: ConnectionLimits, announcement: Announcement, **settings: Any
    ) -> None:
        super().__init__(app, limits, **settings)
        self._announcement = announcement

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if sockets and not self.should_exit:
            sys.stdout.write("".join(f"{line}\n" for line in self._announcement.of(sockets[0])))
            sys.stdout.flush()
