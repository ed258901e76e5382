"""The embedded render service over HTTP, against what the Java service takes on two such cores.

    python -m benchmarks.service [--runs 3]

The service is a process of its own, asked over connections that persist. Eight clients are eight threads
of this process: they only send a line and receive bytes, so they take little of the two cores from the
service; eight processes would take more. `processor` is the time that the service itself computed, by
`/proc`, which says more than the clock where the machine has other work.
"""

from __future__ import annotations

import argparse
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
from asap_ingest.demo import RunningService, running_service
from benchmarks import service_stacks as stacks
from benchmarks.service_stacks import OWNER, SIDE, STEP, Client, TileImages
from benchmarks.tables import table

TILES, BOX, PROCESSES = 5000, 1024, 2
SCRIPT = Path(asap_ingest.render_ws.client_scripts.__file__).parent / "run_ws_client.sh"
IMPORT_CLIENT = "org.janelia.render.client.ImportJsonClient"


def processor_seconds(service: RunningService) -> float:
    """Processor time that the service and its drawing processes have taken so far."""
    children = Path(f"/proc/{service.process_id}/task/{service.process_id}/children").read_text().split()
    ticks = 0
    for process_id in (str(service.process_id), *children):
        fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Target:
    """What is measured, the figure of the Java service ("" if unknown), and what is to be reached."""

    name: str
    java: str
    limit: float
    is_rate: bool = False

    def row(self, value: float, processor: float) -> list[str]:
        met = value >= self.limit if self.is_rate else value < self.limit
        unit, sign = (" /s", "at least ") if self.is_rate else (" s", "under ")
        figure = f"{value:.1f}" if self.is_rate else f"{value:.3f}"
        limit = f"{sign}{self.limit:g}{unit}"
        return [self.name, self.java, limit, f"{figure}{unit}", f"{processor:.3f} s", ("**no**", "yes")[met]]


Row = list[str]


def timed(target: Target, service: RunningService, works: Sequence[Callable[[], object]]) -> Row:
    """Medians of seconds, one piece of work after the other; the first does not count."""
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
    """The script as a user calls it."""
    where = ["--baseDataUrl", f"{service.address}/render-ws/v1", "--owner", "bench", "--project", "em"]
    command = [str(SCRIPT), "1G", IMPORT_CLIENT, *where, "--stack", stack, "--transformFile", str(shared)]
    environment = {**os.environ, "ASAP_INGEST_PYTHON": sys.executable}
    subprocess.run([*command, str(file)], check=True, stdout=subprocess.DEVNULL, env=environment)


@dataclass(frozen=True)
class Boxes:
    """Boxes of 1024 x 1024 pixels in the pictures, at places drawn by chance in a grid of tiles."""

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
    """Pictures a second, and seconds of the service's processor time a picture: medians."""
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


#: Scale -> number of clients -> pictures a second of the Java service, of 4 x 4 tiles. What it does with
#: 40 x 40 tiles at 1/64 was not measured: the figure of 1/8 stands in for it.
JAVA_RATES = {1: {1: 23, 8: 40}, 1 / 8: {1: 20, 8: 36}, 1 / 64: {1: 20, 8: 36}}
GRIDS = (
    ("whole-pixel shifts", stacks.as_ingested),
    ("turned", stacks.as_aligned),
    ("turned, lens correction", stacks.with_lens),
)


PICTURES = (
    *(
        (f"4 x 4 tiles, {name}", Boxes(place.__name__, scale, 4))
        for name, place in GRIDS
        for scale in (1, 1 / 8)
    ),
    ("40 x 40 tiles with levels, turned", Boxes("large", 1 / 64, 40)),
)


def fill_grids(service: RunningService, images: TileImages) -> None:
    """The stacks of `PICTURES`."""
    client = Client(service.address)
    for _, place in GRIDS:
        client.fill(place.__name__, stacks.grid(images, 4, 0, place))
    client.fill("large", stacks.grid(images, 40, stacks.LEVELS, stacks.as_aligned))


def pictures(service: RunningService, runs: int, clients: int, how: str = "") -> Iterator[Row]:
    """Box images of 4 x 4 tiles at two scales, and of 40 x 40 tiles with levels."""
    for name, boxes in PICTURES:
        java = JAVA_RATES[boxes.scale][clients]
        title = f"box, {name}, scale 1/{1 / boxes.scale:g}, {clients} client{'s' * (clients > 1)}{how}"
        target = Target(title, f"{java} /s", 2 * java, is_rate=True)
        yield target.row(*rate(service, boxes, clients, 40, runs))


def first_look(service: RunningService, runs: int) -> Row:
    """A box of scale 1 when no image is in memory."""
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
    """What is asked of a stack before anything of it is seen."""
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
        images, database = TileImages.simulated(folder / "images"), folder / "render.db"
        with running_service(database) as service:
            found = [*records(service, images, folder, runs)]
            fill_grids(service, images)
            found += [*pictures(service, runs, 1), *pictures(service, runs, 8)]
            found += [first_look(service, runs), *large_stack(service, database, runs)]
        with running_service(database, "--drawing_processes", str(PROCESSES)) as service:
            return [*found, *pictures(service, runs, 8, f", {PROCESSES} drawing processes")]


def report(runs: int) -> str:
    runs = min(runs, 3)
    explanation = (
        "Requests over HTTP to a service in a process of its own, connections persist, eight clients are "
        "threads of one process; pictures are JPEGs of 1024 x 1024 pixels of simulated tissue, tiles of "
        f"3840 x 3840. Medians of {runs} runs after one that does not count. `processor`: of the service, "
        "per request. No request failed: one that does ends the benchmark."
    )
    header = ("request", "Java", "target", "measured", "processor", "met")
    return f"## The embedded render service\n\n{explanation}\n\n{table(header, rows(runs))}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=3)
    sys.stdout.write(report(parser.parse_args().runs))


if __name__ == "__main__":
    main()
