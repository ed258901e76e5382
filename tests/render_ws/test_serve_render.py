"""The command: where it listens, what it refuses, how it ends, and what a kill leaves behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from argparse import Namespace
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import uvicorn
from starlette.applications import Starlette

from asap_ingest.commands.http_server import prepared_server
from asap_ingest.errors import ParameterError
from asap_ingest.serve_render import check_exposure, main
from asap_ingest.web.web_policy import PUBLIC_VIEWER
from tests.render_ws.client import StackClient, collection, leaf, tile
from tests.render_ws.conftest import Running
from tests.render_ws.golden import send

Start = Callable[..., Running]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_announces_its_url_answers_and_ends_cleanly(
    start_service: Start, tmp_path: Path, number: int
) -> None:
    running = start_service(tmp_path / "render.db")
    assert running.url.startswith("http://127.0.0.1:")
    assert send(running.url, "GET", "/render-ws/v1/owners", {}, None).body == b"[]"
    assert running.end(number) == 0


def test_what_was_stored_is_there_after_a_restart(start_service: Start, tmp_path: Path) -> None:
    database = tmp_path / "render.db"
    first = start_service(database)
    StackClient(first.url, "s").create(tile("a"), state="COMPLETE")
    assert first.end() == 0
    again = start_service(database)
    assert StackClient(again.url, "s").get()["state"] == "COMPLETE"


def test_two_processes_share_a_file(start_service: Start, tmp_path: Path) -> None:
    services = [start_service(tmp_path / "render.db") for _ in range(2)]
    clients = [StackClient(service.url, "s") for service in services]
    clients[0].create()

    def put(number: int) -> int:
        body = collection(*(tile(f"{number}.{i}") for i in range(20)), L=leaf())
        return clients[number % 2].status("PUT", "/resolvedTiles?deriveData=true", body)

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(put, range(30))) == [201] * 30
    assert len(clients[1].get("/tileIds")) == 600


def test_a_kill_loses_nothing_that_was_answered(start_service: Start, tmp_path: Path) -> None:
    database, answered = tmp_path / "render.db", []
    running = start_service(database)
    stack = StackClient(running.url, "s").create()

    def put_until_it_dies() -> None:
        number = 0
        with contextlib.suppress(OSError):
            while True:
                body = collection(*(tile(f"{number}.{i}") for i in range(300)))
                if stack.status("PUT", "/resolvedTiles?deriveData=true", body) == 201:
                    answered.append(number)
                number += 1

    client = threading.Thread(target=put_until_it_dies)
    client.start()
    while len(answered) < 3:
        time.sleep(0.01)
    assert running.end(signal.SIGKILL) == -signal.SIGKILL
    client.join()
    again = StackClient(start_service(database).url, "s")
    found: dict[int, int] = {}
    for tile_id in again.get("/tileIds"):
        batch = int(tile_id.partition(".")[0])
        found[batch] = found.get(batch, 0) + 1
    # every batch that is there is whole, and every answered one is there
    assert set(found.values()) == {300}
    assert set(answered) <= set(found)
    assert again.status("PUT", "/state/COMPLETE") == 201


def test_other_addresses_need_image_roots(tmp_path: Path) -> None:
    for address in ("0.0.0.0", "192.168.1.5", "::", "host.example"):
        with pytest.raises(ParameterError):
            check_exposure(address, None)
        check_exposure(address, [tmp_path])
    for address in ("127.0.0.1", "127.8.8.8", "::1", "localhost"):
        check_exposure(address, None)


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    return captured.err


def test_refusals_are_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    database = str(tmp_path / "render.db")
    assert "image_roots" in refused(capsys, "--port", "0", "--database", database, "--bind", "0.0.0.0")
    assert "nowhere" in refused(
        capsys, "--port", "0", "--database", database, "--image_roots", str(tmp_path / "nowhere")
    )
    assert "70000" in refused(capsys, "--port", "70000", "--database", database)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert port in refused(capsys, "--port", port, "--database", database)
    assert not Path(database).exists()
    (tmp_path / "letter.db").write_text("no database" * 1000)
    assert "letter.db" in refused(capsys, "--port", "0", "--database", str(tmp_path / "letter.db"))
    assert "missing" in refused(capsys, "--port", "0", "--database", str(tmp_path / "missing" / "x.db"))


def test_arguments_that_name_hosts_and_origins_are_checked(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    usual = ("--port", "0", "--database", str(tmp_path / "render.db"))
    assert "host_names: 'http://a' is not a host name" in refused(capsys, *usual, "--host_names", "http://a")
    assert "allow_origins: '*' is not an origin" in refused(capsys, *usual, "--allow_origins", "*")
    assert main([*usual, "--cors", "none"]) == 2
    assert "'listed', 'any'" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.parametrize(
    ("arguments", "host", "origin", "status"),
    [
        ((), "localhost", "http://friend.lab", 403),
        ((), "render.lab:8080", None, 403),
        ((), socket.gethostname(), None, 201),
        (("--host_names", "render.lab"), "render.lab:8080", None, 201),
        (("--host_names", "render.lab"), "render.lab:8080", "http://render.lab:8080", 201),
        (("--allow_origins", "http://friend.lab"), "localhost", "http://friend.lab", 201),
        (("--no_public_viewer",), "localhost", PUBLIC_VIEWER, 403),
        (("--cors", "any"), "rebound.example", "null", 201),
    ],
)
def test_who_may_write_is_said_by_arguments(
    start_service: Start,
    tmp_path: Path,
    arguments: tuple[str, ...],
    host: str,
    origin: str | None,
    status: int,
) -> None:
    stack = StackClient(start_service(tmp_path / "render.db", *arguments).url, "s")
    headers = {"Host": host} if origin is None else {"Host": host, "Origin": origin}
    assert stack.ask("POST", "", {}, **headers).status == status


@pytest.mark.parametrize("switch", [(), ("--no_public_viewer",)])
def test_the_public_viewer_reads_unless_it_is_switched_off(
    start_service: Start, tmp_path: Path, switch: tuple[str, ...]
) -> None:
    url = start_service(tmp_path / "render.db", *switch).url
    answer = send(url, "GET", "/render-ws/v1/owners", {"Origin": PUBLIC_VIEWER}, None)
    assert answer.headers.get("access-control-allow-origin") == (None if switch else PUBLIC_VIEWER)


def test_it_starts_without_loading_image_libraries() -> None:
    code = "import sys, asap_ingest.serve_render; print({'cv2', 'numpy', 'PIL'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONWARNINGS": "error"}
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert found.stdout.strip() == "set()"


def test_images_outside_the_roots_are_not_read(start_service: Start, tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside.png"
    inside.mkdir()
    outside.write_bytes(b"secret")
    running = start_service(tmp_path / "render.db", "--image_roots", str(inside))
    escapes = [str(outside), f"{inside}/../outside.png", f"file:{outside}", "http://127.0.0.1:9/x.png"]
    (inside / "link.png").symlink_to(outside)
    for number, url in enumerate([*escapes, str(inside / "link.png")]):
        stack = StackClient(running.url, f"s{number}")
        stack.create(tile("a", mipmapLevels={"0": {"imageUrl": url}}))
        answer = stack.ask("GET", "/z/1/box/0,0,9,9,1/png-image")
        assert answer.status == 400
        assert b"secret" not in answer.body


def test_a_client_that_leaves_in_the_middle_of_a_body_harms_nobody(
    start_service: Start, tmp_path: Path
) -> None:
    running = start_service(tmp_path / "render.db")
    stack = StackClient(running.url, "s").create()
    host, port = running.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(
            b"PUT /render-ws/v1/owner/o/project/p/stack/s/resolvedTiles HTTP/1.1\r\nHost: localhost\r\n"
            b'Content-Type: application/json\r\nContent-Length: 1000000\r\n\r\n{"tileIdToSpecMap": {'
        )
    assert stack.get("/tileIds") == []
    assert running.end() == 0


def test_a_signal_before_the_service_answers_is_not_lost(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    run = uvicorn.Server.run

    def run_late(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        # a service that missed the signal is ended all the same, after it has told its URL
        rescue = threading.Timer(5, setattr, (server, "should_exit", True))
        rescue.daemon = True
        rescue.start()
        run(server, sockets)

    monkeypatch.setattr(uvicorn.Server, "run", run_late)
    usual = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    with prepared_server(Namespace(bind="127.0.0.1", port=0, log_level="WARNING")) as run_app:
        run_app(Starlette(), None, lambda url: [])
    assert {number: signal.getsignal(number) for number in usual} == usual
    assert capfd.readouterr().out == ""
