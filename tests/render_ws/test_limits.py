"""Requests that ask for too much are refused before they cost anything; the service goes on."""

from __future__ import annotations

import http.client
import resource
import socket
import time
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import orjson
import pytest
from PIL import Image

from asap_ingest.render_ws.drawing.draw import draw
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.memory.limits import SETTINGS, Limits, TooLargeError
from asap_ingest.serve_render import main
from tests.render_ws.client import JSON_TYPE, StackClient, collection, leaf, tile
from tests.render_ws.conftest import serving
from tests.render_ws.golden import Answer, send

pytestmark = pytest.mark.slow
BODY_LIMIT = 5000
PIXEL_LIMIT = 10_000
LENS = "mpicbg.trakem2.transform.PolynomialTransform2D"
TARGET = "/render-ws/v1/owner/o/project/p/stack/s"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("limits")
    with serving(folder, limits=Limits(body_bytes=BODY_LIMIT, image_pixels=PIXEL_LIMIT)) as base:
        yield base


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("images") / "a.png"
    Image.fromarray(np.full((80, 100), 77, np.uint8)).save(path)
    return str(path)


def put_parameters(url: str, form: str = "png-image", **fields: Any) -> Answer:
    return send(url, "PUT", f"/render-ws/v1/owner/o/{form}", JSON_TYPE, orjson.dumps(fields))


def test_a_body_up_to_the_limit_is_read_and_one_byte_more_is_not(url: str) -> None:
    stack = StackClient(url, "body")
    notes = b'{"versionNotes": "%b"}'
    room = BODY_LIMIT - len(notes % b"")
    assert stack.status("POST", "", notes % (b"x" * room)) == 201
    answer = stack.ask("POST", "", notes % (b"x" * (room + 1)))
    assert answer.status == 400
    assert answer.headers["content-type"].startswith("text/plain")
    assert str(BODY_LIMIT + 1).encode() in answer.body
    assert str(BODY_LIMIT).encode() in answer.body
    assert b"max_body_mb" in answer.body
    assert stack.get()["currentVersionNumber"] == 0


def connect(url: str) -> http.client.HTTPConnection:
    parts = urlsplit(url)
    return http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=20)


def test_a_body_in_chunks_is_refused_when_it_exceeds_the_limit(url: str) -> None:
    connection = connect(url)
    chunks = (b"[" + b"1," * 1000 for _ in range(200))
    connection.request("POST", TARGET, chunks, JSON_TYPE)
    response = connection.getresponse()
    text = response.read()
    assert response.status == 400
    assert b"at least" in text
    # what was still to come was dropped, and the connection can be used again
    connection.request("GET", "/render-ws/v1/likelyUniqueId")
    assert connection.getresponse().status == 200
    connection.close()


def test_a_refused_large_body_leaves_the_connection_usable(url: str) -> None:
    connection = connect(url)
    for _ in range(3):
        connection.request("POST", TARGET, b"[" * (4 * 2**20), JSON_TYPE)
        response = connection.getresponse()
        assert (response.status, b"limit" in response.read()) == (400, True)
    connection.close()


def test_a_client_that_asks_first_is_told_before_it_sends(url: str) -> None:
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=20) as client:
        client.sendall(
            f"POST {TARGET} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Content-Length: {10**15}\r\nExpect: 100-continue\r\n\r\n".encode()
        )
        assert client.recv(100).startswith(b"HTTP/1.1 400")


def peak_kilobytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


@pytest.mark.parametrize(
    ("width", "height", "scale"),
    [(101, 100, 1.0), (2**31 - 1, 2**31 - 1, 1.0), (2, 2, 1e9), (2**31 - 1, 1, 1.0), (50, 50, 1e300)],
)
def test_a_picture_that_is_too_large_is_refused_before_it_takes_room(
    url: str, width: int, height: int, scale: float
) -> None:
    before = peak_kilobytes()
    answer = put_parameters(url, width=width, height=height, scale=scale)
    assert answer.status == 400
    assert b"max_image_megapixels" in answer.body
    assert str(PIXEL_LIMIT).encode() in answer.body
    assert peak_kilobytes() - before < 100_000


