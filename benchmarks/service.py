"""The embedded render service over HTTP, compared with the Java service on two cores.

The service is a process of its own; clients keep their connections. Eight clients are eight threads of this
process: they send a line and receive bytes, which takes less of the two cores than eight processes would.
`processor` is the processor time of the service, from `/proc`: other load on the machine affects it less than
the clock.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import asap_ingest.render_ws.client_scripts
from asap_ingest.render.service_process import RunningService, running_service
from benchmarks import service_stacks as stacks
from benchmarks.service_stacks import OWNER, SIDE, STEP, Client, TileImages
from benchmarks.tables import copy_seconds, memory_bytes, table

TILES, BOX = 5000, 1024
SCRIPT = Path(asap_ingest.render_ws.client_scripts.__file__).parent / "run_ws_client.sh"
IMPORT_CLIENT = "org.janelia.render.client.ImportJsonClient"


def processor_seconds(service: RunningService) -> float:
    """Processor time of the service so far."""
    fields = Path(f"/proc/{service.process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Target:
    """A row of the table: what is measured, the figure of the Java service ("" if unknown), and the goal.

    `limit` is a rate per second that must be reached, or seconds that must not be; None: no goal.
    """

    name: str
    java: str
    limit: float | None
    is_rate: bool = False

    def row(self, value: float, processor: float) -> list[str]:
        unit, sign = (" /s", "at least ") if self.is_rate else (" s", "under ")
        figure = f"{value:.1f}" if self.is_rate else f"{value:.3f}"
        limit, met = "", ""
        if self.limit is not None:
            reached = value >= self.limit if self.is_rate else value < self.limit
            limit, met = f"{sign}{self.limit:.3g}{unit}", ("**no**", "yes")[reached]
        return [self.name, self.java, limit, f"{figure}{unit}", f"{processor:.3f} s", met]


Row = list[str]


def timed(target: Target, service: RunningService, works: Sequence[Callable[[], object]]) -> Row:
    """The row with median seconds of the works, run one after the other; the first does not count."""
    samples = []
    for work in works:
        start, processor = time.perf_counter(), processor_seconds(service)
        work()
        samples.append((time.perf_counter() - start, processor_seconds(service) - processor))
    return target.row(*(statistics.median(column) for column in zip(*samples[1:], strict=True)))


def records(service: RunningService, images: TileImages, folder: Path, runs: int) -> Iterator[Row]:
    """PUT, GET and import of 5,000 tiles, without and with a shared lens correction."""
    client = Client(service.address)
    for name, place in (("", stacks.as_aligned), (", shared lens correction", stacks.with_lens)):
        tiles = stacks.grid(images, 71, 0, place, TILES)
        body = stacks.collection(tiles)
        file, shared = folder / "tiles.json", folder / "transforms.json"
        file.write_text(json.dumps(tiles))
        shared.write_text(json.dumps([stacks.lens_correction()]))
        kind = place.__name__
        names = [f"put_{kind}_{run}" for run in range(runs + 1)]
        imported = [f"import_{kind}_{run}" for run in range(runs + 1)]
        for stack in (*names, *imported):
            client.new_stack(stack)
        bodies = partial(put, client, body)
        get = partial(client.ask, "GET", f"{OWNER}/{names[0]}/resolvedTiles")
        imports = partial(import_tiles, service, file, shared)
        derived = Target(f"PUT of 5,000 tiles, boxes derived{name}", "0.42 s", 0.42)
        yield timed(derived, service, [partial(bodies, stack) for stack in names])
        yield timed(Target(f"GET of 5,000 tiles{name}", "0.19 s", 0.1), service, [get] * (2 * runs + 1))
        script = Target(f"`ImportJsonClient` of 5,000 tiles, start included{name}", "1.8 s", 1.5)
        yield timed(script, service, [partial(imports, stack) for stack in imported])


def put(client: Client, body: bytes, stack: str) -> None:
    client.ask("PUT", f"{OWNER}/{stack}/resolvedTiles?deriveData=true", body)


def import_tiles(service: RunningService, file: Path, shared: Path, stack: str) -> None:
    """Import tiles by the script, as a user calls it."""
    where = ["--baseDataUrl", f"{service.address}/render-ws/v1", "--owner", "bench", "--project", "em"]
    command = [str(SCRIPT), "1G", IMPORT_CLIENT, *where, "--stack", stack, "--transformFile", str(shared)]
    environment = {**os.environ, "ASAP_INGEST_PYTHON": sys.executable}
    subprocess.run([*command, str(file)], check=True, stdout=subprocess.DEVNULL, env=environment)


@dataclass(frozen=True)
class Boxes:
    """Boxes that give pictures of 1024 x 1024 pixels, at random places in a grid of `side` x `side` tiles."""

    stack: str
    scale: float
    side: int

    def paths(self, count: int) -> list[str]:
        size = int(BOX / self.scale)
        room = (self.side - 1) * STEP + SIDE - size
        places = random.Random(0)
        return [
            f"{OWNER}/{self.stack}/z/1.0/box/{places.randrange(room)},{places.randrange(room)}"
            f",{size},{size},{self.scale}/jpeg-image"
            for _ in range(count)
        ]


def rate(service: RunningService, boxes: Boxes, clients: int, count: int, runs: int) -> tuple[float, float]:
    """Medians: pictures per second, and processor time of the service per picture."""
    paths = boxes.paths(count)
    connections = [Client(service.address) for _ in range(clients)]
    samples = []
    with ThreadPoolExecutor(clients) as pool:
        for _ in range(runs + 1):
            start, processor = time.perf_counter(), processor_seconds(service)
            parts = [pool.submit(fetch, connections[n], paths[n::clients]) for n in range(clients)]
            for part in parts:
                part.result()
            seconds = time.perf_counter() - start
            samples.append((count / seconds, (processor_seconds(service) - processor) / count))
    rates, processor_times = zip(*samples[1:], strict=True)
    return statistics.median(rates), statistics.median(processor_times)


def fetch(client: Client, paths: Sequence[str]) -> None:
    for path in paths:
        assert client.ask("GET", path).startswith(b"\xff\xd8")


#: Seconds for a copy of a tile's bytes on the machine where goals were set and Java (4.0.x, 2026-11-27) ran.
REFERENCE_COPY = 0.51e-3


@dataclass(frozen=True)
class Picture:
    """Boxes, and for 1 and 8 clients: Java's pictures a second, where it was measured, and the goal."""

    name: str
    boxes: Boxes
    java: tuple[str, str] = ("", "")
    goals: tuple[float | None, float | None] = (None, None)


