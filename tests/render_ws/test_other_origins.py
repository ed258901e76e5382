"""A real browser: what pages of other origins can do to a service, and what its own can."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.responses import HTMLResponse

from asap_ingest.web.web_policy import PUBLIC_VIEWER, WebPolicy
from tests.browser import Browser, OpenPage
from tests.render_ws.client import StackClient, collection, tile
from tests.render_ws.conftest import serving
from tests.render_ws.golden import send
from tests.servers import in_a_thread

V1 = "/render-ws/v1"
PROJECT = f"{V1}/owner/o/project/p/stack"
STACK, COMPLETE = f"{PROJECT}/s", f"{PROJECT}/complete"
MATCHES = f"{V1}/owner/o/matchCollection/m/matches"
PAIR = {"pGroupId": "1.0", "pId": "a", "qGroupId": "1.0", "qId": "b"}
PAIR |= {"matches": {"p": [[1.0], [2.0]], "q": [[3.0], [4.0]], "w": [1.0]}}
JSON, TEXT = "application/json", "text/plain"
BLOCKED = "blocked"
#: Sends a request as far as the browser lets it: the status, `blocked`, or 0 where it may not tell.
FETCH = """async ({url, method, type, body, mode}) => {
    const headers = type ? {"Content-Type": type} : {};
    try {
        const answer = await fetch(url, {method, headers, mode, body});
        await answer.arrayBuffer();
        return answer.status;
    } catch (error) {
        return "blocked";
    }
}"""
#: Draws an image of the service into a canvas and reads a pixel.
CANVAS = """async ({url, mode}) => {
    const image = new Image();
    if (mode === "cors") image.crossOrigin = "anonymous";
    try {
        image.src = url;
        await image.decode();
        const canvas = document.createElement("canvas").getContext("2d");
        canvas.drawImage(image, 0, 0);
        return canvas.getImageData(5, 5, 1, 1).data[0] === 77 ? 200 : "another picture";
    } catch (error) {
        return "blocked";
    }
}"""
#: Has a form sent, as a click on a link or a button would.
FORM = """({url, body}) => new Promise(done => {
    const form = document.createElement("form");
    const frame = document.createElement("iframe");
    const field = document.createElement("input");
    frame.name = form.target = "answer";
    Object.assign(form, {action: url, method: "post", enctype: "text/plain"});
    Object.assign(field, {name: body, value: ""});
    form.append(field);
    document.body.append(frame, form);
    frame.onload = () => done(0);
    form.submit();
})"""
BEACON = "({url, body}) => navigator.sendBeacon(url, body) ? 0 : 'blocked'"


@dataclass(frozen=True)
class Action:
    """What a page tries; `own` is the status that a page of the service gets for it."""

    path: str
    method: str = "GET"
    body: Any = None
    type: str | None = None
    mode: str = "cors"
    script: str = FETCH
    own: int = 200

    def by(self, page: OpenPage, url: str) -> Any:
        """What comes of it on a page."""
        body = json.dumps(self.body) if self.type == JSON else self.body
        request = {"url": url + self.path, "method": self.method, "type": self.type, "body": body}
        return page.evaluate(self.script, {**request, "mode": self.mode})


def put(path: str, body: Any = None, own: int = 200) -> Action:
    return Action(path, "PUT", body, None if body is None else JSON, own=own)


def delete(path: str) -> Action:
    return Action(path, "DELETE")


def actions(picture: Path) -> dict[str, Action]:
    local = tile("a", mipmapLevels={"0": {"imageUrl": str(picture)}})
    drawing = {"tileSpecs": [local], "width": 100, "height": 80}
    image = f"{COMPLETE}/z/1/box/0,0,100,80,1/png-image"
    return {
        "create a stack": Action(f"{PROJECT}/new", "POST", {}, JSON, own=201),
        "create a stack by a simple request": Action(
            f"{PROJECT}/new", "POST", "{}", TEXT, "no-cors", own=415
        ),
        "create a stack by a form": Action(f"{PROJECT}/new", body='{"cycleNumber": 1}', script=FORM),
        "create a stack by a beacon": Action(f"{PROJECT}/new", body="{}", script=BEACON),
        "overwrite tiles": put(f"{STACK}/z/2/resolvedTiles?deriveData=true", collection(tile("a", 2.0)), 201),
        "set LOADING": put(f"{COMPLETE}/state/LOADING", own=201),
        "set COMPLETE": put(f"{STACK}/state/COMPLETE", own=201),
        "set OFFLINE": put(f"{COMPLETE}/state/OFFLINE", own=201),
        "rename": put(f"{STACK}/stackId", {"owner": "evil", "project": "p", "stack": "s"}),
        "clone": put(f"{STACK}/cloneTo/copy", {}, 201),
        "delete the stack": delete(STACK),
        "delete a section": delete(f"{STACK}/section/1.0"),
        "delete a layer": delete(f"{STACK}/z/1"),
        "delete a tile": delete(f"{STACK}/tile/a"),
        "move a section": put(f"{STACK}/section/1.0/z", 5, 201),
        "store match pairs": put(MATCHES, [PAIR], 201),
        "delete matches": delete(f"{V1}/owner/o/matchCollection/m"),
        "set a resolution": put(f"{STACK}/resolutionValues", [1, 2, 3]),
        "set a folder of boxes": Action(f"{STACK}/materializedBoxRootPath", "PUT", "/etc", TEXT),
        "draw an image of any path": put(f"{V1}/owner/o/png-image", drawing),
        "read JSON": Action(f"{COMPLETE}/z/1/resolvedTiles"),
        "read JSON as if it were a script's": Action(f"{COMPLETE}/z/1/resolvedTiles", mode="no-cors"),
        "read an image": Action(image),
        "read an image through a canvas": Action(image, script=CANVAS),
        "read an image through a canvas without asking": Action(image, mode="no-cors", script=CANVAS),
    }


READING = [name for name in actions(Path()) if name.startswith("read ")]
NAMES = list(actions(Path()))
#: What is refused by the service; all else the browser does not even send, or keeps to itself.
SIMPLE = [name for name in NAMES if name.startswith("create a stack by")]


@dataclass(frozen=True)
class Site:
    """A service with two stacks of a tile, one LOADING, one COMPLETE, and a pair of matches."""

    url: str
    picture: Path

    def content(self) -> list[bytes]:
        """All that pages could change."""
        paths = ("owners", "owner/o/stacks", "owner/evil/stacks", "owner/o/matchCollections")
        stored = [send(self.url, "GET", f"{V1}/{path}", {}, None).body for path in paths]
        return [*stored, send(self.url, "GET", f"{STACK}/resolvedTiles", {}, None).body]


@pytest.fixture(scope="module")
def page_port() -> Iterator[int]:
    """A web server of somebody else: an empty page under every name that leads to it."""
    with in_a_thread(HTMLResponse("<!doctype html><title>page</title><body>")) as url:
        yield int(url.rpartition(":")[2])


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(tmp_path) as url:
        yield filled(url, tmp_path)


def filled(url: str, folder: Path) -> Site:
    picture = folder / "a.png"
    Image.fromarray(np.full((80, 100), 77, np.uint8)).save(picture)
    levels = {"0": {"imageUrl": str(picture)}}
    for name in ("complete", "s"):
        stack = StackClient(url, name).create(tile("a", mipmapLevels=levels), state="COMPLETE")
    assert stack.status("PUT", "/state/LOADING") == 201
    assert send(url, "PUT", MATCHES, {"Content-Type": JSON}, json.dumps([PAIR]).encode()).status == 201
    return Site(url, picture)


def was_refused(page: OpenPage, wanted: bool) -> bool:
    """Whether the service answered 403; a beacon may be sent some time after the page asked for it."""
    for _ in range(100 if wanted else 1):
        page.problems()
        if any(failure.endswith(": 403") for failure in page.failures):
            return True
        time.sleep(0.1 if wanted else 0)
    return False


def test_a_page_of_another_origin_does_nothing(browser: Browser, site: Site, page_port: int) -> None:
    page, before = browser.open_page(f"http://evil.example:{page_port}/"), site.content()
    for name, action in actions(site.picture).items():
        page.failures.clear()
        assert action.by(page, site.url) in (BLOCKED, 0), name
        assert was_refused(page, wanted=name in SIMPLE) is (name in SIMPLE), name
        assert site.content() == before, name


def test_a_page_on_another_port_of_this_machine_reads_and_does_not_write(
    browser: Browser, site: Site, page_port: int
) -> None:
    page, before = browser.open_page(f"http://127.0.0.1:{page_port}/"), site.content()
    for name, action in actions(site.picture).items():
        # without asking whether it may, a page learns nothing of any other origin
        reads = name in READING and action.mode == "cors"
        assert action.by(page, site.url) in ((200,) if reads else (BLOCKED, 0)), name
    page.problems()
    assert site.content() == before


def test_a_page_without_origin_of_its_own_does_nothing(browser: Browser, site: Site, page_port: int) -> None:
    """A sandboxed frame sends `Origin: null`, also one in a page of this machine."""
    page, before = browser.open_page(f"http://127.0.0.1:{page_port}/"), site.content()
    script = """async request => {
        const frame = document.createElement("iframe");
        frame.sandbox = "allow-scripts";
        const told = new Promise(done => window.addEventListener("message", event => done(event.data)));
        const work = `(${request.script})(${JSON.stringify(request)})`;
        frame.srcdoc = `<script>${work}.then(found => parent.postMessage(found, "*"))</script>`;
        document.body.append(frame);
        return await told;
    }"""
    for name in ("create a stack by a simple request", "set OFFLINE", "read JSON"):
        action = actions(site.picture)[name]
        request = {"url": site.url + action.path, "method": action.method, "type": action.type}
        found = page.evaluate(script, {**request, "mode": action.mode, "body": action.body, "script": FETCH})
        assert found in (BLOCKED, 0), name
    page.problems()
    assert site.content() == before


def test_a_page_of_the_service_reads(browser: Browser, site: Site) -> None:
    page = browser.open_page(f"{site.url}{V1}/owners")
    for name in READING:
        assert actions(site.picture)[name].by(page, site.url) == 200, name


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*READING, *SIMPLE)])
@pytest.mark.parametrize("origin", ["own", "none", "listed"])
def test_pages_of_the_service_and_programs_do_all(tmp_path: Path, name: str, origin: str) -> None:
    """So it is the origin that makes the difference."""
    with serving(tmp_path, WebPolicy(allow_origins=frozenset({"http://friend.example"}))) as url:
        action = actions(filled(url, tmp_path).picture)[name]
        headers = {"none": {}, "own": {"Origin": url}, "listed": {"Origin": "http://friend.example"}}[origin]
        body = (json.dumps(action.body) if action.type == JSON else action.body or "").encode()
        sent = {**headers, **({"Content-Type": action.type} if action.type else {})}
        answer = send(url, action.method, action.path, sent, body)
        assert answer.status == action.own, answer


def test_a_listed_page_writes(browser: Browser, tmp_path: Path, page_port: int) -> None:
    friend = f"http://friend.example:{page_port}"
    with serving(tmp_path, WebPolicy(allow_origins=frozenset({friend}))) as url:
        site = filled(url, tmp_path)
        page = browser.open_page(friend)
        for name in ("create a stack", "read JSON", "read an image through a canvas", "set OFFLINE"):
            action = actions(site.picture)[name]
            assert action.by(page, url) == action.own, name
        assert page.problems() == []


def test_every_page_does_all_with_cors_any(browser: Browser, tmp_path: Path, page_port: int) -> None:
    with serving(tmp_path, WebPolicy(any_page=True)) as url:
        site = filled(url, tmp_path)
        page = browser.open_page(f"http://evil.example:{page_port}/")
        for name in ("create a stack", "draw an image of any path", "read JSON", "set OFFLINE"):
            action = actions(site.picture)[name]
            assert action.by(page, url) == action.own, name


def test_a_name_that_somebody_else_has_lead_here_shows_nothing(browser: Browser, site: Site) -> None:
    """DNS rebinding: for the browser, the page and the service are of one origin."""
    port = site.url.rpartition(":")[2]
    page = browser.open_page(f"http://rebound.example:{port}{V1}/owners")
    assert "is not a name of this service" in page.text("body")
    before = site.content()
    for name, action in actions(site.picture).items():
        if action.script is FETCH and action.mode == "cors":
            assert action.by(page, f"http://rebound.example:{port}") == 403, name
    assert site.content() == before


def test_the_public_viewer_reads_and_does_not_write(browser: Browser, tmp_path: Path) -> None:
    for public_viewer in (True, False):
        folder = tmp_path / str(public_viewer)
        folder.mkdir()
        with serving(folder, WebPolicy(public_viewer=public_viewer)) as url:
            site = filled(url, folder)
            page, before = browser.open_page(f"{url}{V1}/owners"), site.content()
            page.do(
                lambda opened: opened.route(f"{PUBLIC_VIEWER}/**", lambda route: route.fulfill(body="page"))
            )
            page.do(lambda opened: opened.goto(PUBLIC_VIEWER))
            assert page.evaluate("location.origin") == PUBLIC_VIEWER
            for name in ("read JSON", "read an image through a canvas"):
                found = actions(site.picture)[name].by(page, url)
                assert found == (200 if public_viewer else BLOCKED), name
            for name in ("create a stack", "create a stack by a simple request"):
                assert actions(site.picture)[name].by(page, url) in (BLOCKED, 403, 0), name
            assert site.content() == before
