"""The page that lists stacks."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from asap_ingest.render_ws.names import StackId
from asap_ingest.render_ws.records.stack_records import StackRecord, State
from asap_ingest.render_ws.view.previews import Overview
from asap_ingest.render_ws.view.stacks_page import page
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
    assert "0 to 2,000 px" in text


def test_pictures_are_about_600_pixels_wide_and_can_be_asked_for(server_url: str) -> None:
    stack = StackClient(server_url, "pictured").create(tile("wide", specs=[leaf(5900, 0)]), tile("other"))
    source = re.search(
        r'<img [^>]*src="([^"]*/stack/pictured/z/1\.0/jpeg-image[^"]*)"', show(server_url).body.decode()
    )
    assert source is not None
    assert "scale=0.1&amp;" in source[1]
    # the tiles name no images that exist: 400, and not a fault
    assert send(stack.url, "GET", source[1].replace("&amp;", "&"), {}, None).status == 400


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
    overviews = [
        Overview(record, 0, [], None, None, False),
        Overview(record, 2, [1.0, 2.0], (0.0, 0.0, 1.0, 1.0), f"/x/{evil}/z/{{z}}/jpeg-image?a=1", True),
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
