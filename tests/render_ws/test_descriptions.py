"""What the service tells about itself: Swagger for Neuroglancer, OpenAPI, a page; and that it is so."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from html import unescape
from types import CodeType
from typing import Any

import orjson
import pytest

from asap_ingest.render_ws.app import ALL_OPERATIONS
from asap_ingest.render_ws.description.body_schemas import BODIES, components
from asap_ingest.render_ws.description.openapi import openapi, swagger
from asap_ingest.render_ws.description.operation_facts import (
    is_described,
    path_parameters,
    path_template,
    success_statuses,
    summary,
)
from asap_ingest.render_ws.http.answers import Call
from asap_ingest.render_ws.http.query_parameters import READERS, VIEW_QUERY, QueryParameter, declared
from asap_ingest.render_ws.http.resources import Operation
from asap_ingest.render_ws.pages.description_pages import describing
from tests.render_ws.golden import FOLDER, send

BOX_PATH = (
    "/v1/owner/{owner}/project/{project}/stack/{stack}/z/{z}/box/{x},{y},{width},{height},{scale}/raw-image"
)
EVERYTHING = (*describing(ALL_OPERATIONS), *ALL_OPERATIONS)
#: Query parameters that the original does not have.
OURS = {parameter.name for parameter in VIEW_QUERY}
#: Query parameters that the original names for fewer operations.
TAKEN_IN_MORE_PLACES = {"maxTileSpecsToRender", "boundingBoxesOnly"}
#: What the original names for source and mask images, which show the file as it is.
WITHOUT_EFFECT = {
    *("binaryMask", "channels", "convertToGray", "excludeMask", "fillWithNoise", "filter", "filterListName"),
    *("minIntensity", "maxIntensity"),
}
_REQUESTS = re.compile(r"asap_ingest\.render_ws\.(stacks|tiles|coordinates|matches|pictures)\.")
_READ = re.compile(r"""query\.(\w+)\(\s*["'](\w+)["']""")
_TABLE = re.compile(r"read_query\([\w.]+,\s*(\w+)\)")


def label(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def functions_of(handler: Any) -> Iterator[Callable[..., Any]]:
    """The function of a handler and those it was given: by `partial`, or as a closure."""
    if isinstance(handler, partial):
        for part in (handler.func, *handler.args, *handler.keywords.values()):
            yield from functions_of(part)
    elif inspect.isfunction(handler):
        yield handler
        for cell in handler.__closure__ or ():
            yield from functions_of(cell.cell_contents)


def names_in(code: CodeType) -> set[str]:
    inner = (names_in(part) for part in code.co_consts if isinstance(part, CodeType))
    return set(code.co_names).union(*inner)


def query_reads(handler: Any) -> set[QueryParameter]:
    """All that a handler, and what it calls in the service, reads of a query, from the source code."""
    found: set[QueryParameter] = set()
    waiting, seen = list(functions_of(handler)), set()
    kinds = {reader.__name__: kind for kind, reader in READERS.items()}
    while waiting:
        function = waiting.pop()
        if function in seen or not _REQUESTS.match(function.__module__):
            continue
        seen.add(function)
        source = inspect.getsource(function)
        found |= {QueryParameter(name, kinds[reader]) for reader, name in _READ.findall(source)}
        for table in _TABLE.findall(source):
            if table in function.__globals__:
                found |= set(function.__globals__[table])
        for name in names_in(function.__code__):
            waiting += functions_of(function.__globals__.get(name))
    return found


@pytest.mark.parametrize("operation", ALL_OPERATIONS, ids=label)
def test_declared_query_parameters_are_those_that_are_read(operation: Operation) -> None:
    read = query_reads(operation.handler)
    assert set(operation.query) == read
    assert len(operation.query) == len(read)


def test_reads_of_a_query_are_found_where_they_hide() -> None:
    by_label = {label(operation): operation for operation in ALL_OPERATIONS}
    clone = next(operation for name, operation in by_label.items() if "/cloneTo/" in name)
    assert {parameter.name for parameter in query_reads(clone.handler)} == {
        "z",
        "toProject",
        "skipTransforms",
    }
    box = next(operation for name, operation in by_label.items() if name.endswith("/png16-image"))
    assert {parameter.name for parameter in query_reads(box.handler)} >= {"channels", "filterListName"}


@pytest.mark.parametrize("operation", EVERYTHING, ids=label)
def test_every_operation_is_described(operation: Operation) -> None:
    if not is_described(operation):
        assert operation.path in ("/", "/render-ws", "/health", "/metrics")
        return
    text = summary(operation)
    assert text
    assert text == text.strip()
    assert operation.body is None or operation.body in components()
    assert "<" not in text
    for parameter in path_parameters(operation):
        assert parameter.type in (None, "double", "int32")
    assert all(200 <= status < 400 for status in success_statuses(operation))


def test_operations_with_a_json_body_say_what_it_holds() -> None:
    silent = [label(entry) for entry in ALL_OPERATIONS if entry.consumes is not None and entry.body is None]
    assert silent == []


def test_every_body_schema_is_used_by_an_operation_or_another_schema() -> None:
    known = components()
    used = {operation.body for operation in ALL_OPERATIONS}
    used |= set(re.findall(r"#/components/schemas/(\w+)", json.dumps(known)))
    assert used - {None} <= set(known)
    assert set(BODIES) <= used


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
        ours = {parameter.name for parameter in operation.query}
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


def test_an_operation_added_later_is_described() -> None:
    def count_birds(call: Call) -> Any:
        """Number of birds in a box."""

    row = Operation(
        "PUT", "/render-ws/v1/birds/{z:double}/{count:int32}", count_birds, None, "application/json",
        query=declared(color="texts"), body="TileIds",
    )  # fmt: skip
    described = openapi([row])["paths"]["/v1/birds/{z}/{count}"]["put"]
    assert described["summary"] == "Number of birds in a box."
    assert [(entry["name"], entry["schema"]["type"]) for entry in described["parameters"]] == [
        ("z", "number"),
        ("count", "integer"),
        ("color", "array"),
    ]
    assert described["requestBody"]["content"]["application/json"]["schema"]["$ref"].endswith("/TileIds")
    assert {"201", "400", "404", "415", "500"} == set(described["responses"])
    hints = swagger([row])["paths"]["/v1/birds/{z}/{count}"]["put"]["parameters"]
    assert hints[2] == {
        "name": "color", "in": "query", "required": False, "type": "array",
        "items": {"type": "string"}, "collectionFormat": "multi",
    }  # fmt: skip


def test_an_unknown_type_of_a_query_parameter_is_refused() -> None:
    with pytest.raises(ValueError, match="complex"):
        declared(z="complex")


@pytest.mark.slow
def test_the_page_lists_all_operations_and_needs_nothing_else(server_url: str) -> None:
    answer = send(server_url, "GET", "/render-ws/view/api.html", {}, None)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    page = answer.body.decode()
    listed = re.findall(r'<b class="(\w+)">\w+</b> <code>([^<]+)</code>', page)
    assert {(method, unescape(path)) for method, path in listed} == {
        (operation.method, path_template(operation)) for operation in filter(is_described, EVERYTHING)
    }
    assert "<script" not in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
