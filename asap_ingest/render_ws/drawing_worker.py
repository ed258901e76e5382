"""What a process that draws for a service does: requests come through a pipe, finished answers go back."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import Connection
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


@dataclass(frozen=True)
class ServiceSettings:
    """What a service is made from, in any process."""

    database: Path
    image_roots: Sequence[Path] | None
    limits: Limits
    log_level: str


@dataclass(frozen=True)
class DrawingRequest:
    """A call without its service, and the number of times that images were to be forgotten before it."""

    operation: tuple[str, str]
    path: dict[str, Any]
    query: Query
    body: bytes
    headers: dict[str, str]
    url: str
    forgotten: int
    head_only: bool


def draw_pictures(settings: ServiceSettings, pipe: Connection) -> None:
    """What a process does until the pipe is closed, or the service is gone."""
    import asap_ingest.render_ws.drawing.draw  # noqa: F401 - the first picture shall not wait for it

    logging.getLogger("asap_ingest").setLevel(settings.log_level)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    store = Store(settings.database, prepared=True)
    service = Service(store, settings.image_roots, limits=settings.limits)
    handlers = {(operation.method, operation.path): operation.handler for operation in ALL_OPERATIONS}
    forgotten = 0
    with closing(store), suppress(OSError, EOFError):
        while True:
            request: DrawingRequest | None = pipe.recv()
            if request is None:
                pipe.send_bytes(b"ready")
                continue
            if request.forgotten != forgotten:
                forgotten = request.forgotten
                service.forget_images()
            call = Call(
                service,
                request.path,
                request.query,
                request.body,
                request.headers,
                request.url,
                request.head_only,
            )
            answer = _answer(handlers[request.operation], call)
            pipe.send((answer.status_code, answer.raw_headers))
            pipe.send_bytes(answer.body)


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # in the middle of a picture that nobody waits for


def _answer(handler: Callable[[Call], Response], call: Call) -> Response:
    try:
        return handler(call)
    except Exception as error:  # whatever it is, it is this request's answer
        if not isinstance(error, RequestError | RecursionError):
            logger.exception("%s", call.url)
        return error_answer(error)
