"""Servers of volumes, and requests to them byte by byte."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorstore
from numpy.typing import NDArray

from asap_ingest.volumes.serving.volume_app import build_app
from asap_ingest.volumes.serving.volume_list import find_volumes
from asap_ingest.web.web_policy import DEFAULT_POLICY, WebPolicy
from tests.servers import in_a_thread


@contextmanager
def serving(
    folder: Path,
    chunk_format: str | None = None,
    policy: WebPolicy = DEFAULT_POLICY,
    token: str | None = None,
) -> Iterator[str]:
    """Base URL of a server of a volume, in a thread."""
    app = build_app(find_volumes(folder, chunk_format), policy, token)
    with in_a_thread(app, timeout_graceful_shutdown=2) as url:
        yield url


@dataclass(frozen=True)
class Answer:
    """What came back; names of headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes


def ask(url: str, target: str, method: str = "GET", **headers: str) -> Answer:
    """Send a request whose target goes out as it stands; `_` in names of headers stands for `-`."""
    host, port = url.removeprefix("http://").split(":")
    lines = [f"{method} {target} HTTP/1.1", "Connection: close"]
    lines += [] if "Host" in headers else [f"Host: {host}:{port}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
        received = b""
        while more := connection.recv(2**20):
            received += more
    head, _, body = received.partition(b"\r\n\r\n")
    status, *fields = head.decode("latin-1").split("\r\n")
    pairs = (field.split(": ", 1) for field in fields)
    return Answer(int(status.split()[1]), {name.lower(): value for name, value in pairs}, body)


def read_scale(url: str, number: int, chunk_format: str) -> NDArray[Any]:
    """One scale of a volume (z, y, x), as tensorstore reads it over HTTP."""
    if chunk_format == "zarr":
        group = json.loads(ask(url, "/zarr.json").body)
        path = group["attributes"]["ome"]["multiscales"][0]["datasets"][number]["path"]
        spec: dict[str, Any] = {"driver": "zarr3", "kvstore": f"{url}/{path}/"}
        return np.asarray(tensorstore.open(spec, open=True).result().read().result())
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"{url}/", "scale_index": number}
    found = tensorstore.open(spec, open=True).result().read().result()
    return np.asarray(found)[..., 0].transpose(2, 1, 0)
