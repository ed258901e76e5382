"""Requests of the clients to the render service: JSON over `http.client`, which starts fast."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import orjson

from asap_ingest.errors import AsapIngestError, ServiceError
from asap_ingest.render_ws.client_scripts.options import Arguments
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.web.access_token import authorization

TIMEOUT_S = 600
DONE = (200, 201)
JSON_HEADERS = {"Accept": "*/*", "Content-Type": "application/json"}


class WrongUrlError(AsapIngestError):
    """A URL that cannot be asked."""

    def __init__(self, url: str) -> None:
        super().__init__(f"{url!r} is no http or https URL")
        self.url = url


class NoAnswerError(AsapIngestError):
    """Nothing that answers was found at the address of the service."""

    def __init__(self, address: str, reason: str) -> None:
        super().__init__(f"no render service answers at {address} ({reason}); check --baseDataUrl")
        self.address = address


class UnreadableAnswerError(AsapIngestError):
    """An answer that is no JSON."""

    def __init__(self, url: str, body: bytes) -> None:
        super().__init__(f"the answer of {url} is no JSON: {body[:200]!r}")
        self.url = url


def ask(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Send one request on a connection of its own; gives status and body.

    Raises
    ------
    NoAnswerError
        When nothing answers.
    WrongUrlError
        For a URL without host, or with a scheme other than http and https.
    ParameterError
        For a token in the environment that cannot be sent.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise WrongUrlError(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname, parts.port, timeout=TIMEOUT_S)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    headers = {**(JSON_HEADERS if body else {"Accept": "*/*"}), **authorization()}
    try:
        connection.request(method, target or "/", body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException) as error:
        raise NoAnswerError(f"{parts.scheme}://{parts.netloc}", str(error)) from error
    finally:
        connection.close()


def get_bytes(url: str) -> bytes:
    """Body of a GET; ServiceError unless it is answered 200."""
    status, content = ask("GET", url)
    if status != 200:
        raise ServiceError("GET", url, status, content.decode("utf-8", "replace"))
    return content


def get_json(url: str) -> Any:
    """Parsed body of a GET; ServiceError unless it is answered 200."""
    return _parsed(url, get_bytes(url))


def find_json(url: str) -> Any:
    """Parsed body of a GET, None where nothing is found (404); ServiceError for any other failure."""
    try:
        return get_json(url)
    except ServiceError as error:
        if error.status == 404:
            return None
        raise


def put_json(url: str, value: Any) -> bytes:
    """Put a value as JSON; gives the body of the answer, ServiceError unless it is answered 200 or 201."""
    return send("PUT", url, orjson.dumps(value))


def send(method: str, url: str, body: bytes | None = None) -> bytes:
    """Send JSON bytes, or no body; gives the body of the answer, ServiceError unless 200 or 201."""
    status, content = ask(method, url, body)
    if status not in DONE:
        raise ServiceError(method, url, status, content.decode("utf-8", "replace"))
    return content


def ask_json(url: str, value: Any) -> Any:
    """Parsed answer to a PUT of a value: how the service takes long questions."""
    return _parsed(url, put_json(url, value))


def _parsed(url: str, content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise UnreadableAnswerError(url, content) from error


@dataclass(frozen=True)
class WebStack:
    """A stack of the service at `base_data_url` (`http://host:port/render-ws/v1`)."""

    base_data_url: str
    owner: str
    project: str
    name: str

    def __str__(self) -> str:
        return str(StackId(self.owner, self.project, self.name))

    @property
    def owner_url(self) -> str:
        """Where owners' stacks and match collections lie."""
        return f"{self.base_data_url.rstrip('/')}/owner/{quote(self.owner, safe='')}"

    def url(self, path: str = "") -> str:
        """Address of the stack, or of what lies below it (`path` starts with a slash)."""
        project, stack = quote(self.project, safe=""), quote(self.name, safe="")
        return f"{self.owner_url}/project/{project}/stack/{stack}{path}"

    def layer_url(self, z: float, path: str = "") -> str:
        """Address of a layer, or of what lies below it."""
        return self.url(f"/z/{z}{path}")

    def tile_url(self, tile_id: str) -> str:
        """Address of a tile."""
        return self.url(f"/tile/{quote(tile_id, safe='')}")


def stack_of(arguments: Arguments) -> WebStack:
    """The stack that the options common to all clients name."""
    names = ("baseDataUrl", "owner", "project", "stack")
    return WebStack(*(arguments[name] for name in names))