PICTURES = (
    Picture("4 x 4 tiles, whole-pixel shifts", Boxes("as_ingested", 1, 4)),
    Picture("4 x 4 tiles, turned", Boxes("as_aligned", 1, 4), ("23.7", "41.8, 4 failed"), (150, 250)),
    Picture("4 x 4 tiles, turned", Boxes("as_aligned", 1 / 8, 4), ("19.9", "35.4, 5 failed"), (120, 200)),
    Picture("4 x 4 tiles, lens-corrected", Boxes("with_lens", 1, 4), ("21.4", "38.4"), (90, 150)),
    Picture("4 x 4 tiles, lens-corrected", Boxes("with_lens", 1 / 8, 4), ("11.7", "22.9"), (60, 100)),
    Picture("40 x 40 tiles, turned", Boxes("large", 1 / 64, 40), ("2.4", "4.4"), (80, 120)),
    Picture("40 x 40 tiles, lens-corrected", Boxes("large_lens", 1 / 64, 40), ("0.6", "1.2"), (40, 60)),
    Picture("4 x 4 tiles of 16 bits, turned", Boxes("deep", 1 / 8, 4)),
    Picture("4 x 4 tiles with masks, turned", Boxes("masked", 1 / 8, 4)),
)


def fill_grids(service: RunningService, folder: Path) -> None:
    """The stacks of `PICTURES`."""
    client = Client(service.address)
    images, deep = TileImages.simulated(folder / "images"), TileImages.simulated(folder / "deep", 16)
    for name, of, side, place in (
        ("as_ingested", images, 4, stacks.as_ingested),
        ("as_aligned", images, 4, stacks.as_aligned),
        ("with_lens", images, 4, stacks.with_lens),
        ("large", images, 40, stacks.as_aligned),
        ("large_lens", images, 40, stacks.with_lens),
        ("deep", deep, 4, stacks.as_aligned),
        ("masked", images.masked(), 4, stacks.as_aligned),
    ):
        client.fill(name, stacks.grid(of, side, stacks.LEVELS, place))


