"""Mapping of points by the client: the pure parts, and wrong input."""

import json

import pytest

from asap_ingest.render_ws.client_scripts import coordinate_clients
from asap_ingest.render_ws.client_scripts.coordinate_clients import (
    SYNTAX,
    chosen_entry,
    run,
    to_local,
    to_world,
)
from asap_ingest.render_ws.client_scripts.json_files import JsonFileError, read_json
from asap_ingest.render_ws.client_scripts.options import OptionError, parse
from tests.render_ws.client import StackClient, leaf
from tests.render_ws.client import tile as stored_tile

STACK = ["--baseDataUrl", "http://127.0.0.1:9/v1", "--owner", "o", "--project", "p", "--stack", "s"]


def tile(tile_id, matrix):
    leaf = {"type": "leaf", "className": "mpicbg.trakem2.transform.AffineModel2D", "dataString": matrix}
    transforms = {"type": "list", "specList": [leaf]}
    return {"tileId": tile_id, "z": 5.0, "width": 100.0, "height": 80.0, "transforms": transforms}


TILES = {
    "a": tile("a", "1 0 0 1 10 20"),
    "b": tile("b", "1 0 0 1 50 20"),
    "mirrored": tile("mirrored", "-1 0 0 1 100 0"),
    "broken": {**tile("broken", "1 0"), "tileId": "broken"},
}


def located(world, *tile_ids):
    return [{"tileId": tile_id, "world": world} for tile_id in tile_ids] or [{"world": world}]


def test_the_last_tile_that_can_be_mapped_is_visible():
    found = to_local([located([60.0, 30.0], "a", "b", "mirrored")], TILES, "layer 5.0")
    assert found == [
        [
            {"tileId": "a", "local": [50.0, 10.0, 5.0]},
            {"tileId": "b", "visible": True, "local": [10.0, 10.0, 5.0]},
        ]
    ]


def test_points_keep_their_order_over_tiles():
    found = to_local(
        [located([60.0, 30.0], "b"), located([15.0, 25.0], "a"), located([61.0, 31.0], "b")],
        TILES,
        "layer 5.0",
    )
    assert [entries[0]["local"][:2] for entries in found] == [[10.0, 10.0], [5.0, 5.0], [11.0, 11.0]]


@pytest.mark.parametrize(
    ("tile_ids", "words"),
    [
        ((), ["layer 5.0", "[60.0, 30.0]"]),
        (("mirrored",), ["mirrored", "[60.0, 30.0]"]),
        (("gone", "broken"), ["gone", "broken"]),
    ],
)
def test_a_point_without_local_point_says_why(tile_ids, words):
    [[entry]] = to_local([located([60.0, 30.0], *tile_ids)], TILES, "layer 5.0")
    assert list(entry) == ["error"]
    assert all(word in entry["error"] for word in words)


def test_local_points_go_to_the_world_and_faults_stay_with_their_entry():
    entries = [
        {"tileId": "b", "visible": True, "local": [1.0, 2.0]},
        {"tileId": "gone", "local": [1.0, 2.0]},
        {"tileId": "a"},
        {"tileId": "a", "local": [1.0]},
        None,
        {"tileId": "a", "local": [1.0, 2.0, 9.0]},
    ]
    found = to_world(entries, TILES)
    assert found[0] == {"tileId": "b", "world": [51.0, 22.0, 5.0]}
    assert {name: found[1][name] for name in ("tileId", "local")} == entries[1]
    assert "gone" in found[1]["error"]
    assert [list(entry) for entry in found[2:5]] == [
        ["tileId", "error"],
        ["tileId", "local", "error"],
        ["error"],
    ]
    assert found[5] == {"tileId": "a", "world": [11.0, 22.0, 5.0]}


def test_of_several_entries_the_visible_one_counts():
    hidden, seen = {"tileId": "a", "local": [1.0, 1.0]}, {"tileId": "b", "visible": True}
    assert chosen_entry([hidden, seen]) == seen
    assert chosen_entry([hidden, {**seen, "visible": False}]) == hidden
    assert chosen_entry([]) is None


def test_a_flat_list_is_no_list_of_points_in_tiles(tmp_path):
    source = tmp_path / "local.json"
    source.write_text(json.dumps([{"tileId": "a", "local": [1, 2]}]))
    arguments = [*STACK, "--z", "5", "--localToWorld", "--fromJson", str(source)]
    with pytest.raises(JsonFileError, match=r"local\.json"):
        run(parse(SYNTAX, [*arguments, "--toJson", str(tmp_path / "c.json")]))
    assert not (tmp_path / "c.json").exists()


def test_z_is_needed():
    with pytest.raises(OptionError, match="--z"):
        parse(SYNTAX, [*STACK, "--fromJson", "a.json", "--toJson", "b.json"])


@pytest.mark.parametrize("batch", [1, 2, 25_000])
@pytest.mark.slow
def test_points_go_to_tiles_to_the_world_and_to_another_stack(batch, server_url, tmp_path, monkeypatch):
    monkeypatch.setattr(coordinate_clients, "BATCH", batch)
    before = StackClient(server_url, f"before{batch}").create(
        *(stored_tile(tile_id, 5.0, specs=[leaf(x, 20)]) for tile_id, x in (("a", 10), ("b", 60)))
    )
    StackClient(server_url, f"after{batch}").create(stored_tile("b", 7.0, specs=[leaf(1000, 0)]))

    def mapped(points, *more):
        (tmp_path / "in.json").write_text(json.dumps(points))
        names = ["--owner", "o", "--project", "p", "--stack", before.stack, "--z", "5"]
        files = ["--fromJson", str(tmp_path / "in.json"), "--toJson", str(tmp_path / "out.json.gz")]
        run(parse(SYNTAX, ["--baseDataUrl", f"{server_url}/render-ws/v1", *names, *files, *more]))
        return read_json(tmp_path / "out.json.gz")

    points = [{"world": [70.0, 30.0]}, {"world": [12.0, 25.0]}, {"world": [-9.0, 0.0]}]
    local = mapped(points)
    assert local[:2] == [
        [
            {"tileId": "a", "local": [60.0, 10.0, 5.0]},
            {"tileId": "b", "visible": True, "local": [10.0, 10.0, 5.0]},
        ],
        [{"tileId": "a", "visible": True, "local": [2.0, 5.0, 5.0]}],
    ]
    assert list(local[2][0]) == ["error"]
    assert mapped(local, "--localToWorld")[:2] == [
        {"tileId": "b", "world": [70.0, 30.0, 5.0]},
        {"tileId": "a", "world": [12.0, 25.0, 5.0]},
    ]
    there = mapped(points, "--toStack", f"after{batch}")
    assert there[0] == {"tileId": "b", "world": [1010.0, 10.0, 7.0]}
    assert [list(entry) for entry in there[1:]] == [["tileId", "visible", "local", "error"], ["error"]]
    assert mapped([]) == []
