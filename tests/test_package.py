"""The source distribution and the wheel build, install and run the demo from outside the repository."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

import asap_ingest

pytest.importorskip("build", reason="build is not installed: pip install '.[test]'")
pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(600)]

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "asap_ingest"
NOT_SOURCES = (
    ".git",
    ".venv",
    "build",
    "dist",
    "demo_output",
    "__pycache__",
    "*.egg-info",
    ".*_cache",
    ".hypothesis",
)


def run(*command, cwd, **variables):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | variables
    ran = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the source distribution, and the wheel that is built from it."""
    if int(metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("setuptools is too old: pip install '.[test]'")
    folder = tmp_path_factory.mktemp("built")
    # a copy, as setuptools leaves files beside its sources
    source = folder / "source"
    shutil.copytree(ROOT, source, ignore=shutil.ignore_patterns(*NOT_SOURCES))
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder, source, cwd=folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = built.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """A new environment: the wheel, and what the wheel needs from the environment of the tests."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--no-index",
        wheel,
        cwd=folder,
    )
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_the_wheel_holds_every_file_of_the_package(wheel):
    files = {
        f"asap_ingest/{path.relative_to(PACKAGE)}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert files - names == set()
    assert {name.split("/")[0] for name in names} == {
        "asap_ingest",
        f"asap_ingest-{asap_ingest.__version__}.dist-info",
    }
    assert any(name.endswith("LICENSE") for name in names)


def test_the_source_distribution_holds_what_builds_and_explains_it(built):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"requirements.txt", "CHANGELOG.md", "LICENSE", "docs/index.md", "tests/conftest.py"} <= names


def test_the_metadata_are_complete(environment):
    script = (
        "from importlib import metadata as m; d = m.metadata('asap_ingest'); print(d['Version'], d['Author'])"
    )
    assert run(environment / "bin" / "python", "-c", script, cwd=environment).split() == [
        asap_ingest.__version__,
        "asap_ingest",
        "contributors",
    ]


def test_the_demo_runs_outside_the_repository(environment, tmp_path):
    where = run(
        environment / "bin" / "python", "-c", "import asap_ingest; print(asap_ingest.__file__)", cwd=tmp_path
    )
    assert where.startswith(str(environment))
    said = run(environment / "bin" / "asap-ingest", "demo", "--grid", 2, "--tile_size", 512, cwd=tmp_path)
    assert "checked 24 level files of 4 tiles" in said
    assert (tmp_path / "demo_output" / "section.png").stat().st_size > 0
