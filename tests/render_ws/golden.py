"""Replays recorded requests against a running service and compares the answers with the recorded ones.

The recordings lie beside the repository in `../shared/golden/render-ws`; their README says what counts
as equal. `Replay(base_url, tmp_path).run("a_stack_crud")` gives a list of complaints, empty when all fits.
Image content is compared by `golden_images.compare_image(expected, expected_file, body)`.
"""

from __future__ import annotations

import http.client
import json
import math
import re
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FOLDER = Path(__file__).resolve().parents[2].parent / "shared" / "golden" / "render-ws"
TOLERANCE = 1e-6
UNORDERED_MAPS = {"tileIdToSpecMap", "transformIdToSpecMap"}
# channelNames is recorded in the order of a hash table, and described as sorted
UNORDERED_LISTS = {"labels", "channelNames"}
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
SECRET = {"<date>": DATE, "<24 hex digits>": re.compile("[0-9a-f]{24}"), '"<ms>"': re.compile(r'"\d+"')}

ImageComparison = Callable[[dict[str, Any], Path | None, bytes], str | None]


@dataclass(frozen=True)
class Answer:
    """What came back: status, headers with lower-case names (repeated ones joined), body."""

    status: int
    headers: dict[str, str]
    body: bytes


def scenario_names(pattern: str = "*") -> list[str]:
    """Names of the recorded scenarios, sorted; `[]` where the recordings are absent."""
    return sorted(path.stem for path in (FOLDER / "scenarios").glob(f"{pattern}.json"))


