"""The demo, small: metafile to picture, and a demo that cannot work says so."""

import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import urljoin

import numpy as np
import pytest
import requests

from asap_ingest.images import formats

pytestmark = pytest.mark.slow


def demo_command(folder: Path, *arguments: str) -> list[str]:
    size = ["--grid", "2", "--tile_size", "300"]
    return [sys.executable, "-m", "asap_ingest", "demo", "--output_dir", str(folder), *size, *arguments]


@pytest.mark.long
def test_demo_leaves_a_picture_and_its_files(tmp_path):
    for begins in ("simulating 2 x 2 tiles", "2 x 2 tiles of an earlier run: "):
        ran = subprocess.run(demo_command(tmp_path), capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        assert ran.stdout.startswith(begins)
    assert "checked 24 level files of 4 tiles" in ran.stdout
    assert [line.split()[1] for line in ran.stdout.splitlines() if line.startswith(("gen", "app"))] == [
        "4"
    ] * 3
    picture = formats.decode((tmp_path / "section.png").read_bytes())
    assert picture.shape[2] == 3
    assert 80 < np.mean(picture) < 200
    assert len(list(tmp_path.glob("*put.json"))) == 6
    assert (tmp_path / "sections.html").is_file()

    what_it_ends_with_works(*ran.stdout.splitlines()[-2:])


def stacks_of_page(address):
    """The stacks that the page at an address lists, by what its script asks for."""
    assert requests.get(address, timeout=9).ok
    names = requests.get(urljoin(address, "/render-ws/v1/owner/demo/stackIds"), timeout=9).json()
    for name in names:
        overview = f"overview/demo/{name['project']}/{name['stack']}"
        assert requests.get(urljoin(address, overview), timeout=9).json()["tileCount"] == 4
    return [name["stack"] for name in names]


def what_it_ends_with_works(command, address):
    """One command and one address: the command runs as it stands, and the address shows the stacks."""
    assert command.startswith("next: ")
    line = shlex.split(command.removeprefix("next: "))
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout.readline().startswith("http://")
            stacks = stacks_of_page(address.removeprefix("then open "))
        finally:
            service.terminate()
    assert "section_with_mipmaps" in stacks


@pytest.mark.long
def test_demo_serves_its_stacks(tmp_path):
    with subprocess.Popen(demo_command(tmp_path, "--serve"), stdout=subprocess.PIPE, text=True) as demo:
        line = next(line for line in demo.stdout if line.startswith("open "))
        stacks = stacks_of_page(line.split()[1])
        demo.send_signal(2)
    assert demo.returncode == 0
    assert "section_with_mipmaps" in stacks


def test_demo_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    ran = subprocess.run(demo_command(tmp_path / "file" / "x"), capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert ran.stderr.startswith("asap_ingest.demo: error:")
    assert "Traceback" not in ran.stderr
