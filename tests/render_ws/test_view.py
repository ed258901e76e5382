"""The page that lists stacks."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from asap_ingest.render_ws.pages.previews import MOST_COUNTED, Overview, overview
from asap_ingest.render_ws.pages.stacks_page import page
from asap_ingest.render_ws.stacks.stack_states import change_state, save_version
from asap_ingest.render_ws.store import Store
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.stack_records import StackRecord, State
from asap_ingest.render_ws.wire.tile_rows import tile_row
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.golden import Answer, send

PAGE = "/render-ws/view/stacks.html"


def show(url: str) -> Answer:
    return send(url, "GET", PAGE, {"Accept": "text/html"}, None)


def test_every_stack_is_listed_with_its_facts(server_url: str) -> None:
    tiles = [tile("a", 1.0), tile("b", 2.5, specs=[leaf(1900, 0)])]
    StackClient(server_url, "filled", "lab", "brain").create(*tiles)
    StackClient(server_url, "bare", "lab", "brain").create()
    StackClient(server_url, "finished", "lab", "brain").create(tile("a"), state="COMPLETE")
    StackClient(server_url, "away", "lab", "brain").create(tile("a"), state="OFFLINE")
    answer = show(server_url)
    assert answer.status == 200
    text = answer.body.decode()
    for expected in ("lab", "brain", "filled", "bare", "LOADING", "COMPLETE", "OFFLINE", "No tiles"):
        assert expected in text
    assert "2 (z 1 to 2.5)" in text
    # while tiles are loaded, the first section stands for the stack
    assert "0 to 100 px at z 1" in text
    assert StackClient(server_url, "filled", "lab", "brain").status("PUT", "/state/COMPLETE") == 201
    assert "0 to 2,000 px" in show(server_url).body.decode()


def test_pictures_are_about_600_pixels_wide_and_can_be_asked_for(server_url: str) -> None:
    stack = StackClient(server_url, "pictured").create(tile("wide", specs=[leaf(5900, 0)]), tile("other"))
    source = re.search(
        r'<img [^>]*src="([^"]*/stack/pictured/z/1\.0/jpeg-image[^"]*)"', show(server_url).body.decode()
    )
    assert source is not None
    assert "scale=0.1&amp;" in source[1]
    # the tiles name no images that exist: an empty picture, and the reason
    answer = send(stack.url, "GET", source[1].replace("&amp;", "&"), {}, None)
    assert (answer.status, answer.headers["x-missing-tile-count"]) == (200, "2")


def test_a_section_too_large_to_draw_without_mipmaps_is_outlined(server_url: str) -> None:
    big = {"width": 60_000, "height": 60_000}
    StackClient(server_url, "heavy").create(tile("a", **big))
    levels = {str(level): {"imageUrl": f"file:/no/{level}.png"} for level in range(7)}
    StackClient(server_url, "light").create(tile("a", **big, mipmapLevels=levels))
    text = show(server_url).body.decode()
    assert re.search(r"/heavy/z/1\.0/jpeg-image[^\"]*maxTileSpecsToRender=0", text)
    assert not re.search(r"/light/z/1\.0/jpeg-image[^\"]*maxTileSpecsToRender=0", text)


def test_names_are_escaped() -> None:
    evil = "<script>alert('x')</script>\"&"
    record = StackRecord(1, StackId(evil, evil, evil), State.LOADING, 0, 0, {})
    box = {"minX": 0.0, "minY": 0.0, "maxX": 1.0, "maxY": 1.0}
    overviews = [
        Overview(record),
        Overview(record, 2, 2, (1.0, 2.0), box, f"/x/{evil}/z/{{z}}/jpeg-image?a=1", True),
    ]
    text = page(overviews)
    assert evil not in text
    assert text.count("<script>") == 1
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: tags.append(tag)  # type: ignore[method-assign]
    parser.feed(text)
    assert tags.count("script") == 1
    assert tags.count("article") == 2


def test_only_the_scripts_of_the_page_may_run(server_url: str) -> None:
    policy = show(server_url).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


def test_a_browser_without_path_is_sent_to_the_page(server_url: str) -> None:
    for path in ("/", "/render-ws", "/render-ws/"):
        answer = send(server_url, "GET", path, {}, None)
        assert (answer.status, answer.headers["location"]) == (302, PAGE)


def test_stacks_are_searched_and_come_by_pages(empty_server_url: str) -> None:
    for number in range(30):
        StackClient(
            empty_server_url, f"stack_{number:02}", "Lab", "brain" if number % 3 else "liver"
        ).create()

    def names(query: str) -> list[str]:
        text = send(empty_server_url, "GET", f"{PAGE}?{query}", {}, None).body.decode()
        return sorted(re.findall(r"<h3><a [^>]*>([^<]*)</a>", text))

    everything = [f"stack_{number:02}" for number in range(30)]
    assert len(names("")) == 24
    assert sorted(names("page=1") + names("page=2")) == everything
    assert names("page=9") == names("page=2")
    assert names("page=none") == names("page=1")
    assert names("search=k_2+LAB+liver") == ["stack_21", "stack_24", "stack_27"]
    assert names("search=liver&owner=Lab&project=brain") == []
    text = send(empty_server_url, "GET", f"{PAGE}?search=lab&owner=Lab", {}, None).body.decode()
    assert 'rel="next" href="stacks.html?search=lab&amp;owner=Lab&amp;page=2"' in text
    assert "1 to 24 of 30, page 1 of 2" in text


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
            shown = overview(session, session.stacks()[0])
            session._connection.set_progress_handler(None, 0)
        store.close()
        assert shown.tile_count == (MOST_COUNTED if state == "LOADING" else count)
        return taken

    assert steps(40_000) < steps(25_000) + 100
