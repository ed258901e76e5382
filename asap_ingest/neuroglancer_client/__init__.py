"""Serve the browser files of the `neuroglancer` package, without the server of that package.

The page is at `.../v/NAME/index.html`: it takes what stands between `/v/` and the next slash for its viewer's
name; any will do.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

from starlette.responses import FileResponse, Response

INDEX = "index.html"
#: Answers the client in place of the Python viewer with which it would communicate.
SCRIPT = Path(__file__).with_name("neuroglancer_alone.js")
NO_ICON = "data:,"
MISSING = (
    "the Neuroglancer client is not installed here: install asap_ingest with its viewer extra, "
    "pip install 'asap_ingest[viewer]', and start the service again"
)
MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".map": "application/json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".ico": "image/x-icon",
}
#: The client may read data from any server, but loads only its own scripts; it compiles loops with `eval`.
CONTENT_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-eval'; worker-src 'self' blob:; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src * data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def client_folder() -> Path | None:
    """The folder of the client's files; None if the `neuroglancer` package is missing or has none."""
    # not imported, because that would load a second web server into this process
    spec = importlib.util.find_spec("neuroglancer")
    for location in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(location, "static", "client")
        if (folder / INDEX).is_file():
            return folder
    return None


def client_file(name: str, icon: str = NO_ICON) -> Response:
    """A file of the client; 404 with the reason for any other name, or if the client is not installed."""
    folder = client_folder()
    if folder is None:
        return _text(MISSING, 404)
    path = next((path for path in (*folder.iterdir(), SCRIPT) if path.name == name), None)
    if path is None or path.suffix not in MEDIA_TYPES:
        return _text(f"the Neuroglancer client has no file {name}", 404)
    headers = {"content-security-policy": CONTENT_POLICY, "cache-control": "no-cache"}
    if name == INDEX:
        return Response(_page(path, icon), media_type="text/html", headers=headers)
    if path != SCRIPT:
        # these names hold a hash of the content
        headers["cache-control"] = "max-age=31536000, immutable"
    return FileResponse(path, media_type=MEDIA_TYPES[path.suffix], headers=headers)


def _page(path: Path, icon: str) -> str:
    head = f'<head><link rel="icon" href="{icon}"><script src="{SCRIPT.name}"></script>'
    return path.read_text(encoding="utf-8").replace("<head>", head, 1)


def _text(text: str, status: int) -> Response:
    return Response(text, status, media_type="text/plain")
