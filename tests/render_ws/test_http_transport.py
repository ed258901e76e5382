"""HTTP details that clients rely on: paths, methods, media types."""

from __future__ import annotations

import time
from urllib.parse import quote

import orjson
import pytest

from asap_ingest.render_ws.http.transport import decode_path
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from tests.render_ws.client import StackClient, tile
from tests.render_ws.golden import send

V1 = "/render-ws/v1"


@pytest.fixture(scope="module")
def stack(server_url: str) -> StackClient:
    return StackClient(server_url, "transport").create(tile("t 1"), tile("a+b"), state="COMPLETE")


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/a/b/", "/a/b"),
        ("/", "/"),
        ("/a;x=1/b;y", "/a/b"),
        ("/a%20b/c+d", "/a b/c+d"),
        ("/t%2F", "/t"),
        ("/%C3%BC", "/ü"),
        ("/a%3Bb", "/a;b"),
    ],
)
def test_paths_are_cleaned(raw: str, path: str) -> None:
    assert decode_path(raw) == path


@pytest.mark.parametrize("raw", ["/a//b", "/a%00", "/a%4", "/a%zz", "/%FF"])
def test_odd_paths_are_refused(raw: str) -> None:
    with pytest.raises(IllegalArgumentError):
        decode_path(raw)


@pytest.mark.parametrize("suffix", ["", "/", "?", "/?a=b&&c", ";x=y"])
def test_spelling_of_the_end_of_a_path_does_not_matter(stack: StackClient, suffix: str) -> None:
    assert stack.get(f"/zValues{suffix}") == [1.0]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/zValues//", 400),
        ("/z/abc/bounds", 404),
        ("/z/3f/bounds", 400),
        ("/z/0x1p0/bounds", 200),
        ("/z/%20+01.0e0d/bounds", 200),
        ("/z/NaN/tileBounds", 200),
        ("/zValues?minZ=abc", 404),
        ("/zValues?minZ=", 404),
        ("/zValues?minZ=1&minZ=abc", 404),
        ("/z/1/box/0,0,2147483648,9/tile-count", 404),
        ("/z/1/box/0,0,9.5,9/tile-count", 404),
        ("/z/1/box/-1e3,0,2000,9/tile-count", 200),
        ("/tile/t%201", 200),
        ("/tile/a+b", 200),
        ("/tile/a%2Bb", 200),
        ("/tile/a%20b", 404),
        ("/nothing", 404),
    ],
)
def test_values_in_path_and_query(stack: StackClient, path: str, status: int) -> None:
    assert stack.status("GET", path) == status


@pytest.mark.parametrize(
    "digits", ["1" * 8000, "." + "1" * 8000, "0x" + "1" * 8000, " " * 8000, "1" * 8000 + "e"]
)
def test_a_number_of_thousands_of_digits_is_answered_at_once(stack: StackClient, digits: str) -> None:
    begin = time.perf_counter()
    for path in (f"/z/{digits}/bounds", f"/z/1/box/{digits},{digits},9,9,1.0/png-image"):
        assert stack.status("GET", quote(path)) < 500
    assert time.perf_counter() - begin < 2.0


def test_texts_of_refusals_are_short_and_one_line(stack: StackClient) -> None:
    answer = stack.ask("GET", f"/tile/{'n' * 9000}%0Ax")
    assert answer.status == 404
    assert len(answer.body) < 700
    assert answer.body.startswith(b"tile 'nnn")
    assert b"nnn\\nx' does not exist" in answer.body


def test_ill_typed_values_answer_without_body(stack: StackClient) -> None:
    assert stack.ask("GET", "/z/abc/bounds").body == b""


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("", "HEAD, DELETE, POST, GET, OPTIONS"),
        ("/zValues", "HEAD, GET, OPTIONS"),
        ("/resolvedTiles", "HEAD, GET, OPTIONS, PUT"),
        ("/state/COMPLETE", "OPTIONS, PUT"),
        ("/z/1", "DELETE, OPTIONS"),
    ],
)
def test_allowed_methods(stack: StackClient, path: str, allow: str) -> None:
    options, patch = stack.ask("OPTIONS", path), stack.ask("PATCH", path, {})
    assert (options.status, options.headers["allow"], options.body.decode()) == (200, allow, allow)
    assert (patch.status, patch.headers["allow"], patch.body) == (405, allow, b"")


def test_head_answers_like_get_without_body(stack: StackClient) -> None:
    get, head = stack.ask("GET", "/zValues"), stack.ask("HEAD", "/zValues")
    assert head.body == b""
    for name in ("content-type", "content-length", "vary"):
        assert head.headers[name] == get.headers[name]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; charset=utf-8", 201),
        ("text/json", 415),
        ("*/*", 415),
        ("nonsense", 400),
    ],
)
def test_content_type_of_a_body(server_url: str, content_type: str, status: int) -> None:
    target = f"{V1}/owner/o/project/p/stack/typed"
    assert send(server_url, "POST", target, {"Content-Type": content_type}, b"{}").status == status


