"""The view of a section, in a browser: place, address, contrast, outlines, missing tiles, runs that go on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from tests.browser import Browser, OpenPage
from tests.render_ws.client import StackClient, collection, leaf, tile
from tests.render_ws.conftest import serving
from tests.render_ws.pages import VIEW, focus, grey_share, settle, stack_page

if TYPE_CHECKING:
    from playwright.sync_api import Page

GREYS = (50, 100, 150, 200)
SIDE = 300
RESOLUTION = {"stackResolutionX": 4.0, "stackResolutionY": 4.0, "stackResolutionZ": 40.0}


def grey_tile(folder: Path, name: str, column: int, z: float, grey: int) -> dict[str, Any]:
    path = folder / f"{name}.png"
    Image.fromarray(np.full((SIDE, SIDE), grey, np.uint8)).save(path)
    # sections lie elsewhere: what stays is the place in the world
    shift = leaf(1000 + column * SIDE + 40 * z, 500)
    levels = {"0": {"imageUrl": path.as_uri()}}
    return tile(name, z=z, width=SIDE, height=SIDE, specs=[shift], mipmapLevels=levels)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A service: `raw` and `mipmaps` have four sections of four tiles, `long` has 5,000 of a tile."""
    folder = tmp_path_factory.mktemp("sections")
    with serving(folder) as url:
        for stack in ("raw", "mipmaps"):
            client = StackClient(url, stack, "lab", "brain")
            assert client.status("POST", "", RESOLUTION) == 201
            tiles = [
                grey_tile(folder, f"{stack}_{z}_{column}", column, float(z), grey)
                for z in range(1, 5)
                for column, grey in enumerate(GREYS)
            ]
            assert client.status("PUT", "/resolvedTiles?deriveData=true", collection(*tiles)) == 201
            assert client.status("PUT", "/state/COMPLETE") == 201
        tiles = [tile(f"t{z}", z=float(z), specs=[leaf()]) for z in range(5000)]
        StackClient(url, "long", "lab", "other").create(*tiles, state="COMPLETE")
        yield url, folder


def open_stack(browser: Browser, url: str, stack: str = "raw", query: str = "", **more: Any) -> OpenPage:
    return stack_page(
        browser, url, "lab", "other" if stack == "long" else "brain", stack, query=query, **more
    )


def section_shown(page: OpenPage, z: int) -> None:
    page.wait_until(f"document.querySelector('#z-field').value === '{z}'")
    settle(page)


def test_the_place_stays_when_z_changes_with_keys_of_the_whole_page(
    browser: Browser, site: tuple[str, Path]
) -> None:
    page = open_stack(browser, site[0])
    page.press("+", "+", "+", "ArrowRight")
    place = page.text("#place")
    page.press("PageDown")
    section_shown(page, 2)
    assert page.text("#place") == place
    page.press(".", ",", "PageDown")
    section_shown(page, 3)
    assert page.text("#place") == place
    assert page.problems() == []


def test_a_link_shows_the_same_view(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0], query="&z=3")
    page.press("+", "+", "ArrowLeft", "o")
    settle(page)
    page.press("a")
    page.wait_until("new URLSearchParams(location.search).get('outlines') === '1'")
    page.wait_until("new URLSearchParams(location.search).has('contrast')")
    address = page.evaluate("location.href")
    for name in ("x", "y", "zoom", "z", "contrast"):
        assert page.evaluate(f"new URLSearchParams(location.search).get('{name}')"), name
    again = browser.open_page(address)
    settle(again)
    shown = "[...document.querySelectorAll('#place, #range')].map((text) => text.textContent)"
    assert again.evaluate(shown) == page.evaluate(shown)
    assert again.evaluate("document.querySelector('#z-field').value") == "3"
    assert (again.screenshot("#picture") == page.screenshot("#picture")).mean() > 0.999


def test_a_place_without_the_section_says_so(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0], query="&x=900000&y=900000&zoom=0.5")
    assert page.text("#picture-status") == "The section lies elsewhere: press 0 to see it"
    page.press("0")
    settle(page)
    assert page.text("#picture-status") == ""


def test_bad_values_in_the_address_count_as_none(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0], query="&x=a&y=&zoom=-1&contrast=9-3&z=none&beside=nowhere")
    assert page.text("#range") == "0 to 255"
    assert page.text("#z-position") == "1 of 4"
    assert page.evaluate("document.querySelector('#beside-side').hidden")
    assert page.problems() == []


