"""generate_mipmaps as a whole, compared with a reference and a floor; by stage, and by size of the section.

The reference is the predecessor's worker; the floor reads and writes the same bytes and computes nothing.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import tifffile

from asap_ingest.execution import executor
from asap_ingest.execution.progress import Progress
from asap_ingest.generate_mipmaps import generate_mipmaps
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.mipmap_run import MipmapReport, MipmapRun, jobs_of
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidSettings, build_pyramid
from asap_ingest.render.service_process import running_service
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.render.tilespecs import TileSpecSettings
from asap_ingest.temca.metafile import Metafile, TileRecord
from asap_ingest.temca.metafile_tilespecs import build_tilespecs
from benchmarks.jobs import PlainCopy, measured_build, path_of, predecessor_pyramid, read_and_write
from benchmarks.tables import median_seconds, memory_bytes, table

LEVELS, SIDE, SMALL_SIDE = 6, 3840, 960
TILES = 224
WORKERS = os.cpu_count() or 1
_STAGES = ("fetch", "read", "reduce", "encode", "write")
_HEADER = (
    *("section", "ms/tile", "reference", "floor", "tiles/s", "MP/s", "times the reference"),
    *("floor: times the reference", "times the floor's time", "new process, s", "times the floor's time"),
)


@dataclass(frozen=True)
class Section:
    """A section of noise tiles in a stack; every tile has its own file name."""

    stack: Stack
    folder: Path
    tiles: int
    side: int

    @property
    def megapixels(self) -> float:
        return self.tiles * self.side**2 / 1e6

    def run(self, output: Path) -> MipmapRun:
        return MipmapRun(self.stack, [0.0], PyramidSettings(Levels(str(output), "tif", LEVELS)))

    def jobs(self, output: Path) -> list[PyramidJob]:
        return list(jobs_of(self.run(output), MipmapReport(), Progress()))


@contextmanager
def sections(*wanted: tuple[str, int, int, str]) -> Iterator[list[Section]]:
    """Sections of (name, tiles, side, type of samples), in one embedded service."""
    with TemporaryDirectory() as name, running_service(Path(name) / "render.db") as service:
        host, _, port = service.address.rpartition(":")
        connection = RenderConnection(host, int(port), "bench", "em")
        yield [_section(Stack(connection, kind[0]), Path(name) / kind[0], *kind[1:]) for kind in wanted]


def _section(stack: Stack, folder: Path, tiles: int, side: int, dtype: str) -> Section:
    folder.mkdir()
    noise = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (side, side)).astype(dtype)
    records = []
    for n in range(tiles):
        # 16 different files; more than that are further names of them
        path = folder / f"tile_{n:05}.tif"
        if n < 16:
            tifffile.imwrite(path, np.roll(noise, n))
        else:
            path.hardlink_to(folder / f"tile_{n % 16:05}.tif")
        records.append(TileRecord(path.name, (-n * side * 4.0, 0.0), (n, 0), 180.0, (4.0, 4.0)))
    metafile = Metafile("noise", side, side, "camera", "temca", 4.0, np.dtype(dtype).itemsize, tuple(records))
    with stack.writing({}, close_stack=True):
        stack.put_tilespecs(build_tilespecs(metafile, TileSpecSettings(0.0, str(folder), "0.0")))
    return Section(stack, folder, tiles, side)


def steady_seconds(job: Callable[[Any], Any], items: list[Any], output: Path) -> float:
    """Seconds per tile, measured after every worker has done a few; all files are new."""
    shutil.rmtree(output, ignore_errors=True)
    os.sync()
    skipped = 4 * WORKERS
    stamps = []
    for outcome in executor(WORKERS).run(job, items):
        outcome.result()
        stamps.append(time.perf_counter())
    return (stamps[-1] - stamps[skipped]) / (len(stamps) - 1 - skipped)


@dataclass(frozen=True)
class Comparison:
    """Our time against the reference and the floor.

    Attributes
    ----------
    ours, reference, floor : seconds per tile
    over_floor : median over the runs of ours / floor
    whole : seconds of a new process for the section
    start : seconds of a new process that finds nothing to do
    report : of one whole run
    """

    section: Section
    ours: float
    reference: float
    floor: float
    over_floor: float
    whole: float
    start: float
    report: MipmapReport

    @property
    def row(self) -> list[object]:
        rate = self.section.side**2 / 1e6 / self.ours
        times = (self.ours, self.reference, self.floor)
        return [
            self.section.stack.name,
            *(f"{seconds * 1e3:.1f}" for seconds in times),
            f"{1 / self.ours:.1f}",
            f"{rate:,.0f}",
            f"**{self.reference / self.ours:.1f}**",
            f"{self.reference / self.floor:.1f}",
            f"**{self.over_floor:.2f}**",
            f"{self.whole:.2f}",
            f"**{(self.whole - self.start) / self.section.tiles / self.floor:.2f}**",
        ]


def compare(section: Section, runs: int) -> Comparison:
    """Measure a section; ours and the floor alternate, so that other load on the machine affects both."""
    ours, theirs, plain = (section.folder / name for name in ("ours", "theirs", "plain"))
    report = generate_mipmaps(section.run(ours), executor(WORKERS))
    start = start_up(section, runs)
    jobs = section.jobs(ours)
    sizes = [path_of(uri).stat().st_size for uri in jobs[0].level_uris]
    copies = [_copy(job, sizes) for job in section.jobs(plain)]
    turns = [
        (steady_seconds(build_pyramid, jobs, ours), steady_seconds(read_and_write, copies, plain))
        for _ in range(runs + 1)
    ][1:]
    return Comparison(
        section,
        ours=statistics.median(turn[0] for turn in turns),
        reference=steady_seconds(predecessor_pyramid, section.jobs(theirs)[: 16 * WORKERS], theirs),
        floor=statistics.median(turn[1] for turn in turns),
        over_floor=statistics.median(turn[0] / turn[1] for turn in turns),
        whole=statistics.median(_new_process(section, ours) for _ in range(runs)),
        start=start,
        report=report,
    )


def _new_process(section: Section, output: Path) -> float:
    shutil.rmtree(output)
    os.sync()
    started = time.perf_counter()
    _run_program(section, WORKERS)
    return time.perf_counter() - started


def _copy(job: PyramidJob, sizes: list[int]) -> PlainCopy:
    outputs = [str(path_of(uri)) for uri in job.level_uris]
    return PlainCopy(str(path_of(job.image.source.uri)), tuple(zip(outputs, sizes, strict=True)))


def stage_row(one: Comparison) -> list[object]:
    milliseconds = (one.report.stage_seconds[stage] * 1e3 / one.report.tiles for stage in _STAGES)
    return [one.section.stack.name, *(f"{value:.2f}" for value in milliseconds)]


def growth_row(section: Section) -> list[object]:
    """Row of the table by size: throughput, peak memory of this process and of the largest worker."""
    jobs = section.jobs(section.folder / "out")
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is that of other benchmarks
    start = time.perf_counter()
    peak = max(outcome.result().peak_mb for outcome in executor(WORKERS).run(measured_build, jobs))
    seconds = time.perf_counter() - start
    parent = memory_bytes(os.getpid(), "VmHWM") / 1e6
    rate = section.megapixels / seconds
    return [section.tiles, f"{section.tiles / seconds:.0f}", f"{rate:,.0f}", f"{parent:.0f}", f"{peak:.0f}"]


def start_up(section: Section, runs: int) -> float:
    """Seconds of a new process that finds nothing to do."""
    return median_seconds(lambda: _run_program(section, 1), runs)


def _run_program(section: Section, workers: int) -> None:
    connection = section.stack.connection
    parameters = {
        "input_stack": section.stack.name,
        "output_dir": section.folder / "ours",
        "imgformat": "tif",
        "force_redo": "false",
        "pool_size": workers,
        **{f"render.{field}": getattr(connection, field) for field in ("host", "port", "owner", "project")},
        "render.client_scripts": "unused",
    }
    arguments = [text for name, value in parameters.items() for text in (f"--{name}", str(value))]
    subprocess.run([sys.executable, "-m", "asap_ingest.generate_mipmaps", *arguments], check=True)


def report(runs: int) -> str:
    with sections(("8_bit", TILES, SIDE, "uint8"), ("16_bit_to_8", TILES, SIDE, "uint16")) as found:
        compared = [compare(section, runs) for section in found]
    with sections(*((f"tiles_{n}", n, SMALL_SIDE, "uint8") for n in (16, 160, 1600))) as growing:
        growth = [growth_row(section) for section in growing]
    figures = table(_HEADER, [one.row for one in compared])
    stages = table(("section", *_STAGES), [stage_row(one) for one in compared])
    sizes = table(("tiles", "tiles/s", "MP/s", "parent MB", "worker MB"), growth)
    return f"""## generate_mipmaps as a whole

{TILES} tiles of {SIDE} x {SIDE}, {WORKERS} workers, uncompressed TIFF levels, warm caches, new files. The
reference is the predecessor's worker: Pillow reads and writes, scikit-image reduces level by level. The floor
reads and writes the same bytes with plain Python. All three use the same workers in steady state: time counts
after every worker has done a few tiles. Ours and the floor alternate, and their ratio is the median over the
turns. The time of a new process includes the start of Python and of the workers, and the request for the
tiles; its ratio leaves out the time of a process that finds nothing to do ({compared[0].start:.2f} s).

{figures}

Milliseconds a tile by stage in the whole run, summed over the workers:

{stages}

Tiles of {SMALL_SIDE} x {SMALL_SIDE}, 8 bit, start of the workers included; peak memory of the parent (with
the libraries of the benchmark) and of the largest worker:

{sizes}
"""
