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
from benchmarks.tables import copy_seconds, median_seconds, table

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
    """The predecessor's pyramid: each level from the one before, truncated to the sample type."""
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


METHODS: tuple[tuple[str, str, Callable[[np.ndarray], Levels]], ...] = (
    ("asap_ingest, exact means", "uint8", exact_means),
    ("asap_ingest, minima of a mask", "uint8", minimum_of_mask),
    ("scikit-image `block_reduce`, progressive (the reference)", "uint8", progressive_scikit_image),
    ("OpenCV `INTER_AREA`, progressive", "uint8", opencv_area),
    ("Pillow `reduce` of level 0", "uint8", pillow_reduce),
    ("libvips `shrink` of level 0", "uint8", libvips_shrink),
    ("asap_ingest, exact means of the high byte", "uint16", exact_means_of_high_byte),
    ("asap_ingest, exact means in 16 bits", "uint16", exact_means),
    ("scikit-image `block_reduce`, progressive (the reference)", "uint16", progressive_scikit_image),
    ("OpenCV `INTER_AREA`, progressive", "uint16", opencv_area),
    ("libvips `shrink` of level 0", "uint16", libvips_shrink),
)


def report(runs: int) -> str:
    cv2.setNumThreads(1)
    rows = []
    copies = {dtype: copy_seconds(SIDE, dtype, 5 * runs) for dtype in ("uint8", "uint16")}
    for name, dtype, method in METHODS:
        image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (SIDE, SIDE)).astype(dtype)
        seconds = median_seconds(partial(method, image), runs)
        levels = method(image)
        start = image >> 8 if levels[0].dtype != image.dtype else image
        shift = max(abs(float(level.mean()) - float(start.mean())) for level in levels)
        drift = "" if method is minimum_of_mask else f"{shift:.3f}"
        rows.append((name, dtype, *figures(seconds, copies[dtype]), drift))
    rows += [("a copy of the array", dtype, *figures(copy, copy), "") for dtype, copy in copies.items()]
    header = ("method", "samples", "ms", "MP/s", "times a copy", "largest drift of the mean")
    title = f"## Levels 1 to {LEVELS} of one {SIDE} x {SIDE} tile of noise, arrays only"
    return f"{title}\n\n{table(header, rows)}\n"


def figures(seconds: float, copy: float) -> tuple[str, str, str]:
    """Milliseconds, megapixels per second, and how many times as long as a copy."""
    return f"{seconds * 1e3:.2f}", f"{SIDE * SIDE / 1e6 / seconds:,.0f}", f"{seconds / copy:.2f}"
