"""Pages for people, in a browser: what they list, hostile names, phones, which files are served."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from asap_ingest.render_ws.wire.names import StackId
from tests.browser import Browser
from tests.render_ws.client import StackClient, tile
from tests.render_ws.golden import send
from tests.render_ws.pages import EVIL, EVIL_NAME, GREYS, VIEW, filled_service, focus, grey_share, stack_page


@pytest.fixture(scope="module")
def filled_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service with stacks in several states."""
    with filled_service(tmp_path_factory.mktemp("pages")) as url:
        yield url


def test_first_page_lists_owners_and_projects(browser: Browser, filled_url: str) -> None:
    page = browser.open_page(f"{filled_url}{VIEW}")
    page.wait_until("document.querySelectorAll('#owners > li').length === 3")
    page.wait_until("!document.querySelector('#neuroglancer').hidden")
    assert page.text("#status") == "3 owners"
    assert page.text("#owners > li:nth-child(2)").split() == [
        "lab",
        "brain",
        "2",
        "stacks",
        "liver",
        "1",
        "stack",
    ]
    page.do(lambda playwright: playwright.get_by_role("link", name="liver").click())
    page.wait_until("document.querySelectorAll('article').length === 1")
    assert page.text("article h3") == "bare"
    assert page.problems() == []


def test_links_of_the_first_page_lead_somewhere(browser: Browser, filled_url: str) -> None:
    page = browser.open_page(f"{filled_url}{VIEW}/index.html")
    page.wait_until("document.querySelectorAll('#owners > li').length === 3")
    for path in page.evaluate(
        "[...document.querySelectorAll('a')].map((link) => link.pathname + link.search)"
    ):
        assert send(filled_url, "GET", path, {}, None).status == 200, path


def test_what_goes_wrong_in_a_page_is_noticed(browser: Browser, filled_url: str) -> None:
    page = browser.open_page(f"{filled_url}{VIEW}/index.html")
    page.evaluate("console.error('said')")
    page.evaluate("setTimeout(() => { throw new Error('thrown') })")
    page.evaluate("fetch('/none')")
    page.evaluate("fetch('http://example.invalid/').catch(() => {})")
    problems = "\n".join(page.problems())
    for expected in ("said", "thrown", f"{filled_url}/none: 404", "content security policy"):
        assert expected in problems.replace("Content Security Policy", "content security policy")


def test_pages_of_an_empty_service_say_so(browser: Browser, empty_server_url: str) -> None:
    page = browser.open_page(f"{empty_server_url}{VIEW}/index.html")
    page.wait_until("document.querySelector('#status').textContent !== 'Loading'")
    assert "No stacks yet" in page.text("#status")
    stacks = browser.open_page(f"{empty_server_url}{VIEW}/stacks.html")
    stacks.wait_until("document.querySelector('main').textContent !== ''")
    assert "No stacks yet" in stacks.text("main")
    assert page.problems() == stacks.problems() == []


def test_stacks_are_filtered_by_owner_and_project(browser: Browser, filled_url: str) -> None:
    page = browser.open_page(f"{filled_url}{VIEW}/stacks.html")
    page.wait_until("document.querySelectorAll('article').length === 6")
    everything = page.evaluate(
        "[...document.querySelectorAll('article h3')].map((title) => title.textContent)"
    )
    assert sorted(everything) == ["away", "bare", "evil", "growing", "many", "mosaic"]
    # by keyboard: the lists come before the stacks in tab order, Enter sends the form
    focus(page, "select[name=owner]")
    page.press("l", "Tab")
    assert page.evaluate("document.activeElement.name") == "project"
    page.press("Tab", "Enter")
    page.wait_until("document.querySelectorAll('article').length === 3")
    assert "3 of 6 stacks" in page.text("header")
    options = page.evaluate("[...document.querySelector('select[name=project]').options].map((o) => o.text)")
    assert options == ["any", "brain", "liver"]
    dashboard = browser.open_page(
        f"{filled_url}{VIEW}/stacks.html?renderStackOwner=lab&renderStackProject=liver"
    )
    dashboard.wait_until("document.querySelectorAll('article').length === 1")


def test_a_stack_that_cannot_be_shown_leaves_the_others(browser: Browser, filled_url: str) -> None:
    page = browser.open_page(f"{filled_url}{VIEW}/stacks.html")
    page.do(
        lambda playwright: playwright.route(
            "**/overview/lab/liver/bare", lambda route: route.fulfill(status=400, body="it is gone")
        )
    )
    page.do(lambda playwright: playwright.reload())
    page.wait_until("document.querySelectorAll('article').length > 1")
    figures = page.evaluate("[...document.querySelectorAll('article figure')].map((one) => one.innerText)")
    assert figures.count("it is gone") == 1


def test_hostile_tile_ids_stay_text(browser: Browser, filled_url: str) -> None:
    page = stack_page(browser, filled_url, "evil", "evil", "evil")
    focus(page, "#layout")
    assert page.text("#tile").startswith(EVIL)
    assert page.evaluate("document.title") == "evil - stack"
    assert grey_share(page.screenshot("#picture"), GREYS[1]) > 0.1
    assert page.problems() == []


