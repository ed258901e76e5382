"""Answers do not reveal whether a file exists: one text stands for all that may be wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from asap_ingest.render_ws.drawing.source_images import WITHOUT_REASON
from tests.render_ws.client import StackClient, tile
from tests.render_ws.conftest import serving
from tests.render_ws.golden import send
from tests.render_ws.test_safety import OPEN, TEXT, Site, drawn, refused, save, site, spec_with

pytestmark = pytest.mark.slow
__all__ = ["site"]
HIDDEN = "/render-ws/v1/owner/hidden/project/p"
READER = {"Origin": "http://localhost:8000"}


def unusable_files(folder: Path) -> list[Path]:
    """A file that is missing, one that is empty, one that is no image, one cut short, and a folder."""
    save(folder / "cut.png", OPEN)
    (folder / "cut.png").write_bytes((folder / "cut.png").read_bytes()[:60])
    (folder / "empty.png").touch()
    (folder / "letter.png").write_text(TEXT)
    (folder / "folder.png").mkdir()
    return [folder / f"{name}.png" for name in ("missing", "empty", "letter", "cut", "folder")]


def reasons_given(url: str, path: Path, number: int, **headers: str) -> set[str]:
    """Texts of the answers to requests that draw the image of a stored tile, its path left out."""
    stack = StackClient(url, f"s{number}", owner="hidden")
    if send(url, "GET", f"/render-ws/v1/owner/hidden/project/p/stack/s{number}", {}, None).status == 404:
        stack.create(tile("a", mipmapLevels={"0": {"imageUrl": str(path)}}), state="COMPLETE")
    answers = [
        stack.ask("GET", target, **headers)
        for target in ("/z/1/box/0,0,9,9,1/png-image", "/tile/a/source/png-image", "/tile/a/png-image")
    ]
    assert {answer.status for answer in answers} == {400}
    return {answer.body.decode().replace(str(path), "FILE") for answer in answers}


def test_with_image_roots_answers_hide_whether_a_file_exists(
    site: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = site.inside / "unusable"
    paths = [*unusable_files(folder), *unusable_files(tmp_path), Path("/etc/passwd"), Path("/etc/nothing")]
    given = [reasons_given(site.url, path, number) for number, path in enumerate(paths)]
    assert given == [{WITHOUT_REASON.format("FILE")}] * len(paths)
    for path, reason in zip(paths, ("cannot find", "is empty", "not an image", "cut.png"), strict=False):
        assert any(str(path) in line and reason in line for line in caplog.messages)
    # the files of a stored tile are checked without reasons too
    answer = send(site.url, "GET", f"{HIDDEN}/stack/s1/tile/a/validation-info", {}, None)
    assert answer.body.decode() == WITHOUT_REASON.format(paths[1])


def test_answers_to_other_origins_hide_whether_a_file_exists(tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        for number, path in enumerate(unusable_files(tmp_path / "unusable")):
            assert reasons_given(url, path, number, **READER) == {WITHOUT_REASON.format("FILE")}
            assert reasons_given(url, path, number).isdisjoint({WITHOUT_REASON.format("FILE")})


def test_paths_through_another_folder_hide_whether_it_exists(site: Site) -> None:
    for way in ("/etc", "/etc/nothing", "/etc/passwd", str(site.inside)):
        up = "/".join([".."] * len(Path(way).parts[1:]))
        url = f"{way}/{up}{site.picture}"
        answer = drawn(site, spec_with(site, "image", url))
        assert answer.body.decode() == WITHOUT_REASON.format(url)


def test_a_newline_in_a_path_starts_no_line_of_the_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    assert refused(drawn(site, spec_with(site, "image", f"{site.inside}/a\nERROR:b.png")))
    assert not any("\n" in line for line in caplog.messages)
    assert any("a\\nERROR:b.png" in line for line in caplog.messages)
