"""`run_ws_client.sh` finds its Python, hands arguments on unchanged and gives the right exit codes."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from asap_ingest.render_ws import CLIENT_SCRIPTS
from asap_ingest.render_ws.client_scripts.run_client import CLIENTS
from tests.render_ws.client_scripts.cases import SCRIPT, run_script

IMPORT = "org.janelia.render.client.ImportJsonClient"
THIN = {
    "import_json.sh": IMPORT,
    "import_transform_changes.sh": "org.janelia.render.client.ImportTransformChangesClient",
    "manage_stacks.sh": "org.janelia.render.client.StackClient",
    "validate_tiles.sh": "org.janelia.render.client.ValidateTilesClient",
}
#: Tells what it was called as, and with what.
ECHO = '#!/bin/sh\necho "$0"\nfor text in "$@"; do echo "<$text>"; done\necho "path=$PYTHONPATH"\n'

pytestmark = pytest.mark.slow


def scripts_in(folder: Path) -> Path:
    """The scripts, and what they look for, laid out as in a package below the folder; the wrapper's path."""
    target = folder / "asap_ingest" / "render_ws" / "client_scripts"
    target.mkdir(parents=True)
    for source in [*Path(CLIENT_SCRIPTS).glob("*.sh"), Path(CLIENT_SCRIPTS) / "run_client.py"]:
        shutil.copy(source, target)
    return target / "run_ws_client.sh"


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(ECHO)
    path.chmod(0o755)
    return path


def call(script: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script with nothing in the environment but a PATH of standard programs, unless given."""
    return subprocess.run(
        [str(script), *arguments],
        env={"PATH": "/usr/bin:/bin", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_client_scripts_is_the_folder_of_the_wrapper():
    assert Path(CLIENT_SCRIPTS).is_dir()
    assert os.access(SCRIPT, os.X_OK)
    assert {path.name for path in Path(CLIENT_SCRIPTS).glob("*.sh")} == {*THIN, SCRIPT.name}


@pytest.mark.parametrize("arguments", [[], ["1G"]])
def test_too_few_arguments_print_the_usage(arguments):
    ran = call(SCRIPT, *arguments)
    assert ran.returncode == 1
    assert ran.stdout.startswith("usage: ")


def test_the_python_of_the_installation_is_taken(tmp_path):
    prefix = tmp_path / "an environment"
    python = program(prefix / "bin" / "python3")
    ran = call(
        scripts_in(prefix / "lib" / "python3.11" / "site-packages"), "1G", "some.Class", "a b", "*", ""
    )
    lines = ran.stdout.splitlines()
    assert Path(lines[0]).resolve() == python
    module = "<asap_ingest.render_ws.client_scripts.run_client>"
    assert lines[1:] == ["<-m>", module, "<some.Class>", "<a b>", "<*>", "<>", "path="]
    assert ran.returncode == 0


def test_the_python_of_a_checkout_is_taken(tmp_path):
    checkout = tmp_path / "my checkout"
    python = program(checkout / ".venv" / "bin" / "python")
    ran = call(scripts_in(checkout), "1G", "some.Class", PYTHONPATH="/other")
    assert ran.stdout.splitlines()[0] == str(python)
    assert ran.stdout.splitlines()[-1] == f"path={checkout}:/other"


def test_a_named_python_comes_first(tmp_path):
    program(tmp_path / "c" / ".venv" / "bin" / "python")
    named = program(tmp_path / "named one")
    ran = call(scripts_in(tmp_path / "c"), "1G", "some.Class", ASAP_INGEST_PYTHON=str(named))
    assert ran.stdout.splitlines()[0] == str(named)


def test_the_python_on_the_path_comes_last(tmp_path):
    python = program(tmp_path / "bin" / "python3")
    ran = call(scripts_in(tmp_path / "c"), "1G", "some.Class", PATH=f"{tmp_path / 'bin'}:/usr/bin:/bin")
    assert ran.stdout.splitlines()[0] == str(python)


def test_no_python_at_all_is_told(tmp_path):
    ran = call(scripts_in(tmp_path / "c"), "1G", "some.Class", PATH=str(tmp_path))
    assert ran.returncode == 1
    assert "set ASAP_INGEST_PYTHON" in ran.stdout


@pytest.mark.parametrize("name", ["run_ws_client.sh", "import_json.sh"])
def test_a_symbolic_link_finds_the_package(tmp_path, name):
    python = program(tmp_path / "c d" / ".venv" / "bin" / "python")
    link = tmp_path / "link"
    link.symlink_to(scripts_in(tmp_path / "c d").parent / name)
    assert call(link, "1G", "some.Class").stdout.splitlines()[0] == str(python)


def test_the_wrapper_can_be_called_from_its_folder(tmp_path):
    python = program(tmp_path / "c" / ".venv" / "bin" / "python")
    folder = scripts_in(tmp_path / "c").parent
    ran = subprocess.run(
        ["/bin/sh", "run_ws_client.sh", "1G", "some.Class"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[0] == str(python)


@pytest.mark.parametrize("name", sorted(THIN))
def test_thin_scripts_run_their_class(tmp_path, name):
    program(tmp_path / "c d" / ".venv" / "bin" / "python")
    ran = call(scripts_in(tmp_path / "c d").parent / name, "--stack", "s t")
    assert f"<{THIN[name]}>" in ran.stdout
    assert ran.stdout.splitlines()[-3:-1] == ["<--stack>", "<s t>"]


def test_every_thin_script_names_a_client():
    assert set(THIN.values()) <= set(CLIENTS)


def test_class_and_command_are_printed():
    ran = run_script(IMPORT, ["--owner", "o"])
    assert ran.returncode == 1
    assert f"{IMPORT} --owner o" in ran.stdout
    assert "required: --baseDataUrl, --project, --stack" in ran.stdout
    assert "--transformFile <value>" in ran.stdout


def test_an_unknown_class_fails():
    ran = run_script("org.janelia.render.client.NoClient", [])
    assert ran.returncode == 1
    assert IMPORT in ran.stdout


def test_a_client_that_is_left_out_says_why():
    ran = run_script("org.janelia.render.client.PointMatchClient", ["--owner", "o"])
    assert ran.returncode == 1
    assert "run the Java client" in ran.stdout


def test_modules_in_the_working_folder_are_not_imported(tmp_path, monkeypatch):
    (tmp_path / "numpy.py").write_text("raise SystemExit(7)")
    monkeypatch.chdir(tmp_path)
    assert run_script(IMPORT, ["--help"]).returncode == 1


def test_a_terminated_wrapper_leaves_no_client_behind(tmp_path):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/render-ws/v1"
        stack = ["--baseDataUrl", url, "--owner", "o", "--project", "p", "--stack", "s"]
        process = subprocess.Popen(
            [str(SCRIPT), "1G", IMPORT, *stack, "no.json"],
            env={**os.environ, "ASAP_INGEST_PYTHON": sys.executable},
            stdout=subprocess.DEVNULL,
        )
        connection, _ = silent.accept()
        with connection:
            connection.settimeout(20)
            assert connection.recv(10).startswith(b"GET ")
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=20) == -signal.SIGTERM
            while connection.recv(4096):
                pass
