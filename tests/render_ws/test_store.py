"""The database file: refused when it is not ours, safe under many writers, kept when a process is killed."""

from __future__ import annotations

import os
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from asap_ingest.render_ws import store as store_module
from asap_ingest.render_ws.names import StackId
from asap_ingest.render_ws.records.stack_records import StackRecord, State
from asap_ingest.render_ws.records.stack_states import save_version
from asap_ingest.render_ws.records.tile_rows import tile_row
from asap_ingest.render_ws.records.tile_specs import read_tile
from asap_ingest.render_ws.store import APPLICATION_ID, MIGRATIONS, DatabaseError, Store, TileFilter
from tests.render_ws.client import tile

STACK = StackId("o", "p", "s")
BOX = {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "render.db"


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


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        refusal(tmp_path / "render.db")
    finally:
        tmp_path.chmod(0o700)


def test_versions_are_recorded_and_kept(path: Path) -> None:
    for _ in range(2):
        store = Store(path)
        save_version(store, STACK, {})
        store.close()
    connection = sqlite3.connect(path)
    found = [
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")
    ]
    connection.close()
    assert found == [len(MIGRATIONS), APPLICATION_ID]


def test_an_older_schema_is_brought_up_to_date(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(path)
    save_version(store, STACK, {})
    store.close()
    monkeypatch.setattr(store_module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (key INTEGER);"))
    store = Store(path)
    with store.reading() as session:
        assert session.stack(STACK) is not None
    store.close()
    run(path, "INSERT INTO later VALUES (1)")


def test_a_failed_migration_leaves_the_old_schema(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store(path).close()
    monkeypatch.setattr(
        store_module, "MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (key); CREATE nonsense;")
    )
    refusal(path)
    monkeypatch.undo()
    Store(path).close()


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


def _write(store: Store, rows: list[store_module.TileRow]) -> None:
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


def test_a_missing_tile_id_is_one_tile_and_no_text(path: Path) -> None:
    store = Store(path)
    save_version(store, STACK, {})
    nameless = tile_row(read_tile({**tile("x"), "tileId": None, **BOX}))
    with store.writing() as session:
        session.put_tiles(1, [nameless, nameless])
    with store.reading() as session:
        assert session.tile_count(1, TileFilter()) == 1
        assert session.tile_ids(1, TileFilter()) == []
    store.close()
