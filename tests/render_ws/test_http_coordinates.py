"""Points between tiles and the world: one, many, by an own tile spec, and in another stack."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson
import pytest

from tests.render_ws.client import AFFINE, StackClient, collection, leaf, tile
from tests.render_ws.conftest import serving
from tests.render_ws.golden import Answer, send

POLYNOMIAL = "mpicbg.trakem2.transform.PolynomialTransform2D"
JSON = {"Content-Type": "application/json"}
BATCHES = ("local-to-world-coordinates", "world-to-local-coordinates", "tileIdsForCoordinates")


def affine(data: str) -> dict[str, Any]:
    """An affine leaf."""
    return {"type": "leaf", "className": AFFINE, "dataString": data}


#: At z 1: b over a, a mirrored and a flat tile; at z 2 a bent one.
TILES = (
    tile("a", specs=[leaf(0, 0)]),
    tile("b", specs=[leaf(50, 0)]),
    tile("mirror", specs=[affine("-1 0 0 1 1099 0")]),
    tile("flat", specs=[affine("1 1 1 1 2000 0")]),
    tile(
        "bent",
        2.0,
        specs=[{**leaf(), "className": POLYNOMIAL, "dataString": "0 1 0 1e-3 0 0 0 0 1 0 0 0"}, leaf(10, 20)],
        meshCellSize=5,
    ),
)


@pytest.fixture(scope="module")
def stack(server_url: str) -> StackClient:
    """A complete stack that the tests only read."""
    return StackClient(server_url, "points").create(*TILES, state="COMPLETE")


@pytest.fixture
def fresh(server_url: str, request: pytest.FixtureRequest) -> StackClient:
    """A LOADING stack of its own for each test."""
    return StackClient(server_url, f"s{abs(hash(request.node.nodeid))}").create()


def put(stack: StackClient, path: str, body: Any) -> Any:
    """Parsed answer of a PUT that must succeed."""
    answer = stack.ask("PUT", path, body)
    assert answer.status == 200, answer
    return orjson.loads(answer.body)


def test_one_point_of_a_tile(stack: StackClient) -> None:
    assert stack.get("/tile/b/local-to-world-coordinates/1.5,-2") == {
        "tileId": "b",
        "world": [51.5, -2.0, 1.0],
    }
    assert stack.get("/tile/bent/local-to-world-coordinates/1e1,0") == {
        "tileId": "bent",
        "world": [20.1, 20.0, 2.0],
    }
    assert stack.get("/tile/a/local-to-world-coordinates/NaN,1")["world"] == ["NaN", "NaN", 1.0]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/tile/none/local-to-world-coordinates/1,2", 404),
        ("/tile/a/local-to-world-coordinates/x,2", 404),
        ("/tile/a/local-to-world-coordinates/1,", 404),
        ("/z/1/world-to-local-coordinates/-500,5", 400),
        ("/z/9/world-to-local-coordinates/5,5", 400),
        ("/z/1/world-to-local-coordinates/NaN,5", 400),
        ("/z/NaN/world-to-local-coordinates/5,5", 400),
        ("/z/x/world-to-local-coordinates/5,5", 404),
        ("/z/1/world-to-local-coordinates/1050,5", 500),
        ("/z/1/world-to-local-coordinates/2050,50", 500),
        ("/z/1/world-to-local-coordinates/149.5,5", 500),
        ("/z/1/world-coordinates/-500,5/mapped-to-stack/points", 400),
        ("/z/1/world-coordinates/5,5/mapped-to-stack/bad-name", 400),
        ("/z/1/world-coordinates/5,5/mapped-to-stack/nowhere", 404),
        ("/z/1/world-coordinates/5,5/mapped-to-stack/points?toOwner=nobody", 404),
        ("/z/1/world-coordinates/5,5/mapped-to-stack/points?toProject=other", 404),
    ],
)
def test_one_point_that_cannot_be_mapped(stack: StackClient, path: str, status: int) -> None:
    assert stack.status("GET", path) == status


def test_missing_stacks_and_bad_names(server_url: str) -> None:
    missing, bad = StackClient(server_url, "missing"), StackClient(server_url, "bad-name")
    assert missing.status("GET", "/z/1/world-to-local-coordinates/5,5") == 400
    assert missing.status("GET", "/tile/a/local-to-world-coordinates/5,5") == 404
    assert bad.status("GET", "/z/1/world-to-local-coordinates/5,5") == 400
    for name, status in zip(BATCHES, (500, 500, 400), strict=True):
        assert bad.status("PUT", f"/z/1/{name}", []) == status
        assert missing.status("PUT", f"/z/1/{name}", []) == 200
    entry = {"tileId": "a", "local": [1.0, 2.0], "world": [1.0, 2.0, 3.0]}
    (failed,) = put(missing, "/local-to-world-coordinates", [entry])
    assert list(failed) == ["tileId", "local", "world", "error"]
    ((failed,),) = put(missing, "/world-to-local-coordinates", [entry])
    assert "missing" in failed["error"]
    assert put(missing, "/tileIdsForCoordinates", [entry]) == [[entry]]


def test_one_point_in_the_tiles_there(stack: StackClient) -> None:
    assert stack.get("/z/1.0/world-to-local-coordinates/60,5") == [
        {"tileId": "a", "local": [60.0, 5.0, 1.0]},
        {"tileId": "b", "visible": True, "local": [10.0, 5.0, 1.0]},
    ]
    # the boxes of both reach to here, but the last pixel of a does not
    assert stack.get("/z/1/world-to-local-coordinates/99.5,79") == [
        {"tileId": "b", "visible": True, "local": [49.5, 79.0, 1.0]}
    ]


def test_a_bent_tile_goes_there_and_back(stack: StackClient) -> None:
    x, y, _ = stack.get("/tile/bent/local-to-world-coordinates/33,44")["world"]
    (found,) = stack.get(f"/z/2/world-to-local-coordinates/{x},{y}")
    assert found["local"] == pytest.approx([33, 44, 2], abs=0.02)
    assert found["local"][0] != 33


def test_many_points_in_the_tiles_there(stack: StackClient) -> None:
    entries = [
        {"world": [60, 5]},
        {"world": [1050, 5]},
        {"world": [-9, 0], "tileId": "x"},
        {"world": [1, 2, 9]},
    ]
    both, mirrored, outside, other_z = put(stack, "/z/1/world-to-local-coordinates", entries)
    assert both == stack.get("/z/1/world-to-local-coordinates/60,5")
    assert list(mirrored[0]) == ["world", "error"]
    assert "mirror" in mirrored[0]["error"]
    assert list(outside[0]) == ["tileId", "world", "error"]
    assert other_z == [{"tileId": "a", "visible": True, "local": [1.0, 2.0, 1.0]}]


def test_each_point_has_a_z_of_its_own_without_one_in_the_path(stack: StackClient) -> None:
    entries = [{"world": [60, 5, 1]}, {"world": [20, 30, 2]}, {"world": [60, 5]}, {"world": [1, 2, "1"]}]
    one, bent, without, again = put(stack, "/world-to-local-coordinates", entries)
    assert [entry["tileId"] for entry in one] == ["a", "b"]
    assert bent[0]["tileId"] == "bent"
    assert list(without[0]) == ["world", "error"]
    assert again[0]["local"] == [1.0, 2.0, 1.0]


@pytest.mark.parametrize("path", ["", "/z/1", "/z/98765"])
def test_many_points_of_tiles(stack: StackClient, path: str) -> None:
    entries: list[dict[str, Any] | None] = [
        {"tileId": "b", "local": [1, 2]},
        {"tileId": "bent", "local": [10, 0, 77], "world": [1], "visible": False, "error": "old"},
        {"tileId": "none", "local": [1, 2]},
        {"tileId": "a"},
        {"local": [1, 2]},
        {"tileId": "a", "local": [1]},
        None,
        {"tileId": "b", "local": [3, 4]},
    ]
    found = put(stack, f"{path}/local-to-world-coordinates", entries)
    assert found[0] == {"tileId": "b", "world": [51.0, 2.0, 1.0]}
    assert found[1] == {"tileId": "bent", "world": [20.1, 20.0, 2.0]}
    assert found[7] == {"tileId": "b", "world": [53.0, 4.0, 1.0]}
    for entry, answer in zip(entries[2:7], found[2:7], strict=True):
        assert {**(entry or {}), "error": answer["error"]} == answer
        assert answer["error"]
    assert "none" in found[2]["error"]


def test_tile_ids_of_points(stack: StackClient) -> None:
    entries = [
        {"world": [60, 5], "error": "e", "visible": "true", "local": ["1", None, ""], "tileId": 5},
        {"world": [100, 80]},
        {"world": [-9, 0], "tileId": "keep"},
    ]
    both, corner, outside = put(stack, "/z/1/tileIdsForCoordinates", entries)
    rest = {"visible": True, "local": [1.0, 0.0, 0.0], "world": [60.0, 5.0], "error": "e"}
    assert both == [{"tileId": "a", **rest}, {"tileId": "b", **rest}]
    assert list(both[0]) == ["tileId", "visible", "local", "world", "error"]
    assert [entry["tileId"] for entry in corner] == ["a", "b"]
    assert outside == [{"tileId": "keep", "world": [-9.0, 0.0]}]
    layers = put(stack, "/tileIdsForCoordinates", [{"world": [20, 30, 2]}, {"world": [20, 30, 1]}])
    assert [[entry["tileId"] for entry in layer] for layer in layers] == [["bent"], ["a"]]


@pytest.mark.parametrize(
    "entry", [None, {}, {"tileId": "x"}, {"world": [1]}, {"world": None}, {"world": []}, {"local": [1, 2]}]
)
def test_tile_ids_of_incomplete_points_are_refused(stack: StackClient, entry: Any) -> None:
    assert stack.status("PUT", "/z/1/tileIdsForCoordinates", [{"world": [1, 1]}, entry]) == 500
    assert stack.status("PUT", "/tileIdsForCoordinates", [{"world": [1, 1]}]) == 500
    ((_,), (failed,)) = put(stack, "/z/1/world-to-local-coordinates", [{"world": [1, 1]}, entry])
    assert failed["error"]


@pytest.mark.parametrize("name", BATCHES)
@pytest.mark.parametrize("place", ["", "/z/1"])
@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"[]", 200),
        (b"null", 500),
        (b"", 500),
        (b"{}", 400),
        (b"[[]]", 400),
        (b"[{", 400),
        (b"[5]", 400),
        (b'[{"world": "x"}]', 400),
        (b'[{"local": 5}]', 400),
        (b'[{"world": [true]}]', 400),
        (b'[{"visible": "maybe"}]', 400),
    ],
)
def test_bodies(stack: StackClient, name: str, place: str, body: bytes, status: int) -> None:
    answer = stack.ask("PUT", f"{place}/{name}", body)
    assert answer.status == status, answer
    if status == 200:
        assert answer.body == b"[]"
    assert stack.ask("PUT", f"{place}/{name}", body, **{"Content-Type": "text/plain"}).status == 415


def own(server_url: str, path: str, body: Any) -> Answer:
    """A request with a tile spec as body."""
    return send(server_url, "PUT", f"/render-ws/v1/owner/anybody/{path}", JSON, orjson.dumps(body))


def test_a_tile_spec_as_body(server_url: str) -> None:
    shifted = tile("own", 3.0, specs=[leaf(3, 4)])
    bent = {**TILES[-1], "meshCellSize": 64}
    assert orjson.loads(own(server_url, "local-to-world-coordinates/10,20", shifted).body) == [
        13.0,
        24.0,
        3.0,
    ]
    assert orjson.loads(own(server_url, "world-to-local-coordinates/13,24", shifted).body) == [
        10.0,
        20.0,
        3.0,
    ]
    assert orjson.loads(own(server_url, "local-to-world-coordinates/10,20", {}).body) == [10.0, 20.0]
    assert orjson.loads(own(server_url, "world-to-local-coordinates/10,20", {}).body) == [10.0, 20.0]
    coarse, fine = (
        orjson.loads(own(server_url, f"world-to-local-coordinates/52,60{query}", bent).body)
        for query in ("", "?meshCellSize=5")
    )
    exact = (-1 + (1 + 4e-3 * 42) ** 0.5) / 2e-3
    assert abs(fine[0] - exact) < 0.02 < abs(coarse[0] - exact)


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("world-to-local-coordinates/9999,30", tile("own"), 500),
        ("world-to-local-coordinates/5,5", tile("own", specs=[affine("-1 0 0 1 50 0")]), 500),
        ("world-to-local-coordinates/5,5", tile("own", width=None), 500),
        ("world-to-local-coordinates/5,5", tile("own", specs=[{"type": "ref", "refId": "L"}]), 400),
        ("local-to-world-coordinates/5,5", tile("own", specs=[{"type": "ref", "refId": "L"}]), 400),
        ("local-to-world-coordinates/5,5", tile("own", specs=[affine("1 2")]), 400),
        ("local-to-world-coordinates/5,5", tile("own", transforms=None), 500),
        ("local-to-world-coordinates/5,5", None, 500),
        ("local-to-world-coordinates/5,5", [], 400),
        ("local-to-world-coordinates/a,5", {}, 404),
        ("world-to-local-coordinates/5,5?meshCellSize=x", {}, 404),
        ("world-to-local-coordinates/20,30?meshCellSize=1e-9", TILES[-1], 400),
    ],
)
def test_tile_specs_that_cannot_be_used(server_url: str, path: str, body: Any, status: int) -> None:
    answer = own(server_url, path, body)
    assert answer.status == status, answer


def test_points_go_to_another_stack_through_the_tile_that_is_seen(fresh: StackClient) -> None:
    target = StackClient(fresh.url, f"{fresh.stack}to", owner="other", project="q")
    target.create(tile("b", 5.0, specs=[leaf(1000, 2000)]))
    fresh.create(*TILES)
    path = f"/z/1/world-coordinates/60,5/mapped-to-stack/{target.stack}"
    assert fresh.get(f"{path}?toOwner=other&toProject=q") == {"tileId": "b", "world": [1010.0, 2005.0, 5.0]}
    assert fresh.status("GET", path) == 404
    hidden = f"/z/1/world-coordinates/10,5/mapped-to-stack/{target.stack}?toOwner=other&toProject=q"
    assert fresh.status("GET", hidden) == 404


def test_a_dangling_reference_concerns_its_points_only(fresh: StackClient) -> None:
    tiles = (tile("bad", specs=[{"type": "ref", "refId": "L"}]), tile("good", specs=[leaf(500, 0)]))
    assert fresh.status("PUT", "/resolvedTiles?deriveData=true", collection(*tiles, L=leaf())) == 201
    stack = StackClient(fresh.url, f"{fresh.stack}to")
    assert fresh.status("PUT", f"/cloneTo/{stack.stack}?skipTransforms=true", {}) == 201
    bad, good = put(stack, "/z/1/world-to-local-coordinates", [{"world": [5, 5]}, {"world": [505, 5]}])
    assert "bad" in bad[0]["error"]
    assert good[0]["tileId"] == "good"
    entries = [{"tileId": "bad", "local": [1, 1]}, {"tileId": "good", "local": [1, 1]}]
    bad, good = put(stack, "/local-to-world-coordinates", entries)
    assert "bad" in bad["error"]
    assert good["world"] == [501.0, 1.0, 1.0]
    assert put(stack, "/z/1/tileIdsForCoordinates", [{"world": [5, 5]}])[0][0]["tileId"] == "bad"
    assert stack.status("GET", "/z/1/world-to-local-coordinates/5,5") == 500
    assert stack.status("GET", "/tile/bad/local-to-world-coordinates/5,5") == 500


def test_a_tile_without_id_is_found(fresh: StackClient) -> None:
    nameless = {name: value for name, value in tile("x").items() if name != "tileId"}
    body = {"tileIdToSpecMap": {"x": nameless, "a": tile("a")}}
    assert fresh.status("PUT", "/resolvedTiles?deriveData=true", body) == 201
    assert fresh.get("/z/1/world-to-local-coordinates/5,6") == [
        {"tileId": "a", "local": [5.0, 6.0, 1.0]},
        {"visible": True, "local": [5.0, 6.0, 1.0]},
    ]
    assert put(fresh, "/z/1/tileIdsForCoordinates", [{"world": [5, 6]}]) == [
        [{"tileId": "a", "world": [5.0, 6.0]}, {"world": [5.0, 6.0]}]
    ]
    assert fresh.status("GET", f"/z/1/world-coordinates/5,6/mapped-to-stack/{fresh.stack}") == 400


@pytest.fixture(scope="module")
def section(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackClient]:
    """30 x 30 bent tiles that overlap by a tenth, all with one shared transform."""
    bend = {**leaf(), "className": POLYNOMIAL, "dataString": "0 1 0 1e-5 0 0 0 0 1 0 0 0"}
    tiles = [
        tile(
            f"{row:02d}.{column:02d}",
            width=1000,
            height=900,
            specs=[{"type": "ref", "refId": "L"}, affine(f"1 0.01 -0.01 1 {column * 900} {row * 810}")],
        )
        for row in range(30)
        for column in range(30)
    ]
    with serving(tmp_path_factory.mktemp("section")) as url:
        stack = StackClient(url, "section").create()
        assert stack.status("PUT", "/resolvedTiles?deriveData=true", collection(*tiles, L=bend)) == 201
        yield stack


def test_thousands_of_points_there_and_back(section: StackClient) -> None:
    world = np.random.default_rng(5).uniform(300, 24000, (10_000, 2))
    start = time.monotonic()
    places = put(section, "/z/1/world-to-local-coordinates", [{"world": point} for point in world.tolist()])
    seen = [entries[-1] for entries in places]
    back = put(section, "/z/1/local-to-world-coordinates", seen)
    # half a second on an idle machine; point by point it would be minutes
    assert time.monotonic() - start < 20
    assert all(entry["visible"] for entry in seen)
    assert {1, 2, 4} <= {len(entries) for entries in places} <= {1, 2, 3, 4}
    error = np.array([entry["world"][:2] for entry in back]) - world
    assert np.abs(error).max() < 0.02
    ids = put(section, "/z/1/tileIdsForCoordinates", [{"world": point} for point in world.tolist()])
    for inverted, boxed in zip(places, ids, strict=True):
        assert {entry["tileId"] for entry in inverted} <= {entry["tileId"] for entry in boxed}


def test_a_missing_stack_is_named_in_each_entry(server_url: str) -> None:
    answer = StackClient(server_url, "gone").ask(
        "PUT", "/local-to-world-coordinates", [{"tileId": "t", "local": [1, 2]}]
    )
    (entry,) = orjson.loads(answer.body)
    assert "tile 't' does not exist in stack with owner 'o', project 'p', and name 'gone'" in entry["error"]
