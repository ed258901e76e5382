"""The database file: refused when it is not ours, safe under many writers, kept when a process is killed."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asap_ingest.render_ws.stacks.stack_states import save_version
from asap_ingest.render_ws.store import (
    APPLICATION_ID,
    DatabaseError,
    PairKind,
    Store,
    TileFilter,
    migrations,
)
from asap_ingest.render_ws.store.migrations import MIGRATIONS
from asap_ingest.render_ws.wire.match_pairs import PairRow, read_pairs
from asap_ingest.render_ws.wire.names import CollectionId, StackId
from asap_ingest.render_ws.wire.stack_records import StackRecord, State
from asap_ingest.render_ws.wire.tile_rows import TileRow, tile_row
from asap_ingest.render_ws.wire.tile_specs import read_tile
from tests.permissions import folder_of_a_plain_user
from tests.render_ws.client import tile

STACK = StackId("o", "p", "s")
COLLECTION = CollectionId("o", "m")
BOX = {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "render.db"


def pair_row(q_id: str = "b") -> PairRow:
    return read_pairs([{"pGroupId": "1.0", "pId": "a", "qGroupId": "2.0", "qId": q_id}])[0]


def run(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def refusal(path: Path) -> str:
    with pytest.raises(DatabaseError) as caught:
        Store(path)
    text = str(caught.value)
    assert str(path) in text
    assert "\n" not in text
    return text


def test_a_text_file_is_refused(path: Path) -> None:
    path.write_text("this is no database, it is a letter" * 100)
    before = path.read_bytes()
    refusal(path)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused(path: Path) -> None:
    run(path, "CREATE TABLE stack (key INTEGER)")
    before = path.read_bytes()
    assert "another program" in refusal(path)
    assert path.read_bytes() == before


def test_a_newer_schema_is_refused(path: Path) -> None:
    run(path, f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    assert "schema version" in refusal(path)


@pytest.mark.parametrize("damage", ["cut", "overwritten"])
def test_a_damaged_file_is_refused(path: Path, damage: str) -> None:
    store = Store(path)
    save_version(store, STACK, {})
    with store.writing() as session:
        session.put_tiles(1, [tile_row(read_tile({**tile(f"t{i}"), **BOX})) for i in range(500)])
    store.close()
    content = path.read_bytes()
    half = len(content) // 2
    path.write_bytes(content[:half] if damage == "cut" else content[:half] + os.urandom(len(content) - half))
    refusal(path)


def test_a_folder_that_is_missing_or_no_folder_is_refused(tmp_path: Path) -> None:
    refusal(tmp_path / "missing" / "render.db")
    refusal(tmp_path)


def test_a_folder_that_cannot_be_written_is_refused() -> None:
    with folder_of_a_plain_user() as folder:
        folder.chmod(0o500)
        refusal(folder / "render.db")
        folder.chmod(0o700)


def test_versions_are_recorded_and_kept(path: Path) -> None:
    for _ in range(2):
        store = Store(path)
        save_version(store, STACK, {})
        store.close()
    assert schema_version(path) == len(MIGRATIONS)
    assert pragma(path, "application_id") == APPLICATION_ID


def schema_version(path: Path) -> int:
    return pragma(path, "user_version")


def pragma(path: Path, name: str) -> int:
    connection = sqlite3.connect(path)
    (found,) = connection.execute(f"PRAGMA {name}").fetchone()
    connection.close()
    return int(found)


def test_an_older_schema_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(path)
    save_version(store, STACK, {})
    store.close()
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (key INTEGER);"))
    store = Store(path)
    with store.reading() as session:
        assert session.stack(STACK) is not None
    store.close()
    run(path, "INSERT INTO later VALUES (1)")


def test_a_failed_migration_leaves_the_old_schema(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(path).close()
    monkeypatch.setattr(migrations, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (key); CREATE nonsense;"))
    refusal(path)
    monkeypatch.undo()
    Store(path).close()


def make_first_version(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database as the first schema version left it, with one tile in it."""
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "MIGRATIONS", MIGRATIONS[:1])
        store = Store(path)
        save_version(store, STACK, {})
        _write(store, [tile_row(read_tile({**tile("t"), **BOX}))])
        store.close()
    assert tables(path) == {"stack", "tile", "transform"}


def tables(path: Path) -> set[str]:
    connection = sqlite3.connect(path)
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    connection.close()
    return {name for (name,) in names}


def check_use(path: Path) -> None:
    """Open the file: the tile must be there, and pairs of tiles must find room."""
    store = Store(path)
    with store.writing() as session:
        key = session.match_collection(COLLECTION) or session.add_match_collection(COLLECTION)
        session.put_pairs(key, [pair_row()])
    with store.reading() as session:
        assert session.tile_ids(1, TileFilter()) == ["t"]
        assert [tuple(row) for row in session.match_collections("o")] == [("m", 1)]
    store.close()