def test_no_content_type_at_all_is_refused(server_url: str) -> None:
    assert send(server_url, "POST", f"{V1}/owner/o/project/p/stack/typed", {}, b"{}").status == 415


@pytest.mark.parametrize(
    ("path", "accept", "status"),
    [
        ("/zValues", "application/json", 200),
        ("/zValues", "text/html, */*;q=0.1", 200),
        ("/zValues", "application/*", 200),
        ("/zValues", "text/plain", 406),
        ("/zValues", "application/json;q=0", 406),
        ("/zValues", "nonsense", 400),
        ("/tile/nope", "application/json", 404),
    ],
)
def test_accept(stack: StackClient, path: str, accept: str, status: int) -> None:
    answer = stack.ask("GET", path, Accept=accept)
    assert answer.status == status
    if status == 404:
        assert answer.headers["content-type"] == "text/plain;charset=utf-8"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"null", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'"x"', 400),
        (b'{"a": NaN}', 400),
        (b"\xff", 400),
        (b'{"versionNotes": "\\ud800"}', 400),
        (b'{"createTimestamp": "2024-05-01T10:00:00Z"}', 400),
        (b'{"createTimestamp": "2024-05-01T10:00:00.5Z"} and more', 201),
        (b'{"cycleNumber": "3.5"}', 400),
        (b'{"cycleNumber": 1e400}', 400),
        (b'{"cycleNumber": 3.9, "unknown": [1]}', 201),
        (b"[" * 100_000, 400),
    ],
)
def test_json_bodies(server_url: str, body: bytes, status: int) -> None:
    assert StackClient(server_url, "bodies").status("POST", "", body) == status


def test_coerced_values_come_back_as_their_type(server_url: str) -> None:
    stack = StackClient(server_url, "coerced")
    sent = {"versionNotes": 1.5, "cycleNumber": "7", "stackResolutionX": 4, "stackResolutionY": "Infinity"}
    assert stack.status("POST", "", {**sent, "createTimestamp": "2023-02-30T10:00:00.123456Z"}) == 201
    assert stack.get()["currentVersion"] == {
        "createTimestamp": "2023-03-02T10:02:03.456Z",
        "versionNotes": "1.5",
        "cycleNumber": 7,
        "stackResolutionX": 4.0,
        "stackResolutionY": "Infinity",
    }


def test_what_is_stored_is_located(stack: StackClient) -> None:
    answer = stack.ask("PUT", "/state/COMPLETE?x=%20y")
    assert answer.headers["location"].startswith(stack.url)
    assert answer.headers["location"].endswith("/stack/transport/state/COMPLETE?x=%20y")
    assert answer.body == b""


def test_unique_ids_differ(server_url: str) -> None:
    answers = [send(server_url, "GET", f"{V1}/likelyUniqueId", {}, None) for _ in range(2)]
    assert answers[0].body != answers[1].body
    assert all(len(answer.body) == 24 for answer in answers)
    assert answers[0].headers["content-type"] == "text/plain;charset=utf-8"


def test_numbers_keep_their_kind(stack: StackClient) -> None:
    bounds = stack.ask("GET", "/bounds").body
    assert bounds == b'{"minX":0.0,"minY":0.0,"minZ":1.0,"maxX":100.0,"maxY":80.0,"maxZ":1.0}'
    assert orjson.loads(stack.ask("GET", "").body)["stats"]["tileCount"] == 2


def test_the_head_of_an_image_is_not_drawn(stack: StackClient) -> None:
    """An image that cannot be drawn shows it: its file is not there."""
    stack.create(tile("a", mipmapLevels={"0": {"imageUrl": "/nowhere/a.tif"}}))
    path = "/z/1.0/box/0,0,10,10,1.0/png-image"
    assert stack.ask("GET", path).status == 400
    head = stack.ask("HEAD", path)
    assert (head.status, head.body, head.headers["content-type"]) == (200, b"", "image/png")
    assert "content-length" not in head.headers


def test_what_the_client_has_is_not_read_again(stack: StackClient) -> None:
    stack.create(tile("a"))
    head = stack.ask("HEAD", "/z/1.0/box/0,0,10,10,1.0/png-image")
    kept = {"If-None-Match": head.headers["etag"]}
    assert stack.ask("GET", "/z/1.0/box/0,0,10,10,1.0/png-image", **kept).status == 304
    stack.create(tile("b"))
    assert stack.ask("HEAD", "/z/1.0/box/0,0,10,10,1.0/png-image", **kept).status == 200
