"""What the commands that run a server share: arguments, the listening socket, printed lines, the end."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import logging
import socket
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import uvicorn
from starlette.types import ASGIApp

from asap_ingest.errors import ParameterError
from asap_ingest.execution.end_signals import end_signals
from asap_ingest.web.access_token import VARIABLE, new_token, token_of_environment, token_query
from asap_ingest.web.connection_limits import (
    DEFAULT_CONNECTION_LIMITS,
    BoundedProtocol,
    ConnectionLimits,
    Connections,
    connections_that_fit,
    is_out_of_files,
)

LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
SHUTDOWN_SECONDS = 10
LISTEN_BACKLOG = 2048
#: Connections that are accepted before any of them is counted.
ACCEPTED_AT_ONCE = 128
_TICKS_PER_SECOND = 10  # of uvicorn's main loop
#: Sent with every answer of an application: browsers are not to guess types and find scripts.
EVERY_ANSWER = [("x-content-type-options", "nosniff")]


def add_server_arguments(parser: argparse.ArgumentParser, port: int) -> None:
    """Arguments of every command that runs a server; `port` is the default."""
    parser.add_argument("--port", type=int, default=port, help="port to listen on, 0 takes a free one")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--token",
        action="store_true",
        help=f"answer only requests with a token: the one in the environment variable {VARIABLE} (then this "
        "switch is not needed), else a random one; the second line on standard output is an address with it, "
        "to be opened in a browser",
    )
    parser.add_argument(
        "--host_names",
        nargs="+",
        default=[],
        metavar="NAME",
        help="further names that clients know this server by, beside IP addresses, localhost and this "
        "machine's name; requests to any other are refused",
    )
    parser.add_argument(
        "--log_level",
        choices=LOG_LEVELS,
        default="WARNING",
        type=str.upper,
        help="least severe level to log",
    )


def chosen_token(arguments: argparse.Namespace) -> str | None:
    """The token that the server requires: from the environment, or a random one; None for no token.

    Raises
    ------
    ParameterError
        The token in the environment is not valid.
    """
    return token_of_environment() or (new_token() if arguments.token else None)


def listen(bind: str, port: int) -> socket.socket:
    """A socket that listens on an address and port; 0 takes a free port.

    Raises
    ------
    ParameterError
        The address or port cannot be used.
    """
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
    """`http://host:port` of a listening socket; the host is localhost if it listens on all addresses."""
    host, port = listening.getsockname()[:2]
    if _is_any_address(host):
        return f"http://localhost:{port}"
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def url_from_elsewhere(listening: socket.socket) -> str | None:
    """`http://name:port` with this machine's name, if the socket listens on all addresses, else None."""
    host, port = listening.getsockname()[:2]
    return f"http://{socket.gethostname()}:{port}" if _is_any_address(host) else None


def _is_any_address(host: str) -> bool:
    return ipaddress.ip_address(host.partition("%")[0]).is_unspecified


def announced_lines(
    listening: socket.socket, token: str | None, further_lines: Callable[[str], Sequence[str]]
) -> list[str]:
    """What a server prints once it answers.

    These are its base URL, an address with the token, if it requires one, what `further_lines` returns for
    the base URL, and the address for other machines, if they reach it.
    """
    url, elsewhere = base_url(listening), url_from_elsewhere(listening)
    query = f"/{token_query(token)}" if token else ""
    lines = [url, *([f"with the token: {url}{query}"] if query else []), *further_lines(url)]
    return lines if elsewhere is None else [*lines, f"from other machines: {elsewhere}{query}"]


#: Runs an application with a token that it requires, or None, and the further lines of `announced_lines`.
Run = Callable[[ASGIApp, str | None, Callable[[str], Sequence[str]]], None]


@contextmanager
def prepared_server(arguments: argparse.Namespace) -> Iterator[Run]:
    """Log, listen and handle signals as the arguments say; gives a function that runs an application.

    The function prints `announced_lines` once the application answers. After SIGTERM or SIGINT, even one that
    came before the call, it answers the requests that have begun, and returns.
    """
    logging.basicConfig(format="%(levelname)s: %(message)s")
    logging.getLogger("asap_ingest").setLevel(arguments.log_level)
    received: list[int] = []
    # uvicorn raises the signal that ended it once more; without this handler it would become the exit code
    handled = end_signals(lambda number, frame: received.append(number))
    with handled, listen(arguments.bind, arguments.port) as listening:

        def run(app: ASGIApp, token: str | None, further_lines: Callable[[str], Sequence[str]]) -> None:
            connections = connections_that_fit(DEFAULT_CONNECTION_LIMITS.connections)
            server = BoundedServer(
                app,
                replace(DEFAULT_CONNECTION_LIMITS, connections=connections),
                partial(announced_lines, token=token, further_lines=further_lines),
                log_level=arguments.log_level.lower(),
                access_log=arguments.log_level == "DEBUG",
                timeout_graceful_shutdown=SHUTDOWN_SECONDS,
                server_header=False,
            )
            server.received = received
            server.run(sockets=[listening])

        yield run


class BoundedServer(uvicorn.Server):
    """uvicorn with limits on connections; once it answers, it prints the lines that `announce` returns.

    `settings` are those of `uvicorn.Config`.
    """

    #: Signals that came before it started; with one, it ends at once.
    received: Sequence[int] = ()

    def __init__(
        self,
        app: ASGIApp,
        limits: ConnectionLimits = DEFAULT_CONNECTION_LIMITS,
        announce: Callable[[socket.socket], Sequence[str]] = lambda listening: (),
        **settings: Any,
    ) -> None:
        self._connections = Connections(limits)
        self._announce = announce
        config = uvicorn.Config(
            app,
            http=partial(BoundedProtocol, self._connections),  # type: ignore[arg-type] # called like a class
            ws="none",  # no application here uses it, and its connections would not be counted
            backlog=ACCEPTED_AT_ONCE,
            timeout_keep_alive=limits.keep_alive_seconds,
            headers=EVERY_ANSWER,
            **settings,
        )
        super().__init__(config)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(self._on_loop_error)
        self.should_exit |= bool(self.received)
        await super().startup(sockets=sockets)
        for listening in sockets or ():
            # asyncio has set the backlog to the number of connections that it accepts at once; more may wait
            listening.listen(LISTEN_BACKLOG)
        if sockets and not self.should_exit:
            sys.stdout.write("".join(f"{line}\n" for line in self._announce(sockets[0])))
            sys.stdout.flush()

    async def on_tick(self, counter: int) -> bool:
        if counter % _TICKS_PER_SECOND == 0:
            self._connections.close_late(asyncio.get_running_loop().time())
        return await super().on_tick(counter)

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        # if this process may open no more files, asyncio would log each failure to accept, with a traceback
        if is_out_of_files(context.get("exception")):
            self._connections.log_full()
        else:
            loop.default_exception_handler(context)
