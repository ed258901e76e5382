"""Programs that serve end on SIGTERM and SIGINT, whatever the one that started them had set up for both."""

import signal
import subprocess
import sys

import pytest

from tests.test_demo import demo_command
from tests.volumes.volumes import make_volume, random_array

pytestmark = pytest.mark.slow

ENDS = (signal.SIGTERM, signal.SIGINT)


#: A shell leaves its background jobs with SIGINT ignored.
IGNORED = "[signal.signal(number, signal.SIG_IGN) for number in (signal.SIGTERM, signal.SIGINT)]"
BLOCKED = "signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))"


def started_with(inherited, command):
    program = f"import os, signal, sys; {inherited}; os.execv(sys.argv[1], sys.argv[1:])"
    return subprocess.Popen([sys.executable, "-c", program, *command], stdout=subprocess.PIPE, text=True)


def render_service(folder):
    command = [sys.executable, "-m", "asap_ingest.serve_render", "--port", "0"]
    return [*command, "--database", str(folder / "render.db")], "http://"


def volume_server(folder):
    make_volume(folder, random_array((9, 20, 37)))
    command = [sys.executable, "-m", "asap_ingest.serve_precomputed", "--port", "0"]
    return [*command, "--directory", str(folder)], "http://"


def demo(folder):
    return demo_command(folder, "--serve"), "open http://"


@pytest.fixture(scope="module")
def demo_folder(tmp_path_factory):
    """Demos use the section of the first again: simulating it takes the longest."""
    return tmp_path_factory.mktemp("demo")


SETTINGS = {"ignored": IGNORED, "blocked": BLOCKED}
SERVERS = [
    pytest.param(program, setting, number, id=f"{program.__name__}-{setting}-{number}")
    for program in (render_service, volume_server)
    for setting in SETTINGS
    for number in ENDS
]
#: Each of the settings and signals once: a demo takes half a minute, and ends as the servers do.
DEMOS = [
    pytest.param(demo, *ending, id=f"demo-{ending[0]}", marks=pytest.mark.long)
    for ending in zip(SETTINGS, ENDS, strict=True)
]


@pytest.mark.parametrize(("program", "setting", "number"), [*SERVERS, *DEMOS])
def test_a_program_that_serves_ends(tmp_path, demo_folder, program, setting, number):
    command, address = program(demo_folder if program is demo else tmp_path)
    with started_with(SETTINGS[setting], command) as process:
        try:
            assert any(line.startswith(address) for line in process.stdout)
            process.send_signal(number)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
