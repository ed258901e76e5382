"""Layout files: lines, their order, and which tiles they hold."""

from __future__ import annotations

import pytest

from asap_ingest.render_ws.stacks.layout_requests import image_path, karsh_line, scheffer_head, scheffer_line
from tests.render_ws.client import AFFINE, StackClient, leaf, tile

LAYOUT = {
    "sectionId": "7.0",
    "temca": "4",
    "camera": "2",
    "imageRow": 5,
    "imageCol": 6,
    "stageX": 10.5,
    "stageY": -1e7,
    "rotation": 0.25,
}
LENS = {"type": "leaf", "className": "mpicbg.trakem2.transform.TranslationModel2D", "dataString": "3 4"}


def affine(data: str) -> dict[str, str]:
    return {"type": "leaf", "className": AFFINE, "dataString": data}


def karsh_columns(**fields: object) -> list[str]:
    return karsh_line(tile("t", **fields), "/a/t.png", "http://h/t").rstrip("\n").split("\t")


def test_karsh_has_all_columns() -> None:
    assert karsh_columns(layout=LAYOUT, specs=[leaf(), affine("1 2 3 4 5 6")]) == [
        *("7.0", "t", "1.0", "3.0", "5.0", "2.0", "4.0", "6.0"),
        *("6", "5", "2", "/a/t.png", "4", "0.25", "1.0", "http://h/t"),
    ]


@pytest.mark.parametrize(
    "specs", [[], [leaf(), {"type": "ref", "refId": "r"}], [{"type": "list", "specList": [leaf()]}]]
)
def test_stage_position_counts_where_the_last_transform_is_no_matrix(specs: list[dict[str, object]]) -> None:
    assert karsh_columns(layout=LAYOUT, specs=specs)[2:8] == ["1.0", "0.0", "10.5", "0.0", "1.0", "-1.0E7"]


def test_what_is_absent_is_null() -> None:
    bare = {"transforms": {"specList": []}, "mipmapLevels": {}}
    assert (
        karsh_line(bare, None, "u")
        == "\t".join(["null", "null", "1.0", "0.0", "null", "0.0", "1.0", "null", *["null"] * 7, "u"]) + "\n"
    )


def test_scheffer_line_and_head() -> None:
    spec = tile("t", specs=[LENS, affine("1 0 0 1 -2.5 1e-5")], width=100.9)
    assert scheffer_line(spec, "/a/t.png", "u") == "TRANSFORM '/a/t.png' 1.0 0.0 -2.5 0.0 1.0 1.0E-5 100 80\n"
    del spec["width"], spec["height"]
    assert scheffer_line(spec, None, "u").endswith(" -1 -1\n")
    assert scheffer_head(None) == "BBOX \n"
    assert scheffer_head({"minX": -1.0, "minY": 2.0, "maxX": 3.5, "maxY": 4.0}) == "BBOX -1.0 2.0 3.5 4.0\n"


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file:/a/with%20blank.png", "/a/with blank.png"),
        ("file:///a/b.png", "/a/b.png"),
        ("/a/b%20c.png", "/a/b c.png"),
        ("file:with blank.png", "file:with blank.png"),
        (None, None),
        ("s3://bucket/b.png", "s3://bucket/b.png"),
    ],
)
def test_image_path(url: str | None, path: str | None) -> None:
    levels = {"mipmapLevels": {"0": {} if url is None else {"imageUrl": url}}}
    assert image_path(levels) == path
    assert image_path({"mipmapLevels": {}, "channels": [levels]}) == path


@pytest.fixture(scope="module")
def stack(server_url: str) -> StackClient:
    placed = [("low", 1.0, 0, 50), ("right", 1.0, 50, 0), ("left", 1.0, 0, 0), ("above", 2.5, 0, 0)]
    tiles = [tile(name, z, specs=[leaf(x, y)]) for name, z, x, y in placed]
    return StackClient(server_url, "layout").create(*tiles, tile("a b?", 9.0), state="COMPLETE")


def ids(stack: StackClient, path: str) -> list[str]:
    answer = stack.ask("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain;charset=utf-8")
    return [line.split("\t")[1] for line in answer.body.decode().splitlines()]


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/layoutFile", ["left", "right", "low", "above", "a b?"]),
        ("/layoutFile?minZ=2&maxZ=3&format=KARSH", ["above"]),
        ("/z/1/layoutFile", ["left", "right", "low"]),
        ("/zRange/1.5,9/layoutFile", ["above", "a b?"]),
        ("/zRange/3,4/layoutFile", []),
    ],
)
def test_order_and_choice_of_tiles(stack: StackClient, path: str, wanted: list[str]) -> None:
    assert ids(stack, path) == wanted


def test_scheffer_file_begins_with_the_box_of_the_stack(stack: StackClient) -> None:
    lines = stack.ask("GET", "/z/1/layoutFile?format=SCHEFFER").body.decode().splitlines()
    assert lines[0] == "BBOX 0.0 0.0 150.0 130.0"
    assert [line.split("'")[1] for line in lines[1:]] == [
        f"/no/such/{name}.png" for name in ("left", "low", "right")
    ]


def test_url_leads_to_the_tile(stack: StackClient, server_url: str) -> None:
    url = stack.ask("GET", "/z/9/layoutFile").body.decode().strip().split("\t")[-1]
    assert url.startswith(f"{server_url}/render-ws/v1/owner/o/project/p/stack/layout/tile/a%20b%3F/")
    below = url.removeprefix(f"{server_url}/render-ws/v1/owner/o/project/p/stack/layout")
    assert stack.get(below)["tileSpecs"][0]["tileId"] == "a b?"


@pytest.mark.parametrize("query", ["format=karsh", "format=", "format=FOO", "minZ=a"])
def test_unknown_formats_and_bad_limits(stack: StackClient, query: str) -> None:
    answer = stack.ask("GET", f"/layoutFile?{query}")
    assert (answer.status, answer.body) == (404, b"")


def test_a_transform_that_cannot_be_built_is_named_with_its_tile(server_url: str) -> None:
    stack = StackClient(server_url, "broken").create()
    box = {"minX": 0, "minY": 0, "maxX": 1, "maxY": 1}
    body = {"tileIdToSpecMap": {"bad": tile("bad", specs=[affine("1 2 3")], **box)}}
    assert stack.status("PUT", "/resolvedTiles", body) == 201
    answer = stack.ask("GET", "/layoutFile")
    assert answer.status == 400
    assert b"tile 'bad'" in answer.body