def test_a_database_from_before_match_collections_keeps_its_data(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_first_version(path, monkeypatch)
    check_use(path)
    check_use(path)
    assert {"match_collection", "match_pair"} < tables(path)


#: Opens the database in argument 1, and is killed before the statement with the number in argument 2.
DYING_OPENER = """
import os, signal, sqlite3, sys
from pathlib import Path
from asap_ingest.render_ws.store import Store

class Dying(sqlite3.Connection):
    left = int(sys.argv[2])
    def execute(self, *arguments):
        if Dying.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        Dying.left -= 1
        return super().execute(*arguments)

connect = sqlite3.connect
sqlite3.connect = lambda *arguments, **options: connect(*arguments, factory=Dying, **options)
Store(Path(sys.argv[1])).close()
"""


@pytest.mark.long
@pytest.mark.slow
def test_a_migration_that_is_killed_leaves_one_version_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_first_version(path, monkeypatch)
    versions = []
    for number in range(100):
        copy = path.with_name(f"{number}.db")
        shutil.copyfile(path, copy)
        opener = subprocess.run([sys.executable, "-c", DYING_OPENER, str(copy), str(number)], check=False)
        left = tables(copy)
        versions.append(2 if "match_collection" in left else 1)
        assert ("match_pair" in left) == (versions[-1] == 2)
        assert schema_version(copy) == versions[-1]
        check_use(copy)
        if opener.returncode == 0:
            break
        assert opener.returncode == -signal.SIGKILL
    assert opener.returncode == 0
    assert versions == sorted(versions)
    assert versions.count(1) > 8


def test_many_openers_of_a_new_file_succeed(path: Path) -> None:
    def open_and_write(number: int) -> None:
        store = Store(path)
        save_version(store, StackId("o", "p", f"s{number}"), {})
        store.close()

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(open_and_write, range(24)))
    store = Store(path)
    with store.reading() as session:
        assert len(session.stacks()) == 24
    store.close()


def test_an_exception_undoes_all_that_was_written(path: Path) -> None:
    store = Store(path)
    with pytest.raises(ValueError, match="stop"), store.writing() as session:
        session.save_stack(StackRecord(0, STACK, State.LOADING, 0, 0, {}))
        raise ValueError("stop")
    with store.reading() as session:
        assert session.stacks() == []
    store.close()


def test_a_reader_sees_one_state_while_a_writer_works(path: Path) -> None:
    store = Store(path)
    save_version(store, STACK, {})
    rows = [tile_row(read_tile({**tile(f"t{i}"), **BOX})) for i in range(10)]
    with store.reading() as session:
        assert session.tile_count(1, TileFilter()) == 0
        writer = threading.Thread(target=_write, args=(store, rows))
        writer.start()
        writer.join()
        assert session.tile_count(1, TileFilter()) == 0
    with store.reading() as session:
        assert session.tile_count(1, TileFilter()) == 10
    store.close()


def _write(store: Store, rows: list[TileRow]) -> None:
    with store.writing() as session:
        session.put_tiles(1, rows)


def test_z_values_are_compared_exactly(path: Path) -> None:
    store = Store(path)
    save_version(store, STACK, {})
    values = [0.1 + 0.2, 0.3, -0.0, 1e-300, 2.0**53, 2.0**53 + 2]
    with store.writing() as session:
        session.put_tiles(1, [tile_row(read_tile({**tile(f"t{z!r}", z), **BOX})) for z in values])
    with store.reading() as session:
        assert session.z_values(1) == sorted(values)
        assert session.tile_ids(1, TileFilter(z=0.3)) == ["t0.3"]
        assert session.tile_ids(1, TileFilter(z=0.0)) == ["t-0.0"]
    store.close()


def test_tiles_without_id_replace_one_another_and_are_not_listed(path: Path) -> None:
    store = Store(path)
    save_version(store, STACK, {})
    nameless = tile_row(read_tile({**tile("x"), "tileId": None, **BOX}))
    with store.writing() as session:
        session.put_tiles(1, [nameless, nameless])
    with store.reading() as session:
        assert session.tile_count(1, TileFilter()) == 1
        assert session.tile_ids(1, TileFilter()) == []
    store.close()


def test_pairs_are_found_and_deleted_through_an_index(path: Path) -> None:
    Store(path).close()
    connection = sqlite3.connect(path)
    names = {"key": 1, "group": "1.0", "tile": "a", "other_group": "2.0", "other_tile": "b"}
    for kind in PairKind:
        for statement in (kind.selection("content"), *kind.deletions()):
            plan = connection.execute(f"EXPLAIN QUERY PLAN {statement}", names).fetchall()
            searches = [step[3] for step in plan if "match_pair" in step[3]]
            assert all("_group=?" in search and search.startswith("SEARCH") for search in searches), plan
    connection.close()


def test_a_removed_collection_takes_its_pairs_along(path: Path) -> None:
    store = Store(path)
    with store.writing() as session:
        for name in ("m", "n"):
            key = session.add_match_collection(CollectionId("o", name))
            session.put_pairs(key, [pair_row(), pair_row("c")])
        session.delete_match_collection(1)
    store.close()
    connection = sqlite3.connect(path)
    assert connection.execute("SELECT DISTINCT collection FROM match_pair").fetchall() == [(2,)]
    connection.close()
