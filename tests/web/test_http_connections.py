"""Slow, idle and countless clients leave a server to others. Real sockets throughout."""

from __future__ import annotations

import asyncio
import resource
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from asap_ingest.render_ws.app import build_app
from asap_ingest.render_ws.http.calls import Service
from asap_ingest.render_ws.store import Store
from asap_ingest.web.connection_limits import (
    DEFAULT_CONNECTION_LIMITS,
    OTHER_FILES,
    ConnectionLimits,
    connections_that_fit,
)
from tests.connections import connect, connected, exchange, received
from tests.render_ws.conftest import serving
from tests.servers import in_a_thread

POST = b"POST /body HTTP/1.1\r\nHost: localhost\r\n"
HALF_A_BODY = POST + b"Content-Length: 1000\r\n\r\n" + bytes(400)
SHORT = ConnectionLimits(header_seconds=0.3, body_seconds=0.3, answer_seconds=0.3)
#: Seconds within which a limit of `SHORT` takes effect: connections are looked at once a second.
SOON = 8


class Clients:
    """An application that waits where a test wants it to."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.waiting = threading.Semaphore(0)
        self.ended = threading.Event()
        self.left: list[str] = []

    def app(self) -> Starlette:
        routes = [
            Route("/", self.answer),
            Route("/wait", self.wait),
            Route("/large", self.large),
            Route("/body", self.body, methods=["POST"]),
            Route("/unread", self.answer, methods=["POST"]),
            Route("/later", self.later, methods=["POST"]),
        ]
        return Starlette(routes=routes)

    async def answer(self, request: Request) -> Response:
        return PlainTextResponse("here")

    async def wait(self, request: Request) -> Response:
        self.waiting.release()
        while not self.go_on.is_set():
            await asyncio.sleep(0.01)
        return PlainTextResponse("waited")

    async def later(self, request: Request) -> Response:
        await self.wait(request)
        return await self.body(request)

    async def large(self, request: Request) -> Response:
        return StreamingResponse(self._pieces())

    async def _pieces(self) -> AsyncIterator[bytes]:
        try:
            for _ in range(50):
                yield bytes(1_000_000)
        finally:
            self.ended.set()

    async def body(self, request: Request) -> Response:
        self.waiting.release()
        try:
            return PlainTextResponse(str(len(await request.body())))
        except ClientDisconnect:
            self.left.append("gone")
            return PlainTextResponse("to nobody", 400)


@pytest.fixture
def clients() -> Iterator[Clients]:
    found = Clients()
    yield found
    found.go_on.set()


def test_idle_and_slow_clients_by_the_thousand_leave_others_served(tmp_path: Path) -> None:
    start = b"PUT /render-ws/v1/owner/o/project/p/stack/s/resolvedTiles HTTP/1.1\r\nHost: localhost\r\n"
    body = start + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    with (
        serving(tmp_path) as url,
        connected(url, 1000),
        connected(url, 400, start),
        connected(url, 200, body),
    ):
        for _ in range(20):
            begin = time.perf_counter()
            assert exchange(url, "/render-ws/v1/owners").endswith(b"[]")
            assert time.perf_counter() - begin < 2


def test_beyond_the_cap_those_that_wait_longest_are_closed(
    clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        in_a_thread(clients.app(), ConnectionLimits(connections=20)) as url,
        connected(url, 15, b"GET / HTTP/1.1\r\n") as first,
        connected(url, 5, HALF_A_BODY) as later,
    ):
        for _ in range(5):
            assert clients.waiting.acquire(timeout=10)
        with connected(url, 100):
            assert exchange(url).endswith(b"here")
            assert all(received(connection) == b"" for connection in (*first, *later))
    messages = [record.getMessage() for record in caplog.records]
    assert [text for text in messages if "connections are in use" in text] == messages
    assert len(messages) == 1
    # what had been sent of the bodies is dropped
    assert clients.left == ["gone"] * 5


def test_with_requests_under_way_on_all_connections_new_ones_get_503(
    clients: Clients, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        in_a_thread(clients.app(), ConnectionLimits(connections=10)) as url,
        connected(url, 10, b"GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n") as busy,
    ):
        for _ in range(10):
            assert clients.waiting.acquire(timeout=10)
        for _ in range(50):
            with connect(url) as refused:
                assert received(refused).startswith(b"HTTP/1.1 503 ")
        clients.go_on.set()
        assert all(connection.recv(1000).startswith(b"HTTP/1.1 200 ") for connection in busy)
        assert exchange(url).endswith(b"here")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: loc"])
def test_a_header_that_does_not_end_is_closed(clients: Clients, sent: bytes) -> None:
    with in_a_thread(clients.app(), SHORT) as url, connected(url, 1, sent) as [slow]:
        slow.settimeout(SOON)
        assert received(slow) == b""


def test_a_further_header_that_hardly_moves_is_closed(clients: Clients) -> None:
    with in_a_thread(clients.app(), SHORT) as url, connect(url) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert slow.recv(1000).startswith(b"HTTP/1.1 200 ")
        slow.settimeout(0.1)
        assert closed_while_bytes_are_sent(slow, b"GET / HTTP/1.1\r\nX: " + b"x" * 10_000)


def test_a_header_without_end_is_closed_before_it_fills_the_memory(clients: Clients) -> None:
    line = b"X-Y: " + b"x" * 1000 + b"\r\n"
    with in_a_thread(clients.app()) as url, connected(url, 1, b"GET / HTTP/1.1\r\n") as [endless]:
        with pytest.raises(OSError, match="reset|pipe"):
            for _ in range(20_000):
                endless.sendall(line)
        assert exchange(url).endswith(b"here")


def test_a_body_that_stops_is_answered_408_and_dropped(clients: Clients) -> None:
    with in_a_thread(clients.app(), SHORT) as url, connected(url, 1, HALF_A_BODY) as [slow]:
        slow.settimeout(SOON)
        answer = received(slow)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"400 bytes came" in answer
    assert clients.left == ["gone"]


def test_half_a_body_leaves_no_memory_taken(tmp_path: Path) -> None:
    size = 30_000_000
    header = (
        "PUT /render-ws/v1/owner/o/project/p/stack/s/resolvedTiles HTTP/1.1\r\nHost: localhost\r\n"
        f"Content-Type: application/json\r\nContent-Length: {size + 1}\r\n\r\n"
    )
    body = bytes(size)
    with (
        closing(Store(tmp_path / "render.db")) as store,
        in_a_thread(build_app(Service(store)), SHORT) as url,
    ):
        exchange(url, "/render-ws/v1/owners")
        tracemalloc.start()
        try:
            with connected(url, 1, header.encode()) as [slow]:
                slow.sendall(body)
                slow.settimeout(SOON)
                assert received(slow).startswith(b"HTTP/1.1 408 ")
            # the service may notice a moment later
            deadline = time.monotonic() + SOON
            while tracemalloc.get_traced_memory()[0] > size / 10:
                assert time.monotonic() < deadline
                time.sleep(0.05)
            most = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert most > size


def test_a_body_that_hardly_moves_is_answered_408(clients: Clients) -> None:
    with in_a_thread(clients.app(), SHORT) as url, connected(url, 1, HALF_A_BODY) as [slow]:
        slow.settimeout(0.1)
        assert b"408" in closed_while_bytes_are_sent(slow, bytes(500))


def test_a_body_that_nobody_reads_is_closed_once_it_stops(clients: Clients) -> None:
    with in_a_thread(clients.app(), SHORT) as url, connect(url) as slow:
        slow.sendall(HALF_A_BODY.replace(b"/body", b"/unread"))
        slow.settimeout(SOON)
        assert received(slow).startswith(b"HTTP/1.1 200 ")


def test_a_slow_body_that_keeps_moving_is_taken(clients: Clients) -> None:
    limits = ConnectionLimits(header_seconds=0.3, body_seconds=0.5, body_bytes_per_second=100)
    with in_a_thread(clients.app(), limits) as url, connect(url) as slow:
        slow.sendall(POST + b"Content-Length: 1000\r\nConnection: close\r\n\r\n")
        for _ in range(10):
            slow.sendall(bytes(100))
            time.sleep(0.15)
        assert received(slow).endswith(b"1000")


@pytest.mark.parametrize(("header", "begun"), [(b"", 150_000), (b"Expect: 100-continue\r\n", 0)])
def test_a_body_that_the_application_does_not_take_yet_is_not_late(
    clients: Clients, header: bytes, begun: int
) -> None:
    with in_a_thread(clients.app(), SHORT) as url, connect(url) as patient:
        start = POST.replace(b"/body", b"/later") + header
        patient.sendall(start + b"Content-Length: 200000\r\nConnection: close\r\n\r\n" + bytes(begun))
        assert clients.waiting.acquire(timeout=10)
        # connections are looked at once a second
        time.sleep(2.5)
        clients.go_on.set()
        assert clients.waiting.acquire(timeout=10)
        patient.sendall(bytes(200_000 - begun))
        assert received(patient).endswith(b"200000")


def test_an_answer_that_nobody_takes_is_dropped(clients: Clients) -> None:
    with in_a_thread(clients.app(), SHORT) as url, connect(url) as slow:
        slow.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert clients.ended.wait(SOON)
        assert len(received(slow)) < 50_000_000


def test_an_answer_that_is_taken_slowly_is_sent(clients: Clients) -> None:
    with in_a_thread(clients.app(), SHORT) as url, connect(url) as slow:
        slow.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        parts = []
        while part := slow.recv(2**22):
            parts.append(len(part))
            time.sleep(0.05)
    assert sum(parts) > 50_000_000


@contextmanager
def service_with_files(folder: Path, files: int) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service in a process of its own that may have so many files open, and its URL."""
    code = f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (256, {files})); "
    code += "import sys; from asap_ingest.serve_render import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "--port", "0", "--database", str(folder / "render.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.terminate()