def send(base_url: str, method: str, target: str, headers: dict[str, str], body: bytes | None) -> Answer:
    """Send one request, byte for byte as written, on a connection of its own."""
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=120)
    try:
        connection.putrequest(method, target, skip_host="Host" in headers, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        found: dict[str, str] = {}
        for name, value in response.getheaders():
            key = name.lower()
            found[key] = f"{found[key]}, {value}" if key in found else value
        return Answer(response.status, found, response.read())
    finally:
        connection.close()


@dataclass
class Replay:
    """Runs scenarios against the service at `base_url` (`http://127.0.0.1:4711`, without path).

    Attributes
    ----------
    folder : Path
        Empty folder of this run, `{TMP}` in the scenarios.
    compare_image : callable or None
        Gets the recorded description, the recorded file and the body; gives a complaint or None. With
        None only media types of images are compared.
    """

    base_url: str
    folder: Path
    compare_image: ImageComparison | None = None
    saved: dict[str, str] = field(default_factory=dict)

    def run(self, name: str) -> list[str]:
        """Replay one scenario; returns one line per answer that differs."""
        scenario = json.loads((FOLDER / "scenarios" / f"{name}.json").read_text(encoding="utf-8"))
        lines = (FOLDER / "traces" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        self.saved = {}
        for target, source in scenario.get("files", {}).items():
            path = Path(self._fill(target))
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self._fill(source), path)
        complaints = []
        for request, line in zip(scenario["requests"], lines, strict=True):
            expected = json.loads(line)["response"]
            found = self._complaints(request, expected, scenario.get("mask", []))
            complaints += [self._headline(name, request) + text for text in found]
        return complaints

    @staticmethod
    def _headline(name: str, request: dict[str, Any]) -> str:
        query = f"?{request['query']}" if "query" in request else ""
        return f"{name} {request['id']} {request.get('method', 'GET')} {request['path']}{query}: "

    def _complaints(self, request: dict[str, Any], expected: dict[str, Any], mask: list[Any]) -> list[str]:
        if "statuses" in expected:
            with ThreadPoolExecutor(request["repeat"]) as pool:
                answers = pool.map(lambda _: self._ask(request), range(request["repeat"]))
                statuses = sorted({answer.status for answer in answers})
            return [] if statuses == expected["statuses"] else [f"statuses {statuses}"]
        answer = self._ask(request)
        self._save(request.get("save", {}), answer)
        if answer.status != expected["status"]:
            return [f"status {answer.status} instead of {expected['status']}: {answer.body[:300]!r}"]
        return [
            *self._header_complaints(expected, answer),
            *self._body_complaints(request, expected, answer, [*mask, *request.get("mask", [])]),
        ]

    def _ask(self, request: dict[str, Any]) -> Answer:
        headers = {"Accept": "*/*", **{k: self._fill(v) for k, v in request.get("headers", {}).items()}}
        body = None
        if "body" in request:
            headers.setdefault("Content-Type", "application/json")
            body = self._fill(json.dumps(request["body"])).encode()
        elif "text" in request:
            body = self._fill(request["text"]).encode()
        elif request.get("method", "GET") in ("PUT", "POST"):
            body = b""
        path = self._fill(request["path"])
        target = f"/render-ws{path[5:]}" if path.startswith("root:") else f"/render-ws/v1/{path}"
        if "query" in request:
            target += "?" + self._fill(request["query"])
        return send(self.base_url, request.get("method", "GET"), target, headers, body)

    def _fill(self, text: str) -> str:
        known = {
            "DATA": str(FOLDER / "data"),
            "TEM": str(FOLDER / "data" / "tem"),
            "TMP": str(self.folder),
            "BASE": f"{self.base_url}/render-ws/v1",
            **self.saved,
        }
        for name, value in known.items():
            text = text.replace("{" + name + "}", value)
        return text

    def _save(self, wanted: dict[str, str], answer: Answer) -> None:
        for name, source in wanted.items():
            kind, _, where = source.partition(":")
            if kind == "header":
                self.saved[name] = answer.headers.get(where, "")
                continue
            try:
                value = json.loads(answer.body)
                for step in where.split("."):
                    value = value[int(step) if isinstance(value, list) else step]
            except (ValueError, KeyError, IndexError, TypeError):
                value = "not-answered"
            self.saved[name] = str(value)

    def _header_complaints(self, expected: dict[str, Any], answer: Answer) -> Iterable[str]:
        from_web_server = expected["status"] >= 400 and "text/html" in expected["headers"].get(
            "content-type", ""
        )
        for name, text in expected["headers"].items():
            if from_web_server and not name.startswith("access-control"):
                continue
            if expected["status"] == 400 and name == "cache-control":
                continue
            if expected["status"] == 302:
                continue
            wanted = self._fill(text)
            found = answer.headers.get(name)
            same = wanted in SECRET and found is not None and SECRET[wanted].fullmatch(found)
            if name == "content-type" and expected["status"] >= 400 and found is not None:
                same = wanted.partition(";")[0] == found.partition(";")[0]
            if name == "vary" and found is not None:
                same = set(wanted.split(", ")) == set(found.split(", "))
            if not same and found != wanted:
                yield f"header {name} is {found!r} instead of {wanted!r}"
        surprising = {"etag", "location", "allow", "cache-control"} - set(expected["headers"])
        for name in surprising & set(answer.headers):
            yield f"header {name} should not be there: {answer.headers[name]!r}"

    def _body_complaints(
        self, request: dict[str, Any], expected: dict[str, Any], answer: Answer, mask: list[Any]
    ) -> Iterable[str]:
        if expected["status"] >= 400:
            if answer.headers.get("content-type", "").startswith("image/"):
                yield "an error looks like an image"
        elif expected.get("empty"):
            if answer.body:
                yield f"body should be empty: {answer.body[:200]!r}"
        elif "image" in expected:
            yield from self._image_complaints(request, expected["image"], answer)
        elif "json" in expected:
            yield from self._json_complaints(request, expected["json"], answer, mask)
        elif "text" in expected:
            wanted, found = self._fill(expected["text"]), answer.body.decode(errors="replace")
            if wanted != _masked(found, mask):
                yield f"text {found[:300]!r} instead of {wanted[:300]!r}"

    def _image_complaints(
        self, request: dict[str, Any], image: dict[str, Any], answer: Answer
    ) -> Iterable[str]:
        if self.compare_image is None:
            return
        expected = {**image, **({"pixels": request["pixels"]} if "pixels" in request else {})}
        file = FOLDER / image["file"] if "file" in image else None
        complaint = self.compare_image(expected, file, answer.body)
        if complaint:
            yield complaint

    def _json_complaints(
        self, request: dict[str, Any], expected: Any, answer: Answer, mask: list[Any]
    ) -> Iterable[str]:
        try:
            found = json.loads(answer.body)
        except ValueError:
            yield f"no JSON: {answer.body[:300]!r}"
            return
        wanted = json.loads(self._fill(json.dumps(expected)))
        if "$" in request.get("unordered", []) and isinstance(wanted, list) and isinstance(found, list):
            wanted, found = sorted(wanted, key=json.dumps), sorted(found, key=json.dumps)
        fields = {name for name in mask if isinstance(name, str)}
        yield from list(differences(wanted, found, "$", fields, [m for m in mask if isinstance(m, dict)]))[:5]


def _masked(text: str, mask: list[Any]) -> str:
    for rule in mask:
        if isinstance(rule, dict):
            text = re.sub(rule["text"], rule["as"], text)
    return text


def differences(
    wanted: Any, found: Any, where: str, masked_fields: set[str], mask: list[Any]
) -> Iterable[str]:
    """Where two JSON values differ: numbers within 1e-6 and of the same kind, keys in the same order."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        yield from _map_differences(wanted, found, where, masked_fields, mask)
    elif isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            yield f"{where} has {len(found)} entries instead of {len(wanted)}: {str(found)[:200]}"
        elif where.rpartition(".")[2] in UNORDERED_LISTS:
            if sorted(wanted) != sorted(found):
                yield f"{where} is {found} instead of {wanted}"
        else:
            for index, (one, other) in enumerate(zip(wanted, found, strict=True)):
                yield from differences(one, other, f"{where}[{index}]", masked_fields, mask)
    elif not _same_value(wanted, found, mask):
        yield f"{where} is {str(found)[:200]!r} instead of {str(wanted)[:200]!r}"


def _map_differences(
    wanted: dict[str, Any], found: dict[str, Any], where: str, masked_fields: set[str], mask: list[Any]
) -> Iterable[str]:
    if set(wanted) != set(found):
        yield f"{where} lacks {sorted(set(wanted) - set(found))}, adds {sorted(set(found) - set(wanted))}"
        return
    is_pair = "pGroupId" in wanted
    if not is_pair and where.rpartition(".")[2] not in UNORDERED_MAPS and list(wanted) != list(found):
        yield f"{where} has its fields as {list(found)} instead of {list(wanted)}"
    for key, value in wanted.items():
        if key == "error" and isinstance(value, str):
            # what went wrong with one of many points: a text of our own, as with errors of a whole request
            if not isinstance(found[key], str) or not found[key]:
                yield f"{where}.error is {found[key]!r} instead of a text"
        elif key not in masked_fields:
            yield from differences(value, found[key], f"{where}.{key}", masked_fields, mask)


def _same_value(wanted: Any, found: Any, mask: list[Any]) -> bool:
    if isinstance(wanted, str) and isinstance(found, str):
        if wanted in SECRET:
            return bool(SECRET[wanted].fullmatch(found))
        return wanted == found or wanted == _masked(found, mask)
    if type(wanted) is not type(found):
        return False
    if isinstance(wanted, float):
        return wanted == found or math.isclose(wanted, found, rel_tol=1e-12, abs_tol=TOLERANCE)
    return bool(wanted == found)