def test_contrast_looks_up_each_value(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0], query="&contrast=50-200")
    picture = page.screenshot("#picture")
    for shown in (0, 85, 170, 255):
        assert grey_share(picture, shown) > 0.03, shown
    page.do(lambda playwright: playwright.locator("#full-range").click())
    assert grey_share(page.screenshot("#picture"), GREYS[1]) > 0.03
    assert page.text("#range") == "0 to 255"
    page.do(lambda playwright: playwright.locator("#auto").click())
    low, high = map(int, page.text("#range").split(" to "))
    assert abs(low - GREYS[0]) <= 2
    assert abs(high - GREYS[-1]) <= 2
    result = page.evaluate(
        """async () => {
            const { lookup, automaticRange, histogram } = await import("./contrast.js");
            const pixels = new Uint8ClampedArray(4 * 1000).map((_, at) => 40 + Math.floor(at / 4) % 100);
            return {
                full: [...lookup({low: 0, high: 255})].every((shown, value) => shown === value),
                part: [0, 99, 100, 101, 199, 200, 255].map((value) => lookup({low: 100, high: 200})[value]),
                range: automaticRange(histogram(pixels, 1000)),
                nothing: automaticRange(histogram(new Uint8ClampedArray(40), 10)),
            };
        }"""
    )
    assert result == {
        "full": True,
        "part": [0, 0, 0, 3, 252, 255, 255],
        "range": {"low": 40, "high": 139},
        "nothing": {"low": 0, "high": 255},
    }
    assert page.problems() == []


def test_sliders_do_not_cross(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0], query="&contrast=100-102")
    focus(page, "#low")
    page.press("ArrowRight", "ArrowRight", "ArrowRight")
    assert page.text("#range") == "101 to 102"


def test_the_scale_bar_is_of_round_lengths(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0])
    bars = page.evaluate(
        """async () => {
            const { scaleBar } = await import("./overlay.js");
            return [[1, 4], [0.01, 4], [10, 4], [0.0001, 4], [1, undefined]].map((each) => scaleBar(...each));
        }"""
    )
    assert [bar["text"] for bar in bars] == ["500 nm", "50 µm", "50 nm", "5 mm", "100 px"]
    assert [round(bar["pixels"], 6) for bar in bars] == [125, 125, 125, 125, 100]


def test_outlines_show_on_the_picture(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0])
    before = page.screenshot("#picture")
    page.press("o")
    settle(page)
    after = page.screenshot("#picture")
    assert page.evaluate("document.querySelector('#outlines').ariaPressed") == "true"
    blue = (after[..., 2].astype(int) - after[..., 0]) > 80
    assert 0.001 < blue.mean() < 0.1
    assert (before != after).mean() > 0.001


def test_the_next_sections_are_fetched_ahead(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0], query="&z=2")
    for z in (3, 4, 1):
        page.wait_until(
            f"performance.getEntriesByType('resource').some((entry) => entry.name.includes('/z/{z}/box/'))"
        )


def test_another_stack_is_seen_beside_at_the_same_place(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0], stack="mipmaps", query="&beside=raw&z=2")
    page.wait_until("document.querySelector('#picture-beside').ariaBusy === 'false'")
    page.press("+", "+", "ArrowRight", "PageDown")
    section_shown(page, 3)
    page.wait_until("document.querySelector('#picture-beside').ariaBusy === 'false'")
    page.evaluate("document.activeElement.blur()")
    page.evaluate("new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))")
    left, right = (page.screenshot(name) for name in ("#picture", "#picture-beside"))
    assert left.shape == right.shape
    assert (np.abs(left.astype(int) - right) <= 3).mean() > 0.99
    page.do(lambda playwright: playwright.select_option("#beside", ""))
    assert page.evaluate("document.querySelector('#beside-side').hidden")
    assert page.problems() == []