def pictures(service: RunningService, runs: int) -> Iterator[Row]:
    """Box images for one client and for eight."""
    speed = REFERENCE_COPY / copy_seconds(SIDE)
    for picture in PICTURES:
        for clients, java, goal in zip((1, 8), picture.java, picture.goals, strict=True):
            who = f"{clients} client{'s' * (clients > 1)}"
            title = f"box, {picture.name}, scale 1/{1 / picture.boxes.scale:g}, {who}"
            limit = None if goal is None else goal * speed
            target = Target(title, f"{java} /s" if java else "", limit, is_rate=True)
            yield target.row(*rate(service, picture.boxes, clients, 40, runs))


def memory(service: RunningService) -> Row:
    """Peak memory of the service after all boxes were drawn."""
    peak = memory_bytes(service.process_id, "VmHWM")
    return ["most memory of the service so far", "", "", f"{peak / 1e6:.0f} MB", "", ""]


def first_look(service: RunningService, runs: int) -> Row:
    """A box of scale 1 while the cache of images is empty."""
    client = Client(service.address)
    path = Boxes("as_aligned", 1, 4).paths(1)[0]
    samples = []
    for _ in range(2 * runs + 1):
        client.ask("DELETE", "/render-ws/v1/imageProcessorCache/allEntries")
        start, processor = time.perf_counter(), processor_seconds(service)
        client.ask("GET", path)
        samples.append((time.perf_counter() - start, processor_seconds(service) - processor))
    medians = (statistics.median(column) for column in zip(*samples, strict=True))
    return Target("box, 4 x 4 tiles, first look with an empty cache", "0.07 s", 0.07).row(*medians)


def large_stack(service: RunningService, database: Path, runs: int) -> Iterator[Row]:
    """The requests that a viewer sends before it shows anything, on a stack of a million tiles."""
    stacks.fill_large_stack(database, "million", 1000, 1000)
    client = Client(service.address)
    for what in ("zValues", "bounds"):
        target = Target(f"{what} of a stack of 1,000,000 tiles, 1,000 layers", "", 0.05)
        ask = partial(client.ask, "GET", f"{OWNER}/million/{what}")
        yield timed(target, service, [ask] * (5 * runs))


def rows(runs: int) -> list[Row]:
    """All measurements."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        database = folder / "render.db"
        with running_service(database) as service:
            fill_grids(service, folder)
            return [
                *records(service, TileImages(folder / "images"), folder, runs),
                *pictures(service, runs),
                memory(service),
                first_look(service, runs),
                *large_stack(service, database, runs),
            ]


def report(runs: int) -> str:
    explanation = (
        "Requests over HTTP to a service in a process of its own; clients keep their connections, and eight "
        "clients are threads of one process. Pictures are JPEGs of 1024 x 1024 pixels of simulated tissue, "
        f"from tiles of 3840 x 3840 with levels. Medians of {runs} runs after one that does not count. "
        "`processor`: of the service, per request. No request failed: one that does ends the benchmark. "
        "Java: render-ws 4.0.x with the same files on 2026-11-27, on a machine that copied a tile in "
        f"0.51 ms; this one takes {copy_seconds(SIDE) * 1e3:.2f} ms, and goals of boxes are scaled by the "
        "ratio."
    )
    header = ("request", "Java", "target", "measured", "processor", "met")
    return f"## The embedded render service\n\n{explanation}\n\n{table(header, rows(runs))}\n"
