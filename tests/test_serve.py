"""Stacks, volumes and Neuroglancer at one address, with one policy and one token."""

import re
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from html import unescape

import numpy as np
import pytest
import requests
from PIL import Image

from asap_ingest import open_volume
from asap_ingest.lab.lab_app import VolumeFolder, build_lab_app
from asap_ingest.neuroglancer_client import client_folder
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.render_ws.http.calls import Service
from asap_ingest.render_ws.store import Store
from asap_ingest.web.access_token import VARIABLE
from asap_ingest.web.web_policy import DEFAULT_POLICY, WebPolicy
from tests.servers import in_a_thread
from tests.test_export_to_precomputed import fill
from tests.volumes.volumes import make_volume, random_array

VOXELS = random_array((3, 40, 50))
TOKEN = "a-token-for-tests-0123456789"
STACKS = "/render-ws/v1/owner/lab/stackIds"


@contextmanager
def serving(folder, policy=DEFAULT_POLICY, token=None):
    """Base URL of a server with a stack and two volumes."""
    (folder / "volumes").mkdir()
    for name in ("cortex", "deeper/labels & more"):
        (folder / "volumes" / name).mkdir(parents=True)
        make_volume(folder / "volumes" / name, VOXELS)
    with closing(Store(folder / "render.db")) as store:
        app = build_lab_app(Service(store), VolumeFolder(folder / "volumes"), policy, token)
        with in_a_thread(app) as url:
            yield url


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("lab")


@pytest.fixture(scope="module")
def url(folder):
    with serving(folder) as url:
        for name, close in (("acquired", False), ("section_7", True)):
            stack = Stack(RenderConnection(url, None, "lab", "brain"), name)
            fill(stack, folder / "images", [1], close=close)
        yield url


def test_the_start_page_links_both(url):
    page = requests.get(url, timeout=9)
    assert page.ok
    assert "script-src" not in page.headers["content-security-policy"]
    links = [unescape(link) for link in re.findall(r'href="([^"]+)"', page.text)]
    assert {"render-ws/view/stacks.html", "volumes/"} <= set(links)
    assert "labels &amp; more" in page.text
    if client_folder() is not None:
        assert len([link for link in links if "#!" in link]) == 3  # a stack that is LOADING has no bounds
    for link in links:
        assert requests.get(f"{url}/{link.removeprefix(f'{url}/')}", timeout=9).ok, link


def test_both_are_where_they_belong(url):
    stacks = requests.get(url + STACKS, timeout=9).json()
    assert {found["stack"] for found in stacks} == {"acquired", "section_7"}
    assert requests.get(f"{url}/health", timeout=9).ok
    for name in ("cortex", "deeper/labels & more"):
        assert np.array_equal(open_volume(f"{url}/volumes/{name}")[:], VOXELS)
    index = requests.get(f"{url}/volumes", timeout=9).text
    assert f"precomputed://{url}/volumes/cortex" in index
    assert requests.get(f"{url}/volumes/nothing/info", timeout=9).status_code == 404
    assert requests.get(f"{url}/volumes/%2e%2e/render.db", timeout=9).status_code == 404


def test_a_volume_that_is_written_meanwhile_appears(folder, url, monkeypatch):
    monkeypatch.setattr("asap_ingest.lab.lab_app._FRESH_SECONDS", 0)
    (folder / "volumes" / "new").mkdir()
    make_volume(folder / "volumes" / "new", VOXELS)
    assert requests.get(f"{url}/volumes/new/info", timeout=9).ok
    assert "new" in requests.get(url, timeout=9).text


