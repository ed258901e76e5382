"""What the service refuses for what it holds is sent once; what other runs cause is sent again."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asap_ingest.errors import ServiceError
from asap_ingest.render.stack import RenderConnection, Stack


class Service:
    """Answers a PUT of tiles with the next of some answers, and counts; the stack has a state."""

    def __init__(self, answers, state):
        self.answers, self.state, self.puts = list(answers), state, 0


@pytest.fixture
def serve():
    servers = []

    def start(answers, state="LOADING"):
        service = Service(answers, state)

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.reply(200, f'{{"state": "{service.state}"}}')

            def do_PUT(self):
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if "/state/" in self.path:
                    service.state = self.path.rpartition("/")[2]
                    return self.reply(201, "")
                service.puts += 1
                return self.reply(*service.answers.pop(0))

            def reply(self, status, text):
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

            def log_message(self, *args):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return service, Stack(RenderConnection("127.0.0.1", server.server_port, "o", "p"), "s")

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


TILES = {"transformIdToSpecMap": {}, "tileIdToSpecMap": {}}
#: Ours, and two of the original's.
COMPLETED = (
    "stack o/p/s is COMPLETE but must be LOADING to change its data",
    "stack state is COMPLETE but must be LOADING to delete data",
    "Resolved tiles can only be saved to stacks in the LOADING state, but this stack's state is COMPLETE.",
)


@pytest.mark.parametrize(
    ("status", "text"), [(400, "tile a has no transforms"), (500, "fault"), (404, "no stack")]
)
def test_a_refused_batch_is_sent_once(serve, status, text):
    service, stack = serve([(status, text)] * 5)
    with pytest.raises(ServiceError, match=text):
        stack.put_resolved_tiles(TILES, derive_data=True)
    assert service.puts == 1


@pytest.mark.parametrize("text", COMPLETED)
@pytest.mark.parametrize("state", ["COMPLETE", "LOADING"])
def test_a_stack_that_another_run_completed_is_opened_again(serve, state, text):
    """It may be LOADING again when we look: then the answer tells."""
    service, stack = serve([(500, text), (400, text), (201, "")], state)
    stack.put_resolved_tiles(TILES, derive_data=True)
    assert (service.puts, service.state) == (3, "LOADING")
