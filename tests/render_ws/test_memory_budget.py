"""Memory is bounded in bytes: measured in a service of its own, whose limits are small."""

from __future__ import annotations

import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import orjson
import pytest
from PIL import Image

from asap_ingest.render_ws.app import build_app
from asap_ingest.render_ws.http.calls import Service
from asap_ingest.render_ws.memory import memory_budget
from asap_ingest.render_ws.memory.limits import MEGABYTE, BusyError, Limits, TooLargeError
from asap_ingest.render_ws.memory.memory_budget import SMALL, MemoryBudget, ServiceMemory
from asap_ingest.render_ws.store import Store
from tests.images.bombs import jpeg_that_says, png_of_zeros
from tests.render_ws.client import JSON_TYPE, StackClient, collection, leaf, tile
from tests.render_ws.conftest import Running, serving
from tests.render_ws.golden import Answer, send
from tests.servers import in_a_thread

pytestmark = pytest.mark.slow
SETTINGS = {
    "max_body_mb": 16,
    "max_bodies_mb": 32,
    "max_work_mb": 96,
    "max_answer_mb": 24,
    "max_source_mb": 16,
    "max_image_megapixels": 30,
}
TARGET = "/render-ws/v1/owner/o/project/p/stack/{}"
LENS = "mpicbg.trakem2.transform.PolynomialTransform2D"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A process of its own: the memory of tests does not count."""
    database = tmp_path_factory.mktemp("memory") / "render.db"
    arguments = [part for name, value in SETTINGS.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "asap_ingest.serve_render", "--port", "0", "--database", str(database)]
    with subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        running = Running(process, process.stdout.readline().strip())
        # what is imported and compiled at first use does not count either
        assert put_image(running.url, width=100, height=100, tileSpecs=[tile("a")]).status == 400
        yield running
        process.kill()


class Peak:
    """Megabytes by which the memory of a process grew at most, since this was made."""

    def __init__(self, running: Running) -> None:
        self._folder = Path("/proc") / str(running.process.pid)
        (self._folder / "clear_refs").write_text("5")  # the peak begins anew
        self._before = self._megabytes("VmRSS")

    def __call__(self) -> float:
        return self._megabytes("VmHWM") - self._before

    def _megabytes(self, name: str) -> float:
        lines = (self._folder / "status").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


def put_image(url: str, form: str = "png-image", **fields: Any) -> Answer:
    return send(url, "PUT", f"/render-ws/v1/owner/o/{form}", JSON_TYPE, orjson.dumps(fields))


class HalfSent:
    """A body of which the first part is sent."""

    def __init__(self, url: str, stack: str, sent: int, length: int) -> None:
        parts = urlsplit(url)
        self._client = socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20)
        head = (
            f"POST {TARGET.format(stack)} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        )
        self._client.sendall(f"{head}Content-Length: {length}\r\n\r\n".encode())
        self._client.sendall(b"[" + b" " * (sent - 1))

    def fileno(self) -> int:
        """For `select`: readable once the service answers before the body is complete."""
        return self._client.fileno()

    def refusal(self) -> bytes:
        """What it answered."""
        return self._client.recv(2000)

    def close(self) -> None:
        self._client.close()


def test_bodies_under_way_together_are_bounded(service: Running) -> None:
    """Without a bound 23 of these take 230 MB and more."""
    peak = Peak(service)
    length = 12 * MEGABYTE
    with ExitStack() as clients:
        bodies = [HalfSent(service.url, f"half{n}", 10 * MEGABYTE, length) for n in range(23)]
        for body in bodies:
            clients.callback(body.close)
        check_half_sent(service, bodies, peak)
    notes = b'{"versionNotes": "%b"}' % (b"x" * (15 * MEGABYTE))
    deadline = time.monotonic() + 10
    stack = StackClient(service.url, "little")
    while (status := stack.status("POST", "", notes)) == 413 and time.monotonic() < deadline:
        pass
    assert status == 201


def check_half_sent(service: Running, bodies: list[HalfSent], peak: Peak) -> None:
    # three of them fit: the others are told at once
    waiting = set(bodies)
    while len(waiting) > 3:
        refused, _, _ = select.select(waiting, [], [], 20)
        assert refused
        for body in refused:
            answer = body.refusal()
            assert answer.startswith(b"HTTP/1.1 413 ")
            assert b"retry-after: 2\r\n" in answer
            assert b"max_bodies_mb" in answer
        waiting.difference_update(refused)
    assert peak() < 32 + 40
    # those who send little are served meanwhile
    stack = StackClient(service.url, "little").create(tile("a"))
    assert stack.get("/tileIds") == ["a"]


@pytest.mark.parametrize("entry", [b"{}", b"[]", b"0.1", b'{"a":1}'])
def test_a_body_of_many_small_values_is_not_parsed(service: Running, entry: bytes) -> None:
    """12 MB of `{},` are 300 MB of objects."""
    body = b"[" + b",".join([entry] * (12 * MEGABYTE // (len(entry) + 1))) + b"]"
    peak = Peak(service)
    answer = StackClient(service.url, "many").ask("PUT", "/tile-specs-with-ids", body)
    assert (answer.status, b"max_work_mb" in answer.body) == (400, True)
    assert peak() < 60


def test_what_tiles_have_in_common_is_not_sent_a_thousand_times(service: Running) -> None:
    """Tiles that refer to a transform of 2 MB: 2 GB of flattened tile specs."""
    lens = {**leaf(), "className": LENS, "dataString": "0 1 0 0 0 1" + " " * 2 * MEGABYTE}
    tiles = [tile(f"t{number:04}", specs=[{"type": "ref", "refId": "lens"}]) for number in range(1000)]
    for each in tiles:
        each.update(minX=0, minY=0, maxX=100, maxY=80)
    stack = StackClient(service.url, "common").create()
    assert stack.status("PUT", "/resolvedTiles", collection(*tiles, lens=lens)) == 201
    peak = Peak(service)
    for path in ("/z/1/tile-specs", "/z/1/render-parameters", "/z/1/last-tile-transforms"):
        answer = stack.ask("GET", path)
        assert (answer.status, b"max_answer_mb" in answer.body) == (400, True), path
    ids = stack.ask("PUT", "/tile-specs-with-ids", [each["tileId"] for each in tiles])
    assert (ids.status, b"max_answer_mb" in ids.body) == (400, True)
    assert len(stack.get("/z/1/resolvedTiles")["tileIdToSpecMap"]) == 1000
    assert peak() < 120


def test_an_answer_made_of_too_much_is_refused_as_it_is_read(service: Running) -> None:
    stack = StackClient(service.url, "long").create()
    for part in range(4):
        tiles = [tile(f"t{part}{number}", groupId="g" * MEGABYTE) for number in range(7)]
        assert stack.status("PUT", "/resolvedTiles?deriveData=true", collection(*tiles)) == 201
    for path in ("/z/1/tile-specs", "/z/1/resolvedTiles", "/resolvedTiles", "/z/1/render-parameters"):
        answer = stack.ask("GET", path)
        assert (answer.status, b"max_answer_mb" in answer.body) == (400, True), path
    assert len(stack.get("/tileIds")) == 28


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("black.png", png_of_zeros(8000, 8000), b"max_source_mb"),
        ("head.jpg", jpeg_that_says(62000, 62000), b"cannot hold"),
        ("smaller_head.jpg", jpeg_that_says(6000, 6000), b"max_source_mb"),
    ],
)
def test_images_are_judged_before_they_are_decoded(
    service: Running, tmp_path: Path, name: str, content: bytes, reason: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    peak = Peak(service)
    specs = [tile("a", mipmapLevels={"0": {"imageUrl": str(path)}})]
    answer = put_image(service.url, width=100, height=100, tileSpecs=specs)
    assert (answer.status, reason in answer.body) == (400, True), answer.body
    assert peak() < 20


def test_masks_that_are_computed_obey_the_limit_of_images(service: Running, tmp_path: Path) -> None:
    Image.fromarray(np.full((80, 100), 77, np.uint8)).save(tmp_path / "a.png")
    mask = "mask://outside-box?minX=0&minY=0&maxX=9&maxY=9&width=60000&height=60000"
    level = {"imageUrl": str(tmp_path / "a.png"), "maskUrl": mask, "maskLoaderType": "DYNAMIC_MASK"}
    peak = Peak(service)
    answer = put_image(service.url, width=90, height=70, tileSpecs=[tile("a", mipmapLevels={"0": level})])
    assert (answer.status, b"max_source_mb" in answer.body) == (400, True), answer.body
    assert peak() < 20


def test_a_picture_claims_its_memory(service: Running) -> None:
    """20 megapixels are allowed; what they take, 200 MB, is not there."""
    answer = put_image(service.url, width=5000, height=4000)
    assert (answer.status, b"max_work_mb" in answer.body) == (400, True)


def test_pictures_wait_for_each_other(tmp_path: Path) -> None:
    """Four at once, room for one."""
    with serving(tmp_path, limits=Limits(work_bytes=12 * MEGABYTE)) as url, ThreadPoolExecutor(4) as pool:
        answers = pool.map(lambda _: put_image(url, width=1000, height=1000), range(4))
        assert [answer.status for answer in answers] == [200] * 4


def budget() -> MemoryBudget:
    return MemoryBudget(100, "what is held", "max_work_mb")


def test_a_claim_waits_until_another_is_released() -> None:
    shared = budget()
    first, second = shared.claim(), shared.claim()
    first.grow(80)
    waiting = threading.Thread(target=second.grow, args=(50, True))
    waiting.start()
    assert shared.used == 80
    first.settle(10)
    waiting.join(timeout=10)
    assert (shared.used, second.held) == (60, 50)


def test_a_claim_that_holds_something_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = budget()
    with shared.claim() as first, shared.claim() as second:
        first.grow(60)
        second.grow(30)
        with pytest.raises(BusyError, match="need 50 bytes for this request and 60 .*setting max_work_mb"):
            second.grow(20, may_wait=True)
        with pytest.raises(TooLargeError, match="need 101 bytes") as refused:
            second.grow(71)
        assert not isinstance(refused.value, BusyError)
    assert shared.used == 0
    monkeypatch.setattr(memory_budget, "WAIT_SECONDS", 0.01)
    with shared.claim() as first, shared.claim() as second:
        first.grow(60)
        with pytest.raises(BusyError):
            second.grow(50, may_wait=True)


def test_an_answer_is_counted_to_the_byte_and_claimed() -> None:
    memory = ServiceMemory(Limits(answer_bytes=4 * SMALL))
    with memory.request() as request:
        for _ in range(4):
            request.count_read(SMALL)
            request.count_written(SMALL)
        assert memory.work.used >= 8 * SMALL
        for count, what in (
            (request.count_read, "the data read for the answer"),
            (request.count_written, "the answer"),
        ):
            with pytest.raises(TooLargeError, match=f"^{what} has at least"):
                count(1)
        request.keep_answer(4 * SMALL)
        assert memory.work.used == 4 * SMALL
    assert memory.work.used == 0


def test_every_request_releases_what_it_held(tmp_path: Path) -> None:
    store = Store(tmp_path / "render.db")
    service = Service(store, limits=Limits(body_bytes=2 * MEGABYTE))
    with closing(store), in_a_thread(build_app(service)) as url:
        stack = StackClient(url, "s").create(tile("a", groupId="g" * MEGABYTE))
        for _ in range(3):
            assert stack.status("GET", "/z/1/tile-specs") == 200
            assert stack.status("PUT", "/resolvedTiles", b"[" * MEGABYTE) == 400
            assert stack.status("POST", "", b"[" * 3 * MEGABYTE) == 400
            assert put_image(url, width=1000, height=1000).status == 200
    assert (service.memory.bodies.used, service.memory.work.used) == (0, 0)
