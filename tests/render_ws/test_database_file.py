"""The database file is lost, or its disk is full, while a service runs: it says so, and stores nothing."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from asap_ingest.render_ws.store import DatabaseError, Store
from asap_ingest.render_ws.wire.names import CollectionId
from asap_ingest.serve_render import main
from tests.disks import mounted, resize
from tests.render_ws.client import StackClient, collection, tile
from tests.render_ws.conftest import Running

pytestmark = pytest.mark.slow

Start = Callable[..., Running]
Shortage = Callable[[Path, Start], AbstractContextManager[tuple[StackClient, Callable[[], object]]]]
COLLECTION = CollectionId("o", "m")


def remove(path: Path) -> None:
    path.unlink()


def replace_by_a_copy(path: Path) -> None:
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    copy.replace(path)


def remove_with_its_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("lose", "says"),
    [
        (remove, "was removed while the service runs"),
        (replace_by_a_copy, "was replaced by another file while the service runs"),
        (remove_with_its_folder, "was removed while the service runs"),
    ],
)
def test_a_lost_database_is_named_and_nothing_is_stored_in_it(
    start_service: Start, tmp_path: Path, lose: Callable[[Path], None], says: str
) -> None:
    database = tmp_path / "data" / "render.db"
    database.parent.mkdir()
    stack = StackClient(start_service(database).url, "s").create(tile("a"))
    with database.open("rb") as lost:
        before = os.pread(lost.fileno(), 2**20, 0)
        lose(database)
        for method, path, body in (
            ("GET", "/tileIds", None),
            ("PUT", "/resolvedTiles?deriveData=true", collection(tile("b"))),
            ("DELETE", "", None),
        ):
            answer = stack.ask(method, path, body)
            assert answer.status == 500
            assert answer.body.decode().startswith(f"database {database}: {says}")
        assert os.pread(lost.fileno(), 2**20, 0) == before
    assert database.exists() == (lose is replace_by_a_copy)  # no request makes a new, empty one


def test_a_database_that_is_put_back_is_used_again(start_service: Start, tmp_path: Path) -> None:
    database = tmp_path / "render.db"
    stack = StackClient(start_service(database).url, "s").create(tile("a"))
    database.rename(tmp_path / "away.db")
    assert stack.ask("GET", "/tileIds").status == 500
    (tmp_path / "away.db").rename(database)
    assert stack.get("/tileIds") == ["a"]


def test_a_file_that_is_lost_during_a_request_gets_nothing_of_it(tmp_path: Path) -> None:
    database = tmp_path / "render.db"
    store = Store(database)
    with pytest.raises(DatabaseError, match="was removed"), store.writing() as session:
        session.add_match_collection(COLLECTION)
        database.rename(tmp_path / "away.db")
    (tmp_path / "away.db").rename(database)
    with store.reading() as session:
        assert session.match_owners() == []
    store.close()


@contextmanager
def full_disk(folder: Path, start: Start) -> Iterator[tuple[StackClient, Callable[[], object]]]:
    """A service on a disk of 1 MB, and what makes the disk larger."""
    with mounted(folder, "1m") as disk:
        started = start(disk / "render.db")
        yield StackClient(started.url, "s"), lambda: resize(disk, "64m")
        started.end()


@contextmanager
def limited_files(folder: Path, start: Start) -> Iterator[tuple[StackClient, Callable[[], object]]]:
    """A service that may not make files larger than 1 MB, and what lifts this."""
    folder.mkdir()
    started = start(folder / "render.db")
    before = resource.prlimit(started.process.pid, resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))
    yield (
        StackClient(started.url, "s"),
        lambda: resource.prlimit(started.process.pid, resource.RLIMIT_FSIZE, before),
    )


@pytest.mark.parametrize("shortage", [full_disk, limited_files])
def test_a_full_disk_is_507_and_names_the_file(
    start_service: Start, tmp_path: Path, shortage: Shortage
) -> None:
    with shortage(tmp_path / "disk", start_service) as (stack, make_room):
        stack.create(tile("a"))
        many = collection(*(tile(f"b{number}") for number in range(5000)))
        answer = stack.ask("PUT", "/resolvedTiles?deriveData=true", many)
        assert answer.status == 507
        says = "render.db: the disk is full; nothing of this was stored; make room and try again"
        assert answer.body.decode().endswith(says)
        assert stack.get("/tileIds") == ["a"]
        make_room()
        assert stack.status("PUT", "/resolvedTiles?deriveData=true", many) == 201
        assert len(stack.get("/tileIds")) == 5001


@pytest.mark.parametrize(
    "name", [":memory:", "file:render.db", "FILE:///tmp/render.db?mode=memory", "a/:memory:"]
)
def test_what_sqlite_takes_for_no_file_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["--port", "0", "--database", name]) == 2
    assert "name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a b.db", "50%25.db", "what?.db", "#1.db", "é.db", "memory"])
def test_any_name_of_a_file_is_taken_as_it_stands(tmp_path: Path, name: str) -> None:
    Store(tmp_path / name).close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    sqlite3.connect(tmp_path / name).close()
