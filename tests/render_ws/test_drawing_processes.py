"""Pictures that other processes draw: the same answers, whatever becomes of these processes."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import orjson
import pytest

from asap_ingest.images.formats import encode
from tests.processes import children, gone, processor_seconds
from tests.render_ws.client import JSON_TYPE, StackClient, leaf, tile
from tests.render_ws.conftest import Running
from tests.render_ws.golden import send

Start = Callable[..., Running]
BOX = "/z/1.0/box/0,0,150,90,1.0"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the processes"),
]


def drawers(running: Running) -> list[int]:
    """The processes that draw for a service."""
    return [child for child in children(running.process.pid) if "spawn_main" in command_line(child)]


def command_line(process_id: int) -> str:
    try:
        return Path(f"/proc/{process_id}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def kill(process_ids: list[int]) -> None:
    for process_id in process_ids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process_id, signal.SIGKILL)


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not come to that within {seconds:g} s"
        time.sleep(0.01)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "a.png"
    path.write_bytes(encode(np.arange(80 * 100, dtype=np.uint8).reshape(80, 100), "png"))
    return path


def stack(url: str, image: Path, name: str = "s") -> StackClient:
    """Two tiles, one of them turned a little."""
    turned = leaf() | {"dataString": "0.9 0.1 -0.1 0.9 30 5"}
    shown = {"mipmapLevels": {"0": {"imageUrl": str(image)}}}
    tiles = [tile("a", **shown), tile("b", **shown, specs=[turned])]
    return StackClient(url, name).create(*tiles, state="COMPLETE")


@pytest.fixture
def drawn_by_two(start_service: Start, tmp_path: Path, image: Path) -> Iterator[tuple[Running, StackClient]]:
    running = start_service(tmp_path / "render.db", "--drawing_processes", "2")
    assert len(drawers(running)) == 2
    yield running, stack(running.url, image)


ASKED = (
    *(f"{BOX}/{form}-image" for form in ("jpeg", "png", "tiff", "raw16")),
    f"{BOX}/png-image?minIntensity=10&maxIntensity=99&scale=0.5",
    "/tile/b/png-image?excludeAllTransforms=true",
    "/z/1.0/jpeg-image?scale=0.5",
    f"{BOX}/png-image?maxIntensity=x",
    f"{BOX}/png-image?channels=A__1__B",
    "/tile/none/png-image",
    "/z/7.0/png-image",
    "/z/1.0/box/0,0,0,0,1.0/png-image",
    "/z/1.0/box/0,0,99999999,99999999,1.0/png-image",
)


def test_the_answers_are_those_of_threads(
    drawn_by_two: tuple[Running, StackClient], start_service: Start, tmp_path: Path, image: Path
) -> None:
    by_processes = drawn_by_two[1]
    by_threads = stack(start_service(tmp_path / "other.db").url, image)
    for path in ASKED:
        for method in ("GET", "HEAD"):
            ours, theirs = by_processes.ask(method, path), by_threads.ask(method, path)
            assert (ours.status, ours.body) == (theirs.status, theirs.body), path
            headers = [
                {name: value for name, value in answer.headers.items() if name not in ("date", "etag")}
                for answer in (ours, theirs)
            ]
            assert headers[0] == headers[1]
    etag = by_processes.ask("GET", ASKED[0]).headers["etag"]
    assert by_processes.ask("GET", ASKED[0], **{"If-None-Match": etag}).status == 304


def test_a_missing_image_is_named(drawn_by_two: tuple[Running, StackClient], image: Path) -> None:
    running, client = drawn_by_two
    image.unlink()
    answer = client.ask("GET", f"{BOX}/png-image")
    assert (answer.status, str(image) in answer.body.decode()) == (400, True)
    assert len(drawers(running)) == 2


def test_render_parameters_that_are_sent_along_are_drawn(
    drawn_by_two: tuple[Running, StackClient],
) -> None:
    client = drawn_by_two[1]
    parameters = client.get(f"{BOX}/render-parameters")
    path = "/render-ws/v1/owner/o/png-image"
    sent = send(client.url, "PUT", path, JSON_TYPE, orjson.dumps(parameters))
    assert sent.body == client.ask("GET", f"{BOX}/png-image").body


def test_processes_that_are_killed_are_replaced(drawn_by_two: tuple[Running, StackClient]) -> None:
    running, client = drawn_by_two
    picture = client.ask("GET", f"{BOX}/png-image").body
    with ThreadPoolExecutor(8) as pool:
        for _ in range(3):
            asked = [pool.submit(client.ask, "GET", f"{BOX}/png-image") for _ in range(40)]
            kill(drawers(running))
            answers = [answer.result() for answer in asked]
            assert {(answer.status, answer.body) for answer in answers} == {(200, picture)}


def test_processes_that_died_over_nothing_are_replaced(drawn_by_two: tuple[Running, StackClient]) -> None:
    running, client = drawn_by_two
    processes = drawers(running)
    kill(processes)
    wait_until(lambda: all(map(gone, processes)))
    assert [client.status("GET", f"{BOX}/png-image") for _ in range(2)] == [200, 200]
    assert not {*processes} & {*drawers(running)}


def test_images_are_forgotten_by_all(drawn_by_two: tuple[Running, StackClient], image: Path) -> None:
    running, client = drawn_by_two
    first = client.ask("GET", f"{BOX}/png-image").body
    facts = image.stat()
    other = encode(np.full((80, 100), 9, np.uint8), "png")
    image.write_bytes(other.ljust(facts.st_size, b"\0"))
    os.utime(image, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert image.stat().st_size == facts.st_size
    assert client.ask("GET", f"{BOX}/png-image").body == first
    path = "/render-ws/v1/imageProcessorCache/allEntries"
    assert send(running.url, "DELETE", path, {}, None).status == 200
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: client.ask("GET", f"{BOX}/png-image").body, range(8)))
    assert len(set(answers)) == 1
    assert answers[0] != first


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_they_end_with_the_service(drawn_by_two: tuple[Running, StackClient], number: int) -> None:
    running, client = drawn_by_two
    assert client.status("GET", f"{BOX}/png-image") == 200
    processes = drawers(running)
    assert running.end(number) == (-number if number == signal.SIGKILL else 0)
    wait_until(lambda: all(map(gone, processes)))


@pytest.fixture
def busy(drawn_by_two: tuple[Running, StackClient], image: Path) -> Iterator[tuple[Running, list[int]]]:
    """A service whose processes draw pictures that take a minute."""
    running, _ = drawn_by_two
    turned = leaf() | {"dataString": "0.9 0.1 -0.1 0.9 30 5"}
    shown = {"mipmapLevels": {"0": {"imageUrl": str(image)}}}
    tiles = [tile(f"{number}", **shown, specs=[turned]) for number in range(80)]
    client = StackClient(running.url, "long").create(*tiles, state="COMPLETE")

    def ask() -> None:
        with contextlib.suppress(OSError, http.client.HTTPException):
            client.ask("GET", "/z/1.0/box/0,0,150,90,60.0/jpeg-image")

    clients = [threading.Thread(target=ask) for _ in range(3)]
    for thread in clients:
        thread.start()
    processes = drawers(running)
    before = {process_id: processor_seconds(process_id) for process_id in processes}
    wait_until(
        lambda: all(processor_seconds(process_id) > before[process_id] + 0.5 for process_id in processes)
    )
    yield running, processes
    kill(processes)
    running.process.kill()
    for thread in clients:
        thread.join()


def test_drawing_does_not_outlive_a_service_that_is_killed(busy: tuple[Running, list[int]]) -> None:
    running, processes = busy
    assert running.end(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: all(map(gone, processes)))


@pytest.mark.parametrize("stopped", [False, True])
def test_a_service_ends_while_pictures_are_drawn(busy: tuple[Running, list[int]], stopped: bool) -> None:
    running, processes = busy
    if stopped:
        for process_id in processes:
            os.kill(process_id, signal.SIGSTOP)
    assert running.end(signal.SIGTERM) == 0  # within 20 s, of which requests under way get 10
    wait_until(lambda: all(map(gone, processes)))


def program(tmp_path: Path, before: str, *options: str) -> list[str]:
    """The command, with something done before it in its process."""
    arguments = ["--port", "0", "--database", str(tmp_path / "render.db"), "--drawing_processes", "2"]
    main = f"from asap_ingest.serve_render import main\nraise SystemExit(main({[*arguments, *options]}))"
    return [sys.executable, "-c", f"{before}\n{main}"]


def ended(command: list[str]) -> tuple[int, str, str]:
    """Exit code, output and error output of a program in a session of its own."""
    program = subprocess.run(
        command, check=False, capture_output=True, text=True, start_new_session=True, timeout=120
    )
    return program.returncode, program.stdout, program.stderr


SIGNAL_WHEN_WAITING = """
import os, signal
from asap_ingest.render_ws.drawing_processes import _Drawer
wait = _Drawer.wait_until_ready
def told(self):
    os.killpg(0, signal.{})
    wait(self)
