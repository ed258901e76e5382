"""Conversion of samples: sources to the kind of a canvas, finished pictures to 8 bits by a range.

Formulas and the rounding of limits: those of render-ws 4.0, which differ between sources and pictures, and
between kinds of samples.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.wire.java_numbers import truncate_to_int

Pixels = NDArray[Any]

#: Channels beyond this maximum hold 16-bit values: their 8-bit sources are widened.
LARGEST_8BIT = 255.0
LARGEST_16BIT = 65535.0
#: Pixels of a band of `row_bands`.
_BAND_PIXELS = 2**18
#: Kind of canvas -> type of its samples.
CANVAS_TYPES: dict[str, Any] = {
    "gray8": np.uint8,
    "gray16": np.uint16,
    "color": np.uint8,
    "float": np.float32,
}


class IntensityRange(NamedTuple):
    """The sample values that become 0 and 255 in 8 bits."""

    low: float = 0.0
    high: float = 255.0


def row_bands(height: int, width: int) -> Iterator[slice]:
    """Bands of rows of a picture, so that temporary arrays of 64-bit values stay small."""
    step = max(1, _BAND_PIXELS // max(1, width))
    return (slice(start, start + step) for start in range(0, height, step))


def kind_of(image: Pixels) -> str:
    """`gray8`, `gray16`, `float` or `color`."""
    if image.ndim == 3:
        return "color"
    return _GRAY_KINDS.get(image.dtype, "float")


_GRAY_KINDS = {np.dtype(np.uint8): "gray8", np.dtype(np.uint16): "gray16"}


def widen(image: Pixels) -> Pixels:
    """8-bit gray to 16-bit, times 256."""
    return image.astype(np.uint16) << 8


def _to_8bit(values: Pixels, low: float, extent: float) -> Pixels:
    """Map samples from the range low to low + extent to 0 to 255: uint8 of the same shape."""
    if values.dtype == np.uint16:
        return _table_16bit(low, extent)[values]
    if values.dtype != np.uint8:
        return scale_float(values, low, extent, np.uint8)
    table = _table_8bit(low, extent)
    return values if table is None else table[values]


def picture_to_8bit(values: Pixels, intensity_range: IntensityRange) -> Pixels:
    """Map a finished picture to 8 bits by its range: uint8 of the same shape.

    The limits of the range are rounded half up for 8-bit gray, and cut to integers for colours and 16-bit
    gray. If this makes the range of a 16-bit picture 0, 0, its least and greatest values take its place.
    """
    kind, (low, high) = kind_of(values), intensity_range
    if kind == "gray16":
        low, high = truncate_to_int(max(low, 0.0)), truncate_to_int(min(high, LARGEST_16BIT))
        if (low, high) == (0, 0):
            low, high = int(values.min()), int(values.max())
    elif kind == "color":
        low, high = truncate_to_int(low), truncate_to_int(high)
    elif kind == "gray8":
        low, high = _rounded(low), _rounded(high)
    return _to_8bit(values, low, high - low)


def _source_to_8bit(image: Pixels, source_range: IntensityRange) -> Pixels:
    """Map a source image to 8 bits by its range: uint8 of the same shape.

    The limits of the range are rounded half up for 8-bit gray. For colours the lower limit is cut to an
    integer, but the extent is not. For other kinds nothing is rounded.
    """
    kind, (low, high) = kind_of(image), source_range
    if kind == "gray8":
        return _to_8bit(image, _rounded(low), _rounded(high) - _rounded(low))
    return _to_8bit(image, truncate_to_int(low) if kind == "color" else low, high - low)


def _rounded(limit: float) -> int:
    return truncate_to_int(float(np.floor(limit + 0.5)))


def scale_float(values: Pixels, low: float, extent: float, dtype: type[np.unsignedinteger[Any]]) -> Pixels:
    """Map float samples, shape (height, width), from a range to all values of a type, rounded half up."""
    result = np.empty(values.shape, dtype)
    largest = np.iinfo(dtype).max
    for rows in row_bands(*values.shape):
        with np.errstate(divide="ignore", invalid="ignore"):
            # clipped first: a reversed range would turn what lies below it to white
            scaled = np.maximum(values[rows].astype(np.float64) - low, 0) * (np.float64(largest) / extent)
        result[rows] = np.nan_to_num(np.clip(np.floor(scaled + 0.5), 0, largest), nan=0.0)
    return result


@lru_cache(maxsize=64)
def _table_8bit(low: float, extent: float) -> Pixels | None:
    """The 8-bit results for samples 0 to 255; None for a range that changes nothing, or is reversed."""
    if (low, extent) == (0, 255) or extent < 0:
        return None
    values = np.arange(256)
    if extent == 0:
        return np.where(values > low, 255, 0).astype(np.uint8)
    scaled = np.clip(np.trunc(256.0 * (values - low) / extent), 0, 255)
    return np.nan_to_num(scaled, nan=0.0).astype(np.uint8)


@lru_cache(maxsize=64)
def _table_16bit(low: float, extent: float) -> Pixels:
    # a reversed range wraps around below 0, as in the original
    with np.errstate(divide="ignore", invalid="ignore"):
        above = np.maximum(np.arange(65536.0) - low, 0)
        scaled = np.trunc(above * (np.float64(256.0) / (extent + 1)) + 0.5)
    return (np.nan_to_num(np.minimum(scaled, 255), nan=0.0).astype(np.int64) & 255).astype(np.uint8)


def mean_of_components(color: Pixels) -> Pixels:
    """Colour to 8-bit gray: the mean of the three components, rounded to nearest."""
    return ((color.sum(axis=2, dtype=np.uint16) * 2 + 3) // 6).astype(np.uint8)


def is_converted(source: str, canvas: str, widened: bool) -> bool:
    """Whether `converted` changes pixels of a source of one kind for a canvas of another or the same kind."""
    return source != canvas or canvas == "color" or (widened and source == "gray8")


def converted(image: Pixels, canvas: str, source_range: IntensityRange, widened: bool) -> Pixels:
    """Convert pixels of a source to the kind of a canvas.

    Parameters
    ----------
    source_range : IntensityRange
        Used for colours, and where the samples of the canvas have fewer bits than those of the source.
    widened : bool
        Make 16-bit samples of 8-bit gray ones first.
    """
    if widened and image.ndim == 2 and image.dtype == np.uint8:
        image = widen(image)
    source, dtype = kind_of(image), CANVAS_TYPES[canvas]
    if canvas == "color":
        shown = _source_to_8bit(image, source_range)
        return shown if shown.ndim == 3 else np.repeat(shown[:, :, None], 3, axis=2)
    if source == "color":
        return mean_of_components(_source_to_8bit(image, source_range)).astype(dtype, copy=False)
    if source == "float" and canvas != "float":
        return scale_float(image, source_range.low, source_range.high - source_range.low, dtype)
    if (source, canvas) == ("gray16", "gray8"):
        return _source_to_8bit(image, source_range)
    return image.astype(dtype, copy=False)


def range_for_canvas(requested: IntensityRange, image: Pixels, canvas: str, widened: bool) -> IntensityRange:
    """The intensity range of a source on a canvas: the requested one, unless that is exactly 0, 0.

    In that case 16-bit samples (also `widened` ones) on a 16-bit canvas have the range from their least to
    their greatest value.
    """
    if requested != IntensityRange(0.0, 0.0) or canvas != "gray16":
        return requested
    samples = widen(image) if widened and kind_of(image) == "gray8" else image
    if kind_of(samples) != "gray16":
        return requested
    return IntensityRange(float(samples.min()), float(samples.max()))
