"""Tiles that many requests share: parsed once, never older than what is stored, bounded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asap_ingest.render_ws.records import kept_tiles
from asap_ingest.render_ws.records.kept_tiles import LONGEST_KEPT, MOST_KEPT, KeptTile, derived, kept_tile
from asap_ingest.render_ws.records.tile_rows import TileRow, tile_row
from tests.render_ws.client import StackClient, collection, tile

BOX = {"minX": 0.0, "minY": 0.0, "maxX": 9.0, "maxY": 9.0}


def row(tile_id: str, **fields: object) -> TileRow:
    return tile_row({**tile(tile_id), **BOX, **fields})


def test_one_content_is_parsed_once_and_another_is_another_tile() -> None:
    first = kept_tile(row("a"))
    assert kept_tile(row("a")) is first
    changed = kept_tile(row("a", maxX=10.0))
    assert (first["maxX"], changed["maxX"]) == (9.0, 10.0)


def test_long_specs_and_references_are_not_kept() -> None:
    assert kept_tile(row("a", groupId="x" * LONGEST_KEPT)) is None
    transforms = {"type": "list", "specList": [{"type": "ref", "refId": "lens"}]}
    assert kept_tile(row("a", transforms=transforms)) is None


def test_not_more_than_a_number_is_kept() -> None:
    oldest = kept_tile(row("oldest"))
    for number in range(MOST_KEPT):
        kept_tile(row(f"t{number}"))
    assert kept_tiles._parsed.cache_info().currsize == MOST_KEPT
    assert kept_tile(row("oldest")) is not oldest


def test_only_the_answer_to_the_latest_question_is_remembered() -> None:
    shared, answers = KeptTile({}), iter("abcd")
    ask = lambda of, question: derived(of, "view", question, lambda: next(answers))  # noqa: E731
    assert [ask(shared, 1), ask(shared, 1), ask(shared, 2), ask(shared, 1)] == ["a", "a", "b", "c"]
    assert len(shared.known) == 1
    assert ask({}, 1) == "d"


@pytest.fixture
def drawn_stack(empty_server_url: str, tmp_path: Path) -> tuple[StackClient, Path]:
    """A stack of one tile with a level that its boxes at scale 1 do not need."""
    files = [tmp_path / name for name in ("gray.png", "level1.png")]
    for file, side in zip(files, (64, 32), strict=True):
        Image.fromarray(np.full((side, side), 90, np.uint8)).save(file)
    client = StackClient(empty_server_url, "kept")
    client.create(drawn_tile(*files), state="COMPLETE")
    return client, tmp_path


def drawn_tile(*files: Path, **fields: object) -> dict[str, object]:
    levels = {str(level): {"imageUrl": str(file)} for level, file in enumerate(files)}
    return tile("a", mipmapLevels=levels, **{"width": 64.0, "height": 64.0, **fields})


def brightness(client: StackClient) -> int:
    answer = client.ask("GET", "/z/1.0/box/0,0,20,20,1.0/raw16-image")
    assert answer.status == 200
    return int(np.frombuffer(answer.body, ">u2")[25])


@pytest.mark.slow
def test_a_changed_tile_is_drawn_anew(drawn_stack: tuple[StackClient, Path]) -> None:
    client, folder = drawn_stack
    assert brightness(client) == 90
    Image.fromarray(np.full((64, 64), 30, np.uint8)).save(folder / "dark.png")
    assert client.status("PUT", "/state/LOADING") == 201
    changed = drawn_tile(folder / "dark.png")
    assert client.status("PUT", "/resolvedTiles?deriveData=true", collection(changed)) == 201
    assert brightness(client) == 30


@pytest.mark.slow
@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: file.write_bytes(b"")])
def test_a_file_that_is_gone_or_empty_is_noticed_by_the_next_request(
    drawn_stack: tuple[StackClient, Path], spoil: object
) -> None:
    client, folder = drawn_stack
    assert brightness(client) == 90
    content = (folder / "level1.png").read_bytes()
    spoil(folder / "level1.png")
    answer = client.ask("GET", "/z/1.0/box/0,0,20,20,1.0/raw16-image")
    assert answer.status == 400
    assert b"level1.png" in answer.body
    (folder / "level1.png").write_bytes(content)
    assert brightness(client) == 90
