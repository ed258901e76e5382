"""Servers that answer only those who send a token: programs, browsers, and the clients of this package."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from PIL import Image

from asap_ingest.check_precomputed import check_precomputed
from asap_ingest.commands.http_server import announced_lines, listen
from asap_ingest.errors import ServiceError, StorageError
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.render_ws import CLIENT_SCRIPTS
from asap_ingest.render_ws.client_scripts.client_json import get_json
from asap_ingest.serve_render import main
from asap_ingest.web.access_token import VARIABLE, new_token
from tests.browser import Browser
from tests.neuroglancer import client_url
from tests.render_ws.client import collection, leaf, tile
from tests.render_ws.conftest import serving as serving_render
from tests.steps import run_step
from tests.volumes.checking import faults_of
from tests.volumes.serving import ask
from tests.volumes.serving import serving as serving_volumes
from tests.volumes.volumes import make_volume, random_array

#: With characters that a query needs escapes for.
TOKEN = "a+token/for.tests_0123456789=="
IN_QUERY = "token=a%2Btoken%2Ffor.tests_0123456789%3D%3D"
OTHER = "another-token-0123456789"
OWNERS = "/render-ws/v1/owners"


@pytest.fixture(scope="module")
def render_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving_render(tmp_path_factory.mktemp("render"), token=TOKEN) as url:
        yield url


@pytest.fixture(scope="module")
def volume_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("volume")
    make_volume(folder, random_array((3, 40, 50)))
    with serving_volumes(folder, token=TOKEN) as url:
        yield url


@pytest.fixture(params=["render", "volume"])
def server(request: pytest.FixtureRequest, render_url: str, volume_url: str) -> tuple[str, str]:
    """URL of a server with a token, and a path that it has."""
    return (render_url, OWNERS) if request.param == "render" else (volume_url, "/info")


def test_who_does_not_send_the_token_gets_401(server: tuple[str, str]) -> None:
    url, path = server
    for method in ("GET", "HEAD", "OPTIONS") if path == OWNERS else ("GET", "HEAD"):
        answer = ask(url, path, method)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == 'Bearer realm="asap_ingest"'
    text = ask(url, path).body.decode()
    assert VARIABLE in text
    assert "\n" not in text
    # neither does it say what there is
    assert ask(url, "/nowhere").body.decode() == text


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": f"Bearer {OTHER}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"Authorization": "Bearer \xff\xfe"},
        {"Cookie": f"token={TOKEN}"},
        {"Cookie": f"asap_ingest_000000000000={TOKEN}"},
    ],
)
def test_anything_else_is_not_the_token(server: tuple[str, str], headers: dict[str, str]) -> None:
    url, path = server
    assert ask(url, path, **headers).status == 401


def test_who_sends_it_is_answered(server: tuple[str, str]) -> None:
    url, path = server
    for kind in ("Bearer", "bearer"):
        assert ask(url, path, Authorization=f"{kind} {TOKEN}").status == 200


def test_a_wrong_token_is_said_to_be_wrong(server: tuple[str, str]) -> None:
    url, path = server
    assert b"not the one of this server" in ask(url, path, Authorization=f"Bearer {OTHER}").body
    assert b"not the one of this server" in ask(url, f"{path}?token={OTHER}").body


def test_an_address_with_the_token_is_left_for_one_without(server: tuple[str, str]) -> None:
    url, path = server
    answer = ask(url, f"{path}?a=%2F&{IN_QUERY}&b")
    assert answer.status == 303
    assert answer.headers["location"] == f"./{path.rpartition('/')[2]}?a=%2F&b"
    assert answer.headers["cache-control"] == "no-store"
    cookie, *attributes = answer.headers["set-cookie"].split("; ")
    assert sorted(attributes) == ["HttpOnly", "Path=/", "SameSite=lax"]
    assert ask(url, path, Cookie=f"other=1; {cookie}").status == 200


@pytest.mark.parametrize("target", ["//host.example/x", "/a//host.example:80", "//host.example"])
def test_no_address_leads_elsewhere(volume_url: str, target: str) -> None:
    location = ask(volume_url, f"{target}?{IN_QUERY}").headers["location"]
    assert location.startswith("./")
    assert "/" not in location[2:]


def test_an_address_with_the_token_changes_nothing(render_url: str) -> None:
    stack = "/render-ws/v1/owner/o/project/p/stack/s"
    for method in ("PUT", "POST", "DELETE"):
        assert ask(render_url, f"{stack}?{IN_QUERY}", method, Content_Length="0").status == 401


def test_pages_of_others_are_refused_as_ever(render_url: str) -> None:
    answer = ask(
        render_url,
        "/render-ws/v1/owner/o/project/p/stack/s/state/COMPLETE",
        "PUT",
        Authorization=f"Bearer {TOKEN}",
        Origin="http://page.example",
    )
    assert answer.status == 403


def test_the_lines_printed_have_the_token() -> None:
    with listen("0.0.0.0", 0) as listening:
        url, link, further, elsewhere = announced_lines(listening, TOKEN, lambda url: [f"of {url}"])
        assert link == f"with the token: {url}/?{IN_QUERY}"
        assert further == f"of {url}"
        assert elsewhere.endswith(f"/?{IN_QUERY}")
        assert len(announced_lines(listening, None, lambda url: [])) == 2


def test_tokens_differ_and_can_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    from asap_ingest.web.access_token import authorization

    assert new_token() != new_token()
    monkeypatch.setenv(VARIABLE, token := new_token())
    assert authorization() == {"Authorization": f"Bearer {token}"}


@pytest.mark.parametrize("token", ["short", "a token with blanks in it", "twenty-characters-ü-xx"])
def test_a_token_that_cannot_be_used_is_refused(
    token: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv(VARIABLE, token)
    assert main(["--port", "0", "--database", str(tmp_path / "render.db")]) == 2
    text = capsys.readouterr().err
    assert f": error: {VARIABLE}: " in text
    assert token not in text
    assert not (tmp_path / "render.db").exists()


@contextmanager
def program(*arguments: str, **environment: str) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A command that serves: its process, its URL, and the address with the token."""
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            url, link = (process.stdout.readline().strip() for _ in range(2))
            assert link.startswith(f"with the token: {url}/?token=")
            yield process, url, link.removeprefix("with the token: ")
        finally:
            process.terminate()