def test_boxes_layers_and_tiles_obey_the_limit_too(url: str, picture: str) -> None:
    stack = StackClient(url, "pictures")
    stack.create(tile("a", mipmapLevels={"0": {"imageUrl": picture}}), state="COMPLETE")
    assert stack.status("GET", "/z/1/box/0,0,100,100,1/png-image") == 200
    for path in (
        "/z/1/box/0,0,101,100,1/png-image",
        "/z/1/box/0,0,2147483647,2147483647,1/raw16-image",
        "/z/1/box/0,0,10,10,1/jpeg-image?scale=1000",
        "/z/1/png-image?scale=100",
        "/tile/a/jpeg-image?scale=100",
        "/tile/a/source/png-image?scale=100",
        "/tile/a/withNeighbors/jpeg-image?widthFactor=1000",
        "/z/1/box/0,0,2147483647,100,1/png-image?maxTileSpecsToRender=0",
    ):
        answer = stack.ask("GET", path)
        assert (answer.status, b"max_image_megapixels" in answer.body) == (400, True), path
    # what is not drawn may be as large as it likes
    assert stack.get("/z/1/box/0,0,2147483647,100,1/render-parameters")["width"] == 2**31 - 1


def test_channels_count_as_pictures_of_their_own() -> None:
    images = SourceImages(None, 0)
    names = "__".join(f"c{index}__0" for index in range(5))
    parameters = RenderParameters(width=10, height=10, channels=names)
    assert draw(parameters, images, 500).width == 10
    with pytest.raises(TooLargeError, match="5 channels"):
        draw(parameters, images, 499)


@pytest.mark.parametrize("cell", [1e-9, 1e-300, 0.01])
def test_a_mesh_of_tiny_cells_is_refused(url: str, picture: str, cell: float) -> None:
    spec = {**leaf(), "className": LENS, "dataString": "0 1 0 0 0 1"}
    drawn = tile("a", specs=[spec], mipmapLevels={"0": {"imageUrl": picture}}, meshCellSize=cell)
    started = time.monotonic()
    for parameters in ({"meshCellSize": cell}, {"meshCellSize": cell, "minMeshCellSize": cell}):
        answer = put_parameters(url, tileSpecs=[drawn], width=50, height=50, **parameters)
        assert (answer.status, b"meshCellSize" in answer.body) == (400, True)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize("fields", [{"meshCellSize": 1e-9}, {"width": 1e300}, {"height": 2.0**62}])
@pytest.mark.parametrize("class_name", [LENS, leaf()["className"]])
def test_a_tile_whose_border_has_too_many_points_is_not_stored(
    url: str, fields: dict[str, float], class_name: str
) -> None:
    stack = StackClient(url, "border").create()
    spec = {**leaf(), "className": class_name, "dataString": "0 1 0 0 0 1"}
    body = collection(tile("a", specs=[spec], **fields))
    answer = stack.ask("PUT", "/resolvedTiles?deriveData=true", body)
    assert (answer.status, b"meshCellSize" in answer.body) == (400, True)
    assert stack.get("/tileIds") == []


@pytest.mark.parametrize("level", ["2147483647", "-2147483648", "-1", "64"])
def test_mipmap_levels_that_no_image_has_are_refused(url: str, picture: str, level: str) -> None:
    drawn = {**tile("a"), "mipmapLevels": {level: {"imageUrl": picture}}}
    unsized = {key: value for key, value in drawn.items() if key not in ("width", "height")}
    started = time.monotonic()
    for spec in (drawn, unsized):
        assert put_parameters(url, tileSpecs=[spec], width=50, height=50).status == 400
    assert time.monotonic() - started < 5


def test_a_huge_number_of_levels_costs_nothing(url: str, picture: str) -> None:
    builder = {"rootPath": "/no/such/folder", "numberOfLevels": 2**31 - 1, "extension": "png"}
    drawn = tile("a", mipmapLevels={"0": {"imageUrl": picture}})
    answer = put_parameters(
        url, tileSpecs=[drawn], width=5000, height=5000, scale=0.01, mipmapPathBuilder=builder
    )
    assert answer.status == 200
    stack = StackClient(url, "levels")
    stack.create(drawn, state="COMPLETE")
    assert stack.status("PUT", "/mipmapPathBuilder", builder) == 200
    before, started = peak_kilobytes(), time.monotonic()
    assert stack.status("GET", "/z/1/png-image?scale=0.1") == 200
    assert send(url, "GET", "/render-ws/view/overview/o/p/levels", {}, None).status == 200
    assert time.monotonic() - started < 5
    assert peak_kilobytes() - before < 100_000


