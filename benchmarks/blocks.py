"""Means and modes over 2 x 2 x 2 voxels, arrays only, beside the libraries of this field."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import tensorstore
import tinybrain

from asap_ingest.images.plane_reductions import REDUCTIONS, Coarsening, ReducedPlane
from benchmarks.tables import median_seconds, table

DEPTH, SIDE = 64, 512


def ours(kind: str, volume: np.ndarray) -> np.ndarray:
    step = Coarsening((2, 2, 2), (2, 2, 2), volume.shape[1:], volume.dtype)
    reduction = REDUCTIONS[kind](step)
    done = [reduction.add(ReducedPlane(plane, 1)) for plane in volume]
    return np.stack([reduction.values(plane) for plane in done if plane is not None])


def by_tinybrain(kind: str, volume: np.ndarray) -> np.ndarray:
    work: Any = tinybrain.downsample_with_averaging
    if kind == "segmentation":
        work = tinybrain.downsample_segmentation
    return work(np.asfortranarray(volume.T), (2, 2, 2), num_mips=1)[0]


def by_tensorstore(kind: str, volume: np.ndarray) -> np.ndarray:
    base = tensorstore.array(volume)
    reduced = tensorstore.downsample(base, [2, 2, 2], "mode" if kind == "segmentation" else "mean")
    return np.asarray(reduced.read().result())


METHODS: tuple[tuple[str, Callable[[str, np.ndarray], np.ndarray]], ...] = (
    ("asap_ingest", ours),
    ("tinybrain", by_tinybrain),
    ("tensorstore's downsample driver", by_tensorstore),
)


def volumes() -> dict[str, tuple[str, np.ndarray]]:
    """Noise of 8 bits, and labels of 64 bits in cells of some twenty voxels."""
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (DEPTH, SIDE, SIDE)).astype(np.uint8)
    cells = random.integers(1, 2**40, (DEPTH // 16, SIDE // 16, SIDE // 16), np.uint64)
    shifts = np.indices(noise.shape) + random.integers(0, 3, (3, *noise.shape))
    labels = cells[
        tuple(np.minimum(shift // 16, size - 1) for shift, size in zip(shifts, cells.shape, strict=True))
    ]
    return {"means of 8 bits": ("image", noise), "modes of labels of 64 bits": ("segmentation", labels)}


def report(runs: int) -> str:
    rows = []
    for name, (kind, volume) in volumes().items():
        for method, work in METHODS:
            seconds = median_seconds(partial(work, kind, volume), runs)
            rows.append((name, method, f"{seconds * 1e3:.0f}", f"{volume.size / 1e6 / seconds:,.0f}"))
    header = ("what", "by", "ms", "megavoxels/s")
    size = f"{DEPTH} x {SIDE} x {SIDE}"
    return f"## Blocks of 2 x 2 x 2 of {size} voxels, one thread of ours\n\n{table(header, rows)}\n"
