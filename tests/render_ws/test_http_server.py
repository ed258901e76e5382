"""Requests about the service itself, and the limit of tiles that it may be started with."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import orjson
import pytest
from PIL import Image

from asap_ingest.images.formats import encode
from asap_ingest.render_ws.memory.limits import Limits
from asap_ingest.serve_render import main
from tests.render_ws.client import JSON_TYPE, StackClient, leaf, tile
from tests.render_ws.conftest import Running, serving
from tests.render_ws.golden import Answer, send

LIMIT = "webService.maxTileSpecsToRender"


def ask(url: str, path: str) -> Answer:
    return send(url, "GET", f"/render-ws/v1/{path}", {}, None)


def test_version_info_is_null(server_url: str) -> None:
    answer = ask(server_url, "versionInfo")
    assert (answer.status, answer.body) == (204, b"")


def test_filter_lists_can_be_asked_for_by_their_names(server_url: str) -> None:
    lists = orjson.loads(ask(server_url, "namedFilterSpecLists").body)["namedFilterSpecLists"]
    assert list(lists) == ["simpleTest", "default"]
    stack = StackClient(server_url, "filtered").create(tile("a"))
    for name, filters in lists.items():
        found = stack.get(f"/tile/a/render-parameters?filter=true&filterListName={name}")
        assert found["filterSpecs"] == filters
        assert all(set(entry) == {"className", "parameters"} for entry in filters)


def test_server_properties_without_limit(server_url: str) -> None:
    found = orjson.loads(ask(server_url, "serverProperties").body)
    assert found["properties"][LIMIT] == ""
    assert all(value == "" for value in found["properties"].values())


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("images") / "a.png"
    path.write_bytes(encode(np.full((80, 100), 77, np.uint8), "png"))
    return str(path)


@pytest.fixture(scope="module")
def limited_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service that draws up to two tiles."""
    with serving(tmp_path_factory.mktemp("limited"), limits=Limits(tile_specs=2)) as url:
        yield url


@pytest.fixture(scope="module")
def limited(limited_url: str, picture: str) -> StackClient:
    levels = {"0": {"imageUrl": picture}}
    tiles = [tile(str(i), specs=[leaf(200 * i)], mipmapLevels=levels) for i in range(3)]
    return StackClient(limited_url, "s").create(*tiles, state="COMPLETE")


def middle(body: bytes) -> list[int]:
    """The pixel amid the first tile."""
    with Image.open(io.BytesIO(body)) as image:
        return list(image.getpixel((50, 40)))


SHOWN, EMPTY = [77, 77, 77, 255], [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("path", "pixel"),
    [
        ("/z/1/box/0,0,310,80,1/png-image", SHOWN),
        ("/z/1/box/0,0,510,80,1/png-image", EMPTY),
        ("/z/1/box/0,0,510,80,1/png-image?maxTileSpecsToRender=3", SHOWN),
        ("/z/1/box/0,0,310,80,1/png-image?maxTileSpecsToRender=1", EMPTY),
        ("/z/1/png-image?scale=1", EMPTY),
        ("/tile/0/png-image", SHOWN),
    ],
)
def test_limit_counts_unless_the_request_has_one(limited: StackClient, path: str, pixel: list[int]) -> None:
    answer = limited.ask("GET", path)
    assert answer.status == 200
    assert middle(answer.body) == pixel


def test_limit_counts_for_sent_parameters(limited: StackClient, limited_url: str) -> None:
    parameters = limited.get("/z/1/render-parameters")
    for tiles, pixel in ((3, EMPTY), (2, SHOWN)):
        body = orjson.dumps({**parameters, "tileSpecs": parameters["tileSpecs"][:tiles]})
        answer = send(limited_url, "PUT", "/render-ws/v1/owner/o/png-image", JSON_TYPE, body)
        assert middle(answer.body) == pixel


def test_limit_is_told(limited_url: str) -> None:
    found = orjson.loads(ask(limited_url, "serverProperties").body)
    assert found["properties"][LIMIT] == "2"


@pytest.mark.slow
def test_option_of_the_command(start_service: Callable[..., Running], tmp_path: Path) -> None:
    running = start_service(tmp_path / "render.db", "--max_tile_specs_to_render", "7")
    found = orjson.loads(ask(running.url, "serverProperties").body)
    assert found["properties"][LIMIT] == "7"


@pytest.mark.parametrize("value", ["0", "-1", "many"])
def test_option_must_be_above_zero(tmp_path: Path, value: str) -> None:
    assert main(["--database", str(tmp_path / "render.db"), "--max_tile_specs_to_render", value]) == 2
    assert not (tmp_path / "render.db").exists()
