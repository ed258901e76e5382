"""Files are looked for again whenever their folders changed, and only then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from asap_ingest.render_ws.drawing.known_files import KnownFiles
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.problems import IllegalArgumentError

LONG_AGO = time.time() - 3600


def settle(*folders: Path) -> None:
    """Give folders a last change that is past."""
    for folder in folders:
        os.utime(folder, (LONG_AGO, LONG_AGO))


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    found = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("0.tif", "1.tif"):
            found.append(tmp_path / folder / name)
            found[-1].write_bytes(b"x")
        settle(tmp_path / folder)
    return found


@pytest.fixture
def looks(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Checks both groups of files; tells how many files were looked for."""
    images = SourceImages(None, 0)
    groups = [tuple(map(str, files[:2])), tuple(path.as_uri() for path in files[2:])]
    seen: list[str] = []
    check = SourceImages.check

    def counted(self: SourceImages, url: str) -> bool:
        seen.append(url)
        return check(self, url)

    monkeypatch.setattr(SourceImages, "check", counted)

    def count() -> int:
        seen.clear()
        images.check_all(groups)
        return len(seen)

    return count


def test_files_in_settled_folders_are_looked_for_once(looks: Callable[[], int]) -> None:
    assert [looks() for _ in range(3)] == [4, 0, 0]


def test_a_folder_that_changed_is_looked_into(looks: Callable[[], int], files: list[Path]) -> None:
    looks()
    (files[0].parent / "more.tif").write_bytes(b"x")
    # its last change is too near to be told from the next one
    assert [looks() for _ in range(3)] == [2, 2, 2]
    os.utime(files[0].parent, (LONG_AGO + 60, LONG_AGO + 60))
    assert [looks() for _ in range(2)] == [2, 0]


@pytest.mark.parametrize("lose", [Path.unlink, lambda path: path.rename(path.with_suffix(".gone"))])
def test_a_file_that_goes_is_missed_at_once(
    looks: Callable[[], int], files: list[Path], lose: Callable[[Path], None]
) -> None:
    looks()
    lose(files[3])
    for _ in range(2):
        with pytest.raises(IllegalArgumentError, match=f"cannot find image file '{files[3]}'"):
            looks()
    files[3].write_bytes(b"x")
    assert looks() == 2


def test_another_folder_in_its_place_is_looked_into(looks: Callable[[], int], files: list[Path]) -> None:
    looks()
    folder = files[0].parent
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    files[0].write_bytes(b"x")
    settle(folder)
    with pytest.raises(IllegalArgumentError, match="1.tif"):
        looks()


def test_a_link_is_followed_every_time(looks: Callable[[], int], files: list[Path], tmp_path: Path) -> None:
    elsewhere = files[1].rename(tmp_path / "elsewhere.tif")
    files[1].symlink_to(elsewhere)
    settle(files[1].parent)
    assert [looks() for _ in range(2)] == [4, 2]
    elsewhere.unlink()
    with pytest.raises(IllegalArgumentError, match="1.tif"):
        looks()


def test_errors_keep_the_order_of_the_files(files: list[Path]) -> None:
    images = SourceImages(None, 0)
    groups = [(str(files[0]), str(files[0]) + "x", "file:/with blank"), ("file:/with blank",)]
    with pytest.raises(IllegalArgumentError, match="0.tifx"):
        images.check_all(groups)
    with pytest.raises(IllegalArgumentError, match="blank"):
        images.check_all(groups[::-1])


def test_memory_is_bounded(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("asap_ingest.render_ws.drawing.known_files._MOST_KEPT", 3)
    known = KnownFiles()
    for path in files:
        known.check([(str(path),)], lambda url: True)
    assert len(known._found) == 1
