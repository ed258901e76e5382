"""Checks of JSON and of stored tiles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from asap_ingest.images.formats import encode
from tests.render_ws.client import JSON_TYPE, StackClient, leaf, tile
from tests.render_ws.golden import Answer, send

REFERENCE = {"type": "ref", "refId": "nowhere"}
NO_CLASS = {"type": "leaf", "className": "no.such.Model", "dataString": "1"}
MIX = {"type": "interpolated", "a": leaf(), "b": leaf(), "lambda": 0.5}


@pytest.fixture(scope="module")
def image_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("images") / "t.png"
    path.write_bytes(encode(np.zeros((80, 100), np.uint8), "png"))
    return f"file:{path}"


def good(image_url: str, **fields: Any) -> dict[str, Any]:
    return tile("t", **{"mipmapLevels": {"0": {"imageUrl": image_url}}, **fields})


def validate(url: str, kind: str, body: Any) -> Answer:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return send(url, "PUT", f"/render-ws/v1/owner/o/validate-json/{kind}", JSON_TYPE, content)


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("transform", leaf(), "LeafTransformSpec@"),
        ("transform", {"type": "list", "specList": [leaf(), MIX]}, "ListTransformSpec@"),
        ("transform", MIX, "InterpolatedTransformSpec@"),
        ("transform-array", [leaf(), MIX], "array of 2 transform specifications"),
        ("tile-array", [], "array of 0 tile specifications"),
        ("render", {}, "{tileSpecs=[0 items]}"),
        (
            "render",
            {"scale": 0.5, "convertToGray": True},
            "{tileSpecs=[0 items], scale=0.5, convertToGray=true}",
        ),
    ],
)
def test_valid(server_url: str, kind: str, body: Any, told: str) -> None:
    answer = validate(server_url, kind, body)
    assert (answer.status, answer.headers["content-type"]) == (200, "text/plain;charset=utf-8")
    assert told in answer.body.decode()


def test_valid_tiles(server_url: str, image_url: str) -> None:
    valid = good(image_url)
    assert b"Parsed value is: t." in validate(server_url, "tile", valid).body
    assert b"array of 2 tile" in validate(server_url, "tile-array", [valid, valid]).body
    assert b"tileSpecs=[1 items]" in validate(server_url, "render", {"tileSpecs": [valid]}).body


@pytest.mark.parametrize(
    ("kind", "body", "problem"),
    [
        ("transform", REFERENCE, "'nowhere'"),
        ("transform", {"type": "list", "specList": [leaf(), REFERENCE]}, "'nowhere'"),
        ("transform", NO_CLASS, "no.such.Model"),
        ("transform", leaf("x"), "'x'"),
        ("transform", b"{oops", "JSON"),
        ("transform", b"null", "object"),
        ("transform", b"", "object"),
        ("transform-array", [leaf(), NO_CLASS], "no.such.Model"),
        ("transform-array", [None], "object"),
        ("transform-array", leaf(), "list"),
        ("tile", [], "object"),
        ("tile", tile("gone"), "/no/such/gone.png"),
        ("tile", tile("bare", mipmapLevels={}), "'bare' has no images"),
        ("tile", tile("bare", mipmapLevels={"0": {"maskUrl": "/m.png"}}), "'bare' has no images"),
        ("tile-array", [tile("gone")], "/no/such/gone.png"),
        ("tile-array", [None], "object"),
        ("render", [], "object"),
        ("render", {"width": "a"}, "'a'"),
        ("render", {"tileSpecs": [tile("gone")]}, "/no/such/gone.png"),
        ("render", {"tileSpecs": [None]}, "null"),
    ],
)
def test_invalid(server_url: str, kind: str, body: Any, problem: str) -> None:
    answer = validate(server_url, kind, body)
    assert (answer.status, answer.headers["content-type"]) == (400, "text/plain;charset=utf-8")
    assert answer.body.startswith(b"Failed to parse ")
    assert problem in answer.body.decode()


def test_transforms_of_tiles_are_built(server_url: str, image_url: str) -> None:
    for spec in (NO_CLASS, REFERENCE):
        assert validate(server_url, "tile", good(image_url, specs=[spec])).status == 400
    channel = {"name": "A", "mipmapLevels": {"0": {"imageUrl": image_url, "maskUrl": "/no/mask.png"}}}
    assert b"/no/mask.png" in validate(server_url, "tile", good(image_url, channels=[channel])).body


RENDER = "/render-ws/v1/owner/o/validate-json/render"


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "none"}])
def test_any_media_type_is_taken(server_url: str, headers: dict[str, str]) -> None:
    assert send(server_url, "PUT", RENDER, headers, b"{}").status == 200
    assert send(server_url, "PUT", RENDER, headers, b"[]").status == 400


def test_other_kinds_and_methods_are_refused(server_url: str) -> None:
    assert validate(server_url, "nothing", {}).status == 404
    assert send(server_url, "GET", RENDER, {}, None).status == 405


def test_stored_tiles(server_url: str, image_url: str) -> None:
    path = Path(image_url.removeprefix("file:"))
    stack = StackClient(server_url, "stored").create(good(image_url), tile("gone"))
    answer = stack.ask("GET", "/tile/t/validation-info")
    assert (answer.status, answer.body, "content-type" in answer.headers) == (200, b"", False)
    missing = stack.ask("GET", "/tile/gone/validation-info")
    assert (missing.status, b"/no/such/gone.png" in missing.body) == (400, True)
    assert stack.status("GET", "/tile/none/validation-info") == 404
    path.rename(path.with_suffix(".away"))
    assert stack.status("GET", "/tile/t/validation-info") == 400
    path.with_suffix(".away").rename(path)


def test_a_file_that_is_emptied_where_it_lies_is_noticed(server_url: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    for content, status in ((b"some", 200), (b"", 400)):
        path.write_bytes(content)
        assert validate(server_url, "tile", good(str(path))).status == status
