"""The page that lists stacks, and the overviews that it is made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from asap_ingest.render_ws.pages.previews import MOST_COUNTED, overview
from asap_ingest.render_ws.stacks.stack_states import change_state, save_version
from asap_ingest.render_ws.store import Store
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.stack_records import State
from asap_ingest.render_ws.wire.tile_rows import tile_row
from tests.browser import Browser, OpenPage
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.golden import send

PAGE = "/render-ws/view/stacks.html"
VERSION = {"stackResolutionX": 4.0, "stackResolutionY": 4.0, "stackResolutionZ": 35.5}


def shown(stack: StackClient) -> dict[str, Any]:
    """The overview of a stack."""
    path = f"/render-ws/view/overview/{stack.owner}/{stack.project}/{stack.stack}"
    answer = send(stack.url, "GET", path, {}, None)
    assert answer.status == 200
    return orjson.loads(answer.body)


def list_page(browser: Browser, url: str, query: str = "") -> OpenPage:
    """The page, when its stacks are listed."""
    page = browser.open_page(f"{url}{PAGE}?{query}")
    page.wait_until("document.querySelector('#status').textContent.includes('in this render service')")
    return page


def names(page: OpenPage) -> list[str]:
    return page.evaluate("[...document.querySelectorAll('h3')].map((title) => title.textContent)")


def test_the_overview_of_a_stack_in_each_state(empty_server_url: str) -> None:
    stack = StackClient(empty_server_url, "s").create()
    facts = shown(stack)
    assert facts.pop("stack") == stack.get()
    nothing = {"tileCount": 0, "sectionCount": 0, "tilesAreMore": False}
    assert facts == nothing
    tiles = [tile("a", 1.0), tile("b", 2.5, specs=[leaf(1900, 0)])]
    stack.create(*tiles)
    # while tiles are loaded, the first section stands for the stack
    facts = shown(stack)
    box = {"minX": 0.0, "minY": 0.0, "maxX": 100.0, "maxY": 80.0}
    assert (facts["tileCount"], facts["sectionCount"], facts["zRange"]) == (2, 2, [1.0, 2.5])
    assert (facts["box"], facts["outlines"]) == (box, False)
    assert stack.status("PUT", "/state/COMPLETE") == 201
    facts = shown(stack)
    assert (facts["tileCount"], facts["sectionCount"], facts["zRange"]) == (2, 2, [1.0, 2.5])
    assert facts["box"]["maxX"] == 2000.0
    assert stack.status("PUT", "/state/OFFLINE") == 201
    facts = shown(stack)
    assert facts.pop("stack")["state"] == "OFFLINE"
    assert facts == nothing
    missing = send(empty_server_url, "GET", "/render-ws/view/overview/o/p/none", {}, None)
    assert missing.status == 404


def test_every_stack_is_listed_with_its_facts(browser: Browser, empty_server_url: str) -> None:
    tiles = [tile("a", 1.0), tile("b", 2.5, specs=[leaf(1900, 0)])]
    filled = StackClient(empty_server_url, "filled", "lab", "brain").create(*tiles)
    StackClient(empty_server_url, "bare", "lab", "brain").create()
    StackClient(empty_server_url, "finished", "lab", "liver").create(tile("a"), state="COMPLETE")
    StackClient(empty_server_url, "away", "other", "brain").create(tile("a"), state="OFFLINE")
    page = list_page(browser, empty_server_url)
    titles = page.evaluate("[...document.querySelectorAll('h2')].map((title) => title.textContent)")
    assert titles == ["lab / brain", "lab / liver", "other / brain"]
    assert sorted(names(page)) == ["away", "bare", "filled", "finished"]
    text = page.text("main")
    for expected in ("LOADING", "COMPLETE", "OFFLINE", "No tiles", "2 (z 1 to 2.5)", "0 to 100 px at z 1"):
        assert expected in text
    assert filled.status("PUT", "/resolutionValues", [*VERSION.values()]) == 200
    assert filled.status("PUT", "/state/COMPLETE") == 201
    text = list_page(browser, empty_server_url).text("main")
    assert "0 to 2,000 px" in text
    assert "4 x 4 x 35.5 nm" in text
    page.do(lambda playwright: playwright.get_by_role("link", name="filled").click())
    page.wait_until("location.pathname.endsWith('/stack.html')")


def test_the_slider_shows_another_section(browser: Browser, empty_server_url: str) -> None:
    StackClient(empty_server_url, "s").create(tile("a", 1.0), tile("b", 2.5))
    page = list_page(browser, empty_server_url)
    page.do(lambda playwright: playwright.locator("input[type=range]").fill("1"))
    page.wait_until("document.querySelector('img').src.includes('/z/2.5/')")
    assert page.text("output") == "z 2.5"
    page.wait_until("document.querySelector('article summary').textContent === '1 tile missing'")
    assert page.problems() == []


def test_pictures_are_about_600_pixels_wide_and_can_be_asked_for(server_url: str) -> None:
    stack = StackClient(server_url, "pictured").create(tile("wide", specs=[leaf(5900, 0)]), tile("other"))
    source = shown(stack)["picture"].replace("{z}", "1.0")
    assert "/stack/pictured/z/1.0/jpeg-image?scale=0.1&" in source
    # the tiles name no images that exist: an empty picture, and the reason
    answer = send(stack.url, "GET", source, {}, None)
    assert (answer.status, answer.headers["x-missing-tile-count"]) == (200, "2")


def test_a_section_too_large_to_draw_without_mipmaps_is_outlined(server_url: str) -> None:
    big = {"width": 60_000, "height": 60_000}
    heavy = shown(StackClient(server_url, "heavy").create(tile("a", **big)))
    levels = {str(level): {"imageUrl": f"file:/no/{level}.png"} for level in range(7)}
    light = shown(StackClient(server_url, "light").create(tile("a", **big, mipmapLevels=levels)))
    assert (heavy["outlines"], light["outlines"]) == (True, False)
    assert "maxTileSpecsToRender=0" in heavy["picture"]
    assert "maxTileSpecsToRender" not in light["picture"]


def test_a_browser_without_path_is_sent_to_the_page(server_url: str) -> None:
    for path in ("/", "/render-ws", "/render-ws/"):
        answer = send(server_url, "GET", path, {}, None)
        assert (answer.status, answer.headers["location"]) == (302, PAGE)


@pytest.mark.long
def test_stacks_are_searched_and_come_by_pages(browser: Browser, empty_server_url: str) -> None:
    for number in range(30):
        StackClient(
            empty_server_url, f"stack_{number:02}", "Lab", "brain" if number % 3 else "liver"
        ).create()

    def listed(query: str) -> list[str]:
        return sorted(names(list_page(browser, empty_server_url, query)))

    everything = [f"stack_{number:02}" for number in range(30)]
    assert len(listed("")) == 24
    assert sorted(listed("page=1") + listed("page=2")) == everything
    assert listed("page=9") == listed("page=2")
    assert listed("page=none") == listed("page=1")
    assert listed("search=k_2+LAB+liver") == ["stack_21", "stack_24", "stack_27"]
    assert listed("search=liver&owner=Lab&project=brain") == []
    page = list_page(browser, empty_server_url, "search=lab&owner=Lab")
    link = "document.querySelector('[rel=next]').getAttribute('href')"
    assert page.evaluate(link) == "stacks.html?search=lab&owner=Lab&page=2"
    assert "1 to 24 of 30, page 1 of 2" in page.text(".paging")


@pytest.mark.parametrize("state", ["LOADING", "COMPLETE"])
def test_the_page_costs_the_same_for_many_tiles(tmp_path: Path, state: str) -> None:
    """SQLite's own count of steps: that of a stack of 40,000 tiles is not far from that of one of 25,000."""

    def steps(count: int) -> int:
        store = Store(tmp_path / f"{count}.db")
        made = StackId("o", "p", "s")
        save_version(store, made, {})
        placed = {**tile("", 1.0), "minX": 0.0, "minY": 0.0, "maxX": 9.0, "maxY": 9.0}
        with store.writing() as session:
            rows = (tile_row({**placed, "tileId": f"t{n}", "z": float(n // 500)}) for n in range(count))
            session.put_tiles(session.stack(made).key, rows)  # type: ignore[union-attr]
        if state == "COMPLETE":
            change_state(store, made, State.COMPLETE)
        taken = 0

        def step() -> None:
            nonlocal taken
            taken += 1

        with store.reading() as session:
            session._connection.set_progress_handler(step, 100)
            counted = overview(session, session.stacks()[0])
            session._connection.set_progress_handler(None, 0)
        store.close()
        assert counted["tileCount"] == (MOST_COUNTED if state == "LOADING" else count)
        assert counted["tilesAreMore"] == (state == "LOADING")
        return taken

    assert steps(40_000) < steps(25_000) + 100
