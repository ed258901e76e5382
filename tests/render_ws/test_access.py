"""Access control: `Host` and `Origin`, preflight requests, and what errors reveal."""

from __future__ import annotations

import re
import socket
import sqlite3
from pathlib import Path

import pytest

from asap_ingest.render_ws.app import ALL_OPERATIONS
from asap_ingest.render_ws.http.resources import FAULT
from asap_ingest.render_ws.store import Store
from asap_ingest.web.web_policy import WebPolicy
from tests.render_ws.client import StackClient, tile
from tests.render_ws.conftest import serving
from tests.render_ws.golden import send

V1 = "/render-ws/v1"
READER = {"Origin": "http://localhost:8000"}
FOREIGN = {"Origin": "http://elsewhere.example:8000"}
READER_METHODS = "GET,HEAD,OPTIONS"
#: Values of the names in paths; numbers are 1.
VALUES = {"owner": "o", "project": "p", "stack": "access", "tile": "a+b", "section": "1.0"}


@pytest.fixture(scope="module")
def stack(server_url: str) -> StackClient:
    return StackClient(server_url, "access").create(tile("t 1"), tile("a+b"), state="COMPLETE")


@pytest.mark.parametrize("path", ["", "/zValues", "/z/abc/bounds", "/nothing", "/tile/nope", "//"])
def test_every_answer_carries_cross_origin_headers(stack: StackClient, path: str) -> None:
    headers = stack.ask("GET", path, **READER).headers
    assert headers["access-control-allow-origin"] == READER["Origin"]
    assert headers["vary"] == "Origin"
    for nobody in ({}, FOREIGN, {"Origin": "null"}):
        headers = stack.ask("GET", path, **nobody).headers
        assert not [name for name in headers if name.startswith("access-control")]
        assert (headers["vary"], headers["x-content-type-options"]) == ("Origin", "nosniff")


@pytest.mark.parametrize(
    ("method", "requested_headers", "allowed"),
    [
        ("GET", "", READER_METHODS),
        ("GET", "content-type, accept", READER_METHODS),
        ("GET", "x-custom", None),
        ("PUT", "content-type, accept", None),
        ("DELETE", "", None),
    ],
)
def test_preflight_of_a_page_that_may_read(
    stack: StackClient, method: str, requested_headers: str, allowed: str | None
) -> None:
    headers = {**READER, "Access-Control-Request-Method": method}
    if requested_headers:
        headers["Access-Control-Request-Headers"] = requested_headers
    answer = stack.ask("OPTIONS", "", **headers)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers.get("access-control-allow-methods") == allowed
    assert "access-control-allow-private-network" not in answer.headers
    near = stack.ask("OPTIONS", "", **headers, **{"Access-Control-Request-Private-Network": "true"})
    assert near.headers.get("access-control-allow-private-network") == (allowed and "true")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_preflight_of_another_page_gets_no_headers(stack: StackClient, method: str) -> None:
    answer = stack.ask("OPTIONS", "", **FOREIGN, **{"Access-Control-Request-Method": method})
    assert (answer.status, answer.body) == (200, b"")
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.parametrize(("method", "allowed"), [("GET", True), ("PUT", True), ("DELETE", False)])
@pytest.mark.parametrize(
    "policy",
    [WebPolicy(any_page=True), WebPolicy(allow_origins=frozenset(FOREIGN.values()))],
    ids=["any", "listed"],
)
def test_preflight_of_a_page_that_may_write(
    tmp_path: Path, policy: WebPolicy, method: str, allowed: bool
) -> None:
    with serving(tmp_path, policy) as url:
        stack = StackClient(url, "s")
        answer = stack.ask("OPTIONS", "", **FOREIGN, **{"Access-Control-Request-Method": method})
        assert ("access-control-allow-methods" in answer.headers) is allowed
        assert stack.ask("POST", "", {}, **FOREIGN).status == 201


@pytest.mark.parametrize("origin", [FOREIGN["Origin"], READER["Origin"], "null", ""])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("PUT", "/state/OFFLINE"), ("DELETE", ""), ("PATCH", "/nothing")]
)
def test_pages_of_others_change_nothing(stack: StackClient, method: str, path: str, origin: str) -> None:
    before = stack.get()
    answer = stack.ask(method, path, {}, Origin=origin)
    assert answer.status == 403
    assert b"--allow_origins" in answer.body
    assert repr(origin or "null").encode() in answer.body
    assert stack.get() == before


def test_a_browser_that_leaves_the_origin_out_is_known_by_another_header(stack: StackClient) -> None:
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 405), ("none", 405)):
        assert stack.ask("PATCH", "", {}, **{"Sec-Fetch-Site": site}).status == status


def test_pages_of_the_service_and_programs_may_write(stack: StackClient) -> None:
    for headers in ({}, {"Origin": stack.url}):
        assert stack.ask("PUT", "/state/COMPLETE", **headers).status == 201


@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_other_names_for_the_service_are_refused(stack: StackClient, method: str) -> None:
    answer = stack.ask(method, "", {}, Host="rebound.example:8080")
    assert answer.status == 403
    assert b"'rebound.example:8080'" in answer.body
    assert b"--host_names" in answer.body
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_request_without_host_is_answered(stack: StackClient) -> None:
    """HTTP/1.0 has none, and so have some health checks; no browser leaves it out."""
    host, port = stack.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(f"GET {V1}/owners HTTP/1.0\r\n\r\n".encode())
        assert connection.recv(100).split()[1] == b"200"


def test_a_fault_of_the_service_shows_no_text_of_python(
    stack: StackClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Store) -> None:
        raise sqlite3.OperationalError("unable to open /home/someone/render.db")

    monkeypatch.setattr(Store, "reading", fail)
    answer = stack.ask("GET", "/zValues")
    assert (answer.status, answer.body) == (500, FAULT.encode())


def test_no_get_opens_the_database_for_writing(stack: StackClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any page may have a browser send a GET: so none may change anything."""

    def refuse(self: Store) -> None:
        raise AssertionError("a GET writes")

    monkeypatch.setattr(Store, "writing", refuse)
    for path in {operation.path for operation in ALL_OPERATIONS if operation.method == "GET"}:
        filled = re.sub(r"\{(\w+)(:\w+)?\}", lambda name: VALUES.get(name[1], "1"), path)
        assert send(stack.url, "GET", filled, {}, None).body != FAULT.encode(), path
