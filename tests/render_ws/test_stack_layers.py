"""Layers of stacks that do not change are read once, never older than what is stored, and bounded."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from asap_ingest.render_ws.drawing import layers as drawing_layers
from asap_ingest.render_ws.drawing.layers import StackLayers, layer_of
from asap_ingest.render_ws.stacks.stack_states import change_state, save_version
from asap_ingest.render_ws.store import Session, Store, TileFilter
from asap_ingest.render_ws.store.resolved_tiles import TransformLookup
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalStateError
from asap_ingest.render_ws.wire.stack_records import StackRecord, State
from asap_ingest.render_ws.wire.tile_rows import TileRow, tile_row
from tests.render_ws.client import StackClient, collection, leaf, tile

ID = StackId("o", "p", "s")
REFERENCE = {"type": "ref", "refId": "lens"}


def placed(tile_id: str, x: float, **fields: object) -> TileRow:
    return tile_row({**tile(tile_id), "minX": x, "minY": 0.0, "maxX": x + 9.0, "maxY": 9.0, **fields})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A COMPLETE stack of a layer of ten tiles in a row, and a tile that refers to what is not there."""
    store = Store(tmp_path / "render.db")
    save_version(store, ID, {})
    with store.writing() as session:
        key = session.stack(ID).key
        session.put_transforms(key, [("lens", b'{"type":"leaf","id":"lens"}')])
        shared = {"type": "list", "specList": [REFERENCE, leaf()]}
        session.put_tiles(key, [placed(f"t{n}", 10.0 * n, transforms=shared) for n in range(10)])
        missing = {"type": "list", "specList": [{"type": "ref", "refId": "nowhere"}]}
        session.put_tiles(key, [placed("torn", 500.0, transforms=missing)])
    change_state(store, ID, State.COMPLETE)
    yield store
    store.close()


@pytest.fixture
def session(store: Store) -> Iterator[Session]:
    with store.reading() as session:
        yield session


@pytest.fixture
def record(session: Session) -> StackRecord:
    found = session.stack(ID)
    assert found is not None
    return found


BOXES = (
    TileFilter(z=1.0),
    TileFilter(z=1.0, min_x=30.0, max_x=49.5),
    TileFilter(z=1.0, min_x=49.0, max_x=49.0, min_y=9.0, max_y=20.0),
    TileFilter(z=1.0, min_y=9.5),
    TileFilter(z=2.0),
    TileFilter(z=1.0, min_x=float("nan")),
)


@pytest.mark.parametrize("box", BOXES)
def test_a_box_holds_the_tiles_that_the_database_finds(
    session: Session, record: StackRecord, box: TileFilter
) -> None:
    layers = StackLayers(2**20)
    for _ in range(2):
        tiles = layers.tiles(session, record, box)
        assert tiles is not None
        rows = session.tiles(record.key, box)
        assert [tile.bounds for tile in tiles.tiles] == [
            (row.min_x, row.min_y, row.max_x, row.max_y) for row in rows
        ]


def test_references_are_resolved_when_the_database_is_closed(store: Store) -> None:
    layers = StackLayers(2**20)
    with store.reading() as session:
        record = session.stack(ID)
        tiles = layers.tiles(session, record, TileFilter(z=1.0))
        expected = TransformLookup(session, record.key).flattened(
            session.tiles(record.key, TileFilter(z=1.0))[3]
        )
    assert tiles[3] == expected
    assert [spec["type"] for spec in tiles[3]["transforms"]["specList"]] == ["leaf", "leaf"]
    with pytest.raises(IllegalStateError, match="'torn' cannot be resolved: transform 'nowhere'"):
        tiles[10]


def test_a_layer_is_read_once(session: Session, record: StackRecord) -> None:
    layers = StackLayers(2**20)
    found = [layer_of(layers.tiles(session, record, box)).tiles for box in BOXES[:3]]
    assert found[1][0] is found[0][3]
    assert found[2][0] is found[0][4]


@pytest.mark.parametrize(
    "which", [TileFilter(), TileFilter(min_z=1.0), TileFilter(z=1.0, group_id="g"), TileFilter(tile_id="t1")]
)
def test_other_questions_are_left_to_the_database(
    session: Session, record: StackRecord, which: TileFilter
) -> None:
    assert StackLayers(2**20).tiles(session, record, which) is None


def test_a_large_layer_is_left_to_the_database(
    session: Session, record: StackRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawing_layers, "MOST_TILES", 10)
    assert StackLayers(2**20).tiles(session, record, TileFilter(z=1.0)) is None


def test_a_stack_that_is_written_to_is_left_to_the_database(store: Store) -> None:
    change_state(store, ID, State.LOADING)
    with store.reading() as session:
        assert StackLayers(2**20).tiles(session, session.stack(ID), TileFilter(z=1.0)) is None


def test_room_is_bounded(session: Session, record: StackRecord) -> None:
    """Layers without tiles count too: any z may be asked for."""
    layers = StackLayers(100_000)
    for z in (1.0, *range(2, 50), 1.0, *range(50, 100)):
        layers.tiles(session, record, TileFilter(z=z))
    kept = layers._layers._values
    assert sum(size for _, size in kept.values()) <= 100_000
    assert [key[2] for key in kept][-1] == 99
    assert len(kept) < 100
    small = StackLayers(2000)
    for _ in range(2):  # it is read to see that it is too large, and then known to be
        assert small.tiles(session, record, TileFilter(z=1.0)) is None
    assert len(small.tiles(session, record, TileFilter(z=77.0))) == 0


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
