"""The notebook in docs/ runs from first cell to last, on the embedded service and a simulated section."""

import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "docs" / "from_python.ipynb"

pytest.importorskip("nbclient", reason="nbclient is not installed: pip install '.[test]'")
pytest.importorskip("ipykernel", reason="ipykernel is not installed: pip install '.[test]'")

#: In a process of its own: libraries of notebooks warn, start threads, and keep an event loop.
SCRIPT = """
import sys
import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

class OwnInterpreter(AsyncKernelManager):
    kernel_spec = KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"])

notebook = nbformat.read(sys.argv[1], as_version=4)
NotebookClient(notebook, km=OwnInterpreter(), timeout=120).execute()
for cell in notebook.cells:
    for output in cell.get("outputs", ()):
        print(output.get("data", output).get("text/plain", output.get("text", "")))
"""


@pytest.mark.long
@pytest.mark.slow
def test_every_cell_runs(tmp_path):
    command = [sys.executable, "-c", SCRIPT, str(NOTEBOOK)]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "imageRow" in ran.stdout  # the table of tiles
    assert "dtype('uint16')" in ran.stdout
    assert "scale 2_2_1: uint16" in ran.stdout


def test_it_is_kept_without_outputs():
    import nbformat

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    assert not any(cell.get("outputs") for cell in notebook.cells)
