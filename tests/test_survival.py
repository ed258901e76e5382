"""What runs survive: a killed worker, a restarted service; and what a rerun makes good."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.render_ws import CLIENT_SCRIPTS
from tests.acquisitions import random_tiles, write_acquisition
from tests.conftest import listing
from tests.processes import children
from tests.steps import APPLY, MIPMAPS, TILESPECS, command, run_step

pytestmark = [pytest.mark.slow, pytest.mark.long]
SECTIONS = (1, 2, 3, 4, 5, 6)


class RestartableService:
    """An embedded render service at one port, which can be killed and started again."""

    def __init__(self, database: Path, port: int) -> None:
        self.port = port
        program = [sys.executable, "-m", "asap_ingest.serve_render"]
        self._command = [*program, "--port", str(port), "--database", str(database)]
        self.start()

    def start(self):
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout.readline().startswith("http")

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@pytest.fixture
def service(tmp_path, closed_port):
    service = RestartableService(tmp_path / "own.db", closed_port)
    yield service
    service.kill()


@pytest.fixture
def parameters(service, tmp_path):
    """Six sections of eight tiles in a service of the test's own."""
    render = {
        "host": "127.0.0.1",
        "port": service.port,
        "owner": "tests",
        "project": "survival",
        "client_scripts": CLIENT_SCRIPTS,
    }
    for z in SECTIONS:
        metafile = write_acquisition(tmp_path / "images" / str(z), random_tiles(8, (400, 400), seed=z))
        given = {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": z}
        assert run_step(TILESPECS, given, tmp_path).exit_code == 0
    return {"render": render, "input_stack": "raw", "output_dir": str(tmp_path / "mipmaps"), "pool_size": 2}


def start(step, parameters, folder):
    return subprocess.Popen(command(step, parameters, folder), stderr=subprocess.PIPE, text=True)


def wait_for_files(folder: Path, count: int, process) -> None:
    while len(listing(folder)) < count and process.poll() is None:
        time.sleep(0.002)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to find the workers")
def test_a_killed_worker_costs_nothing(parameters, tmp_path):
    with start(MIPMAPS, parameters, tmp_path) as process:
        wait_for_files(tmp_path / "mipmaps", 20, process)
        workers = [worker for server in children(process.pid) for worker in children(server)]
        assert workers
        os.kill(workers[0], signal.SIGKILL)
    assert process.returncode == 0
    assert len(listing(tmp_path / "mipmaps")) == len(SECTIONS) * 8 * 6


def test_a_restarted_service_costs_nothing(parameters, service, tmp_path):
    with start(MIPMAPS, parameters, tmp_path) as process:
        wait_for_files(tmp_path / "mipmaps", 20, process)
        service.kill()
        time.sleep(0.3)
        service.start()
        errors = process.stderr.read()
    assert process.returncode == 0, errors
    assert len(listing(tmp_path / "mipmaps")) == len(SECTIONS) * 8 * 6


def test_a_service_that_stays_away_ends_the_run_and_a_rerun_completes(parameters, service, tmp_path):
    assert run_step(MIPMAPS, parameters, tmp_path).exit_code == 0
    given = {"render": parameters["render"], "input_stack": "raw", "output_stack": "done", "pool_size": 1}
    given |= {"mipmap_dir": parameters["output_dir"], "close_stack": True}
    target = Stack(RenderConnection(**parameters["render"]), "done")
    with start(APPLY, given, tmp_path) as process:
        while process.poll() is None and target.state() is None:
            time.sleep(0.002)
        service.kill()
        errors = process.stderr.read()
    service.start()
    assert process.returncode in (0, 3), errors
    assert "Traceback" not in errors
    assert run_step(APPLY, given, tmp_path).exit_code == 0
    for z in SECTIONS:
        tiles = target.resolved_tiles(float(z))["tileIdToSpecMap"]
        assert [len(tile["mipmapLevels"]) for tile in tiles.values()] == [7] * 8
    assert target.state() == "COMPLETE"


def test_a_run_whose_service_dies_leaves_its_output_which_is_refused(parameters, service, tmp_path):
    with start(MIPMAPS, parameters | {"pool_size": 1}, tmp_path) as process:
        wait_for_files(tmp_path / "mipmaps", 4, process)
        service.kill()
        errors = process.stderr.read()
    assert process.returncode == 3, errors
    assert "interrupted: force_redo false does what is missing" in errors
    output = json.loads((tmp_path / f"{MIPMAPS}.out.json").read_text())
    assert "no render service answers" in output["interrupted"]
    assert 0 < output["report"]["tiles"] < 48
    refusal = run_step(APPLY, output, tmp_path)
    assert refusal.exit_code == 2
    assert "is how the step before ended: run that again first" in refusal.stderr
    service.start()
