"""How programs end where nobody foresaw it: a code of its own, the traceback, one last line."""

import json
import os
import resource
import subprocess
import sys

import pytest

from asap_ingest.errors import EXIT_FAULT
from tests.steps import MIPMAPS, TILESPECS

#: What Python runs at the start of a process: it breaks one function of the package.
BROKEN = """
import importlib.abc, importlib.util, sys

class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != {module!r}:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module
        def exec_module(module):
            load(module)
            def fail(*args, **kwargs):
                raise KeyError("a fault")
            setattr(module, {function!r}, fail)
        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
"""


def run_broken(folder, module, function, *arguments):
    (folder / "sitecustomize.py").write_text(BROKEN.format(module=module, function=function))
    paths = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "function", "arguments"),
    [
        (
            "asap_ingest.check_precomputed",
            "check_precomputed",
            ["asap_ingest", "check_precomputed", "somewhere"],
        ),
        (
            "asap_ingest.merge_reports",
            "merge",
            ["asap_ingest", "merge_reports", "--inputs", "{}", "--output_json", "o"],
        ),
        (
            "asap_ingest.serve_render",
            "check_exposure",
            ["asap_ingest", "serve_render", "--database", "{}.db"],
        ),
        (
            "asap_ingest.serve_precomputed",
            "find_volumes",
            ["asap_ingest", "serve_precomputed", "--directory", "."],
        ),
        ("asap_ingest.demo", "run_demo", ["asap_ingest", "demo", "--output_dir", "{}.demo"]),
    ],
)
def test_a_fault_of_a_program_has_a_code_of_its_own(tmp_path, module, function, arguments):
    (tmp_path / "given").write_text("{}")
    ran = run_broken(tmp_path, module, function, *(word.format(tmp_path / "given") for word in arguments))
    assert ran.returncode == EXIT_FAULT == 70, ran.stderr
    assert "Traceback" in ran.stderr
    assert ran.stderr.splitlines()[-1] == "unforeseen KeyError: a fault of asap_ingest; please report it"


def test_a_program_whose_memory_is_limited_says_so(tmp_path):
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(2**33)
    ran = subprocess.run(
        [sys.executable, "-m", "asap_ingest.merge_reports", "--inputs", "large.json", "--output_json", "o"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32)),
        timeout=60,
        check=False,
    )
    assert ran.returncode == 2
    assert ran.stderr.startswith("asap_ingest.merge_reports: error: needs more memory than there is")
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("way", ["python -m", "asap-ingest"])
def test_a_fault_of_a_step(tmp_path, way):
    given = {
        "render": {"host": "localhost", "port": 1, "owner": "o", "project": "p"},
        "stack": "s",
        "z_index": 1,
    }
    (tmp_path / "in.json").write_text(json.dumps(given | {"metafile": "m.json"}))
    program = [f"asap_ingest.{TILESPECS}"] if way == "python -m" else ["asap_ingest", TILESPECS]
    arguments = [
        *program,
        "--input_json",
        str(tmp_path / "in.json"),
        "--output_json",
        str(tmp_path / "out.json"),
    ]
    ran = run_broken(tmp_path, "asap_ingest.temca.metafile", "read_metafile", *arguments)
    assert ran.returncode == EXIT_FAULT, ran.stderr
    assert not (tmp_path / "out.json").exists()


def test_what_is_foreseen_keeps_its_code(tmp_path):
    ran = subprocess.run(
        [sys.executable, "-m", f"asap_ingest.{MIPMAPS}"], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
