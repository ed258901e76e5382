"""Pages that are plain files: those in this folder, and Neuroglancer's client."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, RedirectResponse, Response

from asap_ingest import neuroglancer_client
from asap_ingest.render_ws.http.answers import text_answer
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import Operations

VIEW = "/render-ws/view"
CLIENT = f"{VIEW}/neuroglancer/v/page"
#: The first page of Neuroglancer's client.
CLIENT_INDEX = f"{CLIENT}/{neuroglancer_client.INDEX}"
FILE_OPERATIONS = Operations("Pages")
answers = FILE_OPERATIONS.answers
FOLDER = Path(__file__).parent
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
#: Only files of this service are loaded, whatever a stack or tile is called.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
}


@answers("GET", "/", None, statuses=(302,))
@answers("GET", "/render-ws", None, statuses=(302,))
def go_to_stacks(call: Call) -> Response:
    """Redirect to the page of stacks."""
    return RedirectResponse(f"{VIEW}/stacks.html", 302)


@answers("GET", VIEW, None, statuses=(302,))
def go_to_index(call: Call) -> Response:
    """Redirect to the first page."""
    return RedirectResponse(f"{VIEW}/index.html", 302)


@answers("GET", f"{VIEW}/features.json")
def get_features(call: Call) -> dict[str, bool]:
    """Get the optional features that are installed, so that pages hide links to others."""
    return {"neuroglancer": neuroglancer_client.client_folder() is not None}


@answers("GET", f"{VIEW}/neuroglancer", None, statuses=(302,))
@answers("GET", CLIENT, None, statuses=(302,))
def go_to_client(call: Call) -> Response:
    """Redirect to Neuroglancer's client; the browser keeps the part of the address after `#`."""
    return RedirectResponse(CLIENT_INDEX, 302)


@answers("GET", f"{CLIENT}/{{file}}", None)
def get_client_file(call: Call) -> Response:
    """Get a file of Neuroglancer's client; 404 with the reason when it is not installed."""
    return neuroglancer_client.client_file(call.path["file"], f"{VIEW}/icon.svg")


@answers("GET", f"{VIEW}/{{file}}", None)
def get_file(call: Call) -> Response:
    """Get a page, style, script or icon."""
    name = call.path["file"]
    path = next((path for path in FOLDER.iterdir() if path.name == name), None)
    if path is None or path.suffix not in MEDIA_TYPES:
        return text_answer(f"there is no page {name}", 404)
    return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=HEADERS)
