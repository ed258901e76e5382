"""The client side of a stack, over a real service."""

import http.server
import json
import threading
from contextlib import contextmanager

import pytest

from asap_ingest.errors import (
    SectionTooLargeError,
    ServiceError,
    ServiceUnreachableError,
    StackNotFoundError,
    StackStateError,
)
from asap_ingest.render.stack import RenderConnection, Stack

TILES = {
    "t": {
        "tileId": "t",
        "z": 1.0,
        "width": 8.0,
        "height": 8.0,
        "mipmapLevels": {"0": {"imageUrl": "file:///a.tif"}},
        "transforms": {"type": "list", "specList": []},
    }
}


@pytest.fixture
def stack(render):
    return Stack(RenderConnection(**render), "s")


def put(stack):
    stack.put_resolved_tiles({"transformIdToSpecMap": {}, "tileIdToSpecMap": TILES}, derive_data=True)


def test_writing_makes_the_stack(stack):
    with stack.writing({"stackResolutionX": 4.0}, close_stack=True):
        assert stack.state() == "LOADING"
        put(stack)
    assert stack.state() == "COMPLETE"
    assert stack.require()["currentVersion"]["stackResolutionX"] == 4.0


@pytest.mark.parametrize("state", ["LOADING", "COMPLETE"])
def test_failure_gives_the_state_back(stack, state):
    with stack.writing({}, close_stack=state == "COMPLETE"):
        put(stack)
    with pytest.raises(KeyError), stack.writing({}, close_stack=True):
        raise KeyError
    assert stack.state() == state


@pytest.mark.parametrize("state", ["READ_ONLY", "OFFLINE"])
def test_locked_stacks_are_not_opened(stack, state):
    with stack.writing({}, close_stack=True):
        put(stack)
    stack.set_state(state)
    with pytest.raises(StackStateError, match=state), stack.writing({}, close_stack=True):
        pytest.fail("must not come here")
    assert stack.state() == state


def test_another_run_may_complete_the_stack_meanwhile(stack):
    with stack.writing({}, close_stack=True):
        put(stack)
        stack.set_state("COMPLETE")
        put(stack)
        stack.set_state("COMPLETE")
        stack.delete_section(5.0)
    assert stack.tile_ids(1.0) == ["t"]


def test_refusal_of_the_service_is_told(stack):
    with stack.writing({}, close_stack=False), pytest.raises(ServiceError, match="answered 400") as refused:
        stack.put_resolved_tiles({"tileIdToSpecMap": {}}, derive_data=True)
    assert refused.value.status == 400


def test_missing_stack_names_those_there_are(stack):
    stack.create({})
    with pytest.raises(StackNotFoundError, match="no stack 'other' for owner 'tests'.* it has s"):
        Stack(stack.connection, "other").require()


@pytest.mark.parametrize(
    ("host", "port", "url"),
    [
        ("em", 8080, "http://em:8080/render-ws/v1"),
        ("http://em", 80, "http://em:80/render-ws/v1"),
        ("https://em/", None, "https://em/render-ws/v1"),
    ],
)
def test_base_url(host, port, url):
    assert RenderConnection(host, port, "o", "p").base_url == url


def test_unknown_host():
    with pytest.raises(
        ServiceUnreachableError, match="no render service answers at http://no.such.host.invalid"
    ):
        Stack(RenderConnection("no.such.host.invalid", 1, "o", "p"), "s").z_values()


def test_path_builder(stack):
    builder = {"rootPath": "/mipmaps/", "numberOfLevels": 3, "extension": "tif"}
    stack.create({})
    assert stack.path_builder() is None
    stack.put_path_builder(builder)
    assert stack.path_builder() == builder


def test_tiles_of_a_section_that_may_not_be_there(stack):
    assert stack.tiles(1.0) == {}
    with stack.writing({}, close_stack=True):
        put(stack)
    assert list(stack.tiles(1.0)) == ["t"]
    assert stack.tiles(2.0) == {}


@contextmanager
def answering(answer):
    """The port of a service whose GET requests are answered by `answer(path)`: (status, JSON)."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            status, content = answer(self.path)
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def test_busy_service_is_asked_again():
    """503 twice, then an answer: a service behind a busy proxy."""
    statuses = iter([503, 503])
    with answering(lambda path: (next(statuses, 200), [])) as port:
        assert Stack(RenderConnection("127.0.0.1", port, "o", "p"), "s").z_values() == []


@pytest.mark.parametrize(
    ("tiles", "error", "text"),
    [
        (50_001, SectionTooLargeError, "section z 1 of stack 's' has 50001 tiles, and render reads at most"),
        (3, ServiceError, "answered 400"),
    ],
)
def test_section_that_render_does_not_read(tiles, error, text):
    def answer(path):
        return (400, "refused") if path.endswith("resolvedTiles") else (200, [f"{n}" for n in range(tiles)])

    with answering(answer) as port, pytest.raises(error, match=text):
        Stack(RenderConnection("127.0.0.1", port, "o", "p"), "s").resolved_tiles(1.0)


def test_a_third_run_may_reopen_the_stack_before_we_look(stack):
    refusals = iter([500, 500])

    def request():
        status = next(refusals, None)
        if status is not None:  # refused while it was COMPLETE, which it is not any more
            raise ServiceError("PUT", stack.url, status, "is COMPLETE but must be LOADING")
        return "done"

    with stack.writing({}, close_stack=False):
        assert stack._while_loading(request) == "done"


def test_a_refusal_for_another_reason_is_not_asked_for_ever(stack):
    asked = []
    with stack.writing({}, close_stack=False), pytest.raises(ServiceError):
        stack._while_loading(
            lambda: asked.append(1) or stack.put_resolved_tiles({"tileIdToSpecMap": {}}, True)
        )
    assert len(asked) <= 4
