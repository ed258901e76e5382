"""Applications served for real, in a thread of the test's process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp

from asap_ingest.commands.http_server import BoundedServer, base_url, listen
from asap_ingest.web.connection_limits import DEFAULT_CONNECTION_LIMITS, ConnectionLimits


@contextmanager
def in_a_thread(
    app: ASGIApp, limits: ConnectionLimits = DEFAULT_CONNECTION_LIMITS, **settings: Any
) -> Iterator[str]:
    """Base URL of a server that ends with the context; `settings` of uvicorn."""
    listening = listen("127.0.0.1", 0)
    server = BoundedServer(app, limits, log_level="critical", **settings)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield base_url(listening)
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
