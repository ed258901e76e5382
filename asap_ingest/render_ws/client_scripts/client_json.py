"""JSON of the clients: files, plain or compressed, and requests to the render service.

Requests use `http.client`, as it is imported faster than libraries on top of it.
"""

from __future__ import annotations

import gzip
import http.client
import io
import zipfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import orjson

from asap_ingest.errors import ServiceError
from asap_ingest.render_ws.client_scripts.client_options import ClientError
from asap_ingest.web.access_token import authorization

TIMEOUT_S = 600
DONE = (200, 201)
JSON_HEADERS = {"Accept": "*/*", "Content-Type": "application/json"}


def send(method: str, url: str, body: bytes | None = None) -> bytes:
    """Send one request, with JSON or no body, on a connection of its own; returns the body of the answer.

    Raises
    ------
    ServiceError
        For another status than 200 and 201.
    ClientError
        For an invalid http or https URL, or when nothing answers.
    ParameterError
        For a token in the environment that cannot be sent.
    """
    parts = _split(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ClientError(f"{url!r} is not an http or https URL")
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {**(JSON_HEADERS if body else {"Accept": "*/*"}), **authorization()}
    try:
        connection.request(method, target, body, headers)
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        address = f"{parts.scheme}://{parts.netloc}"
        problem = f"no render service answers at {address} ({error}); check --baseDataUrl"
        raise ClientError(problem) from error
    finally:
        connection.close()
    if answer.status not in DONE:
        raise ServiceError(method, url, answer.status, content.decode("utf-8", "replace"))
    return content


def _split(url: str) -> SplitResult:
    """The parts of a URL; ClientError for a host or port that none can have."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked when it is read
    except ValueError as error:
        raise ClientError(f"{url!r} is not an http or https URL: {error}") from error
    return parts


def get_json(url: str, body: Any = None) -> Any:
    """Parsed answer to a GET or, with a body, to a PUT, by which the service is sent long lists of names."""
    content = send("GET", url) if body is None else send("PUT", url, orjson.dumps(body))
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ClientError(f"the answer of {url} is not JSON: {content[:200]!r}") from error


def load_json(source: str) -> Any:
    """Parsed content of a file, given as path or `file:` URL, or of an http(s) URL."""
    scheme = source.partition(":")[0].lower()
    if scheme in ("http", "https"):
        return get_json(source)
    return read_json(unquote(_split(source).path) if scheme == "file" else source)


def read_json(path: str | Path) -> Any:
    """Parsed content of a `.json` or `.json.gz` file; ClientError if it is missing or not JSON."""
    try:
        content = Path(path).read_bytes()
        return orjson.loads(gzip.decompress(content) if str(path).endswith(".gz") else content)
    except FileNotFoundError as error:
        raise ClientError(f"{path}: no such file") from error
    except (OSError, EOFError, zlib.error, orjson.JSONDecodeError) as error:
        raise ClientError(f"{path}: cannot be read as JSON: {error}") from error


def read_list(path: str | Path) -> list[Any]:
    """Parsed content of a file that must hold a list."""
    value = read_json(path)
    if not isinstance(value, list):
        raise ClientError(f"{path}: must hold a list, not {str(value)[:80]!r}")
    return value


def write_json(path: Path, value: Any) -> None:
    """Write indented JSON as a whole; `.gz` and `.zip` are compressed, the same value to the same bytes.

    Raises
    ------
    ClientError
        When the folder is missing or cannot be written to.
    """
    from asap_ingest.storage.local import write_bytes  # few clients write files: the others start without it

    if not path.parent.is_dir():
        raise ClientError(f"{path}: cannot be written: there is no folder {path.parent}")
    content = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    elif path.suffix == ".zip":
        content = _zipped(path.stem, content)
    try:
        write_bytes(path, content)
    except OSError as error:
        raise ClientError(f"{path}: cannot be written: {error}") from error


def _zipped(member: str, content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(zipfile.ZipInfo(member), content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()
