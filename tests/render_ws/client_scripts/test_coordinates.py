"""Mapping of points by the client, and wrong input."""

import json

import pytest

from asap_ingest.render_ws.client_scripts import coordinate_client
from asap_ingest.render_ws.client_scripts.client_json import read_json
from asap_ingest.render_ws.client_scripts.client_options import ClientError, OptionError, parse
from asap_ingest.render_ws.client_scripts.coordinate_client import Options, chosen_entry, run
from tests.render_ws.client import StackClient, leaf, tile

STACK = ["--baseDataUrl", "http://127.0.0.1:9/v1", "--owner", "o", "--project", "p", "--stack", "s"]


def test_of_several_entries_the_visible_one_counts():
    hidden, seen = {"tileId": "a", "local": [1.0, 1.0]}, {"tileId": "b", "visible": True}
    assert chosen_entry([hidden, seen]) == seen
    assert chosen_entry([hidden, {**seen, "visible": False}]) == hidden
    assert chosen_entry([]) is None


def test_a_flat_list_is_no_list_of_points_in_tiles(tmp_path):
    source = tmp_path / "local.json"
    source.write_text(json.dumps([{"tileId": "a", "local": [1, 2]}]))
    arguments = [*STACK, "--z", "5", "--localToWorld", "--fromJson", str(source)]
    with pytest.raises(ClientError, match=r"local\.json"):
        run(parse(Options, [*arguments, "--toJson", str(tmp_path / "c.json")]))
    assert not (tmp_path / "c.json").exists()


@pytest.mark.parametrize("entry", [{"world": [1]}, {}, None, 5])
def test_an_entry_without_a_point_is_refused(entry, tmp_path):
    source = tmp_path / "world.json"
    source.write_text(json.dumps([{"world": [1, 2]}, entry]))
    with pytest.raises(ClientError, match=r"world\.json"):
        run(parse(Options, [*STACK, "--z", "5", "--fromJson", str(source), "--toJson", "c.json"]))


def test_z_is_needed():
    with pytest.raises(OptionError, match="--z"):
        parse(Options, [*STACK, "--fromJson", "a.json", "--toJson", "b.json"])


@pytest.mark.parametrize("batch", [1, 2, 25_000])
@pytest.mark.slow
def test_points_go_to_tiles_to_the_world_and_to_another_stack(batch, server_url, tmp_path, monkeypatch):
    monkeypatch.setattr(coordinate_client, "BATCH", batch)
    before = StackClient(server_url, f"before{batch}").create(
        *(tile(tile_id, 5.0, specs=[leaf(x, 20)]) for tile_id, x in (("a", 10), ("b", 60)))
    )
    StackClient(server_url, f"after{batch}").create(tile("b", 7.0, specs=[leaf(1000, 0)]))

    def mapped(points, *more):
        (tmp_path / "in.json").write_text(json.dumps(points))
        names = ["--owner", "o", "--project", "p", "--stack", before.stack, "--z", "5"]
        files = ["--fromJson", str(tmp_path / "in.json"), "--toJson", str(tmp_path / "out.json.gz")]
        run(parse(Options, ["--baseDataUrl", f"{server_url}/render-ws/v1", *names, *files, *more]))
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
    wrong = [[None], [{"tileId": "a"}], [{"tileId": "gone", "local": [1, 2]}], []]
    names = [list(entry) for entry in mapped(wrong, "--localToWorld")]
    assert names == [["error"], ["tileId", "error"], ["tileId", "local", "error"], ["error"]]
    assert mapped([]) == []
