"""A real object store on loopback (moto), and a gateway in front of it that fails on request."""

import http.client
import logging
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asap_ingest import storage

KEY, SECRET = "testing", "testing-secret"
#: As a user's shell has it, and without a search for credentials on other machines.
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": KEY,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@dataclass(frozen=True)
class ObjectStore:
    """An object store: its address, and its content as a client that is not ours sees it."""

    endpoint: str

    @property
    def options(self) -> dict[str, str]:
        return {"endpoint_url": self.endpoint}

    @cached_property
    def client(self):
        import boto3

        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET
        )

    def make_bucket(self, name: str) -> str:
        self.client.create_bucket(Bucket=name)
        return f"s3://{name}"

    def put(self, uri: str, content: bytes) -> None:
        bucket, key = uri.removeprefix("s3://").split("/", 1)
        self.client.put_object(Bucket=bucket, Key=key, Body=content)

    def objects(self, bucket_uri: str) -> dict[str, bytes]:
        """Every object of a bucket with its content, by key."""
        bucket, client = bucket_uri.removeprefix("s3://"), self.client
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        return {key: client.get_object(Bucket=bucket, Key=key)["Body"].read() for key in keys}

    def unfinished_uploads(self, bucket_uri: str) -> list[str]:
        answer = self.client.list_multipart_uploads(Bucket=bucket_uri.removeprefix("s3://"))
        return [upload["Key"] for upload in answer.get("Uploads", [])]


@contextmanager
def moto_server() -> Iterator[ObjectStore]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield ObjectStore(f"http://{host}:{port}")
    finally:
        server.stop()


@contextmanager
def credentials_checked(store: ObjectStore) -> Iterator[None]:
    """Have the store check signatures: it then accepts no key, as it knows no users."""
    _reset_auth(store, "0")
    try:
        yield
    finally:
        _reset_auth(store, "inf")


def _reset_auth(store: ObjectStore, unchecked_requests: str) -> None:
    connection = http.client.HTTPConnection(store.endpoint.removeprefix("http://"))
    connection.request("POST", "/moto-api/reset-auth", unchecked_requests)
    connection.getresponse().read()
    connection.close()


CUT_UPLOAD, CUT_DOWNLOAD, CUT_ANSWER = "cut upload", "cut download", "cut answer"


class Gateway(ThreadingHTTPServer):
    """Forwards requests to a store, and makes those fail for which a fault is planned.

    Each request takes the first of `faults`: None forwards it, a number is answered as the status instead of
    the store's, `CUT_UPLOAD` closes the connection within the body, `CUT_DOWNLOAD` within the answer,
    `CUT_ANSWER` after the store has carried the request out. `requests` lists all requests.
    """

    daemon_threads = True

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store_address = store.endpoint.removeprefix("http://")
        self.faults: list[int | str | None] = []
        self.requests: list[str] = []

    @property
    def options(self) -> dict[str, str]:
        return {"endpoint_url": f"http://127.0.0.1:{self.server_address[1]}"}

    def handle_error(self, request, client_address) -> None:
        """A client that hangs up is part of the tests."""


@contextmanager
def gateway(store: ObjectStore) -> Iterator[Gateway]:
    with Gateway(store) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def handle_request(self) -> None:
        self.server.requests.append(f"{self.command} {self.path.partition('?')[0]}")
        fault = self.server.faults.pop(0) if self.server.faults else None
        length = int(self.headers.get("Content-Length", 0))
        if fault == CUT_UPLOAD:
            self.rfile.read(length // 2)
            self._hang_up()
            return
        body = self.rfile.read(length)
        if len(body) < length:  # the client is gone
            self._hang_up()
            return
        if isinstance(fault, int):
            self._answer(fault, {}, b"<Error><Code>SlowDown</Code></Error>" if fault == 503 else b"")
            return
        status, headers, content = self._ask_store(body)
        if fault == CUT_ANSWER:
            self._hang_up()
        else:
            self._answer(status, headers, content, len(content) // 2 if fault == CUT_DOWNLOAD else None)

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = handle_request  # noqa: N815

    def _ask_store(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection(self.server.store_address, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        connection.request(self.command, self.path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        return answer.status, dict(answer.getheaders()), content

    def _answer(self, status: int, headers: dict[str, str], content: bytes, cut: int | None = None) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "connection", "transfer-encoding"):
                self.send_header(name, value)
        length = headers.get("Content-Length", "0") if self.command == "HEAD" else len(content)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(content[:cut])
        if cut is not None:
            self._hang_up()

    def _hang_up(self) -> None:
        """Reset the connection, as a failing network does."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


@pytest.fixture(scope="session")
def store() -> Iterator[ObjectStore]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with moto_server() as server:
        yield server


@pytest.fixture
def credentials(monkeypatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def bucket(store, credentials, request) -> str:
    """URI of a bucket for this test alone."""
    name = "".join(letter if letter.isalnum() else "-" for letter in request.node.name.lower())
    return store.make_bucket(f"{name[5:50].strip('-')}-{os.getpid()}")


@pytest.fixture
def inside(store, credentials) -> Iterator[None]:
    """Use the store's options during the test."""
    with storage.options(store.options):
        yield


@pytest.fixture
def line(store, credentials) -> Iterator[Gateway]:
    """Use a gateway in front of the store, which the test can make fail."""
    with gateway(store) as server, storage.options(server.options):
        yield server
