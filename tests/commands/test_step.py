"""How a step ends when it is told to, whatever it is doing."""

import os
import signal
import subprocess
import sys
import time

import pytest

#: An import as some libraries write it: it catches whatever is raised, and then fails in its own way.
IMPORT = """
import time
try:
    open("importing", "w").close()
    while True:
        time.sleep(0.01)
except:
    import version_of_this_library
"""
STEP = """
import signal
import sys
from asap_ingest.errors import ParameterError, StorageError
from asap_ingest.commands.step import Step

signal.signal(signal.SIGINT, signal.default_int_handler)  # also where this program's parent ignores it

class ImportingStep(Step):
    def run(self):
        try:
            import library
        except ImportError as error:
            if "--told" in sys.argv:
                raise ParameterError("library", "is not installed") from error
            if "--clean-up" in sys.argv:
                raise StorageError("report.json", "cannot be written: disk full") from None
            raise

sys.exit(ImportingStep.main([]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    ("options", "told"),
    [([], ""), (["--told"], ""), (["--clean-up"], "error: report.json: cannot be written: disk full\n")],
)
def test_a_signal_during_an_import_ends_the_step(tmp_path, number, options, told):
    (tmp_path / "library.py").write_text(IMPORT)
    program = [sys.executable, "-c", STEP, *options]
    paths = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = os.environ | {"PYTHONPATH": paths}
    with subprocess.Popen(program, cwd=tmp_path, env=environment, stderr=subprocess.PIPE) as process:
        while not (tmp_path / "importing").exists() and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        try:
            errors = process.communicate(timeout=60)[1].decode()
        finally:
            process.kill()
    assert errors.removeprefix("__main__: ") == told
    assert process.returncode == 128 + number
