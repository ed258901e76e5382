"""Pages that are plain files: HTML, styles, scripts and the icon beside this module."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from starlette.responses import FileResponse, RedirectResponse, Response

from asap_ingest.neuroglancer_client import client_folder
from asap_ingest.render_ws.http.answers import Call, json_answer, text_answer

INDEX = "/render-ws/view/index.html"
FOLDER = Path(__file__).parent
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
#: Only files of ours run and only this service is asked, whatever a stack or tile is called.
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "cache-control": "no-cache",
    "x-content-type-options": "nosniff",
}


def inline_source(text: str) -> str:
    """What a content security policy calls a style or script that stands in the page."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def go_to_index(call: Call) -> Response:
    """Send a browser that names the folder to its first page."""
    return RedirectResponse(INDEX, 302)


def get_file(call: Call) -> Response:
    """One of the files; 404 for any other name."""
    name = call.path["file"]
    path = next((path for path in FOLDER.iterdir() if path.name == name), None)
    if path is None or path.suffix not in MEDIA_TYPES:
        return text_answer(f"there is no page {name}", 404)
    return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=HEADERS)


def get_features(call: Call) -> Response:
    """What pages may offer here: a link that leads nowhere is not shown."""
    return json_answer({"neuroglancer": client_folder() is not None})
