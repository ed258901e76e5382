"""`/health`: 200 where database and disk work, else 503 with what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from tests.disks import mounted, resize
from tests.render_ws.client import StackClient
from tests.render_ws.conftest import Running
from tests.render_ws.golden import send

pytestmark = pytest.mark.slow

Start = Callable[..., Running]
FULL = "the disk is full; nothing of this was stored; make room and try again"


def health(url: str) -> tuple[int, dict[str, str]]:
    answer = send(url, "GET", "/health", {}, None)
    assert answer.headers["cache-control"] == "no-store"
    return answer.status, orjson.loads(answer.body)


def test_all_is_well(server_url: str) -> None:
    assert health(server_url) == (200, {"store": "ok", "disk": "ok"})
    assert send(server_url, "HEAD", "/health", {}, None).status == 200


def test_a_lost_database_shows_until_it_is_back(start_service: Start, tmp_path: Path) -> None:
    database = tmp_path / "render.db"
    url = start_service(database).url
    database.rename(tmp_path / "away.db")
    status, told = health(url)
    assert (status, told["disk"]) == (503, "ok")
    assert told["store"].startswith(f"database {database}: was removed while the service runs")
    (tmp_path / "away.db").rename(database)
    assert health(url)[0] == 200


def test_a_folder_that_is_gone_shows_as_both(start_service: Start, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    database = tmp_path / "data" / "render.db"
    url = start_service(database).url
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    status, told = health(url)
    assert status == 503
    assert told["disk"] == f"database {database}: its folder cannot be written: No such file or directory"
    assert "was removed" in told["store"]


def test_a_full_disk_shows_before_a_request_fails_on_it(start_service: Start, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "8m") as disk:
        running = start_service(disk / "render.db")
        assert health(running.url)[0] == 200
        (disk / "other").write_bytes(bytes(7 * 2**20))
        assert health(running.url) == (503, {"store": "ok", "disk": f"database {disk / 'render.db'}: {FULL}"})
        assert StackClient(running.url, "s").ask("GET").status == 404  # what only reads goes on
        resize(disk, "64m")
        assert health(running.url)[0] == 200
        running.end()
