"""Pairs of neighbouring tiles: files, options, and runs against a service."""

import itertools

import orjson
import pytest

from asap_ingest.render_ws.client_scripts.client_json import read_json
from asap_ingest.render_ws.client_scripts.client_options import ClientError, OptionError, parse
from asap_ingest.render_ws.client_scripts.tile_pair_client import Options, part_path, run, write_pairs
from asap_ingest.render_ws.client_scripts.tile_pair_search import Pair
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.golden import send

NUMBERS = itertools.count()
STACK = ["--baseDataUrl", "http://127.0.0.1:9/v1", "--owner", "o", "--project", "p", "--stack", "s"]


def some_pairs(*numbers):
    return [Pair("1.0", f"p{number:02d}", 0, "1.0", "q", 0.0) for number in numbers]


def files_in(folder):
    return {
        path.name: [pair["p"]["id"] for pair in read_json(path)["neighborPairs"]]
        for path in sorted(folder.iterdir())
    }


def test_all_pairs_fit_in_one_file(tmp_path):
    assert write_pairs(tmp_path / "p.json", "template", 3, [some_pairs(2, 1), some_pairs(0, 2)]) == 3
    assert files_in(tmp_path) == {"p.json": ["p00", "p01", "p02"]}
    assert read_json(tmp_path / "p.json")["renderParametersUrlTemplate"] == "template"


def test_more_pairs_are_split_after_each_layer(tmp_path):
    layers = [some_pairs(5, 6, 7), some_pairs(1, 2)]
    assert write_pairs(tmp_path / "p.json.gz", "template", 2, layers) == 5
    assert files_in(tmp_path) == {
        "p_p000.json.gz": ["p05", "p06"],
        "p_p001.json.gz": ["p01", "p02"],
        "p_p002.json.gz": ["p07"],
    }


def test_no_pairs_no_file(tmp_path):
    assert write_pairs(tmp_path / "p.json", "template", 2, []) == 0
    assert files_in(tmp_path) == {}


def test_a_missing_folder_is_refused_at_once(tmp_path):
    with pytest.raises(ClientError, match="folder"):
        write_pairs(tmp_path / "absent" / "p.json", "template", 2, [])


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("p.json", "p_p007.json"),
        ("a.b.json.gz", "a.b_p007.json.gz"),
        ("p.zip", "p_p007.zip"),
        ("p", "p_p007"),
    ],
)
def test_names_of_parts(name, part, tmp_path):
    assert part_path(tmp_path / name, 7) == tmp_path / part


@pytest.mark.parametrize(
    "wrong",
    [
        ["--z", "1", "2"],
        ["--minX", "0", "--maxX", "2"],
        ["--onlyIncludeTilesFromStack", "a__b__c__d", "--zNeighborDistance", "0"],
    ],
)
def test_options_that_do_not_fit_together_are_refused(wrong, tmp_path):
    with pytest.raises(OptionError):
        run(parse(Options, [*STACK, *wrong, "--toJson", str(tmp_path / "p.json")]))
    assert list(tmp_path.iterdir()) == []


def tile_at(tile_id, x, y, z, **fields):
    column, row = round(x / 90), round(y / 70)
    layout = {"sectionId": f"{z}", "imageCol": column, "imageRow": row}
    return tile(tile_id, z, specs=[leaf(x, y)], layout=layout, **fields)


@pytest.fixture
def two_layers(server_url):
    """Layers 1 and 3 of two tiles side by side, and a hidden tile in the first; sections 1.0 and 3.0."""
    name = f"s{next(NUMBERS)}"
    tiles = [tile_at(f"{side}{z}", x, 0, float(z)) for z in (1, 3) for side, x in (("a", 0), ("b", 90))]
    hidden = tile_at("Hidden", 5, 5, 1.0) | {"width": 80, "height": 60}
    return StackClient(server_url, name).create(*tiles, hidden, state="COMPLETE")


def found_pairs(stack, folder, *more):
    names = ["--owner", stack.owner, "--project", stack.project, "--stack", stack.stack]
    where = ["--baseDataUrl", f"{stack.url}/render-ws/v1", *names, "--toJson", str(folder / "p.json")]
    run(parse(Options, [*where, *map(str, more)]))
    if not (folder / "p.json").exists():
        return []
    written = read_json(folder / "p.json")["neighborPairs"]
    (folder / "p.json").unlink()
    return [(pair["p"]["id"], pair["q"]["id"]) for pair in written]