@pytest.mark.parametrize("builder", [{"rootPath": "/x"}, {"numberOfLevels": 3}, {"numberOfLevels": -5}])
def test_a_path_builder_that_lacks_something_is_an_error_of_the_request(
    url: str, picture: str, builder: dict[str, Any]
) -> None:
    drawn = tile("a", mipmapLevels={"0": {"imageUrl": picture}})
    answer = put_parameters(url, tileSpecs=[drawn], width=80, height=80, scale=0.1, mipmapPathBuilder=builder)
    assert (answer.status, b"mipmapPathBuilder" in answer.body) == (400, True)


@pytest.mark.parametrize("depth", [200, 1000, 2400])
def test_a_deeply_nested_body_is_refused(url: str, depth: int) -> None:
    stack = StackClient(url, "nested").create()
    brackets = b"[" * depth + b"]" * depth
    assert stack.status("PUT", "/tile-specs-with-ids", brackets) == 400


@pytest.mark.parametrize("depth", [50, 120, 400])
def test_deeply_nested_transforms_are_an_error_of_the_request_or_stored(tmp_path: Path, depth: int) -> None:
    inner = b'{"type":"list","specList":[' * depth + b"]}" * depth
    body = (
        b'{"tileIdToSpecMap":{"a":{"tileId":"a","z":1,"width":9,"height":9,"minX":0,"minY":0,"maxX":9,'
        b'"maxY":9,"transforms":' + inner + b"}}}"
    )
    with serving(tmp_path) as base:
        stack = StackClient(base, "s").create()
        for query in ("", "?deriveData=true"):
            assert stack.status("PUT", f"/resolvedTiles{query}", body) in (201, 400)
        assert stack.status("GET", "/z/1/tile-specs") in (200, 400)


def test_the_settings_of_the_command_count(start_service: Any, tmp_path: Path) -> None:
    running = start_service(tmp_path / "render.db", "--max_body_mb", "1", "--max_image_megapixels", "2")
    stack = StackClient(running.url, "s")
    assert stack.status("POST", "", b'{"versionNotes": "%b"}' % (b"x" * (2**20 - 30))) == 201
    assert stack.status("POST", "", b'{"versionNotes": "%b"}' % (b"x" * 2**20)) == 400
    assert put_parameters(running.url, "jpeg-image", width=2000, height=1000).status == 200
    assert put_parameters(running.url, "jpeg-image", width=2000, height=1001).status == 400


def test_every_setting_is_documented_with_its_default() -> None:
    document = (Path(__file__).parents[2] / "docs" / "render-ws-compatibility.md").read_text()
    for limit in SETTINGS:
        default = limit.default // limit.metadata["unit"]
        assert f"`--{limit.metadata['setting']}` {default}" in document


def test_every_size_has_a_setting() -> None:
    assert {limit.name for limit in SETTINGS} | {"tile_specs"} == {field.name for field in fields(Limits)}


@pytest.mark.parametrize("setting", [f"--{limit.metadata['setting']}" for limit in SETTINGS])
@pytest.mark.parametrize("value", ["0", "-5", "many"])
def test_a_limit_is_a_number_above_zero(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, setting: str, value: str
) -> None:
    assert main(["--database", str(tmp_path / "x.db"), setting, value]) == 2
    assert value in capsys.readouterr().err


@pytest.mark.parametrize("limit", ["NaN", "Infinity", "-Infinity", "1e300", "-1e300"])
def test_intensities_beyond_all_numbers_are_drawn(url: str, tmp_path: Path, limit: str) -> None:
    pictures = {"gray": np.full((80, 100), 77, np.uint8), "color": np.full((80, 100, 3), 77, np.uint8)}
    for name, values in pictures.items():
        path = tmp_path / f"{name}.png"
        Image.fromarray(values).save(path)
        stack = StackClient(url, "shown", project=f"p{name}")
        stack.create(tile("a", mipmapLevels={"0": {"imageUrl": str(path)}}))
        for query in (f"minIntensity={limit}", f"maxIntensity={limit}"):
            assert stack.status("GET", f"/z/1/box/0,0,90,70,1/png-image?{query}") == 200
