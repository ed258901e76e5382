"""The embedded render service under load: many clients, idle connections, and its memory after many requests.

    python -m benchmarks.load [--seconds 60] [--clients 50] [--idle 2000] [--requests 20000] [--output FILE]

The service is a process of its own on the loopback interface. Clients are threads of this process: each keeps
one connection, and sends the next request when the last is answered. Every request and every phase has a time
limit. Writes benchmarks/LOAD.md. The exit code is 1 if a request failed.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from asap_ingest.render.service_process import RunningService, running_service
from benchmarks.load_clients import (
    IMAGE,
    KINDS,
    READ,
    TILES_OF_A_WRITE,
    WRITE,
    Load,
    Timings,
    idle_connections,
    run_for,
    run_requests,
    still_open,
)
from benchmarks.service import processor_seconds
from benchmarks.service_stacks import Client
from benchmarks.tables import memory_bytes, table

RESULTS = Path(__file__).parent / "LOAD.md"
#: p99 in ms of 50 clients, by kind of request, before the service had limits.
BEFORE = {IMAGE: 1031, WRITE: 252, READ: 163}
#: By how much memory may grow: 5 %.
MOST_GROWTH = 0.05
FEW_CLIENTS = 8


def allow_connections(count: int) -> None:
    """Raise the limit of open files of this process; the service, started before, keeps the usual one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 500
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise SystemExit(f"{count} idle connections need {wanted} open files; the hard limit is {hard}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


@dataclass(frozen=True)
class Extent:
    """Size of the run; `requests` is the number of requests while memory is measured."""

    seconds: float = 60.0
    clients: int = 50
    idle: int = 2000
    requests: int = 20_000


Row = list[str]


def latencies(what: str, timings: Timings, before: Mapping[str, int]) -> Iterator[Row]:
    """A row for each kind of request."""
    for kind in KINDS:
        p50, p99 = (timings.percentile(kind, percent) for percent in (50, 99))
        reference = f"{before[kind]} ms" if kind in before else ""
        yield [
            f"{kind}, {what}",
            reference,
            f"{p50:.0f} ms",
            f"{p99:.0f} ms",
            str(len(timings.seconds[kind])),
        ]


@dataclass
class Results:
    """Rows of the table, notes below it, and what went wrong."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def take(
        self,
        what: str,
        service: RunningService,
        work: Callable[[], Timings],
        before: Mapping[str, int] | None = None,
    ) -> int:
        """Run one phase and add its latencies and a note; the number of answers."""
        start, computed = time.perf_counter(), processor_seconds(service)
        timings = work()
        seconds, computed = time.perf_counter() - start, processor_seconds(service) - computed
        self.rows += latencies(what, timings, before or {})
        self.notes.append(
            f"{what}: {timings.count} answers, {len(timings.errors)} errors in {seconds:.0f} s, of which the "
            f"service computed {computed:.0f} s: {computed / max(1, timings.count) * 1e3:.1f} ms an answer."
        )
        self.errors += timings.errors
        return timings.count


def measure(extent: Extent) -> Results:
    """All phases against one service."""
    results = Results()
    with TemporaryDirectory() as name, running_service(Path(name) / "render.db") as service:
        allow_connections(extent.idle)
        address = service.address
        with closing(Client(address)) as client:
            load = Load.of(client, Path(name))
        # warm up: compiled loops, caches, threads
        run_for(address, load, extent.clients, min(5.0, extent.seconds))
        busy = partial(run_for, address, load, extent.clients, extent.seconds)
        results.take(f"{extent.clients} clients", service, busy, BEFORE)
        few = min(FEW_CLIENTS, extent.clients)
        with idle_connections(address, extent.idle) as connections:
            beside = partial(run_for, address, load, few, max(1.0, extent.seconds / 6))
            results.take(f"{few} clients beside {extent.idle} idle connections", service, beside)
            left = still_open(connections)
        results.notes.append(f"Of the idle connections the service kept {left} open.")
        _measure_memory(service, load, extent, results)
    return results


def _measure_memory(service: RunningService, load: Load, extent: Extent, results: Results) -> None:
    few, most_seconds = min(FEW_CLIENTS, extent.clients), 15 * extent.seconds
    warm = run_requests(service.address, load, few, max(10, extent.requests // 10), most_seconds)
    before = memory_bytes(service.process_id, "VmRSS")
    many = partial(run_requests, service.address, load, few, extent.requests, most_seconds)
    count = results.take(f"{few} clients", service, many)
    after = memory_bytes(service.process_id, "VmRSS")
    results.errors += warm.errors
    growth = after / before - 1
    met = "met" if growth <= MOST_GROWTH else "**not met**"
    results.notes.append(
        f"Memory of the service: {before / 1e6:.0f} MB, after {count} more requests "
        f"{after / 1e6:.0f} MB: {growth:+.1%}; {met} (at most {MOST_GROWTH:+.0%})."
    )


def report(extent: Extent, results: Results) -> str:
    """The results as Markdown."""
    explanation = (
        "Written by `python -m benchmarks.load`. "
        f"{os.cpu_count()} cores, Python {platform.python_version()}. "
        f"{extent.clients} clients for {extent.seconds:g} s: three of ten ask for images (JPEG, 1024 x 1024 "
        f"pixels of 4 x 4 tiles at scale 1/8), three write {TILES_OF_A_WRITE} tiles, four read; each has a "
        "connection that persists, and asks again as soon as it is answered. Half of the idle connections "
        "send nothing, half a part of a request. `before`: p99 of such a load before the limits were there."
    )
    header = ("requests", "before, p99", "p50", "p99", "answers")
    notes = "\n".join(f"* {note}" for note in results.notes)
    errors = "".join(f"\n* error: `{error}`" for error in results.errors[:5])
    return f"# Under load\n\n{explanation}\n\n{table(header, results.rows)}\n\n{notes}{errors}\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write; 1 if a request failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    full = Extent()
    parser.add_argument("--seconds", type=float, default=full.seconds)
    parser.add_argument("--clients", type=int, default=full.clients)
    parser.add_argument("--idle", type=int, default=full.idle)
    parser.add_argument("--requests", type=int, default=full.requests)
    parser.add_argument("--output", type=Path, default=RESULTS)
    given = parser.parse_args(arguments)
    extent = Extent(given.seconds, given.clients, given.idle, given.requests)
    results = measure(extent)
    text = report(extent, results)
    given.output.write_text(text)
    sys.stdout.write(text)
    return 1 if results.errors else 0


if __name__ == "__main__":
    sys.exit(main())
