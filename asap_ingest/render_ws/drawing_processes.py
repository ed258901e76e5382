"""Processes that draw pictures for a service: its threads take turns, as Python runs one at a time.

A request for a picture is handed on whole, so that the process reads the tiles itself: what goes through the
pipe is some hundred bytes, and the finished answer.
"""

from __future__ import annotations

import logging
import signal
import threading
from dataclasses import dataclass
from multiprocessing import get_context, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from starlette.responses import Response

from asap_ingest.errors import ParameterError
from asap_ingest.render_ws.drawing_worker import DrawingRequest, ServiceSettings, draw_pictures
from asap_ingest.render_ws.http.answers import Call
from asap_ingest.render_ws.problems import IllegalStateError, RequestError

logger = logging.getLogger(__name__)

_END_SECONDS = 5.0
#: Processes that may die over one picture.
_ATTEMPTS = 3


@dataclass(frozen=True)
class _Drawer:
    """One process, and the pipe to it."""

    process: BaseProcess
    pipe: Connection

    def wait_until_ready(self) -> None:
        """Return when its libraries are loaded; ParameterError when it ends instead."""
        try:
            self.pipe.send(None)
            self.pipe.recv_bytes()
        except (OSError, EOFError) as error:
            problem = f"a drawing process ended with exit code {self.end()} before it could draw"
            raise ParameterError("drawing_processes", problem) from error

    def ask(self, request: DrawingRequest) -> Response:
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
        """Wait for its end, and help where it does not come; its exit code."""
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

    Raises
    ------
    ParameterError
        When one cannot be started.
    """

    def __init__(self, count: int, settings: ServiceSettings) -> None:
        self.count = count
        self._settings = settings
        self._forgotten = 0
        self._closed = False
        self._changed = threading.Condition()
        self._drawers: list[_Drawer] = []
        # the one that was used last is used next: its memory holds what one client looks at
        self._idle: list[_Drawer] = []
        try:
            for _ in range(count):
                self._idle.append(self._started())
            for drawer in self._idle:
                drawer.wait_until_ready()
        except BaseException:
            self.close()
            raise

    def answer(self, operation: tuple[str, str], call: Call) -> Response:
        """What the handler of an operation, by its method and path, answers; errors included.

        Raises
        ------
        RequestError
            When one process after the other dies over this picture.
        IllegalStateError
            When all processes are being ended.
        """
        path, headers = dict(call.path), dict(call.headers)
        request = DrawingRequest(
            operation, path, call.query, call.body, headers, call.url, self._forgotten, call.head_only
        )
        drawer = self._taken()
        try:
            if not drawer.process.is_alive():  # it died over nothing
                drawer, code = self._replaced(drawer)
            for _ in range(_ATTEMPTS):
                try:
                    return drawer.ask(request)
                except (OSError, EOFError):
                    drawer, code = self._replaced(drawer)
            raise RequestError(
                f"{_ATTEMPTS} processes ended over this picture, the last with exit code {code}"
            )
        finally:
            with self._changed:
                self._idle.append(drawer)
                self._changed.notify()

    def _taken(self) -> _Drawer:
        with self._changed:
            self._changed.wait_for(lambda: self._idle or self._closed)
            if self._closed:
                raise IllegalStateError("the service is ending")
            return self._idle.pop()

    def _replaced(self, drawer: _Drawer) -> tuple[_Drawer, int | None]:
        """Another process in place of one that died, and the exit code of that one."""
        code = drawer.end()
        with self._changed:
            if self._closed:
                raise IllegalStateError("the service is ending")
            self._drawers = [other for other in self._drawers if other is not drawer]
        logger.warning("a drawing process ended with exit code %s; another is started", code)
        return self._started(), code

    def _started(self) -> _Drawer:
        # a clean process: forking this one, which has threads, could deadlock
        context = get_context("spawn")
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        try:
            resource_tracker.ensure_running()  # its start would let SIGINT through
            # Ctrl-C in a terminal reaches all: the service ends the others when it has done
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            ours, theirs = context.Pipe()
            process = context.Process(target=draw_pictures, args=(self._settings, theirs), daemon=True)
            with theirs:
                process.start()
        except OSError as error:
            problem = f"a process cannot be started: {error.strerror or error}"
            raise ParameterError("drawing_processes", problem) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        drawer = _Drawer(process, ours)
        with self._changed:
            self._drawers.append(drawer)
            if self._closed:  # meanwhile
                process.kill()
        return drawer

    def forget_images(self) -> None:
        """Have all processes drop their decoded images, each before its next picture."""
        with self._changed:
            self._forgotten += 1

    def close(self) -> None:
        """End all processes, also those that draw."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            drawers = [*self._drawers]
        for drawer in drawers:
            drawer.process.kill()
        for drawer in drawers:
            drawer.process.join()
