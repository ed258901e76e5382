"""Processes that draw pictures for a service: its threads take turns, as Python runs one at a time.

A request for a picture is handed on whole, so that the process reads the tiles itself: what goes through the
pipe is some hundred bytes, and the finished answer.
"""

from __future__ import annotations

import logging
import queue
import signal
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.app import ALL_OPERATIONS
from asap_ingest.render_ws.http.answers import Call, Query, Service
from asap_ingest.render_ws.http.resources import error_answer
from asap_ingest.render_ws.limits import Limits
from asap_ingest.render_ws.problems import RequestError
from asap_ingest.render_ws.store import Store

logger = logging.getLogger(__name__)

_END_SECONDS = 5.0


@dataclass(frozen=True)
class ServiceSettings:
    """What a service is made from, in any process."""

    database: Path
    image_roots: Sequence[Path] | None
    limits: Limits


@dataclass(frozen=True)
class _Request:
    """A call without its service, and the number of times that images were to be forgotten before it."""

    operation: tuple[str, str]
    path: dict[str, Any]
    query: Query
    body: bytes
    headers: dict[str, str]
    url: str
    forgotten: int


@dataclass(frozen=True)
class _Drawer:
    """One process, and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def wait_until_ready(self) -> None:
        """Return when its libraries are loaded. One that died at its start is replaced when it is asked."""
        with suppress(OSError, EOFError):
            self.pipe.send(None)
            self.pipe.recv_bytes()

    def ask(self, request: _Request) -> Response:
        """The answer; OSError or EOFError when the process dies."""
        try:
            self.pipe.send(request)
            status, headers = self.pipe.recv()
            answer = Response(self.pipe.recv_bytes(), status)
        except BaseException:
            self.pipe.close()  # what is still on its way must not answer another request
            raise
        answer.raw_headers = headers
        return answer

    def end(self) -> int | None:
        """End it, at once if it does not end by itself; its exit code."""
        self.pipe.close()
        self.process.join(_END_SECONDS)
        self.process.kill()
        self.process.join()
        return self.process.exitcode


class DrawingProcesses:
    """As many pictures at once as there are processes; one that dies is replaced, and asked again.

    Parameters
    ----------
    count : int
        How many; each has its own memory of decoded images.
    """

    def __init__(self, count: int, settings: ServiceSettings) -> None:
        self.count = count
        self._start: Callable[[], _Drawer] = partial(_started, settings)
        self._forgotten = 0
        # the one that was used last is used next: its memory holds what one client looks at
        self._idle: queue.LifoQueue[_Drawer] = queue.LifoQueue()
        drawers = [self._start() for _ in range(count)]
        for drawer in drawers:
            drawer.wait_until_ready()
            self._idle.put(drawer)

    def answer(self, operation: tuple[str, str], call: Call) -> Response:
        """What the handler of an operation, by its method and path, answers; errors included."""
        request = _Request(
            operation,
            dict(call.path),
            call.query,
            call.body,
            dict(call.headers),
            call.url,
            self._forgotten,
        )
        drawer = self._idle.get()
        try:
            for _ in range(2):
                try:
                    return drawer.ask(request)
                except (OSError, EOFError):
                    code = drawer.end()
                    logger.warning("a drawing process ended with exit code %s; another is started", code)
                    drawer = self._start()
            raise RequestError(f"the process that drew this picture ended twice, with exit code {code}")
        finally:
            self._idle.put(drawer)

    def forget_images(self) -> None:
        """Have all processes drop their decoded images, each before its next picture."""
        self._forgotten += 1

    def close(self) -> None:
        """End all processes; none may be drawing."""
        while not self._idle.empty():
            self._idle.get().end()


def _started(settings: ServiceSettings) -> _Drawer:
    # a clean process: forking this one, which has threads, could deadlock
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_draw, args=(settings, theirs), name="drawing", daemon=True)
    process.start()
    theirs.close()
    return _Drawer(process, ours)


def _draw(settings: ServiceSettings, pipe: Connection) -> None:
    """What a process does until the pipe is closed, or the service is gone."""
    import asap_ingest.render_ws.drawing.draw  # noqa: F401 - the first picture shall not wait for it

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all: the service ends us when it has done
    store = Store(settings.database)
    service = Service(store, settings.image_roots, limits=settings.limits)
    handlers = {(operation.method, operation.path): operation.handler for operation in ALL_OPERATIONS}
    forgotten = 0
    with closing(store), suppress(OSError, EOFError):
        while True:
            request: _Request | None = pipe.recv()
            if request is None:
                pipe.send_bytes(b"ready")
                continue
            if request.forgotten != forgotten:
                forgotten = request.forgotten
                service.forget_images()
            call = Call(service, request.path, request.query, request.body, request.headers, request.url)
            answer = _answer(handlers[request.operation], call)
            pipe.send((answer.status_code, answer.raw_headers))
            pipe.send_bytes(answer.body)


def _answer(handler: Callable[[Call], Response], call: Call) -> Response:
    try:
        return handler(call)
    except Exception as error:  # whatever it is, it is this request's answer
        if not isinstance(error, RequestError | RecursionError):
            logger.exception("%s", call.url)
        return error_answer(error)
