"""The levels of an image pyramid, from the pixels of level 0. Arrays in, arrays out.

Images are (height, width) or (height, width, 3) arrays of uint8 or uint16. Level n has
floor(size / 2**n) pixels in each axis, at least one; an odd last row or column of a level is left
out, never padded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images.memory import ReusedMemory

Image = NDArray[Any]

#: Levels that the compiled loops make: sums of 4**4 samples fit into twice the bits of a sample.
EXACT_LEVELS = 4

#: Names that `PIL_filter` may give: Pillow's resampling filters.
PIL_FILTERS = ("NEAREST", "BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS")


@dataclass(frozen=True)
class Downsampling:
    """How levels are made.

    Attributes
    ----------
    method : name in `DOWNSAMPLE_METHODS`
    block_func : name in `BLOCK_FUNCTIONS`, for `block_reduce`
    pil_filter : name in `PIL_FILTERS`, for `PIL`
    """

    method: str = "block_reduce"
    block_func: str = "mean"
    pil_filter: str = "NEAREST"


def level_shape(shape_yx: tuple[int, int], level: int) -> tuple[int, int]:
    """(height, width) of a level of an image whose level 0 is `shape_yx`."""
    height, width = shape_yx
    return max(1, height >> level), max(1, width >> level)


def to_8bit(image: Image) -> Image:
    """The high byte of 16-bit samples; 8-bit images unchanged."""
    return as_type(image, np.dtype(np.uint8))


def as_type(image: Image, dtype: np.dtype[Any]) -> Image:
    """The image unchanged if it has this type; a uint16 image as uint8 by its high byte."""
    return image if image.dtype == dtype else (image >> 8).astype(dtype)


def levels_of(
    image: Image,
    levels: int,
    how: Downsampling,
    dtype: np.dtype[Any] | None = None,
    memory: ReusedMemory | None = None,
) -> Iterator[Image]:
    """Levels 1 to `levels` of an image, in that order.

    Parameters
    ----------
    dtype : dtype, optional
        Of the levels, by default the image's own; uint8 levels of a uint16 image are those of its high byte.
    memory : ReusedMemory, optional
        Levels may lie in it; they are then valid until its next array.
    """
    return DOWNSAMPLE_METHODS[how.method](image, levels, how, image.dtype if dtype is None else dtype, memory)


def mean_levels(
    image: Image, levels: int, dtype: np.dtype[Any] | None = None, memory: ReusedMemory | None = None
) -> Iterator[Image]:
    """Block means: level n is the mean over 2**n x 2**n samples of level 0, rounded once.

    Halves round up. The sums behind the means lose nothing, so the mean of the image does not
    drift with the level: it stays within 0.13 grey values of level 0. Parameters as for `levels_of`.
    """
    dtype = image.dtype if dtype is None else dtype
    drop = 8 * (image.dtype.itemsize - np.dtype(dtype).itemsize)
    # blocks of very narrow images are not square from some level on; only the loop below makes these
    square = min(image.shape[:2]).bit_length() - 1
    compiled = min(levels, EXACT_LEVELS, square)
    if compiled:
        new_array = np.empty if memory is None else memory.array
        results, sums = _compiled_levels(image, dtype, drop, compiled, new_array)
        yield from results
    else:
        sums = (image >> drop).astype(np.uint64)
    block_rows, block_columns = 1 << compiled, 1 << compiled
    for _ in range(compiled, levels):
        block_rows, block_columns = block_rows << (sums.shape[0] > 1), block_columns << (sums.shape[1] > 1)
        sums = _halved_sums(sums)
        count = block_rows * block_columns  # a power of two
        yield ((sums + count // 2) >> (count.bit_length() - 1)).astype(dtype)


def _compiled_levels(
    image: Image, dtype: np.dtype[Any], drop: int, levels: int, new_array: Callable[..., Image]
) -> tuple[list[Image], NDArray[np.uint64]]:
    """Levels 1 to `levels`, and the sums over the blocks of the last of them.

    `drop` is the number of lowest bits that are left out of each sample; `new_array(shape, dtype)` makes the
    array of all levels. The sums have the shape of the last level.
    """
    from asap_ingest.images import kernels

    height, width, channels = (*image.shape, 1)[:3]
    rows = np.ascontiguousarray(image).reshape(height, width * channels)
    shapes = [(*level_shape((height, width), level), *image.shape[2:]) for level in range(1, levels + 1)]
    means = new_array((sum(map(prod, shapes)),), dtype)
    strides = [kernels.row_of_sums(shape[1], channels) for shape in shapes]
    bands = [stride * (EXACT_LEVELS * 2 >> level) for level, stride in enumerate(strides[:-1])]
    number, twice = (np.uint16, np.uint32) if dtype == np.uint8 else (np.uint32, np.uint64)
    # of all levels but the last only the rows in work are held: see `kernels.mean_levels_of_rows`
    sums = np.empty(sum(bands) + strides[-1] * shapes[-1][0], number)
    kernels.mean_levels_of_rows(rows, channels, drop, sums, sums.view(twice), means, levels)
    ends = np.cumsum([prod(shape) for shape in shapes])[:-1]
    results = [part.reshape(shape) for part, shape in zip(np.split(means, ends), shapes, strict=True)]
    last = sums[sum(bands) :].reshape(-1, strides[-1])[:, : shapes[-1][1] * channels]
    return results, last.reshape(shapes[-1]).astype(np.uint64)


def _halved_sums(sums: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Sums over 2 x 2 sums; an axis of one stays as it is."""
    if sums.shape[0] > 1:
        rows = sums.shape[0] >> 1 << 1
        sums = sums[:rows:2] + sums[1:rows:2]
    if sums.shape[1] > 1:
        columns = sums.shape[1] >> 1 << 1
        sums = sums[:, :columns:2] + sums[:, 1:columns:2]
    return sums


