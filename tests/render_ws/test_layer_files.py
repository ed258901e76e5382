"""Files are looked for again whenever their folders changed, and only then."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from asap_ingest.render_ws.drawing import layer_files
from asap_ingest.render_ws.drawing.layer_files import check_files
from asap_ingest.render_ws.drawing.layers import LayerTile, layer_of
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.wire.problems import IllegalArgumentError


def tiles_of(*groups: Iterable[str]) -> Sequence[LayerTile]:
    """A tile for each group of files, which are its levels."""
    levels = ({str(level): {"imageUrl": url} for level, url in enumerate(group)} for group in groups)
    return layer_of([{"mipmapLevels": images} for images in levels]).tiles


TICK = 0.05  # longer than a step of any file system's clock here


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Four files in two folders whose last change is past, as far as it is told from the next one."""
    monkeypatch.setattr(layer_files, "_SETTLED_NANOSECONDS", TICK / 2 * 1e9)
    found = []
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("0.tif", "1.tif"):
            found.append(tmp_path / folder / name)
            found[-1].write_bytes(b"x")
    time.sleep(TICK)
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

    known = tiles_of(*groups)

    def count() -> int:
        seen.clear()
        check_files(known, images.check)
        return len(seen)

    return count


def test_files_in_settled_folders_are_looked_for_once(looks: Callable[[], int]) -> None:
    assert [looks() for _ in range(3)] == [4, 0, 0]


def test_a_folder_that_changed_is_looked_into(looks: Callable[[], int], files: list[Path]) -> None:
    looks()
    (files[0].parent / "more.tif").write_bytes(b"x")
    time.sleep(TICK)
    assert [looks() for _ in range(2)] == [2, 0]


def test_a_change_of_now_is_not_told_from_the_next_one(
    looks: Callable[[], int], files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_files, "_SETTLED_NANOSECONDS", 3600 * 1e9)
    assert [looks() for _ in range(3)] == [4, 4, 4]


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


def test_setting_the_time_of_a_folder_hides_nothing(looks: Callable[[], int], files: list[Path]) -> None:
    facts = files[3].parent.stat()
    looks()
    files[3].unlink()
    os.utime(files[3].parent, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    time.sleep(TICK)
    with pytest.raises(IllegalArgumentError, match="1.tif"):
        looks()


def test_a_file_that_many_tiles_share_is_looked_for_once() -> None:
    seen: list[str] = []

    def look(url: str) -> bool:
        seen.append(url)
        return False

    check_files(tiles_of(("a", "mask"), ("b", "mask")), look)
    assert seen == ["a", "mask", "b"]


def test_another_folder_in_its_place_is_looked_into(looks: Callable[[], int], files: list[Path]) -> None:
    looks()
    folder = files[0].parent
    folder.rename(folder.with_name("old"))
    folder.mkdir()
    files[0].write_bytes(b"x")
    time.sleep(TICK)
    with pytest.raises(IllegalArgumentError, match="1.tif"):
        looks()


def test_a_link_is_followed_every_time(looks: Callable[[], int], files: list[Path], tmp_path: Path) -> None:
    elsewhere = files[1].rename(tmp_path / "elsewhere.tif")
    files[1].symlink_to(elsewhere)
    time.sleep(TICK)
    assert [looks() for _ in range(2)] == [4, 2]
    elsewhere.unlink()
    with pytest.raises(IllegalArgumentError, match="1.tif"):
        looks()


def test_errors_keep_the_order_of_the_files(files: list[Path]) -> None:
    images = SourceImages(None, 0)
    groups = [(str(files[0]), str(files[0]) + "x", "file:/with blank"), ("file:/with blank",)]
    with pytest.raises(IllegalArgumentError, match="0.tifx"):
        check_files(tiles_of(*groups), images.check)
    with pytest.raises(IllegalArgumentError, match="blank"):
        check_files(tiles_of(*groups[::-1]), images.check)


def test_tiles_that_are_not_asked_for_are_not_looked_for(files: list[Path]) -> None:
    seen: list[str] = []
    known = tiles_of(*([str(file)] for file in files))
    for which in ([2], [2, 3], [0, 1, 2, 3]):
        check_files([known[index] for index in which], lambda url: not seen.append(url))
    assert seen == [str(files[index]) for index in (2, 3, 0, 1)]
