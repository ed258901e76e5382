"""Neuroglancer itself, in a browser, on a `render://` source that the embedded service serves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.browser import Browser, OpenPage
from tests.neuroglancer import PLAIN, View, client_url
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.conftest import serving
from tests.render_ws.golden import Answer, send

#: Columns and rows of tiles, and their size in pixels: wide, high.
COLUMNS, ROWS, WIDTH, HEIGHT = 3, 2, 400, 300
#: Where the first tile begins: not at a multiple of the 1024 pixels that Neuroglancer asks for at once.
START = (-150, 700)
SQUARE = 60
CLIENT = "/render-ws/view/neuroglancer/v/page/index.html"


def grey_of(column: int, row: int) -> int:
    return 60 + 30 * (column + COLUMNS * row)


def draw_tile(column: int, row: int) -> np.ndarray:
    """Plain grey, with a white square in the upper left corner: a tile turned or mirrored shows."""
    pixels = np.full((HEIGHT, WIDTH), grey_of(column, row), np.uint8)
    pixels[20 : 20 + SQUARE, 20 : 20 + SQUARE] = 255
    return pixels


def fill(url: str, folder: Path) -> None:
    tiles = []
    for row in range(ROWS):
        for column in range(COLUMNS):
            path = folder / f"{column}_{row}.png"
            Image.fromarray(draw_tile(column, row)).save(path)
            tiles.append(
                tile(
                    path.stem,
                    z=7.0,
                    width=WIDTH,
                    height=HEIGHT,
                    specs=[leaf(START[0] + column * WIDTH, START[1] + row * HEIGHT)],
                    mipmapLevels={"0": {"imageUrl": path.as_uri()}},
                )
            )
    stack = StackClient(url, "mosaic")
    resolution = {"stackResolutionX": 4.0, "stackResolutionY": 4.0, "stackResolutionZ": 40.0}
    assert stack.status("POST", "", resolution) == 201
    collection = {"tileIdToSpecMap": {spec["tileId"]: spec for spec in tiles}}
    assert stack.status("PUT", "/resolvedTiles?deriveData=true", collection) == 201
    assert stack.status("PUT", "/state/COMPLETE") == 201


@pytest.fixture(scope="module")
def mosaic_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with one section of 3 x 2 tiles at z 7."""
    folder = tmp_path_factory.mktemp("mosaic")
    with serving(folder) as url:
        fill(url, folder)
        yield url


def open_client(
    browser: Browser, url: str, scale: float, query: str = "", client_of: str | None = None
) -> OpenPage:
    """Neuroglancer on the mosaic, its middle in the middle of the panel, without lines on top.

    It is the client of the service itself, or that which another one sends.
    """
    state = {
        "dimensions": {"x": [4e-9, "m"], "y": [4e-9, "m"], "z": [40e-9, "m"]},
        "position": [*middle_of_mosaic(), 7.5],
        "crossSectionScale": scale,
        "layers": [{"type": "image", "name": "mosaic", "source": f"render://{url}/o/p/mosaic{query}"}],
        **PLAIN,
    }
    return browser.open_page(client_url(f"{client_of or url}{CLIENT}", state))


def middle_of_mosaic() -> tuple[float, float]:
    return START[0] + COLUMNS * WIDTH / 2, START[1] + ROWS * HEIGHT / 2


def mosaic() -> np.ndarray:
    """The section at full size; the service leaves the last row and column of a tile black."""
    rows = [np.hstack([draw_tile(column, row) for column in range(COLUMNS)]) for row in range(ROWS)]
    return np.vstack(rows)


def view_of(scale: float) -> View:
    """The panel at a scale; of the edges of tiles it is not sure."""
    section = mosaic()
    rows, columns = np.indices(section.shape)
    tile_number = rows // HEIGHT * COLUMNS + columns // WIDTH
    middle = (section.shape[1] / 2, section.shape[0] / 2)
    return View(section, tile_number * 1000 + section, middle, (scale, scale))


@pytest.mark.parametrize(
    ("scale", "query", "level"),
    [
        pytest.param(1.5, "", 0, id="near"),
        # boxes of 256 pixels make levels of so small a section
        pytest.param(4.0, "?tilesize=256", 2, id="far", marks=pytest.mark.long),
    ],
)
def test_tiles_are_drawn_where_they_belong(
    browser: Browser, mosaic_url: str, scale: float, query: str, level: int
) -> None:
    page = open_client(browser, mosaic_url, scale, query)
    view = view_of(scale)
    view.wait(page)
    assert view.sure_part(page) > 0.7
    assert view.wrong_part(page) <= 0.001
    boxes = [url for url in page.requests if "/z/7/box/" in url]
    assert any(f",{0.5**level:g}/jpeg-image" in url for url in boxes)
    assert page.problems() == []


def test_a_client_of_another_port_shows_the_same(browser: Browser, mosaic_url: str, server_url: str) -> None:
    page = open_client(browser, mosaic_url, 1.5, client_of=server_url)
    assert page.evaluate("location.origin") == server_url
    view_of(1.5).wait(page)
    assert view_of(1.5).wrong_part(page) <= 0.001
    assert page.problems() == []


@pytest.mark.long
def test_a_picture_in_the_wrong_place_is_noticed(browser: Browser, mosaic_url: str) -> None:
    page = open_client(browser, mosaic_url, 2.0)
    view_of(2.0).wait(page)
    assert view_of(2.0).wrong_part(page) <= 0.001
    assert view_of(1.95).wrong_part(page) > 0.003


def test_the_client_without_state_opens_empty(browser: Browser, mosaic_url: str) -> None:
    page = browser.open_page(f"{mosaic_url}/render-ws/view/neuroglancer")
    page.wait_until("document.querySelector('.neuroglancer-viewer') !== null")
    assert page.evaluate("location.pathname") == CLIENT
    assert "Python" not in page.text("body")
    assert page.problems() == []


def get(url: str, path: str) -> Answer:
    return send(url, "GET", path, {}, None)


def test_only_files_of_the_client_are_served(mosaic_url: str) -> None:
    folder = CLIENT.rpartition("/")[0]
    assert get(mosaic_url, f"{folder}/index.html").status == 200
    for name in ("..", "%2e%2e", "..%2f__init__.py", "%2fetc%2fpasswd", "..%5c__init__.py", "none.js", "."):
        answer = get(mosaic_url, f"{folder}/{name}")
        assert (answer.status, b"import" in answer.body) == (404, False), name


def test_the_missing_extra_is_named(mosaic_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    features = "/render-ws/view/features.json"
    assert json.loads(get(mosaic_url, features).body) == {"neuroglancer": True}
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert json.loads(get(mosaic_url, features).body) == {"neuroglancer": False}
    answer = get(mosaic_url, CLIENT)
    assert answer.status == 404
    assert b"asap_ingest[viewer]" in answer.body
