"""`backup_render_db` and `vacuum_render_db`, on databases that a service works on."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from asap_ingest.__main__ import main
from asap_ingest.render_ws.store import Store
from tests.conftest import listing
from tests.render_ws.client import StackClient, collection, tile
from tests.render_ws.conftest import Running, serving

pytestmark = pytest.mark.slow

Start = Callable[..., Running]
PUT = "/resolvedTiles?deriveData=true"


@pytest.mark.long
def test_a_backup_taken_while_tiles_are_stored_is_one_state(start_service: Start, tmp_path: Path) -> None:
    database, backup = tmp_path / "render.db", tmp_path / "backup" / "a copy.db"
    backup.parent.mkdir()
    stack = StackClient(start_service(database).url, "s").create()
    ended = threading.Event()
    statuses = []

    def put_batches() -> None:
        while not ended.is_set():
            batch = (tile(f"{len(statuses)}.{number}") for number in range(100))
            statuses.append(stack.status("PUT", PUT, collection(*batch)))

    writer = threading.Thread(target=put_batches)
    writer.start()
    while len(statuses) < 5:
        pass
    answered = len(statuses)
    assert main(["backup_render_db", str(database), str(backup)]) == 0
    ended.set()
    writer.join()
    assert set(statuses) == {201}
    assert listing(backup.parent).keys() == {backup.name}
    found = StackClient(start_service(backup).url, "s").get("/tileIds")
    batches = {tile_id.partition(".")[0] for tile_id in found}
    assert len(found) == 100 * len(batches)
    assert len(batches) >= answered


def test_a_deleted_stack_gives_its_space_back(
    start_service: Start, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    database = tmp_path / "render.db"
    url = start_service(database).url
    kept = StackClient(url, "kept").create(tile("a"))
    large = StackClient(url, "large").create(*(tile(f"t{number}") for number in range(5000)))
    assert large.status("DELETE") == 200
    assert main(["vacuum_render_db", str(database)]) == 0
    assert database.stat().st_size < 200_000
    assert capsys.readouterr().out.startswith(f"{database}: ")
    assert kept.get("/tileIds") == ["a"]  # the service takes it for the file it knows
    assert kept.status("PUT", PUT, collection(tile("b"))) == 201


def letter(folder: Path) -> Path:
    (folder / "letter.db").write_text("no database" * 1000)
    return folder / "letter.db"


def database_of_another_program(folder: Path) -> Path:
    (folder / "empty.db").touch()
    return folder / "empty.db"


@pytest.mark.parametrize("command", ["backup_render_db", "vacuum_render_db"])
@pytest.mark.parametrize(
    ("make", "says"),
    [
        (letter, "letter.db: file is not a database"),
        (database_of_another_program, "empty.db: is not a database of a render service"),
        (lambda folder: folder / "absent.db", "absent.db: there is no such file"),
        (lambda folder: folder, "there is no such file"),
        (lambda folder: Path(":memory:"), ":memory:: a service keeps its data in a file"),
        (lambda folder: Path("file:x.db"), "is a URI; name the file itself, like x.db"),
    ],
)
def test_what_is_no_database_is_refused_in_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    command: str,
    make: Callable[[Path], Path],
    says: str,
) -> None:
    given = str(make(tmp_path))
    before = listing(tmp_path)
    backup = [str(tmp_path / "backup.db")] if command == "backup_render_db" else []
    assert main([command, given, *backup]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"asap_ingest.{command}: error: database ")
    assert says in errors
    assert errors.count("\n") == 1
    assert listing(tmp_path) == before


@pytest.mark.parametrize(
    ("target", "says"),
    [("render.db", "is there already"), ("absent/backup.db", "unable to open database file")],
)
def test_a_backup_has_a_place_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], target: str, says: str
) -> None:
    Store(tmp_path / "render.db").close()
    before = listing(tmp_path)
    assert main(["backup_render_db", str(tmp_path / "render.db"), str(tmp_path / target)]) == 2
    assert says in capsys.readouterr().err
    assert listing(tmp_path) == before


def test_a_backup_that_finds_no_room_leaves_nothing(tmp_path: Path) -> None:
    database = tmp_path / "render.db"
    with serving(tmp_path) as url:
        StackClient(url, "s").create(*(tile(f"t{number}") for number in range(1000)))
    before = listing(tmp_path)
    command = [sys.executable, "-m", "asap_ingest", "backup_render_db", str(database), str(tmp_path / "b.db")]
    limited = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10**5,) * 2); "
    program = [sys.executable, "-c", f"{limited}os.execv(sys.argv[1], sys.argv[1:])", *command]
    ran = subprocess.run(program, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr.count("\n")) == (2, 1)
    assert "b.db: the disk is full" in ran.stderr
    assert listing(tmp_path) == before