ACROSS = [("a1", "a3"), ("a1", "b3"), ("b1", "a3"), ("b1", "b3")]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([], [("a1", "b1"), *ACROSS[:2], *ACROSS[2:], ("a3", "b3")]),
        (["--zNeighborDistance", 1], [("a1", "b1"), ("a3", "b3")]),
        (["--maxZ", 2], [("a1", "b1")]),
        (["--excludeSameLayerNeighbors", "true"], ACROSS),
        (["--z", 3, "--zNeighborDistance", 0], [("a3", "b3")]),
        (["--minZ", 3, "--minX", 0, "--maxX", 50, "--minY", 0, "--maxY", 9], []),
        (["--zNeighborDistance", 0, "--useRowColPositions", "--minZ", 3], [("a3", "b3")]),
        (
            ["--maxZ", 1, "--excludeCompletelyObscuredTiles", "false"],
            [("Hidden", "a1"), ("Hidden", "b1"), ("a1", "b1")],
        ),
    ],
)
@pytest.mark.slow
def test_pairs_of_a_stack(more, expected, two_layers, tmp_path):
    assert found_pairs(two_layers, tmp_path, *more) == expected


@pytest.mark.slow
def test_only_tiles_of_another_stack_and_near_some(two_layers, tmp_path):
    kept = [tile_at("a1", 0, 0, 1.0), tile_at("a3", 0, 0, 3.0), tile_at("b3", 90, 0, 3.0)]
    StackClient(two_layers.url, "kept").create(*kept)
    assert found_pairs(two_layers, tmp_path, "--onlyIncludeTilesFromStack", "o__p__kept") == [
        ("a1", "a3"),
        ("a1", "b3"),
        ("a3", "b3"),
    ]
    (tmp_path / "ids.json").write_text('["b1"]')
    near = found_pairs(two_layers, tmp_path, "--onlyIncludeTilesNearTileIdsJson", tmp_path / "ids.json")
    assert near == [("a1", "b1"), ("b1", "a3"), ("b1", "b3")]


@pytest.mark.slow
def test_pairs_with_enough_matches_are_left_out(two_layers, tmp_path):
    matches = [
        {
            "pGroupId": "1.0",
            "pId": p_id,
            "qGroupId": "3.0",
            "qId": q_id,
            "matches": {"p": [[1.0] * count] * 2, "q": [[1.0] * count] * 2, "w": [1.0] * count},
        }
        for p_id, q_id, count in (("a1", "a3", 1), ("b1", "b3", 5))
    ]
    target = "/render-ws/v1/owner/matcher/matchCollection/mc/matches"
    headers = {"Content-Type": "application/json"}
    assert send(two_layers.url, "PUT", target, headers, orjson.dumps(matches)).status == 201
    known = ["--excludeSameLayerNeighbors", "true", "--excludePairsInMatchCollection", "mc"]
    assert found_pairs(two_layers, tmp_path, *known) == ACROSS
    known += ["--existingMatchOwner", "matcher"]
    assert found_pairs(two_layers, tmp_path, *known) == ACROSS[1:3]
    assert found_pairs(two_layers, tmp_path, *known, "--minExistingMatchCount", 5) == ACROSS[:3]


@pytest.mark.slow
def test_the_template_names_the_base_stack(two_layers, tmp_path):
    more = ["--baseOwner", "x", "--baseStack", "y", "--maxPairsPerFile", 5]
    assert found_pairs(two_layers, tmp_path, *more) == []
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["p_p000.json", "p_p001.json"]
    template = read_json(tmp_path / "p_p000.json")["renderParametersUrlTemplate"]
    assert template == "{baseDataUrl}/owner/x/project/p/stack/y/tile/{id}/render-parameters"


@pytest.mark.slow
def test_layers_that_are_not_there_are_named(two_layers, tmp_path):
    with pytest.raises(ClientError, match=r"minZ=8\.0"):
        found_pairs(two_layers, tmp_path, "--minZ", 8)
