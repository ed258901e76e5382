"""Intensity ranges: how sample values become 8-bit grey values.

Formulas: those of render-ws 4.0. A canvas is 8-bit gray, 16-bit gray, float or colour; sources are converted
to its kind first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.wire.java_numbers import truncate_to_int

Pixels = NDArray[Any]

#: Channels beyond this maximum hold 16-bit values: their 8-bit sources are widened.
LARGEST_8BIT = 255.0
LARGEST_16BIT = 65535.0
#: Pixels of a band of rows.
_BAND_PIXELS = 2**18
#: Kind of canvas -> type of its samples.
CANVAS_TYPES: dict[str, Any] = {
    "gray8": np.uint8,
    "gray16": np.uint16,
    "color": np.uint8,
    "float": np.float32,
}


class IntensityRange(NamedTuple):
    """Values shown as 0 and as 255."""

    low: float = 0.0
    high: float = 255.0


def row_bands(height: int, width: int) -> Iterator[slice]:
    """Bands of rows: temporary arrays that are larger than the picture are made for one band at a time."""
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


def show_8bit(values: Pixels, shown: IntensityRange) -> Pixels:
    """Apply a range, its limits rounded half up, to 8-bit gray samples: uint8 of the same shape."""
    low, high = _rounded(shown.low), _rounded(shown.high)
    return _looked_up(values, low, high - low)


def _rounded(limit: float) -> int:
    return truncate_to_int(float(np.floor(limit + 0.5)))


def show_color(values: Pixels, shown: IntensityRange) -> Pixels:
    """Apply a range, its limits cut to integers, to the components of a finished colour picture."""
    low, high = truncate_to_int(shown.low), truncate_to_int(shown.high)
    return _looked_up(values, low, high - low)


def show_color_source(values: Pixels, own: IntensityRange) -> Pixels:
    """Apply a source's own range to colour components: its minimum is cut, its extent is not."""
    return _looked_up(values, truncate_to_int(own.low), own.high - own.low)


def show_16bit(values: Pixels, shown: IntensityRange) -> Pixels:
    """Apply a range to 16-bit samples: uint8 of the same shape."""
    return _table_16bit(shown.low, shown.high)[values]


def show_gray16(values: Pixels, shown: IntensityRange) -> Pixels:
    """Apply a range, its limits cut to integers of 16 bits, to a finished 16-bit picture.

    The least and greatest value of the picture replace a range that is cut to 0, 0.
    """
    low, high = truncate_to_int(max(shown.low, 0.0)), truncate_to_int(min(shown.high, LARGEST_16BIT))
    if (low, high) == (0, 0):
        low, high = int(values.min()), int(values.max())
    return _table_16bit(low, high)[values]


def show_float(values: Pixels, shown: IntensityRange) -> Pixels:
    """Apply a range to float samples: uint8 of the same shape."""
    return scale_float(values, shown, np.uint8)


def scale_float(values: Pixels, shown: IntensityRange, dtype: type[np.unsignedinteger[Any]]) -> Pixels:
    """Float samples, shape (height, width), from a range to all values of a type, rounded half up."""
    result = np.empty(values.shape, dtype)
    largest = np.iinfo(dtype).max
    for rows in row_bands(*values.shape):
        with np.errstate(divide="ignore", invalid="ignore"):
            # clipped first: a reversed range would turn what lies below it to white
            above = np.maximum(values[rows].astype(np.float64) - shown.low, 0)
            scaled = above * (np.float64(largest) / (shown.high - shown.low))
        result[rows] = np.nan_to_num(np.clip(np.floor(scaled + 0.5), 0, largest), nan=0.0)
    return result


def _looked_up(values: Pixels, low: float, extent: float) -> Pixels:
    table = _table_8bit(low, extent)
    return values if table is None else table[values]


@lru_cache(maxsize=64)
def _table_8bit(low: float, extent: float) -> Pixels | None:
    """8-bit values of 0 .. 255; None for a range that changes nothing, or is reversed."""
    if (low, extent) == (0, 255) or extent < 0:
        return None
    values = np.arange(256)
    if extent == 0:
        return np.where(values > low, 255, 0).astype(np.uint8)
    scaled = np.clip(np.trunc(256.0 * (values - low) / extent), 0, 255)
    return np.nan_to_num(scaled, nan=0.0).astype(np.uint8)


@lru_cache(maxsize=64)
def _table_16bit(low: float, high: float) -> Pixels:
    # a reversed range wraps around below 0, as in the original
    with np.errstate(divide="ignore", invalid="ignore"):
        above = np.maximum(np.arange(65536.0) - low, 0)
        scaled = np.trunc(above * (np.float64(256.0) / (high - low + 1)) + 0.5)
    return (np.nan_to_num(np.minimum(scaled, 255), nan=0.0).astype(np.int64) & 255).astype(np.uint8)


def mean_of_components(color: Pixels) -> Pixels:
    """Colour to 8-bit gray: the mean of the three components, rounded to nearest."""
    return ((color.sum(axis=2, dtype=np.uint16) * 2 + 3) // 6).astype(np.uint8)


#: Kind of a source -> how its own range is applied on a colour canvas.
_SHOWN: dict[str, Callable[[Pixels, IntensityRange], Pixels]] = {
    "gray8": show_8bit,
    "gray16": show_16bit,
    "color": show_color_source,
    "float": show_float,
}


def is_converted(source: str, canvas: str, widened: bool) -> bool:
    """Whether `converted` changes pixels of one kind on a canvas of another, or the same."""
    return source != canvas or canvas == "color" or (widened and source == "gray8")


def converted(image: Pixels, canvas: str, own: IntensityRange, widened: bool) -> Pixels:
    """Bring pixels of a source to the kind of a canvas.

    Parameters
    ----------
    own : IntensityRange
        Range of the source: for colours, and where the canvas has fewer values.
    widened : bool
        Make 8-bit gray samples 16-bit ones first.
    """
    if widened and image.ndim == 2 and image.dtype == np.uint8:
        image = widen(image)
    source, dtype = kind_of(image), CANVAS_TYPES[canvas]
    if canvas == "color":
        shown = _SHOWN[source](image, own)
        return shown if shown.ndim == 3 else np.repeat(shown[:, :, None], 3, axis=2)
    if source == "color":
        return mean_of_components(show_color_source(image, own)).astype(dtype, copy=False)
    if source == "float" and canvas != "float":
        return scale_float(image, own, dtype)
    if (source, canvas) == ("gray16", "gray8"):
        return show_16bit(image, own)
    return image.astype(dtype, copy=False)


#: Kind of canvas -> how its values become 8-bit ones.
FINAL: dict[str, Callable[[Pixels, IntensityRange], Pixels]] = {
    "gray8": show_8bit,
    "gray16": show_gray16,
    "color": show_color,
    "float": show_float,
}


def range_for_canvas(requested: IntensityRange, image: Pixels, canvas: str, widened: bool) -> IntensityRange:
    """The range of a source on a canvas: the requested one, unless that is exactly 0, 0.

    Then 16-bit samples, `widened` ones included, on a 16-bit canvas have the range from their least to their
    greatest value.
    """
    if requested != IntensityRange(0.0, 0.0) or canvas != "gray16":
        return requested
    samples = widen(image) if widened and kind_of(image) == "gray8" else image
    if kind_of(samples) != "gray16":
        return requested
    return IntensityRange(float(samples.min()), float(samples.max()))
