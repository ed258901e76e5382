"""A stack of planes to a volume, and the server of its chunks.

Each overwrites what its earlier run left. The floor reads the planes and writes as many bytes into as many
files with plain Python, in as many processes as ours.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from itertools import cycle, islice, product
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import tifffile

from asap_ingest.execution import executor
from asap_ingest.execution.progress import Progress
from asap_ingest.volumes.grid import GridSettings, Scale, scales_of
from asap_ingest.volumes.sources.preflight import find_files, preflight
from asap_ingest.volumes.writing.unit import VolumeSettings
from asap_ingest.volumes.writing.volume_run import VolumeRun, build_volume
from asap_ingest.volumes.writing.write_plan import Budget, plan_volume, whole_source
from benchmarks.jobs import PlanesAndChunks, read_planes_write_chunks
from benchmarks.tables import median_seconds, table

PLANES, SIDE, LEVELS = 512, 2048, 4
WORKERS = os.cpu_count() or 1
MEMORY_BYTES = 2 * 10**9
VOXEL_NM = (4.0, 4.0, 40.0)
REQUESTS = 2000


@dataclass(frozen=True)
class Stack:
    """Planes in files, and the scales of their volume."""

    folder: Path
    planes: int
    side: int

    @property
    def files(self) -> list[str]:
        return find_files(str(self.folder / "planes" / "*.tif"))

    @property
    def scales(self) -> list[Scale]:
        return scales_of((self.side, self.side, self.planes), VOXEL_NM, GridSettings(LEVELS))

    @property
    def megavoxels(self) -> float:
        return self.planes * self.side**2 / 1e6


def write_planes(folder: Path, planes: int, side: int) -> Stack:
    """Write 16 planes of smooth noise, which compresses as micrographs do, and hard links to them."""
    (folder / "planes").mkdir()
    random = np.random.default_rng(0)
    coarse = random.integers(64, 192, (side // 4 + 1, side // 4 + 1))
    smooth = np.kron(coarse, np.ones((4, 4)))[:side, :side]
    for number in range(planes):
        path = folder / "planes" / f"plane_{number:04}.tif"
        if number < 16:
            noise = random.integers(-24, 25, (side, side))
            tifffile.imwrite(path, (np.roll(smooth, 8 * number, 1) + noise).astype(np.uint8))
        else:
            path.hardlink_to(folder / "planes" / f"plane_{number % 16:04}.tif")
    return Stack(folder, planes, side)


def ours(stack: Stack, chunk_format: str) -> None:
    planes = preflight("planes", stack.files).planes
    settings = VolumeSettings(str(stack.folder / chunk_format), chunk_format)
    plan = plan_volume(whole_source(planes, stack.scales, settings), Budget(MEMORY_BYTES, WORKERS))
    report = build_volume(VolumeRun(plan, {}, force_redo=True), executor(WORKERS), Progress())
    assert not report.failures


def floor(stack: Stack) -> None:
    """Read and write the same bytes, and compute nothing."""
    files = stack.files
    share = -(-len(files) // (4 * WORKERS))
    chunk_bytes = [
        (f"{scale.key}/{scale.chunk_name(chunk)}", chunk.voxels)
        for scale in stack.scales
        for chunk in scale.chunks_in(scale.box)
    ]
    jobs = [
        PlanesAndChunks(
            tuple(files[first : first + share]),
            str(stack.folder / "floor"),
            tuple(chunk_bytes[first // share :: -(-len(files) // share)]),
        )
        for first in range(0, len(files), share)
    ]
    for outcome in executor(WORKERS).run(read_planes_write_chunks, jobs):
        outcome.result()


def tensorstore_array(stack: Stack) -> None:
    """Read all planes into memory, and have tensorstore write the finest scale with all its threads."""
    import tensorstore

    volume = np.stack([tifffile.imread(file) for file in stack.files])
    shutil.rmtree(stack.folder / "tensorstore", ignore_errors=True)
    store = tensorstore.open(
        {
            "driver": "neuroglancer_precomputed",
            "kvstore": f"file://{stack.folder / 'tensorstore'}",
            "multiscale_metadata": {"data_type": "uint8", "num_channels": 1, "type": "image"},
            "scale_metadata": {
                "size": volume.shape[::-1],
                "encoding": "raw",
                "chunk_size": [64, 64, 64],
                "resolution": VOXEL_NM,
            },
        },
        create=True,
    ).result()
    store[..., 0].write(volume.T).result()


def seed_method(stack: Stack) -> None:
    """As the first tool for TIFF volumes does it: sums in uint64, one file at a time, one process."""
    target = stack.folder / "seed"
    volume = np.stack([tifffile.imread(file) for file in stack.files])
    for level in range(LEVELS):
        if level:
            shape = tuple(length // 2 for length in volume.shape)
            sums = np.zeros(shape, np.uint64)
            for z, y, x in np.ndindex(2, 2, 2):
                sums += volume[z::2, y::2, x::2][: shape[0], : shape[1], : shape[2]]
            volume = (sums // 8).astype(np.uint8)
        folder = target / f"{2**level}_{2**level}_{2**level}"
        folder.mkdir(parents=True, exist_ok=True)
        for z, y, x in product(*(range(0, length, 64) for length in volume.shape)):
            tifffile.imwrite(folder / f"{x}_{y}_{z}.tiff", volume[z : z + 64, y : y + 64, x : x + 64])


@contextmanager
def served(*command: str, folder: Path) -> Iterator[str]:
    """Address of a server in a process of its own."""
    with subprocess.Popen(
        [sys.executable, *command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            address = re.search(r"http://[^/)\s]+", line)
            assert address, line
            yield address[0]
        finally:
            process.terminate()


def requests_per_second(address: str, names: list[str], clients: int) -> float:
    """Chunks per second that `clients` clients get, each over one connection."""
    parts = urlsplit(address)
    each = REQUESTS // clients

    def ask(first: int) -> None:
        connection = HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        for name in islice(cycle(names), first, first + each):
            connection.request("GET", f"/{name}")
            answer = connection.getresponse()
            assert answer.read() and answer.status == 200, (answer.status, name)
        connection.close()

    threads = [threading.Thread(target=ask, args=(client * each,)) for client in range(clients)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return clients * each / (time.perf_counter() - start)


def server_rows(stack: Stack) -> Iterator[list[object]]:
    finest = stack.scales[0]
    chunks = islice(finest.chunks_in(finest.box), 512)
    names = [f"{finest.key}/{finest.chunk_name(chunk)}" for chunk in chunks]
    own = ("-m", "asap_ingest.serve_precomputed", "--port", "0", "--directory", ".", "--format")
    plain = ("-u", "-m", "http.server", "0", "--bind", "127.0.0.1")
    servers = (
        ("precomputed-webserver, raw", (*own, "raw"), "raw"),
        ("precomputed-webserver, tiff", (*own, "tiff"), "tiff"),
        ("`python -m http.server`, raw", plain, "raw"),
        ("`python -m http.server --protocol HTTP/1.1`, raw", (*plain, "--protocol", "HTTP/1.1"), "raw"),
    )
    for title, command, folder in servers:
        with served(*command, folder=stack.folder / folder) as address:
            requests_per_second(address, names, 1)
            yield [title, *(f"{requests_per_second(address, names, clients):,.0f}" for clients in (1, 16))]


def report(runs: int) -> str:
    with tempfile.TemporaryDirectory() as name:
        stack = write_planes(Path(name), PLANES, SIDE)
        ways: tuple[tuple[str, Callable[[], None]], ...] = (
            ("plain Python: read the planes, write as many bytes", partial(floor, stack)),
            *((f"asap_ingest, {kind}", partial(ours, stack, kind)) for kind in ("raw", "tiff", "zarr")),
            ("tensorstore, the finest scale alone", partial(tensorstore_array, stack)),
            ("the first tool's method: uint64 sums, one process", partial(seed_method, stack)),
        )
        seconds = {title: median_seconds(work, runs) for title, work in ways}
        least = seconds[ways[0][0]]
        rows = [
            (title, f"{took:.2f}", f"{stack.megavoxels / took:,.0f}", f"{took / least:.2f}")
            for title, took in seconds.items()
        ]
        size = f"{PLANES} x {SIDE} x {SIDE}"
        head = (
            f"## Volumes: {size} voxels of 8 bit, {LEVELS} scales, chunks of 64 x 64 x 64, {WORKERS} workers"
        )
        served_table = table(("chunks a second", "1 client", "16 clients"), server_rows(stack))
    columns = ("way", "s", "megavoxels/s", "times the floor")
    return (
        f"{head}\n\n{table(columns, rows)}\n\nThe server, one process, chunks of 256 kB:\n\n{served_table}\n"
    )
