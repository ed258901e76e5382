"""Run the embedded render service: `python -m asap_ingest.serve_render --port 8080 --database FILE`.

The first line on standard output is the base URL, written once the service answers. SIGTERM and SIGINT end
it after the requests under way.
"""

from __future__ import annotations

import argparse
import ipaddress
import signal
import socket
import sys
from pathlib import Path
from types import FrameType

import uvicorn

from asap_ingest.errors import EXIT_BAD_INPUT, EXIT_DONE, AsapIngestError, ParameterError
from asap_ingest.render_ws.app import build_app
from asap_ingest.render_ws.http.answers import Service
from asap_ingest.render_ws.store import Store

LOG_LEVELS = ("CRITICAL", "ERROR", "WARNING", "INFO", "DEBUG")
SHUTDOWN_SECONDS = 10
#: Longer than clients pause between requests: a connection closed meanwhile would cost them a retry.
KEEP_ALIVE_SECONDS = 75
LISTEN_BACKLOG = 2048


class _AnnouncedServer(uvicorn.Server):
    """Writes the base URL when the service answers."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if sockets and not self.should_exit:
            sys.stdout.write(f"{base_url(sockets[0])}\n")
            sys.stdout.flush()


def base_url(listening: socket.socket) -> str:
    """`http://host:port` of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def main(argv: list[str] | None = None) -> int:
    """Serve until told to end; returns the exit code: 0, or 2 when it could not start."""
    arguments = _parser().parse_args(argv)
    try:
        check_exposure(arguments.bind, arguments.image_roots)
        listening = listen(arguments.bind, arguments.port)
        with listening:
            store = Store(arguments.database)
            try:
                _serve(listening, Service(store, arguments.image_roots), arguments.log_level)
            finally:
                store.close()
    except AsapIngestError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    return EXIT_DONE


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m asap_ingest.serve_render", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="port to listen on, 0 takes a free one")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file, created when missing")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--image_roots", type=Path, nargs="+", help="folders that tile images may be read from (default: any)"
    )
    parser.add_argument("--log_level", choices=LOG_LEVELS, default="WARNING", type=str.upper)
    return parser


def check_exposure(bind: str, image_roots: list[Path] | None) -> None:
    """Refuse to serve any file of this machine to other machines.

    Raises
    ------
    ParameterError
        For an address that is not loopback, unless the folders to read images from are named; for one
        of them that is no folder.
    """
    if image_roots:
        missing = [str(root) for root in image_roots if not root.is_dir()]
        if missing:
            raise ParameterError("image_roots", f"there is no folder {', '.join(missing)}")
        return
    try:
        is_local = ipaddress.ip_address(bind).is_loopback
    except ValueError:
        is_local = bind == "localhost"
    if not is_local:
        raise ParameterError(
            "bind", f"{bind} can be reached from other machines: name with --image_roots what it may read"
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


def _serve(listening: socket.socket, service: Service, log_level: str) -> None:
    config = uvicorn.Config(
        build_app(service),
        log_level=log_level.lower(),
        access_log=log_level == "DEBUG",
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
    )
    # uvicorn raises the signal that ended it again: without handlers that would be our exit code
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _ignore)
    _AnnouncedServer(config).run(sockets=[listening])


def _ignore(number: int, frame: FrameType | None) -> None:
    pass


if __name__ == "__main__":
    sys.exit(main())
