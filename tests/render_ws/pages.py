"""A service with stacks for the tests of pages, and what a person does with the page of a stack."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
from PIL import Image

from tests.browser import Browser, OpenPage
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.conftest import serving

VIEW = "/render-ws/view"
EVIL = "<script>document.title='owned'</script><b>\"&'"
#: Without a slash, which no path of the service can hold.
EVIL_NAME = "<img src=x onerror=\"document.title='owned'\">&'"
GREYS = (40, 90, 140, 190, 220, 250)
WIDTH, HEIGHT = 400, 300


def plain_tile(folder: Path, number: int, z: float) -> dict[str, Any]:
    """Tile `number` of 3 x 2 in plain grey."""
    path = folder / f"{number}.png"
    Image.fromarray(np.full((HEIGHT, WIDTH), GREYS[number], np.uint8)).save(path)
    return tile(
        f"t{z:g}_{number}",
        z=z,
        width=WIDTH,
        height=HEIGHT,
        specs=[leaf(1000 + number % 3 * WIDTH, 500 + number // 3 * HEIGHT)],
        mipmapLevels={"0": {"imageUrl": path.as_uri()}},
    )


@contextmanager
def filled_service(folder: Path) -> Iterator[str]:
    """A service with stacks in several states; `mosaic` has the sections 1 (6 tiles) and 2 (3 tiles)."""
    with serving(folder) as url:
        tiles = [plain_tile(folder, number, z) for z, many in ((1.0, 6), (2.0, 3)) for number in range(many)]
        StackClient(url, "mosaic", "lab", "brain").create(*tiles, state="COMPLETE")
        StackClient(url, "growing", "lab", "brain").create(plain_tile(folder, 0, 1.0))
        StackClient(url, "bare", "lab", "liver").create()
        StackClient(url, "away", "other", "brain").create(plain_tile(folder, 0, 1.0), state="OFFLINE")
        many = [
            tile(f"t{number:04d}", specs=[leaf(number % 70 * 90, number // 70 * 70)])
            for number in range(5000)
        ]
        StackClient(url, "many", "other", "brain").create(*many, state="COMPLETE")
        evil = plain_tile(folder, 1, 1.0) | {"tileId": EVIL}
        StackClient(url, "evil", "evil", "evil").create(evil, state="COMPLETE")
        yield url


def stack_page(browser: Browser, url: str, owner: str, project: str, stack: str, **more: Any) -> OpenPage:
    """The page of a stack, when all its pictures have come."""
    names = f"owner={quote(owner)}&project={quote(project)}&stack={quote(stack)}"
    page = browser.open_page(f"{url}{VIEW}/stack.html?{names}{more.pop('query', '')}", **more)
    settle(page)
    return page


def settle(page: OpenPage) -> None:
    """Wait until facts and pictures are there, and drawn."""
    page.wait_until("document.querySelector('#facts').children.length > 0")
    page.wait_until(
        "document.body.matches('.empty') || document.querySelector('#section-facts').textContent !== ''"
        " && document.querySelector('#picture').ariaBusy === 'false'"
    )
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")


def focus(page: OpenPage, selector: str) -> None:
    page.do(lambda playwright: playwright.locator(selector).focus())


def grey_share(picture: np.ndarray, grey: int) -> float:
    """Part of a picture that has a grey value."""
    return float((np.abs(picture.astype(int) - grey).max(axis=2) <= 3).mean())
