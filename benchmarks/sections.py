"""ingest_sections: many small sections, and memory over few and many large ones."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from asap_ingest.render.service_process import running_service
from asap_ingest.simulation.acquisition import Acquisition, simulate_section
from benchmarks.tables import table

SMALL, LARGE_TILES, LARGE = 50, 2000, (2, 8)
_HEADER = ("run", "sections", "tiles", "s", "s a section", "MB of the program")
#: Runs a command and prints its peak memory in kB, from a small process: the peak that Linux states for a
#: child is at least that of the process that started it.
_PEAK = """
import resource, subprocess, sys
subprocess.check_call(sys.argv[1:], stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def ran(address: str, metafiles: Path, folder: Path, **more: Any) -> tuple[float, float]:
    """Seconds and peak memory in MB of the command as a process."""
    host, _, port = address.rpartition(":")
    render = {"host": host, "port": int(port), "owner": "bench", "project": "em"}
    given = {
        "render": render,
        "metafiles": str(metafiles),
        "stack": folder.name,
        "output_dir": str(folder),
        "maximum_intensity": 65535,
        **more,
    }
    folder.mkdir(exist_ok=True)
    (folder / "in.json").write_text(json.dumps(given))
    command = ["-m", "asap_ingest.ingest_sections", "--input_json", str(folder / "in.json")]
    start = time.perf_counter()
    output = subprocess.check_output([sys.executable, "-c", _PEAK, sys.executable, *command])
    return time.perf_counter() - start, int(output) * 1024 / 1e6


def write_large(folder: Path, section: int) -> None:
    """A section of `LARGE_TILES` names of one small image: what counts is their number."""
    folder.mkdir(parents=True)
    image = folder / "image.tif"
    tifffile.imwrite(image, np.zeros((64, 64), np.uint8))
    tiles = []
    for n in range(LARGE_TILES):
        name = f"s{section}_{n}.tif"
        (folder / name).hardlink_to(image)
        meta = {"angle": 180.0, "stage_pos": [-n * 256, 0], "raster_pos": [n, 0]}
        meta |= {"pixel_size_x_move": 4.0, "pixel_size_y_move": 4.0}
        tiles.append({"img_path": name, "img_meta": meta})
    metadata = {
        "camera_info": {"width": 64, "height": 64, "camera_id": "1"},
        "temca_id": "bench",
        "calibration": {"highmag": {"x_nm_per_pix": 4.0}},
    }
    (folder / f"_metadata_{section}.json").write_text(json.dumps([{"metadata": metadata}, {"data": tiles}]))


def rows() -> list[tuple[object, ...]]:
    measured = []
    with tempfile.TemporaryDirectory() as name, running_service(Path(name) / "render.db") as service:
        folder = Path(name)
        for section in range(SMALL):
            simulate_section(folder / "day" / f"{section}", Acquisition((3, 3), (512, 512)), section)
        for run in ("9 tiles of 512 x 512", "the same again: nothing to do"):
            measured.append((run, SMALL, 9 * SMALL, *ran(service.address, folder / "day", folder / "small")))
        for count in LARGE:
            for section in range(count):
                write_large(folder / f"large_{count}" / f"{section}", section)
            figures = ran(service.address, folder / f"large_{count}", folder / f"out{count}", levels=2)
            measured.append((f"{LARGE_TILES} tiles of 64 x 64", count, LARGE_TILES * count, *figures))
    return [
        (run, sections, tiles, f"{seconds:.1f}", f"{seconds / sections:.2f}", f"{megabytes:.0f}")
        for run, sections, tiles, seconds, megabytes in measured
    ]


def report(runs: int) -> str:
    """The results; one run, however many are asked for."""
    explanation = "Whole processes over the embedded service, start included, by as many workers as cores."
    return f"## ingest_sections\n\n{explanation}\n\n{table(_HEADER, rows())}\n"
