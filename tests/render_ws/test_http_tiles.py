"""Tiles and shared transforms: what is accepted, what is refused, what comes back."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import orjson
import pytest

from tests.render_ws.client import StackClient, collection, leaf, tile

BOX = {"minX": 1, "minY": 2, "maxX": 3, "maxY": 4}
REF = {"type": "ref", "refId": "L"}


@pytest.fixture
def stack(server_url: str, request: pytest.FixtureRequest) -> StackClient:
    """A LOADING stack of its own for each test."""
    return StackClient(server_url, f"s{abs(hash(request.node.nodeid))}").create()


REFUSED: dict[str, tuple[bytes | dict[str, Any], int]] = {
    "null": (b"null", 400),
    "list": (b"[]", 400),
    "no tiles": ({}, 400),
    "only transforms": (collection(L=leaf()), 400),
    "null transforms": ({"transformIdToSpecMap": None, "tileIdToSpecMap": {}}, 500),
    "null channel": (collection(tile("a", channels=[None], **BOX)), 400),
    "zero byte": (collection(tile("a\0b", **BOX)), 400),
    "null tile": ({"tileIdToSpecMap": {"a": None}}, 500),
    "null specList": (collection(tile("a", transforms={"type": "list", "specList": None})), 500),
    "null in specList": (collection(tile("a", specs=[None])), 500),
    "transforms null": (collection(tile("a", transforms=None)), 500),
    "transforms a leaf": (collection(tile("a", transforms=leaf())), 400),
    "text for a number": (collection(tile("a", width="wide")), 400),
    "no width": (collection(tile("a", width=None)), 500),
    "unknown class": (collection(tile("a", specs=[leaf(className="no.such")])), 400),
    "wrong data": (collection(tile("a", specs=[leaf(dataString="1 2")])), 400),
    "reference to nothing": (collection(tile("a", specs=[REF])), 400),
    "reference without id": (collection(tile("a", specs=[{"type": "ref"}])), 400),
    "reference to a reference": (collection(tile("a", specs=[REF]), L={**REF, "refId": "M"}, M=leaf()), 400),
    "reference in a shared list": (
        collection(tile("a", specs=[REF]), L={"type": "list", "specList": [{**REF, "refId": "M"}]}, M=leaf()),
        400,
    ),
    "one bad among good": (collection(tile("a"), tile("b", specs=[REF])), 400),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_collections_store_nothing(stack: StackClient, name: str) -> None:
    body, status = REFUSED[name]
    answer = stack.ask("PUT", "/resolvedTiles?deriveData=true", body)
    assert answer.status == status, answer
    assert stack.get("/tileIds") == []
    assert stack.status("GET", "/transform/M") == 404


def test_errors_name_the_tile(stack: StackClient) -> None:
    answer = stack.ask("PUT", "/resolvedTiles?deriveData=true", collection(tile("bad", specs=[REF])))
    assert b"bad" in answer.body
    assert b"L" in answer.body


@pytest.mark.parametrize(
    ("fields", "derive", "status", "box"),
    [
        (BOX, "false", 201, [1.0, 2.0, 3.0, 4.0]),
        (BOX, "yes", 201, [1.0, 2.0, 3.0, 4.0]),
        (BOX, "TRUE", 201, [0.0, 0.0, 100.0, 80.0]),
        ({}, "true", 201, [0.0, 0.0, 100.0, 80.0]),
        ({}, "false", 400, None),
        ({"minX": 1, "minY": 2, "maxX": 3}, "false", 400, None),
        ({"minX": 5, "minY": 5, "maxX": 1, "maxY": 1}, "false", 201, [5.0, 5.0, 1.0, 1.0]),
        ({"width": 0, "height": 0}, "true", 201, [-1.0, -1.0, 0.0, 0.0]),
    ],
)
def test_boxes_are_sent_or_derived(
    stack: StackClient, fields: dict[str, Any], derive: str, status: int, box: list[float] | None
) -> None:
    body = collection(tile("a", **fields))
    assert stack.status("PUT", f"/resolvedTiles?deriveData={derive}", body) == status
    if box is not None:
        stored = stack.get("/tile/a")
        assert [stored[name] for name in ("minX", "minY", "maxX", "maxY")] == box


@pytest.mark.parametrize(("z", "status"), [(1.0, 201), (2.0, 400), (None, 400)])
def test_a_layer_takes_only_its_own_tiles(stack: StackClient, z: float | None, status: int) -> None:
    body = collection(tile("a"), tile("b", z=z))  # type: ignore[arg-type]
    assert stack.status("PUT", "/z/1.000000/resolvedTiles?deriveData=true", body) == status


def test_a_transform_on_the_server_does_not_resolve_what_is_sent(stack: StackClient) -> None:
    with_lens = collection(tile("a", specs=[REF]), L=leaf(1, 1))
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", with_lens) == 201
    for derive in ("true", "false"):
        body = collection(tile("b", specs=[REF], **BOX))
        assert stack.status("PUT", f"/resolvedTiles?deriveData={derive}", body) == 400


def test_a_tile_comes_back_in_order_without_unknown_fields(stack: StackClient) -> None:
    sent = tile("a", layout={"imageRow": 3.7, "extra": 1}, labels=["x"], meshCellSize=None, frameId=5)
    sent["mipmapLevels"] = {"10": {"imageUrl": "c"}, "2": {"imageUrl": None, "maskUrl": "m"}, "01": {}}
    assert stack.status("PUT", "/resolvedTiles?deriveData=false", collection({**sent, **BOX})) == 201
    assert stack.ask("GET", "/tile/a").body == (
        b'{"tileId":"a","layout":{"imageRow":3},"z":1.0,"minX":1.0,"minY":2.0,"maxX":3.0,"maxY":4.0,'
        b'"width":100.0,"height":80.0,"mipmapLevels":{"1":{},"2":{"maskUrl":"m"},"10":{"imageUrl":"c"}},'
        b'"transforms":{"type":"list","specList":[{"type":"leaf","className":'
        b'"mpicbg.trakem2.transform.AffineModel2D","dataString":"1 0 0 1 0 0"}]},"meshCellSize":0.0,'
        b'"labels":["x"]}'
    )


def test_a_channel_whose_range_is_null_has_the_usual_one(stack: StackClient) -> None:
    channel = {"name": "x", "minIntensity": None, "maxIntensity": None, "mipmapLevels": {}}
    assert (
        stack.status("PUT", "/resolvedTiles?deriveData=true", collection(tile("a", channels=[channel])))
        == 201
    )
    (read,) = stack.get("/tile/a")["channels"]
    assert (read["minIntensity"], read["maxIntensity"]) == (0.0, 255.0)


def test_tile_specs_are_flattened_and_resolved_tiles_are_not(stack: StackClient) -> None:
    nested = {"type": "list", "specList": [leaf(1, 0), {"type": "list", "specList": [REF]}]}
    body = collection(tile("b", specs=[nested]), tile("a"), L=leaf(2, 0), unused=leaf(9, 9))
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", body) == 201
    flat = stack.get("/z/1/tile-specs")
    assert [spec["tileId"] for spec in flat] == ["a", "b"]
    leaves = flat[1]["transforms"]["specList"]
    assert [spec["dataString"] for spec in leaves] == ["1 0 0 1 1 0", "1 0 0 1 2 0"]
    kept = stack.get("/z/1/resolvedTiles")
    assert kept["tileIdToSpecMap"]["b"]["transforms"]["specList"] == [nested]
    assert list(kept["transformIdToSpecMap"]) == ["L"]
    assert stack.get("/transform/unused")["dataString"] == "1 0 0 1 9 9"


def test_a_round_trip_changes_nothing(stack: StackClient) -> None:
    body = collection(tile("a", specs=[REF]), tile("b", 2.25), L=leaf(2, 0))
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", body) == 201
    first = stack.ask("GET", "/resolvedTiles").body
    assert stack.status("PUT", "/resolvedTiles", first) == 201
    assert stack.ask("GET", "/resolvedTiles").body == first


def test_a_second_put_replaces_the_tile_and_may_move_it(stack: StackClient) -> None:
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", collection(tile("a", groupId="g"))) == 201
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", collection(tile("a", 7.5))) == 201
    assert stack.get("/zValues") == [7.5]
    assert "groupId" not in stack.get("/tile/a")


def test_a_reference_that_dangles_fails_reads_that_resolve(stack: StackClient) -> None:
    first = collection(tile("a", specs=[REF]), L=leaf(2, 0))
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", first) == 201
    broken = collection(tile("b"), L={"type": "list", "specList": [{**REF, "refId": "gone"}]})
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", broken) == 201
    for path in ("/z/1/tile-specs", "/z/1/resolvedTiles", "/resolvedTiles", "/tile/a/render-parameters"):
        assert stack.status("GET", path) == 500
    for path in ("/tile/a", "/tileIds", "/z/1/tileBounds", "/z/1/bounds", "/tile/b/render-parameters"):
        assert stack.status("GET", path) == 200
    assert stack.status("PUT", "/state/COMPLETE") == 201


@pytest.mark.parametrize(
    ("query", "tile_ids"),
    [
        ("", ["a", "b", "c"]),
        ("minZ=2", ["b", "c"]),
        ("minZ=1&maxZ=2", ["a", "b"]),
        ("groupId=g", ["c"]),
        ("minX=101", ["b"]),
        ("maxX=100&maxY=-1", []),
    ],
)
def test_resolved_tiles_of_a_stack_are_filtered(stack: StackClient, query: str, tile_ids: list[str]) -> None:
    stack.create(tile("a"), tile("b", 2, specs=[leaf(200, 0)]), tile("c", 3, groupId="g"))
    answer = stack.ask("GET", f"/resolvedTiles?{query}")
    found = list(orjson.loads(answer.body)["tileIdToSpecMap"]) if answer.status == 200 else []
    assert (answer.status, found) == (200 if tile_ids else 404, tile_ids)


def test_layers_sections_and_ids(stack: StackClient) -> None:
    stack.create(tile("t.10", 2), tile("t.9", 2), tile("Z", 1.5, layout={"sectionId": "s"}))
    assert stack.get("/tileIds") == ["Z", "t.10", "t.9"]
    assert stack.get("/tileIds?minZ=2&matchPattern=9$") == ["t.9"]
    assert stack.status("GET", "/tileIds?matchPattern=(") == 500
    assert stack.status("GET", "/tileIds?matchPattern=9(?=x)") == 400
    assert stack.get("/section/s/z") == 1.5
    assert stack.status("GET", "/section/none/z") == 404
    bounds = {
        "minX": 0.0,
        "minY": 0.0,
        "maxX": 100.0,
        "maxY": 80.0,
        "tileId": "Z",
        "sectionId": "s",
        "z": 1.5,
    }
    assert stack.get("/z/1.5/tileBounds") == stack.get("/section/s/tileBounds") == [bounds]
    assert list(stack.get("/z/1.5/bounds")) == ["minX", "minY", "minZ", "maxX", "maxY", "maxZ"]
    assert [entry["tileCount"] for entry in stack.get("/z/2/sectionData")] == [2]
    assert stack.status("GET", "/z/9/bounds") == stack.status("GET", "/z/9/tile-specs") == 400
    assert stack.get("/z/9/tileBounds") == []
    assert stack.status("DELETE", "/section/s") == stack.status("DELETE", "/tile/none") == 200
    assert stack.get("/zValues") == [2.0]


def test_boxes_are_inclusive(stack: StackClient) -> None:
    stack.create(tile("a"))
    for box, count in (("100,80,1,1", 1), ("101,0,9,9", 0), ("-5,-5,5,5", 1), ("-5,-5,4,5", 0)):
        assert stack.get(f"/z/1/box/{box}/tile-count") == count
        parameters = stack.get(f"/z/1/box/{box},0.5/render-parameters")
        assert len(parameters["tileSpecs"]) == count


def test_twenty_clients_store_the_same_transforms_at_once(stack: StackClient) -> None:
    def put(number: int) -> int:
        body = collection(*(tile(f"{number}.{i}", specs=[REF]) for i in range(50)), L=leaf(5, 5))
        return stack.status("PUT", "/resolvedTiles?deriveData=true", body)

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(put, range(40))) == [201] * 40
    assert len(stack.get("/tileIds")) == 2000
    assert stack.status("PUT", "/state/COMPLETE") == 201
    assert stack.get()["stats"]["transformCount"] == 1


def test_many_tiles_at_once(stack: StackClient) -> None:
    tiles = [tile(os.urandom(8).hex(), specs=[REF, leaf(i, i)]) for i in range(5000)]
    body = collection(*tiles, L=leaf())
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", body) == 201
    found = stack.get("/z/1/resolvedTiles")["tileIdToSpecMap"]
    assert set(found) == {spec["tileId"] for spec in tiles}


def test_z_without_end_travels_as_text(stack: StackClient) -> None:
    stack.create(tile("a"), tile("up", z="Infinity", layout={"sectionId": "s"}), state="COMPLETE")
    assert stack.get("/zValues") == [1.0, "Infinity"]
    assert stack.get("/section/s/z") == "Infinity"
    assert stack.get("/bounds")["maxZ"] == stack.get()["stats"]["stackBounds"]["maxZ"] == "Infinity"
    assert [section["z"] for section in stack.get("/sectionData?minZ=2&maxZ=Infinity")] == ["Infinity"]
    assert [section["z"] for section in stack.get("/sectionData?maxZ=2")] == [1.0]
    assert stack.status("PUT", "/state/LOADING") == 201
    assert stack.status("PUT", "/z/NaN/tileIds", ["a"]) == 201
    assert stack.get("/tile/a")["z"] == "NaN"


@pytest.mark.parametrize(
    "fault", [{"specs": [leaf(dataString="1 2")]}, {"width": None}, {"meshCellSize": 1e-9}]
)
def test_a_box_that_cannot_be_derived_names_its_tile(stack: StackClient, fault: dict[str, Any]) -> None:
    answer = stack.ask(
        "PUT", "/resolvedTiles?deriveData=true", collection(tile("good"), tile("bad", **fault))
    )
    assert (answer.status, answer.body[:11]) == (500 if "width" in fault else 400, b"tile 'bad':")


@pytest.mark.parametrize("depth", [52, 125, 200, 1000])
def test_transforms_too_deep_in_one_another_are_refused(stack: StackClient, depth: int) -> None:
    spec = b'{"type":"list","specList":[' * depth + b"]}" * depth
    body = b'{"tileIdToSpecMap":{"a":{"tileId":"a","width":9,"height":9,"transforms":%b}}}' % spec
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", body) == 400


def test_transforms_deep_in_one_another_come_back(stack: StackClient) -> None:
    spec = leaf(5)
    for _ in range(49):
        spec = {"type": "list", "specList": [spec]}
    stack.create(tile("deep", specs=[spec]))
    assert stack.get("/tile/deep")["minX"] == 5.0
    assert len(stack.get("/tile/deep/render-parameters")["tileSpecs"]) == 1


@pytest.mark.slow
def test_an_expression_that_takes_long_does_not_stop_the_service(stack: StackClient) -> None:
    stack.create(*(tile(f"{number}{'abbab' * 800}") for number in range(20)))
    pattern = quote("(?:[ab]?){999}" * 5 + "x$")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(stack.ask, "GET", f"/tileIds?matchPattern={pattern}")
        answered = 0
        while not slow.done():
            answered += stack.status("GET") == 200
    assert slow.result().status == 400
    assert b"takes too long on 20 ids" in slow.result().body
    assert answered > 5
