"""The scripts and commands of docs/clusters.md run as written, a loop in the scheduler's place."""

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from asap_ingest.execution.dask_cluster import local_scheduler
from tests.acquisitions import random_tiles, write_acquisition
from tests.conftest import listing
from tests.steps import MIPMAPS, TILESPECS, run_step

DOCUMENT = (Path(__file__).parents[1] / "docs" / "clusters.md").read_text()
FILES = dict(re.findall(r"```\w+ (\S+)\n(.*?)```", DOCUMENT, re.S))
COMMANDS = "".join(re.findall(r"```sh\n(.*?)```", DOCUMENT, re.S)).splitlines()
ARRAY_VARIABLES = {
    "mipmaps.slurm": "SLURM_ARRAY_TASK_ID",
    "mipmaps.pbs": "PBS_ARRAY_INDEX",
    "mipmaps.lsf": "LSB_JOBINDEX",
}
SUBMITTING = ("sbatch", "qsub", "bsub")
SHARDS = 3


@pytest.fixture
def folder(render, tmp_path):
    """The document's input, made to fit a small stack; the files it should give are in `whole`."""
    metafile = write_acquisition(tmp_path / "images", random_tiles(12))
    run_step(
        TILESPECS, {"render": render, "metafile": str(metafile), "stack": "acquired", "z_index": 1}, tmp_path
    )
    parameters = json.loads(FILES["mipmaps.json"]) | {"render": render, "levels": 2}
    whole = tmp_path / "whole"
    ran = run_step(MIPMAPS, parameters | {"output_dir": str(whole), "pool_size": 1}, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    parameters["output_dir"] = str(tmp_path / "mipmaps")
    (tmp_path / "mipmaps.json").write_text(json.dumps(parameters))
    return tmp_path


def shell(command, folder, **variables):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PBS_O_WORKDIR": str(folder)} | variables
    ran = subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"


def command_with(word):
    (command,) = [command for command in COMMANDS if word in command]
    return command


def output(folder, name):
    return json.loads((folder / name).read_text())


@pytest.mark.long
@pytest.mark.parametrize("script", ARRAY_VARIABLES)
def test_an_array_job_does_what_one_run_does(folder, script):
    (folder / script).write_text(
        FILES[script].replace("64", str(SHARDS)).replace("pool_size 8", "pool_size 1")
    )
    shell(command_with("mkdir"), folder)
    for number in range(1, SHARDS + 1):
        shell(f"bash {script}", folder, **{ARRAY_VARIABLES[script]: str(number)})
    assert listing(folder / "mipmaps") == listing(folder / "whole")
    tiles = [output(folder, f"shards/mipmaps_{n}.json")["report"]["tiles"] for n in range(1, SHARDS + 1)]
    assert sum(tiles) == 12
    assert 12 not in tiles
    shell(command_with("merge_reports"), folder)
    report = output(folder, "mipmaps_out.json")["report"]
    assert (report["tiles"], report["files_written"], report["shards"]) == (12, 24, SHARDS)
    shell(command_with("apply_mipmaps_to_render"), folder)
    assert output(folder, "apply_out.json")["report"]["tiles_with_levels"] == 12


@pytest.mark.long
def test_the_dask_command_does_what_one_run_does(folder):
    with local_scheduler(2) as address:
        (folder / "scheduler.txt").write_text(f"{address}\n")
        shell(command_with("--dask_scheduler"), folder)
    assert listing(folder / "mipmaps") == listing(folder / "whole")


def test_nothing_is_left_unrun():
    run = {"mkdir", "merge_reports", "apply_mipmaps_to_render", "--dask_scheduler"}
    left = [
        command
        for command in COMMANDS
        if not command.startswith(SUBMITTING) and not any(word in command for word in run)
    ]
    assert left == []
    assert set(FILES) == {"mipmaps.json", "cluster.py", *ARRAY_VARIABLES}


@pytest.mark.parametrize("script", ARRAY_VARIABLES)
def test_the_array_has_as_many_jobs_as_shards(script):
    assert re.findall(r"1-(\d+)", FILES[script]) == re.findall(r"/(\d+)\"", FILES[script])


def test_the_python_of_the_document_is_python():
    ast.parse(FILES["cluster.py"])
