"""Steps as a user runs them: `python -m asap_ingest.<step>`, JSON in and out."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

from tests import program_server

TILESPECS = "generate_EM_tilespecs_from_metafile"
MIPMAPS = "generate_mipmaps"
APPLY = "apply_mipmaps_to_render"
INGEST = "ingest_section"


@dataclass(frozen=True)
class Ran:
    """How a program ended."""

    exit_code: int
    stdout: str
    stderr: str
    output: dict | None


def command(step, parameters, folder: Path, *arguments) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    input_json, output_json = folder / f"{step}.in.json", folder / f"{step}.out.json"
    input_json.write_text(json.dumps(parameters))
    output_json.unlink(missing_ok=True)
    files = ["--input_json", str(input_json), "--output_json", str(output_json)]
    return [sys.executable, "-m", f"asap_ingest.{step}", *files, *arguments]


def run_step(step, parameters, folder: Path, *arguments) -> Ran:
    _, _, module, *given = command(step, parameters, folder, *arguments)
    ran = program_server.run(module, *given)
    output = folder / f"{step}.out.json"
    content = json.loads(output.read_text()) if output.exists() else None
    # progress is printed after some seconds, so it depends on the load of the machine whether there is any
    printed = [line for line in ran.stderr.splitlines(keepends=True) if not line.startswith('{"progress"')]
    return Ran(ran.returncode, ran.stdout, "".join(printed), content)


def refused(ran: Ran, exit_code: int, *words: str) -> None:
    """The program ended as promised: exit code, one or two lines, no traceback, no output."""
    assert ran.exit_code == exit_code, ran.stderr
    assert ran.output is None
    assert 1 <= len(ran.stderr.strip().splitlines()) <= 2, ran.stderr
    assert "Traceback" not in ran.stderr
    for word in words:
        assert word in ran.stderr
