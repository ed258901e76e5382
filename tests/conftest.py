"""Fixtures and settings of all tests: a real embedded service in its own process, a browser, log levels."""

import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from asap_ingest.render_ws import CLIENT_SCRIPTS
from tests.browser import Browser, missing
from tests.examples import ALL

ROOT = Path(__file__).parents[1]
#: Programs, run side by side, that compile the pixel loops.
COMPILING = (
    ("-c", "import asap_ingest.images.kernels, asap_ingest.simulation.tissue_pixels"),
    ("-m", "tests.compile_loops"),
)
# compiled loops and busy machines: the first example of a test may take seconds
hypothesis.settings.register_profile("nightly", deadline=None, max_examples=ALL)
hypothesis.settings.register_profile("tests", deadline=None, max_examples=ALL // 10)


def pytest_configure(config):
    """Load the profile before tests are imported: they take their numbers of examples from it."""
    if not config.getoption("--hypothesis-profile"):
        hypothesis.settings.load_profile("tests")


def pytest_sessionstart(session):
    """Compile pixel loops before workers start: once, and not in a test that is timed."""
    if session.config.getoption("numprocesses", None):
        programs = [subprocess.Popen([sys.executable, *program], cwd=ROOT) for program in COMPILING]
        for process in programs:
            assert process.wait() == 0, process.args


@pytest.fixture(autouse=True)
def log_levels_of_its_own() -> None:
    """Reset log levels: a step that ran in this process sets the package's, and argschema the root's."""
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("asap_ingest").setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def service_url(tmp_path_factory) -> Iterator[str]:
    """Base URL of an embedded render service, up to the port."""
    database = tmp_path_factory.mktemp("service") / "render.db"
    command = [sys.executable, "-m", "asap_ingest.serve_render", "--port", "0", "--database", str(database)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


@pytest.fixture
def render(service_url, request) -> dict:
    """Connection parameters with a project of the test's own."""
    host, _, port = service_url.rpartition(":")
    project = re.sub(r"[^A-Za-z0-9]+", "_", request.node.name).strip("_")[:60].strip("_")
    return {
        "host": host,
        "port": int(port),
        "owner": "tests",
        "project": project,
        "client_scripts": CLIENT_SCRIPTS,
    }


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Browser]:
    """One chromium for all tests of a process."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    browser = Browser()
    yield browser
    browser.close()


@pytest.fixture
def browser(_chromium) -> Iterator[Browser]:
    """A browser whose pages are closed after the test."""
    yield _chromium
    _chromium.close_pages()


@pytest.fixture
def closed_port() -> int:
    """A port that nothing listens on."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pytest_collection_modifyitems(items):
    """Mark tests that use a service or a browser as slow, and property tests as nightly.

    Files with slow tests come first, so that the short files at the end keep all workers busy.
    """
    for item in items:
        if {"service_url", "browser"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if hypothesis.is_hypothesis_test(getattr(item, "obj", None)):
            item.add_marker(pytest.mark.nightly)
    slow_files = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow_files)


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, hidden ones too, with its content."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
