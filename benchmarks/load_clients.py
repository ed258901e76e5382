"""Clients that load the service: their requests, how long answers take, and idle connections."""

from __future__ import annotations

import http.client
import itertools
import socket
import statistics
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks import service_stacks as stacks
from benchmarks.service import Boxes
from benchmarks.service_stacks import OWNER, Client, TileImages

IMAGE, WRITE, READ = KINDS = ("image", "write", "read")
#: Kinds of ten requests, or of ten clients that each send one kind.
MIX = (IMAGE, WRITE, READ, READ, IMAGE, WRITE, READ, IMAGE, WRITE, READ)
REQUEST_SECONDS = 30
TILES_OF_A_WRITE = 20


@dataclass(frozen=True)
class Load:
    """The requests of each kind: (method, path, body), sent over and over."""

    requests: Mapping[str, Sequence[tuple[str, str, bytes | None]]]

    @classmethod
    def of(cls, client: Client, folder: Path) -> Load:
        """Create the stacks that are drawn, read and written."""
        images = TileImages.simulated(folder / "images")
        client.fill("drawn", stacks.grid(images, 4, stacks.LEVELS, stacks.as_aligned))
        client.new_stack("written")
        tiles = stacks.grid(images, 40, 0, stacks.as_aligned)
        parts = [tiles[start : start + TILES_OF_A_WRITE] for start in range(0, 400, TILES_OF_A_WRITE)]
        client.ask("PUT", f"{OWNER}/written/resolvedTiles?deriveData=true", stacks.collection(tiles[:400]))
        reads = (
            "z/1.0/tile-specs",
            "zValues",
            "z/1.0/tileBounds",
            "bounds",
            "tile/tile_000003",
            "z/1.0/bounds",
        )
        write = f"{OWNER}/written/resolvedTiles?deriveData=true"
        return cls(
            {
                IMAGE: [("GET", path, None) for path in Boxes("drawn", 1 / 8, 4).paths(40)],
                WRITE: [("PUT", write, stacks.collection(part)) for part in parts],
                READ: [("GET", f"{OWNER}/drawn/{path}", None) for path in reads],
            }
        )

    def endless(self, kind: str, seed: int) -> Iterator[tuple[str, str, bytes | None]]:
        """Requests of a kind without end; `seed` says which one a client begins with."""
        choices = self.requests[kind]
        return itertools.islice(itertools.cycle(choices), seed % len(choices), None)


@dataclass
class Timings:
    """Seconds of each answer by kind of request, and errors."""

    seconds: dict[str, array[float]] = field(default_factory=lambda: {kind: array("d") for kind in KINDS})
    errors: list[str] = field(default_factory=list)

    def add(self, other: Timings) -> None:
        for kind, seconds in other.seconds.items():
            self.seconds[kind].extend(seconds)
        self.errors += other.errors

    @property
    def count(self) -> int:
        return sum(map(len, self.seconds.values()))

    def percentile(self, kind: str, percent: int) -> float:
        """Milliseconds; NaN without answers."""
        if len(self.seconds[kind]) < 2:
            return float("nan")
        return statistics.quantiles(self.seconds[kind], n=100, method="inclusive")[percent - 1] * 1e3


class LoadClient:
    """One client: a connection, which is opened again after an error."""

    def __init__(self, address: str) -> None:
        self._host = urlsplit(address).netloc
        self._connection: http.client.HTTPConnection | None = None
        self.timings = Timings()

    def ask(self, kind: str, method: str, path: str, body: bytes | None) -> None:
        """Send a request, and record its seconds or its error."""
        start = time.perf_counter()
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(self._host, timeout=REQUEST_SECONDS)
            self._connection.request(method, path, body, {"Content-Type": "application/json"})
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.timings.errors.append(f"{method} {path}: {error!r}")
            self.close()
            return
        if answer.status not in (200, 201):
            self.timings.errors.append(f"{method} {path}: {answer.status} {content[:100]!r}")
            return
        self.timings.seconds[kind].append(time.perf_counter() - start)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def run_for(address: str, load: Load, clients: int, seconds: float) -> Timings:
    """Clients that each send one kind of request, until the time is over."""
    end = time.perf_counter() + seconds

    def work(number: int) -> Timings:
        client, kind = LoadClient(address), MIX[number % len(MIX)]
        for request in load.endless(kind, number):
            if time.perf_counter() > end:
                break
            client.ask(kind, *request)
        client.close()
        return client.timings

    return _all_of(work, clients)


def run_requests(address: str, load: Load, clients: int, requests: int, most_seconds: float) -> Timings:
    """Clients that send all kinds, until `requests` are sent or the time is over."""
    end = time.perf_counter() + most_seconds
    numbers = iter(range(requests))
    lock = threading.Lock()

    def work(number: int) -> Timings:
        client = LoadClient(address)
        waiting = {kind: load.endless(kind, number) for kind in KINDS}
        while time.perf_counter() < end:
            with lock:
                turn = next(numbers, None)
            if turn is None:
                break
            kind = MIX[turn % len(MIX)]
            client.ask(kind, *next(waiting[kind]))
        client.close()
        return client.timings

    return _all_of(work, clients)


def _all_of(work: Callable[[int], Timings], clients: int) -> Timings:
    total = Timings()
    with ThreadPoolExecutor(clients) as pool:
        for timings in pool.map(work, range(clients)):
            total.add(timings)
    return total


@contextmanager
def idle_connections(address: str, count: int) -> Iterator[list[socket.socket]]:
    """Connections that send nothing, or half the head of a request."""
    host, port = urlsplit(address).hostname, urlsplit(address).port
    connections: list[socket.socket] = []
    try:
        for number in range(count):
            connections.append(socket.create_connection((host, port), timeout=REQUEST_SECONDS))
            if number % 2:
                connections[-1].sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n")
        yield connections
    finally:
        for connection in connections:
            connection.close()


def still_open(connections: Sequence[socket.socket]) -> int:
    """The number of connections that the service has not closed."""
    count = 0
    for connection in connections:
        connection.setblocking(False)
        try:
            count += bool(connection.recv(1, socket.MSG_PEEK))
        except BlockingIOError:
            count += 1
        except OSError:
            pass
    return count
