"""What the service tells about itself: Swagger for Neuroglancer, OpenAPI, a page; and that it is so."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from asap_ingest.render_ws.app import ALL_OPERATIONS
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import Operation, Operations
from asap_ingest.render_ws.http.queries import IllTypedError, Query
from asap_ingest.render_ws.pages.openapi import (
    describing,
    is_described,
    openapi,
    path_template,
    swagger,
)
from asap_ingest.render_ws.pictures.picture_requests import ViewQuery
from asap_ingest.render_ws.wire.json_types import list_reader, schema_of, text
from tests.browser import Browser
from tests.render_ws.golden import FOLDER, send

BOX_PATH = (
    "/v1/owner/{owner}/project/{project}/stack/{stack}/z/{z}/box/{x},{y},{width},{height},{scale}/raw-image"
)
EVERYTHING = (*describing(ALL_OPERATIONS), *ALL_OPERATIONS)
#: Query parameters that the original does not have.
OURS = {*ViewQuery.parameters()}
#: Query parameters that the original has for fewer operations.
TAKEN_IN_MORE_PLACES = {"maxTileSpecsToRender", "boundingBoxesOnly"}
#: What the original names for source and mask images, which show the file as it is.
WITHOUT_EFFECT = {
    *("binaryMask", "channels", "convertToGray", "excludeMask", "fillWithNoise", "filter", "filterListName"),
    *("minIntensity", "maxIntensity"),
}


def label(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.mark.parametrize("operation", EVERYTHING, ids=label)
def test_every_operation_is_described(operation: Operation) -> None:
    if not is_described(operation):
        assert operation.path in ("/", "/render-ws", "/health", "/metrics")
        return
    summary = operation.summary
    assert summary
    assert summary == summary.strip()
    assert not summary.endswith(".")
    assert operation.body is None or schema_of(operation.body)
    assert "<" not in summary
    assert all(200 <= status < 400 for status in operation.success)


def test_operations_with_a_json_body_say_what_it_holds() -> None:
    silent = [label(entry) for entry in ALL_OPERATIONS if entry.consumes is not None and entry.body is None]
    assert silent == []


def get_json(url: str, path: str) -> Any:
    answer = send(url, "GET", path, {}, None)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    return orjson.loads(answer.body)


@pytest.mark.slow
def test_swagger_holds_what_neuroglancer_reads(server_url: str) -> None:
    document = get_json(server_url, "/render-ws/swagger.json")
    assert (document["swagger"], document["basePath"]) == ("2.0", "/render-ws")
    parameters = document["paths"][BOX_PATH]["get"]["parameters"]
    types = {entry["name"]: entry["type"] for entry in parameters if entry["in"] == "query"}
    assert types["minIntensity"] == types["scale"] == "number"
    assert types["filter"] == types["convertToGray"] == "boolean"
    assert types["channels"] == "string"
    assert types["maxTileSpecsToRender"] == "integer"
    assert all(entry["required"] is (entry["in"] == "path") for entry in parameters)


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not there")
def test_the_hints_are_those_of_the_original(server_url: str) -> None:
    recorded = json.loads((FOLDER / "endpoints.json").read_text(encoding="utf-8"))["neuroglancer"]
    found = get_json(server_url, "/render-ws/swagger.json")["paths"][recorded["path"]]["get"]["parameters"]
    wanted = {tuple(sorted(entry.items())) for entry in recorded["parameters"]}
    keys = {key for entry in recorded["parameters"] for key in entry}
    ours = {
        tuple(sorted((key, entry[key]) for key in keys & set(entry)))
        for entry in found
        if entry["name"] not in OURS
    }
    assert ours == wanted


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the recordings are not there")
def test_query_parameters_are_those_of_the_original() -> None:
    recorded = json.loads((FOLDER / "endpoints.json").read_text(encoding="utf-8"))["operations"]
    theirs = {(entry["method"], entry["path"]): _names(entry["query"]) for entry in recorded}
    anonymous = {(method, _bare(path)): names for (method, path), names in theirs.items()}
    for operation in ALL_OPERATIONS:
        key = (operation.method, _bare(path_template(operation)))
        ours = {*operation.query.parameters()}
        if key in anonymous:
            assert ours - anonymous[key] <= TAKEN_IN_MORE_PLACES | OURS, key
            ignored = WITHOUT_EFFECT if re.search("/(source|mask)/", key[1]) else set()
            assert anonymous[key] - ours <= ignored, key


def _names(entries: list[Any]) -> set[str]:
    return {entry if isinstance(entry, str) else entry["name"] for entry in entries}


def _bare(path: str) -> str:
    return re.sub(r"\{\w+\}", "{}", path)


@pytest.mark.slow
def test_the_yaml_form_says_the_same(server_url: str) -> None:
    answer = send(server_url, "GET", "/render-ws/swagger.yaml", {}, None)
    assert answer.headers["content-type"] == "application/yaml"
    assert answer.body == send(server_url, "GET", "/render-ws/swagger.json", {}, None).body


@pytest.mark.slow
def test_openapi_names_every_operation(server_url: str) -> None:
    document = get_json(server_url, "/render-ws/openapi.json")
    named = {(method, path) for path, entry in document["paths"].items() for method in entry}
    assert named == {
        (operation.method.lower(), path_template(operation)) for operation in filter(is_described, EVERYTHING)
    }
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document)))
    assert references <= set(document["components"]["schemas"])


def test_no_operation_hides_another() -> None:
    templates = [(operation.method, operation.path) for operation in EVERYTHING]
    assert len(templates) == len(set(templates))


@dataclass(frozen=True)
class BirdQuery(Query):
    color: tuple[str, ...] = ()
    wing_span: float | None = None


def test_an_operation_added_later_is_described() -> None:
    birds = Operations("Birds")

    @birds.stores(
        "PUT", "/render-ws/v1/birds/{z:double}/{count:int32}", body=list_reader(text), query=BirdQuery
    )
    def count_birds(call: Call) -> Any:
        """Count the birds in a box."""

    described = openapi(birds)["paths"]["/v1/birds/{z}/{count}"]["put"]
    assert (described["summary"], described["tags"]) == ("Count the birds in a box", ["Birds"])
    assert [(entry["name"], entry["schema"]["type"]) for entry in described["parameters"]] == [
        ("z", "number"),
        ("count", "integer"),
        ("color", "array"),
        ("wingSpan", "number"),
    ]
    assert described["requestBody"]["content"]["application/json"]["schema"] == {
        "type": "array",
        "items": {"type": "string"},
    }
    assert {"201", "400", "404", "415", "500"} == set(described["responses"])
    hints = swagger(birds)["paths"]["/v1/birds/{z}/{count}"]["put"]["parameters"]
    assert hints[2] == {
        "name": "color", "in": "query", "required": False, "type": "array",
        "items": {"type": "string"}, "collectionFormat": "multi",
    }  # fmt: skip


def test_a_query_is_read_as_it_is_declared() -> None:
    assert BirdQuery.read("wingSpan=1.5&wingSpan=2&color=a&color=b&other=1") == BirdQuery(("a", "b"), 1.5)
    assert BirdQuery.read("color=") == BirdQuery(("",))
    assert BirdQuery.read("wingSpan=1.5").by_parameter() == {"color": (), "wingSpan": 1.5}
    for wrong in ("wingSpan=wide", "wingSpan="):
        with pytest.raises(IllTypedError):
            BirdQuery.read(wrong)


def test_the_page_lists_all_operations(browser: Browser, server_url: str) -> None:
    page = browser.open_page(f"{server_url}/render-ws/view/api.html")
    page.wait_until("document.querySelectorAll('details').length > 0")
    listed = page.evaluate(
        "[...document.querySelectorAll('summary')]"
        ".map((row) => [row.querySelector('b').textContent, row.querySelector('code').textContent])"
    )
    assert {(method, path) for method, path in listed} == {
        (operation.method, path_template(operation)) for operation in filter(is_described, EVERYTHING)
    }
    assert page.text("#status") == f"{len(listed)} operations"
    facts = "[...document.querySelectorAll('details')].find((row) => row.textContent.includes('cloneTo'))"
    assert page.evaluate(f"{facts}.querySelector('dl').textContent") == (
        "Queryz (array), toProject (string), skipTransforms (boolean)Bodyapplication/json"
        "Success201Errors400, 404, 415, 500"
    )
    assert page.problems() == []