def test_the_printed_link_opens_the_service_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    arguments = ("asap_ingest.serve_render", "--database", str(tmp_path / "render.db"), "--token")
    with program(*arguments, "--log_level", "DEBUG") as (process, url, link):
        token = link.partition("=")[2]
        assert len(token) > 40
        page = browser.open_page(link)
        assert page.evaluate("location.href") == f"{url}/render-ws/view/stacks.html"
        assert page.evaluate(f"fetch('{OWNERS}').then(answer => answer.json())") == []
        # scripts of the page cannot read it
        assert page.evaluate("document.cookie") == ""
        assert page.problems() == []
        assert requests.get(f"{url}{OWNERS}", timeout=9).status_code == 401
        assert token not in Path(f"/proc/{process.pid}/cmdline").read_text()
        process.terminate()
        log = "".join(process.communicate(timeout=30))
    assert "GET /?token=***" in log
    assert token not in log


def test_the_viewer_link_opens_the_volume_in_a_browser(browser: Browser, tmp_path: Path) -> None:
    make_volume(tmp_path, random_array((3, 40, 50)))
    arguments = ("asap_ingest.serve_precomputed", "--directory", str(tmp_path))
    with program(*arguments, **{VARIABLE: TOKEN}) as (process, url, link):
        assert process.stdout is not None
        assert link == f"{url}/?{IN_QUERY}"
        source, viewer = (process.stdout.readline().strip() for _ in range(2))
        assert source == f"precomputed://{url}"
        page = browser.open_page(viewer)
        wait_for_request(page, "/1_1_1/")
        assert "token" not in page.evaluate("location.href")
        assert page.problems() == []


