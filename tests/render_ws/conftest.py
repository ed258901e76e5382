"""Real servers for the tests of the render service."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from asap_ingest.render_ws.app import build_app
from asap_ingest.render_ws.http.calls import Service
from asap_ingest.render_ws.store import Store
from asap_ingest.web.web_policy import DEFAULT_POLICY, WebPolicy
from tests.servers import in_a_thread


@dataclass(frozen=True)
class Running:
    """A service in a process of its own."""

    process: subprocess.Popen[str]
    url: str

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal, wait, and give the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


@contextmanager
def serving(
    folder: Path, policy: WebPolicy = DEFAULT_POLICY, token: str | None = None, **settings: Any
) -> Iterator[str]:
    """Base URL of a service in a thread, with an empty database in the folder; `settings` of `Service`."""
    store = Store(folder / "render.db")
    try:
        with in_a_thread(build_app(Service(store, **settings), policy, token)) as url:
            yield url
    finally:
        store.close()


@pytest.fixture(scope="module")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service shared by the tests of a module."""
    with serving(tmp_path_factory.mktemp("service")) as url:
        yield url


@pytest.fixture
def empty_server_url(tmp_path: Path) -> Iterator[str]:
    """A service of its own for one test."""
    with serving(tmp_path) as url:
        yield url


@pytest.fixture
def start_service(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """Starts services as processes of their own: `start_service(database, *arguments)`."""
    processes = []

    def start(database: Path, *arguments: str) -> Running:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "asap_ingest.serve_render"),
                *("--port", "0", "--database", str(database)),
                *arguments,
            ],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONWARNINGS": "error"},
            text=True,
        )
        processes.append(process)
        assert process.stdout is not None
        return Running(process, process.stdout.readline().strip())

    yield start
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()
