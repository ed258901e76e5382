"""Replays recorded runs of the command line clients against a running service.

The recordings lie beside those of the requests (see `tests.render_ws.golden`). Runs of one class share
stacks, so they are replayed together and in order.
"""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asap_ingest.render_ws import CLIENT_SCRIPTS
from asap_ingest.render_ws.client_scripts.run_client import run_client
from tests.render_ws.golden import FOLDER, Answer, differences, send
from tests.render_ws.golden_images import compare_image

CASES = FOLDER / "clients" / "cases.jsonl"
INPUTS = FOLDER / "clients" / "inputs"
SCRIPT = Path(CLIENT_SCRIPTS) / "run_ws_client.sh"
JSON_TYPE = {"Content-Type": "application/json"}
ALL_TILES = "inputs: tiles.json and transforms.json"

Case = dict[str, Any]


def recorded_cases(class_name: str) -> list[Case]:
    """The recorded runs of a class, in order; none where the recordings are absent."""
    lines = CASES.read_text(encoding="utf-8").splitlines() if CASES.exists() else []
    return [case for case in map(json.loads, lines) if case["class"] == class_name]


def run_script(class_name: str, arguments: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a client through the wrapper, with the Python of the tests."""
    return subprocess.run(
        [str(SCRIPT), "1G", class_name, *arguments],
        env={**os.environ, "ASAP_INGEST_PYTHON": sys.executable, "PYTHONWARNINGS": "error", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@dataclass(frozen=True)
class ClientReplay:
    """Runs recorded cases against the service at `url`, with files below `folder`."""

    url: str
    folder: Path

    def run(self, cases: list[Case]) -> list[str]:
        """Replay cases in order; one line per difference. The first of each exit code is run as a program."""
        self._lay_out_inputs()
        complaints = []
        codes_seen: set[int] = set()
        for case in cases:
            as_program = case["exit_code"] not in codes_seen
            codes_seen.add(case["exit_code"])
            complaints += [f"{case['name']}: {text}" for text in self._complaints(case, as_program)]
        return complaints

    def _complaints(self, case: Case, as_program: bool) -> Iterator[str]:
        output = self.folder / "out" / case["name"]
        output.mkdir(parents=True)
        for request in case["setup"]:
            answer = self._ask(request)
            if answer.status not in (200, 201):
                yield f"setup {request['path']} answers {answer.status}: {answer.body[:200]!r}"
        arguments = [self._fill(argument, output) for argument in case["args"]]
        code = self._exit_code(case["class"], arguments, as_program)
        if code != case["exit_code"]:
            yield f"exit code {code} instead of {case['exit_code']}"
        yield from self._file_complaints(case["files"], output)
        for request in case["after"]:
            yield from self._answer_complaints(request)

    @staticmethod
    def _exit_code(class_name: str, arguments: list[str], as_program: bool) -> int:
        if not as_program:
            return run_client(class_name, arguments)
        ran = run_script(class_name, arguments)
        assert class_name in ran.stdout
        assert not ran.stderr, ran.stderr
        return ran.returncode

    def _ask(self, request: dict[str, Any]) -> Answer:
        query = f"?{request['query']}" if "query" in request else ""
        target = f"/render-ws/v1/{request['path']}{query}"
        if "body" not in request:
            return send(self.url, request.get("method", "GET"), target, {"Accept": "*/*"}, None)
        body = self._all_tiles() if request["body"] == ALL_TILES else self._fill(json.dumps(request["body"]))
        return send(self.url, request["method"], target, JSON_TYPE, body.encode())

    def _all_tiles(self) -> str:
        inputs = self.folder / "in"
        collection = {
            "transformIdToSpecMap": {
                spec["id"]: spec for spec in json.loads((inputs / "transforms.json").read_text())
            },
            "tileIdToSpecMap": {
                tile["tileId"]: tile for tile in json.loads((inputs / "tiles.json").read_text())
            },
        }
        return json.dumps(collection)

    def _file_complaints(self, expected: list[dict[str, Any]], output: Path) -> Iterator[str]:
        wanted = {self._fill(entry["path"], output): entry for entry in _with_sorted_pairs(expected)}
        found = sorted(str(path) for path in output.rglob("*") if path.is_file())
        if found != sorted(wanted):
            yield f"wrote {found} instead of {sorted(wanted)}"
            return
        for path, entry in wanted.items():
            content = Path(path).read_bytes()
            if "json" in entry:
                plain = gzip.decompress(content) if path.endswith(".gz") else content
                yield from self._json_complaints(entry["json"], json.loads(plain))
            else:
                complaint = compare_image(entry, FOLDER / entry["file"] if "file" in entry else None, content)
                if complaint:
                    yield f"{path}: {complaint}"

    def _answer_complaints(self, request: dict[str, Any]) -> Iterator[str]:
        answer = self._ask(
            {"path": request["path"], **({"query": request["query"]} if "query" in request else {})}
        )
        if answer.status != request["status"]:
            yield f"{request['path']} answers {answer.status} instead of {request['status']}"
        elif "json" in request:
            found = self._json_complaints(request["json"], json.loads(answer.body))
            yield from (f"{request['path']}: {text}" for text in found)

    def _json_complaints(self, wanted: Any, found: Any) -> list[str]:
        filled = json.loads(self._fill(json.dumps(wanted)))
        return list(differences(filled, found, "$", {"error"}, []))[:5]

    def _fill(self, text: str, output: Path | None = None) -> str:
        known = {
            "DATA": FOLDER / "data",
            "TEM": FOLDER / "data" / "tem",
            "IN": self.folder / "in",
            "OUT": output or self.folder / "out",
            "BASE": f"{self.url}/render-ws/v1",
        }
        for name, value in known.items():
            text = text.replace("{" + name + "}", str(value))
        return text

    def _lay_out_inputs(self) -> None:
        """Copy the inputs with the names of folders filled in; one is needed compressed as well."""
        inputs = self.folder / "in"
        inputs.mkdir()
        for source in INPUTS.iterdir():
            if source.suffix == ".json":
                (inputs / source.name).write_text(self._fill(source.read_text(encoding="utf-8")))
            else:
                shutil.copy(source, inputs)
        (inputs / "tiles.json.gz").write_bytes(gzip.compress((inputs / "tiles_z0.json").read_bytes()))
        with zipfile.ZipFile(inputs / "tiles.zip", "w") as archive:
            archive.write(inputs / "tiles_z1.json", "tiles.json")


def _with_sorted_pairs(expected: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Deal the recorded tile pairs out to their files anew, in the order that the client writes.

    The recorded order is sorted only where all pairs are in a layer, or all between layers: three runs that
    found the same mixed pairs have three orders. File names, numbers of pairs and the pairs stay as recorded.
    """
    files = [entry for entry in expected if isinstance(entry.get("json"), dict)]
    files = [entry for entry in files if "neighborPairs" in entry["json"]]
    pairs = sorted((pair for entry in files for pair in entry["json"]["neighborPairs"]), key=_pair_order)
    dealt = iter(pairs)
    sorted_files = {
        entry["path"]: {
            **entry["json"],
            "neighborPairs": [next(dealt) for _ in entry["json"]["neighborPairs"]],
        }
        for entry in files
    }
    return [
        {**entry, "json": sorted_files[entry["path"]]} if entry["path"] in sorted_files else entry
        for entry in expected
    ]


def _pair_order(pair: dict[str, Any]) -> tuple[Any, ...]:
    positions = ("TOP", "BOTTOM", "LEFT", "RIGHT", None)
    p, q = pair["p"], pair["q"]
    return p["groupId"], p["id"], positions.index(p.get("relativePosition")), q["groupId"], q["id"]