def test_hostile_names_stay_text(
    browser: Browser, empty_server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the service refuses such names: here it is made to take them, as another or an older one may have
    monkeypatch.setattr(StackId, "checked", lambda self: self)
    stack = StackClient(empty_server_url, "plain").create(tile("a"))
    assert stack.status("PUT", "/stackId", dict.fromkeys(("owner", "project", "stack"), EVIL_NAME)) == 200
    names = f"owner={quote(EVIL_NAME)}&project={quote(EVIL_NAME)}"
    for address in (
        "index.html",
        "stacks.html",
        f"stacks.html?{names}",
        f"stack.html?{names}&stack={quote(EVIL_NAME)}",
    ):
        page = browser.open_page(f"{empty_server_url}{VIEW}/{address}")
        page.wait_until("document.querySelectorAll('#owners > li, article, #facts > dt').length > 0")
        assert page.evaluate("document.body.innerText").count(EVIL_NAME) >= 2
        assert page.evaluate("document.querySelectorAll('[onerror]').length") == 0
        assert page.evaluate("document.title") != "owned"


def test_hostile_addresses_stay_text(browser: Browser, filled_url: str) -> None:
    names = "&".join(f"{kind}={quote(EVIL_NAME)}" for kind in ("owner", "project", "stack"))
    page = browser.open_page(f"{filled_url}{VIEW}/stack.html?{names}")
    page.wait_until("document.querySelector('#status').className === 'error'")
    stacks = browser.open_page(f"{filled_url}{VIEW}/stacks.html?{names}")
    stacks.wait_until("document.querySelector('main').textContent !== ''")
    assert stacks.text("main") == "No stack of that owner, project and search text."
    for shown in (page, stacks):
        assert EVIL_NAME in shown.evaluate("document.body.textContent")
        assert shown.evaluate("document.querySelectorAll('[onerror]').length") == 0
        assert shown.evaluate("document.title") != "owned"


def test_stacks_without_sections_and_without_existence(browser: Browser, filled_url: str) -> None:
    bare = stack_page(browser, filled_url, "lab", "liver", "bare")
    away = stack_page(browser, filled_url, "other", "brain", "away")
    for page in (bare, away):
        assert page.text("#status") == "This stack has no sections."
        assert page.problems() == []
    missing = browser.open_page(f"{filled_url}{VIEW}/stack.html?owner=lab&project=brain&stack=none")
    missing.wait_until("document.querySelector('#status').className === 'error'")
    assert "'none'" in missing.text("#status")
    unnamed = browser.open_page(f"{filled_url}{VIEW}/stack.html")
    unnamed.wait_until("document.querySelector('#status').className === 'error'")
    assert "must name" in unnamed.text("#status")


#: The least contrast of a text with what lies below it, as WCAG 2 computes it.
CONTRAST = """() => {
    const numbers = (text) => (text.match(/[0-9.]+/g) ?? []).map(Number);
    const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
        .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const below = (element) => {
        const color = numbers(getComputedStyle(element).backgroundColor);
        return color.length === 3 ? color : below(element.parentElement);
    };
    let found = {least: 21};
    const texts = "p, a, b, h1, h2, h3, dt, dd, code, span, button, label, output";
    for (const element of document.querySelectorAll(texts)) {
        if (!element.checkVisibility() || !element.textContent.trim()) continue;
        if (element.matches("figure *, :disabled")) continue;
        const pair = [light(numbers(getComputedStyle(element).color)), light(below(element))];
        pair.sort((a, b) => b - a);
        const least = (pair[0] + 0.05) / (pair[1] + 0.05);
        if (least < found.least) found = {least, text: element.textContent, tag: element.tagName};
    }
    return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(
    "name", ["index.html", "stacks.html", "stack.html?owner=lab&project=brain&stack=mosaic", "api.html"]
)
def test_pages_fit_a_phone_in_light_and_dark(
    browser: Browser, filled_url: str, name: str, scheme: str
) -> None:
    page = browser.open_page(f"{filled_url}{VIEW}/{name}", size=(360, 740), color_scheme=scheme)
    page.wait_until("document.querySelector('#stack:not([hidden]), #owners > li, article, .DELETE') !== null")
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    paper = page.screenshot()[2, 2]
    assert (paper.max() < 60) == (scheme == "dark")
    contrast = page.evaluate(CONTRAST)
    assert contrast["least"] >= 4.5, contrast


def test_only_the_files_of_the_pages_are_served(filled_url: str) -> None:
    for name, kind in (
        ("stack.html", "text/html"),
        ("stack.js", "text/javascript"),
        ("pages.css", "text/css"),
    ):
        answer = send(filled_url, "GET", f"{VIEW}/{name}", {}, None)
        assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (200, kind)
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
    for name in ("page_files.py", "..", "%2e%2e", "..%2fapp.py", "__pycache__", "none.html"):
        assert send(filled_url, "GET", f"{VIEW}/{name}", {}, None).status == 404, name
