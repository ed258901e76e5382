"""The commands of the README and of the pages that go on from it run as written, on a small acquisition."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import requests
import tifffile

from asap_ingest.__main__ import COMMANDS
from asap_ingest.check_precomputed import check_precomputed
from asap_ingest.commands.http_server import listen
from asap_ingest.simulation.acquisition import Acquisition, simulate_section

ROOT = Path(__file__).parents[1]
#: In the order in which a reader follows them; each goes on where the one before ended.
PAGES = ["README.md", *(f"docs/{name}.md" for name in ("tutorial", "day_of_sections", "volumes", "steps"))]
PAGES.append("docs/from_python.md")
TEXTS = [(ROOT / page).read_text() for page in PAGES]
BLOCKS = [
    block for text in TEXTS for block in re.findall(r"```(json|python|sh) ?(\S*)\n(.*?)```", text, re.S)
]
JSON_FILES = {name: content for kind, name, content in BLOCKS if kind == "json"}
PYTHON_BLOCKS = [content for kind, _, content in BLOCKS if kind == "python"]
#: A page repeats commands of another, such as the start of the service: these run once.
COMMAND_LINES = list(
    dict.fromkeys(line for kind, _, content in BLOCKS if kind == "sh" for line in content.splitlines())
)
#: What lies in the reader's `stack/`.
PLANES = np.random.default_rng(5).integers(0, 256, (11, 100, 140), np.uint8)


@pytest.fixture
def volume_port():
    """A port for the volume."""
    with listen("127.0.0.1", 0) as probe:
        return int(probe.getsockname()[1])


@pytest.fixture
def readme_folder(tmp_path, closed_port):
    """A folder with the demo's acquisition, small, planes of the reader, and the JSON files of the pages."""
    (tmp_path / "stack").mkdir()
    for z, plane in enumerate(PLANES):
        tifffile.imwrite(tmp_path / "stack" / f"z{z}.tif", plane)
    simulate_section(tmp_path / "demo_output" / "acquisition", Acquisition((2, 2), (256, 256)))
    for name, content in JSON_FILES.items():
        (tmp_path / name).write_text(content.replace("8080", str(closed_port)))
    return tmp_path


@pytest.mark.long
@pytest.mark.slow
def test_commands_run_as_written(readme_folder, closed_port, volume_port):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    options = {"cwd": readme_folder, "env": os.environ | {"PATH": path}, "shell": True}
    services = []
    try:
        for line in COMMAND_LINES:
            written = line.replace("8080", str(closed_port)).replace("8081", str(volume_port))
            if line.startswith("make"):
                continue
            if line.endswith("&"):
                services.append(
                    subprocess.Popen(f"exec {written[:-1]}", stdout=subprocess.DEVNULL, **options)
                )
            else:
                ran = subprocess.run(written, capture_output=True, text=True, check=False, **options)
                assert ran.returncode == 0, f"{line}\n{ran.stdout}{ran.stderr}"
        see_what_the_readme_promises(closed_port, readme_folder)
        for block in PYTHON_BLOCKS:
            written = [sys.executable, "-c", block.replace("8080", str(closed_port))]
            subprocess.run(written, cwd=readme_folder, check=True, stdout=subprocess.DEVNULL)
        see_the_volumes(f"http://localhost:{volume_port}", readme_folder)
    finally:
        for service in services:
            service.terminate()
            service.wait()


def see_what_the_readme_promises(port, folder):
    project = f"http://localhost:{port}/render-ws/v1/owner/lab/project/brain"
    for stack in ("grid", "acquired_with_mipmaps", "steps_with_mipmaps", "steps", "day"):
        tiles = requests.get(f"{project}/stack/{stack}/z/1.0/resolvedTiles", timeout=9).json()[
            "tileIdToSpecMap"
        ]
        assert [len(tile["mipmapLevels"]) for tile in tiles.values()] == [7] * 4
    assert requests.get(f"http://localhost:{port}/render-ws/view/stacks.html", timeout=9).ok
    assert len(list((folder / "mipmaps" / "runs" / "acquired_z1").iterdir())) == 6


def see_the_volumes(url, folder):
    info = requests.get(f"{url}/info", timeout=9).json()
    scales = info["scales"]
    assert [scale["key"] for scale in scales] == ["1_1_1", "2_2_1", "4_4_1", "8_8_1"]
    assert [scales[0][name] for name in ("size", "resolution")] == [[140, 100, 11], [4, 4, 40]]
    chunk = requests.get(f"{url}/1_1_1/64-128_64-100_0-11", timeout=9).content
    assert chunk == PLANES[:, 64:100, 64:128].tobytes()
    exported = json.loads((folder / "section_volume" / "info").read_text())
    assert exported["scales"][0]["size"][2] == 1
    for volume in ("volume", "exported", "section_volume"):
        assert check_precomputed(str(folder / volume), "voxels").findings.faults == []


def test_there_is_something_to_run():
    assert len(JSON_FILES) == 6
    assert len(PYTHON_BLOCKS) == 4
    assert sum(not line.startswith("make") for line in COMMAND_LINES) == 20


def test_a_file_has_one_content():
    given = {(name, content) for kind, name, content in BLOCKS if kind == "json"}
    assert len(given) == len(JSON_FILES)


def test_make_targets_exist():
    targets = {line.split()[1] for line in COMMAND_LINES if line.startswith("make")}
    assert targets == {"demo", "test"}
    for target in (*targets, "lint", "docs", "bench", "help"):
        subprocess.run(["make", "--dry-run", target], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.slow
def test_no_command_lists_them_and_a_wrong_one_is_refused():
    listing = subprocess.run(
        [sys.executable, "-m", "asap_ingest"], capture_output=True, text=True, check=True
    ).stdout
    assert all(command in listing for command in COMMANDS)
    wrong = subprocess.run(
        [sys.executable, "-m", "asap_ingest", "ingest"], capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 2
    assert "no command 'ingest'" in wrong.stderr
