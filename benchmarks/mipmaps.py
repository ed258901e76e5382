"""Mipmaps measured: levels of one tile by method, and the whole step on a section.

    python -m benchmarks.mipmaps [--runs 5] [--tiles 16]

Writes benchmarks/RESULTS.md. The reference is the progressive pyramid of the predecessor: every level
is scikit-image's block mean of the level before, cut back to the sample type.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as PilImage
from skimage.measure import block_reduce

from asap_ingest.demo import embedded_service
from asap_ingest.generate_EM_tilespecs_from_metafile import TileSpecSettings, build_tilespecs
from asap_ingest.generate_mipmaps import generate_mipmaps
from asap_ingest.images import formats
from asap_ingest.images.downsample import mean_levels, to_8bit
from asap_ingest.mipmaps.build import PyramidSettings
from asap_ingest.parallel import executor
from asap_ingest.stacks import RenderConnection, Stack
from asap_ingest.temca.metafile import read_metafile
from asap_ingest.temca.simulate import Acquisition, simulate_section

RESULTS = Path(__file__).parent / "RESULTS.md"
LEVELS, SIDE = 6, 3840
MEGAPIXELS = SIDE * SIDE / 1e6


def progressive_scikit_image(image: np.ndarray) -> list[np.ndarray]:
    levels = []
    for _ in range(LEVELS):
        image = block_reduce(image, (2, 2), np.mean).astype(image.dtype)
        levels.append(image)
    return levels


def pillow_reduce(image: np.ndarray) -> list[np.ndarray]:
    picture = PilImage.fromarray(image)
    return [np.asarray(picture.reduce(2**level)) for level in range(1, LEVELS + 1)]


def opencv_area(image: np.ndarray) -> list[np.ndarray]:
    levels = []
    for _ in range(LEVELS):
        image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
        levels.append(image)
    return levels


def exact_means(image: np.ndarray) -> list[np.ndarray]:
    return list(mean_levels(image, LEVELS))


METHODS: dict[str, Callable[[np.ndarray], list[np.ndarray]]] = {
    "asap_ingest, exact means": exact_means,
    "scikit-image block_reduce, progressive (reference)": progressive_scikit_image,
    "OpenCV INTER_AREA, progressive (drifts)": opencv_area,
    "Pillow reduce of level 0 (8 bit only)": pillow_reduce,
}


def median_seconds(work: Callable[[], object], runs: int) -> float:
    work()
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def level_rows(runs: int) -> list[str]:
    cv2.setNumThreads(1)
    random = np.random.default_rng(0)
    rows = []
    for dtype in (np.uint8, np.uint16):
        image = random.integers(0, np.iinfo(dtype).max + 1, (SIDE, SIDE)).astype(dtype)
        for name, method in METHODS.items():
            if dtype == np.uint16 and method is pillow_reduce:
                continue
            seconds = median_seconds(lambda m=method, i=image: m(i), runs)
            drift = max(abs(float(level.mean()) - float(image.mean())) for level in method(image))
            figures = f"{seconds * 1e3:.1f} | {MEGAPIXELS / seconds:.0f} | {drift:.3f}"
            rows.append(f"| {name} | {np.dtype(dtype)} | {figures} |")
    return rows


def step_rows(runs: int, tiles: int, workers: int) -> list[str]:
    rows = []
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        with embedded_service(folder / "render.db") as address:
            for bits in (8, 16):
                stack = ingested(folder / str(bits), address, bits, tiles)
                settings = PyramidSettings(str(folder / "mipmaps"), "tif", LEVELS)
                seconds = median_seconds(
                    lambda s=stack, p=settings: generate_mipmaps(
                        stack=s, z_values=[0.0], settings=p, executor=executor(workers)
                    ),
                    runs,
                )
                reference = median_seconds(lambda s=stack: reference_step(s), 1) / workers
                rate = tiles * MEGAPIXELS / seconds
                rows.append(
                    f"| {bits} bit, {tiles} tiles, {workers} workers | {seconds:.2f} | {tiles / seconds:.1f} "
                    f"| {rate:.0f} | {reference / seconds:.1f} |"
                )
    return rows


def ingested(folder: Path, address: str, bits: int, tiles: int) -> Stack:
    side = round(tiles**0.5)
    metafile = read_metafile(str(simulate_section(folder, Acquisition((side, tiles // side), bits=bits))))
    host, _, port = address.rpartition(":")
    stack = Stack(RenderConnection(host, int(port), "bench", "em"), f"bits{bits}")
    with stack.writing({}, close_stack=True):
        stack.put_tilespecs(build_tilespecs(metafile, TileSpecSettings(0.0, str(folder), "0.0")))
    return stack


def reference_step(stack: Stack) -> None:
    """Levels of every tile by the reference, in one process, without writing them."""
    from asap_ingest import storage

    for tile in stack.resolved_tiles(0.0)["tileIdToSpecMap"].values():
        image = formats.decode(storage.read_bytes(tile["mipmapLevels"]["0"]["imageUrl"]))
        progressive_scikit_image(to_8bit(image))


def report(runs: int, tiles: int) -> str:
    workers = os.cpu_count() or 1
    machine = f"{platform.machine()}, {workers} cores, Python {platform.python_version()}"
    levels, step = "\n".join(level_rows(runs)), "\n".join(step_rows(runs, tiles, workers))
    return f"""# Results

Written by `make bench` (`benchmarks/mipmaps.py`). Machine: {machine}. Medians of {runs} runs after a warm-up.

## Levels 1 to {LEVELS} of one {SIDE} x {SIDE} tile of noise, one thread, arrays only

| method | samples | ms | MP/s | largest drift of the mean |
|---|---|---|---|---|
{levels}

## generate_mipmaps as a whole, {SIDE} x {SIDE} tiles, 8-bit TIFF levels

The service asked over HTTP, files read and written. The last column is the time of the reference
(reading and reducing only, divided by the workers) over ours.

| section | seconds | tiles/s | MP/s | times the reference |
|---|---|---|---|---|
{step}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--tiles", type=int, default=16)
    given = parser.parse_args()
    text = report(given.runs, given.tiles)
    RESULTS.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