@pytest.mark.long
def test_missing_tiles_are_hatched_and_named(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        tiles = [grey_tile(tmp_path, f"t{number}", number, 1.0, grey) for number, grey in enumerate(GREYS)]
        StackClient(url, "torn", "lab", "brain").create(*tiles)
        content = (tmp_path / "t1.png").read_bytes()
        (tmp_path / "t1.png").unlink()
        (tmp_path / "t2.png").write_bytes(b"nothing like an image")
        page = stack_page(browser, url, "lab", "brain", "torn")
        page.wait_until("document.querySelector('#missing summary').textContent === '2 tiles missing'")
        picture = page.screenshot("#picture")
        assert grey_share(picture, GREYS[0]) > 0.03
        assert grey_share(picture, GREYS[3]) > 0.03
        assert ((picture[..., 0].astype(int) - picture[..., 1]) > 60).mean() > 0.01
        page.do(lambda playwright: playwright.locator("#missing summary").click())
        assert "t1 cannot find image file" in page.text("#missing ul")
        assert "t2 image file" in page.text("#missing ul")
        # what comes back is seen without a reload
        (tmp_path / "t1.png").write_bytes(content)
        page.wait_until("document.querySelector('#missing summary').textContent === '1 tile missing'")
        assert page.problems() == []
        stacks = browser.open_page(f"{url}{VIEW}/stacks.html")
        stacks.wait_until("document.querySelector('article summary')?.textContent === '1 tile missing'")
        assert stacks.evaluate("document.querySelectorAll('figure rect').length") == 1
        assert "t2: image file" in stacks.evaluate("document.querySelector('article ul').textContent")
        assert stacks.problems() == []


@pytest.mark.long
def test_what_a_run_adds_is_seen(browser: Browser, tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        stack = StackClient(url, "run", "lab", "brain").create(grey_tile(tmp_path, "a", 0, 1.0, GREYS[0]))
        page = stack_page(browser, url, "lab", "brain", "run")
        assert page.text("#section-facts").startswith("1 tile,")

        def add(*tiles: dict[str, Any]) -> None:
            assert stack.status("PUT", "/resolvedTiles?deriveData=true", collection(*tiles)) == 201

        add(grey_tile(tmp_path, "b", 0, 2.0, GREYS[1]))
        page.wait_until("document.querySelector('#z-position').textContent === '1 of 2'")
        add(grey_tile(tmp_path, "c", 1, 1.0, GREYS[2]))
        page.wait_until("document.querySelector('#section-facts').textContent.startsWith('2 tiles,')")
        assert stack.status("PUT", "/state/COMPLETE") == 201
        page.wait_until("document.querySelector('#state').textContent === 'COMPLETE'")
        settle(page)
        assert grey_share(page.screenshot("#picture"), GREYS[2]) > 0.02
        assert page.problems() == []


def test_a_slider_reaches_five_thousand_sections(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0], stack="long")
    assert page.text("#z-position") == "1 of 5,000"
    focus(page, "#z-slider")
    page.press("End")
    section_shown(page, 4999)
    assert page.text("#z-position") == "5,000 of 5,000"
    page.press("Tab", "g", "1", "2", "3", "Enter")
    section_shown(page, 123)


def test_the_view_is_kept_as_a_file(browser: Browser, site: tuple[str, Path], tmp_path: Path) -> None:
    page = open_stack(browser, site[0])

    def download(playwright: Page) -> str:
        with playwright.expect_download() as waiting:
            playwright.locator("#download").click()
        waiting.value.save_as(tmp_path / "view.png")
        return waiting.value.suggested_filename

    assert page.do(download).startswith("raw_z1_x")
    picture = np.asarray(Image.open(tmp_path / "view.png").convert("RGB"))
    assert grey_share(picture, GREYS[2]) > 0.05
    assert page.problems() == []


def test_the_picture_fills_the_screen(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0])
    page.press("f")
    page.wait_until("document.fullscreenElement?.id === 'viewer'")
    page.wait_until("document.querySelector('#picture').clientHeight > 0.8 * window.innerHeight")
    page.press("f")
    page.wait_until("document.fullscreenElement === null")


def test_copying_says_what_happened(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0])
    page.do(lambda playwright: playwright.locator("#copy").click())
    page.wait_until("document.querySelector('#done').textContent !== ''")
    assert page.text("#done") in ("Link copied", "Copy the address of this page: it holds the view")


def test_the_page_of_a_stack_fits_a_phone(browser: Browser, site: tuple[str, Path]) -> None:
    page = open_stack(browser, site[0], query="&beside=mipmaps", size=(390, 844), color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