def open_files(process: subprocess.Popen[str]) -> int:
    return sum(1 for _ in Path(f"/proc/{process.pid}/fd").iterdir())


def test_the_cap_lies_below_the_limit_of_open_files(tmp_path: Path) -> None:
    with service_with_files(tmp_path, 1000) as (process, url):
        soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        assert soft == hard == 1000
        with connected(url, 1200):
            for _ in range(10):
                assert exchange(url, "/render-ws/v1/owners").endswith(b"[]")
            assert open_files(process) < 500
        process.terminate()
        log = process.communicate(timeout=30)[1]
    assert log.count("\n") == 1
    assert log.startswith("WARNING: all 250 connections are in use")


def test_a_want_of_files_is_one_line(tmp_path: Path) -> None:
    with service_with_files(tmp_path, 1000) as (process, url):
        assert exchange(url, "/render-ws/v1/owners").endswith(b"[]")
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (open_files(process), 1000))
        with connected(url, 50):
            assert process.stderr is not None
            assert "connections are in use" in process.stderr.readline()
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (1000, 1000))
            assert exchange(url, "/render-ws/v1/owners").endswith(b"[]")
        process.terminate()
        assert process.communicate(timeout=30)[1] == ""


def test_connections_leave_files_for_other_things() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = DEFAULT_CONNECTION_LIMITS.connections
    fit = connections_that_fit(most)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard == limits[1]
    assert fit == most or soft == hard
    assert fit <= soft / 2
    assert soft == min(hard, max(limits[0], 2 * most + OTHER_FILES))


def closed_while_bytes_are_sent(connection: socket.socket, text: bytes) -> bytes:
    """What was answered until the server closed a connection, to which a byte was sent every 0.1 s."""
    answer = b""
    for number in range(len(text)):
        try:
            connection.sendall(text[number : number + 1])
            part = connection.recv(2**16)
        except TimeoutError:
            continue
        except OSError:
            return answer or b"closed"
        if not part:
            return answer or b"closed"
        answer += part
    raise AssertionError("all was sent")