_Drawer.wait_until_ready = told
"""


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_a_signal_while_they_start_is_not_lost(tmp_path: Path, name: str) -> None:
    before = SIGNAL_WHEN_WAITING.format(name).replace("killpg(0,", "kill(os.getpid(),")
    assert ended(program(tmp_path, before)) == (0, "", "")


def test_control_c_in_a_terminal_reaches_all_and_is_quiet(tmp_path: Path) -> None:
    assert ended(program(tmp_path, SIGNAL_WHEN_WAITING.format("SIGINT"))) == (0, "", "")


def test_processes_that_cannot_start_are_told_before_any_work(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\ncase "$*" in *spawn_main*) exit 7;; esac\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    before = f"import multiprocessing.spawn\nmultiprocessing.spawn.set_executable({str(python)!r})"
    code, output, errors = ended(program(tmp_path, before))
    assert (code, output, errors.count("\n")) == (2, "", 1)
    assert "a drawing process ended with exit code 7 before it could draw" in errors


@pytest.mark.parametrize(("level", "is_told"), [("CRITICAL", False), ("WARNING", True)])
def test_the_log_level_is_theirs_too(tmp_path: Path, image: Path, level: str, is_told: bool) -> None:
    command = program(tmp_path, "", "--log_level", level)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            running = Running(process, process.stdout.readline().strip())
            client = stack(running.url, image)
            kill(drawers(running))
            assert client.status("GET", f"{BOX}/png-image") == 200
            assert running.end() == 0
            told = "ended with exit code -9; another is started" in process.stderr.read()
        finally:
            process.kill()
    assert told == is_told


def test_a_picture_does_not_wait_for_those_who_write(
    drawn_by_two: tuple[Running, StackClient], tmp_path: Path
) -> None:
    running, client = drawn_by_two
    holder = sqlite3.connect(tmp_path / "render.db", isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    try:
        kill(drawers(running))
        begin = time.monotonic()
        assert client.status("GET", f"{BOX}/png-image") == 200
        assert time.monotonic() - begin < 10
    finally:
        holder.close()
