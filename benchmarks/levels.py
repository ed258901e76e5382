"""Levels 1 to 6 of one tile, arrays only, by method."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import cv2
import numpy as np
import pyvips
from PIL import Image as PilImage
from skimage.measure import block_reduce

from asap_ingest.images.downsample import mean_levels, minimum_levels
from asap_ingest.images.memory import ReusedMemory
from benchmarks.tables import median_seconds, table

LEVELS, SIDE = 6, 3840
#: Ours lie in memory that is used again, as in the workers; so does the copy.
MEMORY = ReusedMemory()
Levels = list[np.ndarray]


def exact_means(image: np.ndarray) -> Levels:
    return list(mean_levels(image, LEVELS, memory=MEMORY))


def exact_means_of_high_byte(image: np.ndarray) -> Levels:
    return list(mean_levels(image, LEVELS, np.dtype(np.uint8), MEMORY))


def minimum_of_mask(image: np.ndarray) -> Levels:
    return list(minimum_levels(image, LEVELS))


def progressive_scikit_image(image: np.ndarray) -> Levels:
    """The pyramid of the predecessor: every level from the one before, cut back to the sample type."""
    levels = []
    for _ in range(LEVELS):
        image = block_reduce(image, (2, 2), np.mean).astype(image.dtype)
        levels.append(image)
    return levels


def opencv_area(image: np.ndarray) -> Levels:
    levels = []
    for _ in range(LEVELS):
        image = cv2.resize(image, (image.shape[1] // 2, image.shape[0] // 2), interpolation=cv2.INTER_AREA)
        levels.append(image)
    return levels


def pillow_reduce(image: np.ndarray) -> Levels:
    picture = PilImage.fromarray(image)
    return [np.asarray(picture.reduce(2**level)) for level in range(1, LEVELS + 1)]


def libvips_shrink(image: np.ndarray) -> Levels:
    picture = pyvips.Image.new_from_array(image)
    return [picture.shrink(2**level, 2**level).numpy() for level in range(1, LEVELS + 1)]


METHODS: tuple[tuple[str, type, Callable[[np.ndarray], Levels]], ...] = (
    ("asap_ingest, exact means", np.uint8, exact_means),
    ("asap_ingest, minima of a mask", np.uint8, minimum_of_mask),
    ("scikit-image `block_reduce`, progressive (the reference)", np.uint8, progressive_scikit_image),
    ("OpenCV `INTER_AREA`, progressive", np.uint8, opencv_area),
    ("Pillow `reduce` of level 0", np.uint8, pillow_reduce),
    ("libvips `shrink` of level 0", np.uint8, libvips_shrink),
    ("asap_ingest, exact means of the high byte", np.uint16, exact_means_of_high_byte),
    ("asap_ingest, exact means in 16 bits", np.uint16, exact_means),
    ("scikit-image `block_reduce`, progressive (the reference)", np.uint16, progressive_scikit_image),
    ("OpenCV `INTER_AREA`, progressive", np.uint16, opencv_area),
    ("libvips `shrink` of level 0", np.uint16, libvips_shrink),
)


def copy_seconds(dtype: type, runs: int) -> float:
    """What it takes to copy the tile over another array: the limit of the memory."""
    image, copy = np.ones((2, SIDE, SIDE), dtype)
    return median_seconds(partial(np.copyto, copy, image), 5 * runs)


def report(runs: int) -> str:
    cv2.setNumThreads(1)
    rows = []
    copies = {dtype: copy_seconds(dtype, runs) for dtype in (np.uint8, np.uint16)}
    for name, dtype, method in METHODS:
        image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (SIDE, SIDE)).astype(dtype)
        seconds = median_seconds(partial(method, image), runs)
        levels = method(image)
        start = image >> 8 if levels[0].dtype != image.dtype else image
        shift = max(abs(float(level.mean()) - float(start.mean())) for level in levels)
        drift = "" if method is minimum_of_mask else f"{shift:.3f}"
        figures = (f"{seconds * 1e3:.2f}", f"{SIDE * SIDE / 1e6 / seconds:,.0f}")
        rows.append((name, np.dtype(dtype), *figures, f"{seconds / copies[dtype]:.2f}", drift))
    for dtype, seconds in copies.items():
        figures = (f"{seconds * 1e3:.2f}", f"{SIDE * SIDE / 1e6 / seconds:,.0f}")
        rows.append(("a copy of the array", np.dtype(dtype), *figures, "1.00", ""))
    header = ("method", "samples", "ms", "MP/s", "times a copy", "largest drift of the mean")
    title = f"## Levels 1 to {LEVELS} of one {SIDE} x {SIDE} tile of noise, arrays only"
    return f"{title}\n\n{table(header, rows)}\n"


if __name__ == "__main__":
    print(report(5))