def test_a_folder_without_volumes_is_said_once(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("asap_ingest.lab.lab_app._FRESH_SECONDS", 0)
    volumes = VolumeFolder(tmp_path)
    assert volumes() == volumes() == {}
    assert [record.message.count("holds no volume") for record in caplog.records] == [1]


def test_one_policy_holds_for_all(url):
    paths = ("/", "/volumes/", "/volumes/cortex/info", STACKS)
    for path in paths:
        ask = f"{url}{path}"
        assert requests.get(ask, headers={"Host": "evil.example"}, timeout=9).status_code == 403
        foreign = requests.get(ask, headers={"Origin": "http://evil.example"}, timeout=9)
        assert "access-control-allow-origin" not in foreign.headers
        local = requests.get(ask, headers={"Origin": "http://localhost:3000"}, timeout=9)
        assert local.headers["access-control-allow-origin"] == "http://localhost:3000"
        written = requests.post(ask, headers={"Origin": "http://evil.example"}, timeout=9)
        assert written.status_code == 403
    assert requests.put(f"{url}/volumes/cortex/info", data=b"{}", timeout=9).status_code == 405
    exposed = requests.get(f"{url}/volumes/cortex/info", timeout=9).headers["access-control-expose-headers"]
    assert "content-range" in exposed


def test_listed_origins_and_names(tmp_path):
    policy = WebPolicy(frozenset(["lab.example"]), frozenset(["http://viewer.example"]))
    with serving(tmp_path, policy) as url:
        headers = {"Host": "lab.example", "Origin": "http://viewer.example"}
        for path in ("/", "/volumes/cortex/info", STACKS):
            answer = requests.get(url + path, headers=headers, timeout=9)
            assert answer.ok
            assert answer.headers["access-control-allow-origin"] == "http://viewer.example"


def test_one_token_opens_all(tmp_path, monkeypatch):
    with serving(tmp_path, token=TOKEN) as url:
        for path in ("/", "/volumes/cortex/info", "/volumes/", STACKS, "/metrics"):
            assert requests.get(url + path, timeout=9).status_code == 401
        browser = requests.Session()
        opened = browser.get(f"{url}/?token={TOKEN}", timeout=9)
        assert opened.ok
        assert "token" not in opened.url
        for path in ("/volumes/cortex/info", STACKS):
            assert browser.get(url + path, timeout=9).ok
        monkeypatch.setenv(VARIABLE, TOKEN)
        assert np.array_equal(open_volume(f"{url}/volumes/cortex")[:], VOXELS)


def test_a_proxy_with_a_prefix(url):
    page = requests.get(url, headers={"X-Forwarded-Prefix": "/em"}, timeout=9).text
    if client_folder() is not None:
        assert f"{url}/em/volumes/neuroglancer/" in page
        assert "render%3A//" + url.replace(":", "%3A") + "/em/lab/brain" in page
    assert (
        f"{url}/em/volumes/cortex"
        in requests.get(f"{url}/volumes/", headers={"X-Forwarded-Prefix": "/em"}, timeout=9).text
    )


@pytest.mark.slow
def test_the_command(tmp_path):
    (tmp_path / "volumes").mkdir()
    command = [sys.executable, "-m", "asap_ingest", "serve", "--port", "0"]
    command += ["--database", str(tmp_path / "render.db"), "--volumes"]
    with subprocess.Popen(
        [*command, str(tmp_path / "volumes")], stdout=subprocess.PIPE, text=True
    ) as process:
        url = process.stdout.readline().strip()
        page = requests.get(url, timeout=9).text
        assert "0 stacks" in page
        assert "Volumes appear here" in page
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    refused = subprocess.run([*command, str(tmp_path / "no")], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.endswith(f"serve: error: volumes: there is no folder {tmp_path / 'no'}\n")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [(1400, 900), (390, 844)], ids=["desk", "phone"])
def test_the_start_page_in_a_browser(url, browser, size, scheme, tmp_path):
    page = browser.open_page(url, size, color_scheme=scheme)
    assert page.text("h1") == "Stacks and volumes"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert not page.problems()
    Image.fromarray(page.screenshot()).save(tmp_path / "start.png")
    page.press("Tab", "Enter")
    page.wait_until("document.title === 'Stacks'")


@pytest.mark.skipif(client_folder() is None, reason="the Neuroglancer client is not installed")
@pytest.mark.parametrize("name", ["cortex", "section_7"])
def test_neuroglancer_opens_from_the_start_page(url, browser, name):
    page = browser.open_page(url)
    link = page.evaluate(f"document.querySelector('[aria-label=\"Open {name} in Neuroglancer\"]').href")
    viewer = browser.open_page(link)
    data = {"cortex": "/volumes/cortex/1_1_1/", "section_7": "/stack/section_7/z/1/box/"}[name]
    deadline = time.monotonic() + 60
    while not any(data in request for request in viewer.requests):
        assert time.monotonic() < deadline, viewer.problems()
        viewer.do(lambda page: page.wait_for_timeout(50))
    assert not viewer.problems()
