"""The levels of an image pyramid, from the pixels of level 0. Arrays in, arrays out.

Images are (height, width) or (height, width, 3) arrays of uint8 or uint16. Level n has
floor(size / 2**n) pixels in each axis, at least one; an odd last row or column of a level is left
out, never padded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]

#: Names that `PIL_filter` may give: Pillow's resampling filters.
PIL_FILTERS = ("NEAREST", "BOX", "BILINEAR", "HAMMING", "BICUBIC", "LANCZOS")

# An exact mean over 4**n samples needs 2n more bits than a sample has. 8-bit samples in the high
# byte of 16 bits, and 16-bit samples in a float32, have room for 8 more: four halvings.
_EXACT_HALVINGS = 4
_FIXED_POINT = 256

# Rows that are halved together, as many as a processor's cache holds at 3840 pixels a row. A
# multiple of 2**_EXACT_HALVINGS, so that bands can be put together again at each level.
_BAND_ROWS = 512


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
    """The high byte of 16-bit samples; 8-bit images as they are."""
    return as_type(image, np.dtype(np.uint8))


def as_type(image: Image, dtype: np.dtype[Any]) -> Image:
    """uint8 and uint16 images as they are; a uint16 image as uint8 by its high byte."""
    return image if image.dtype == dtype else (image >> 8).astype(dtype)


def levels_of(
    image: Image, levels: int, how: Downsampling, dtype: np.dtype[Any] | None = None
) -> Iterator[Image]:
    """Levels 1 to `levels` of an image, in that order, with samples of `dtype`.

    uint8 levels of a uint16 image are those of its high byte. Without `dtype` the image's own.
    """
    return DOWNSAMPLE_METHODS[how.method](image, levels, how, image.dtype if dtype is None else dtype)


def mean_levels(image: Image, levels: int, dtype: np.dtype[Any] | None = None) -> Iterator[Image]:
    """Block means: level n is the mean over 2**n x 2**n samples of level 0, rounded once.

    Halves round up. The sums behind the means lose nothing, so the mean of the image does not
    drift with the level: it stays within 0.13 grey values of level 0.
    """
    dtype = image.dtype if dtype is None else dtype
    exact = min(levels, _EXACT_HALVINGS)
    shapes = [(*level_shape(image.shape[:2], level), *image.shape[2:]) for level in range(1, exact + 1)]
    results = [np.empty(shape, dtype) for shape in shapes]
    means = np.concatenate([_halve_band(image[rows], dtype, rows.start, results) for rows in _bands(image)])
    yield from results
    # a level this small costs nothing, so float64 can carry on for as long as anybody asks
    small = means / np.float64(_FIXED_POINT) if means.dtype == np.uint16 else means.astype(np.float64)
    for _ in range(exact, levels):
        small = _halved(small)
        yield _rounded(small, dtype)


def _bands(image: Image) -> list[slice]:
    """Rows of the bands; the last one takes what is left over, so none is short."""
    starts = range(0, max(1, image.shape[0] // _BAND_ROWS) * _BAND_ROWS, _BAND_ROWS)
    return [slice(start, None if start == starts[-1] else start + _BAND_ROWS) for start in starts]


def _halve_band(band: Image, dtype: np.dtype[Any], first_row: int, results: list[Image]) -> Image:
    """Write a band's rows of levels 1 to len(results); its unrounded means at the last of them."""
    means = _widened(band, dtype)
    # OpenCV's own means of 2 x 2 8-bit samples round halves up, as ours do
    rounds_alike = band.dtype == np.uint8 and min(band.shape[:2]) > 1
    for level, result in enumerate(results, start=1):
        means = _halved(means)
        rows = result[first_row >> level :][: means.shape[0]]
        rows[...] = _halved(band) if level == 1 and rounds_alike else _rounded(means, dtype)
    return means


def minimum_levels(mask: Image, levels: int) -> Iterator[Image]:
    """Levels of a mask: a pixel is kept (255) only where its whole block is kept."""
    for _ in range(levels):
        mask = _cropped(mask, 1)
        if mask.shape[0] > 1:
            mask = np.minimum(mask[0::2], mask[1::2])
        if mask.shape[1] > 1:
            mask = np.minimum(mask[:, 0::2], mask[:, 1::2])
        yield mask


