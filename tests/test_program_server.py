"""A program from the server of programs is the one that `python -m` starts, as far as anyone can see."""

import os
import subprocess
import sys

import pytest

from tests import program_server

pytestmark = pytest.mark.slow

PROGRAM = """
import atexit, logging, os, signal, sys, threading, time
how = sys.argv[1]
atexit.register(print, "at the end")
print(sorted(sys.argv[1:]), __name__, sys.path[0], os.getcwd(), os.environ.get("SOME_NAME"), sys.stdin.read())
print("an error", file=sys.stderr)
threading.Thread(target=lambda: (time.sleep(0.05), print("from a thread"))).start()
if how == "raises":
    raise ValueError("told")
if how == "says":
    sys.exit("in words")
if how == "killed":
    os.kill(os.getpid(), signal.SIGKILL)
if how == "interrupted":
    os.kill(os.getpid(), signal.SIGINT)
if how != "ends":
    sys.exit(int(how))
"""


def ends(ran):
    """Exit code and what was printed; of a traceback the last line alone, as the first names the starter."""
    first, *_, last = [*ran.stderr.splitlines(), "", ""][:-1]
    return ran.returncode, ran.stdout, first, last


@pytest.mark.parametrize("how", ["ends", "0", "3", "raises", "says", "killed", "interrupted"])
def test_a_program_ends_as_by_itself(tmp_path, monkeypatch, how):
    (tmp_path / "some_program.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SOME_NAME", how)
    command = [sys.executable, "-m", "some_program", how, "more"]
    real = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert ends(program_server.run("some_program", how, "more")) == ends(real)
    assert "from a thread" in real.stdout or how in ("killed", "interrupted")


@pytest.mark.parametrize(
    "arguments", [["generate_mipmaps", "--help"], ["ingest_section"], ["precomputed_tif", "--levels", "x"]]
)
def test_a_step_says_what_it_says_by_itself(arguments):
    module, *given = arguments
    command = [sys.executable, "-m", f"asap_ingest.{module}", *given]
    real = subprocess.run(command, capture_output=True, text=True, check=False)
    ran = program_server.run(f"asap_ingest.{module}", *given)
    assert (ran.returncode, ran.stdout, ran.stderr) == (real.returncode, real.stdout, real.stderr)


def test_a_program_that_does_not_end_is_killed(tmp_path, monkeypatch):
    (tmp_path / "endless.py").write_text(
        "import os, pathlib, time; pathlib.Path('id').write_text(str(os.getpid())); time.sleep(600)"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(subprocess.TimeoutExpired):
        program_server.run("endless", timeout=0.5)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "id").read_text()), 0)
    assert program_server.run("asap_ingest.generate_mipmaps", "--help").returncode == 0