def wait_for_request(page: Any, part: str) -> None:
    page.wait_until("document.querySelector('canvas') !== null")
    for _ in range(400):
        if any(part in url for url in page.requests):
            return
        page.do(lambda page: page.wait_for_timeout(25))
    raise AssertionError(f"nothing with {part} was asked for: {page.requests}")


@pytest.fixture
def connection(render_url: str) -> dict[str, Any]:
    host, _, port = render_url.rpartition(":")
    names = {"owner": "o", "project": "p", "client_scripts": CLIENT_SCRIPTS}
    return {"host": host, "port": int(port), **names}


@pytest.fixture
def with_token(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Sets the token of the environment; sessions made before do not have it."""
    from asap_ingest.render import stack

    stack._session.cache_clear()
    yield lambda token: monkeypatch.setenv(VARIABLE, token)
    stack._session.cache_clear()


def test_without_it_a_client_is_told_what_to_set(
    connection: dict[str, Any], volume_url: str, with_token: Callable[[str], None]
) -> None:
    with pytest.raises(ServiceError, match=VARIABLE):
        Stack(RenderConnection(**connection), "s").metadata()
    with pytest.raises(StorageError, match=VARIABLE):
        check_precomputed(volume_url)
    with_token(OTHER)
    with pytest.raises(StorageError, match="does not accept the token"):
        check_precomputed(volume_url)


def test_the_clients_take_it_from_the_environment(
    connection: dict[str, Any],
    render_url: str,
    volume_url: str,
    with_token: Callable[[str], None],
    tmp_path: Path,
    browser: Browser,
) -> None:
    with_token(TOKEN)
    Image.fromarray(np.full((48, 64), 200, np.uint8)).save(tmp_path / "a.png")
    image = {"0": {"imageUrl": (tmp_path / "a.png").as_uri()}}
    stack = Stack(RenderConnection(**connection), "s")
    with stack.writing({}, close_stack=True):
        stack.put_resolved_tiles(
            collection(tile("a", width=64, height=48, specs=[leaf()], mipmapLevels=image)), derive_data=True
        )
    assert get_json(f"{render_url}/render-ws/v1/owners") == ["o"]
    run_ws_client = [f"{CLIENT_SCRIPTS}/manage_stacks.sh", "--baseDataUrl", f"{render_url}/render-ws/v1"]
    run_ws_client += ["--owner", "o", "--project", "p", "--stack", "t", "--action", "CREATE"]
    ran = subprocess.run([*run_ws_client, "--versionNotes", "x"], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert set(stack.connection.stack_names()) == {"s", "t"}
    parameters = {
        "render": connection,
        "input_stack": "s",
        "dest": str(tmp_path / "v"),
        "voxel_size": [4, 4, 40],
    }
    exported = run_step("export_to_precomputed", parameters, tmp_path)
    assert exported.exit_code == 0, exported.stderr
    assert TOKEN not in exported.stderr + exported.stdout + str(exported.output)
    assert faults_of(volume_url) == []
    see_it_in_neuroglancer(browser, render_url)


def see_it_in_neuroglancer(browser: Browser, url: str) -> None:
    state = {
        "dimensions": {"x": [4e-9, "m"], "y": [4e-9, "m"], "z": [40e-9, "m"]},
        "position": [30, 20, 1.5],
        "layers": [{"type": "image", "name": "s", "source": f"render://{url}/o/p/s"}],
    }
    client = f"{url}/render-ws/view/neuroglancer/v/page/index.html?{IN_QUERY}"
    page = browser.open_page(client_url(client, state))
    wait_for_request(page, "jpeg-image")
    assert page.problems() == []