def minimum_levels(mask: Image, levels: int) -> Iterator[Image]:
    """Levels of a mask: a pixel is 255 only where its whole block is 255."""
    from asap_ingest.images import kernels

    for _ in range(levels):
        mask = _cropped(mask, 1)
        if min(mask.shape) > 1:
            level = np.empty(level_shape(mask.shape[:2], 1), np.uint8)
            kernels.minimum_of_blocks(np.ascontiguousarray(mask), level)
            mask = level
        elif max(mask.shape) > 1:
            mask = np.minimum(mask[0::2, 0::2], mask[-1::-2, -1::-2][::-1, ::-1])
        yield mask


def _block_reduce_levels(
    image: Image, levels: int, how: Downsampling, dtype: np.dtype[Any], memory: ReusedMemory | None
) -> Iterator[Image]:
    return BLOCK_FUNCTIONS[how.block_func](image, levels, dtype, memory)


def _median_levels(
    image: Image, levels: int, dtype: np.dtype[Any], memory: ReusedMemory | None
) -> Iterator[Image]:
    """Medians over blocks of level 0 by scikit-image; a median between two values rounds up."""
    from skimage.measure import block_reduce

    image = as_type(image, dtype)
    for level in range(1, levels + 1):
        cropped = _cropped(image, level)
        block = (*(min(2**level, size) for size in cropped.shape[:2]), 1)[: image.ndim]
        yield _rounded(block_reduce(cropped, block, np.median), image.dtype)


def _pil_levels(
    image: Image, levels: int, how: Downsampling, dtype: np.dtype[Any], memory: ReusedMemory | None
) -> Iterator[Image]:
    """Pillow's resize of level 0, by exactly 2**n, without the rows and columns that a level leaves out."""
    from PIL import Image as PilImage

    image = as_type(image, dtype)
    resample = PilImage.Resampling[how.pil_filter]
    # Pillow's averaging filters do not support 16-bit samples; float32 holds them exactly
    supported = image.astype(np.float32) if image.dtype == np.uint16 else image
    for level in range(1, levels + 1):
        height, width = level_shape(image.shape[:2], level)
        # resize(box=...) would use pixels outside the box
        planes = np.moveaxis(np.atleast_3d(_cropped(supported, level)), 2, 0)
        pictures = [PilImage.fromarray(np.ascontiguousarray(plane)) for plane in planes]
        resized = np.dstack([np.asarray(picture.resize((width, height), resample)) for picture in pictures])
        joined = resized if image.ndim == 3 else resized[..., 0]
        yield joined if joined.dtype == image.dtype else _rounded(joined, image.dtype)


def _cropped(image: Image, level: int) -> Image:
    """The part of an image that whole blocks of a level cover.

    An axis shorter than 2**level has one block, as long as the largest power of two that fits.
    """
    height, width = (
        size >> level << level if size >> level else 1 << (size.bit_length() - 1) for size in image.shape[:2]
    )
    return image[:height, :width]


def _rounded(values: Image, dtype: np.dtype[Any]) -> Image:
    """Nearest integers, halves up."""
    limits = np.iinfo(dtype)
    return np.clip(np.floor(values + 0.5), limits.min, limits.max).astype(dtype)


BLOCK_FUNCTIONS: dict[str, Callable[..., Iterator[Image]]] = {
    "mean": mean_levels,
    "median": _median_levels,
}

DOWNSAMPLE_METHODS: dict[str, Callable[..., Iterator[Image]]] = {
    "block_reduce": _block_reduce_levels,
    "PIL": _pil_levels,
}