def _block_reduce_levels(
    image: Image, levels: int, how: Downsampling, dtype: np.dtype[Any]
) -> Iterator[Image]:
    return BLOCK_FUNCTIONS[how.block_func](image, levels, dtype)


def _median_levels(image: Image, levels: int, dtype: np.dtype[Any]) -> Iterator[Image]:
    """Medians over blocks of level 0 by scikit-image; a median between two values rounds up."""
    from skimage.measure import block_reduce

    image = as_type(image, dtype)
    for level in range(1, levels + 1):
        cropped = _cropped(image, level)
        block = (*(min(2**level, size) for size in cropped.shape[:2]), 1)[: image.ndim]
        yield _rounded(block_reduce(cropped, block, np.median), image.dtype)


def _pil_levels(image: Image, levels: int, how: Downsampling, dtype: np.dtype[Any]) -> Iterator[Image]:
    """Pillow's resize of level 0, by exactly 2**n: what a level leaves out is not looked at."""
    from PIL import Image as PilImage

    image = as_type(image, dtype)
    resample = PilImage.Resampling[how.pil_filter]
    # Pillow's averaging filters do not know 16-bit samples; float32 holds them exactly
    known = image.astype(np.float32) if image.dtype == np.uint16 else image
    for level in range(1, levels + 1):
        height, width = level_shape(image.shape[:2], level)
        # resize(box=...) would look beyond the box
        planes = np.moveaxis(np.atleast_3d(_cropped(known, level)), 2, 0)
        pictures = [PilImage.fromarray(np.ascontiguousarray(plane)) for plane in planes]
        resized = np.dstack([np.asarray(picture.resize((width, height), resample)) for picture in pictures])
        joined = resized if image.ndim == 3 else resized[..., 0]
        yield joined if joined.dtype == image.dtype else _rounded(joined, image.dtype)


def _cropped(image: Image, level: int) -> Image:
    """The rows and columns that whole blocks cover.

    An axis shorter than 2**level is one block of the largest power of two that fits: what
    halving `level` times leaves of it.
    """
    height, width = (
        size >> level << level if size >> level else 1 << (size.bit_length() - 1) for size in image.shape[:2]
    )
    return image[:height, :width]


def _widened(image: Image, dtype: np.dtype[Any]) -> Image:
    """The samples with room for exact means: in units of 1/256 for uint8 results, else float32."""
    if dtype != np.uint8:
        return image.astype(np.float32)
    if image.dtype == np.uint8:
        return np.left_shift(image, 8, dtype=np.uint16)
    return image & np.uint16(0xFF00)


def _halved(image: Image) -> Image:
    import cv2

    height, width = level_shape(image.shape[:2], 1)
    return cv2.resize(_cropped(image, 1), (width, height), interpolation=cv2.INTER_AREA)


def _rounded(values: Image, dtype: np.dtype[Any]) -> Image:
    """Nearest integers, halves up; uint16 values are in units of 1/256."""
    if values.dtype == np.uint16:
        import cv2

        # the high bytes, four times as fast as a shift and a change of type
        high_and_low = (values + np.uint16(_FIXED_POINT // 2)).view(np.uint8).reshape(values.shape[0], -1, 2)
        return cv2.extractChannel(high_and_low, int(np.little_endian)).reshape(values.shape)
    limits = np.iinfo(dtype)
    return np.clip(np.floor(values + 0.5), limits.min, limits.max).astype(dtype)


BLOCK_FUNCTIONS: dict[str, Callable[[Image, int, np.dtype[Any]], Iterator[Image]]] = {
    "mean": mean_levels,
    "median": _median_levels,
}

DOWNSAMPLE_METHODS: dict[str, Callable[[Image, int, Downsampling, np.dtype[Any]], Iterator[Image]]] = {
    "block_reduce": _block_reduce_levels,
    "PIL": _pil_levels,
}
