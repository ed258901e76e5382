"""Sampling source images at the places that canvas pixels come from.

Coverage, interpolation and borders: those of render-ws 4.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.intensity import Pixels

#: Pixels worked on in one go: coordinate maps stay in the processor's cache, and rows short enough for
#: OpenCV (below 32767).
BLOCK_PIXELS = 2**16
BLOCK_COLUMNS = 2**13
#: Coordinates nearer than this to a whole pixel are taken as the whole pixel: rounding of products.
SNAP = 1e-7
_HALF = np.float32(0.5)


#: Least and greatest u, least and greatest v.
Reach = tuple[float, float, float, float]


class Patch(NamedTuple):
    """A rectangle of the canvas and the source position (u, v) of each of its pixels.

    Attributes
    ----------
    rows, columns : slice
        The rectangle on the canvas.
    u, v : ndarray of float32, shape (rows, columns), or None
        Source column and row; None where the source is only shifted.
    covered : ndarray of bool or None
        Pixels that the source reaches; None for all.
    shift : (int, int) or None
        u and v of the first pixel of a source that is only shifted.
    reach : Reach or None
        Where known without a look at u and v; rounded as they are.
    """

    rows: slice
    columns: slice
    u: NDArray[np.float32] | None = None
    v: NDArray[np.float32] | None = None
    covered: NDArray[np.bool_] | None = None
    shift: tuple[int, int] | None = None
    reach: Reach | None = None


def blocks(rows: range, columns: range, most: int = BLOCK_PIXELS) -> Iterator[tuple[range, range]]:
    """Cut a rectangle of pixels into blocks of at most so many pixels, or one row."""
    for left in range(columns.start, columns.stop, BLOCK_COLUMNS):
        part = range(left, min(left + BLOCK_COLUMNS, columns.stop))
        step = max(1, most // len(part))
        for top in range(rows.start, rows.stop, step):
            yield range(top, min(top + step, rows.stop)), part


def enclosed(least: float, greatest: float, size: int) -> range:
    """Whole positions from the least to the greatest of some, limited to 0 .. size - 1."""
    first = max(0.0, math.ceil(max(-1.0, least) - SNAP))
    last = min(size - 1.0, math.floor(min(float(size), greatest) + SNAP))
    return range(int(first), int(last) + 1)


def sample(
    image: Pixels, patch: Patch, nearest: bool = False, convert: Callable[[Pixels], Pixels] | None = None
) -> Pixels:
    """Values of an image at the source positions of a patch, rounded half up.

    Parameters
    ----------
    image : ndarray, shape (height, width) or (height, width, 3)
    nearest : bool
        Take the nearest pixel instead of interpolating between four.
    convert : callable or None
        Applied, before interpolation, to the part of the image that is needed.

    Returns
    -------
    ndarray of the image's dtype, or what `convert` gives
        0 outside [0, width - 1) x [0, height - 1): the last row and column of a source come out black.
    """
    if patch.shift is not None:
        return _shifted(image, patch, patch.shift, nearest, convert)
    if patch.u is None or patch.v is None:
        raise ValueError("a patch has source positions or a shift")
    u, v = patch.u, patch.v
    reach = patch.reach
    if nearest:
        u, v, reach = np.floor(u + np.float32(0.5)), np.floor(v + np.float32(0.5)), None
    if reach is None:
        reach = (float(u.min()), float(u.max()), float(v.min()), float(v.max()))
    values = _interpolated(image, u, v, reach, convert)
    outside = _outside(image, u, v, reach, nearest)
    if outside is not None:
        values[outside] = 0
    return values


def _outside(
    image: Pixels, u: NDArray[np.float32], v: NDArray[np.float32], reach: Reach, nearest: bool
) -> NDArray[np.bool_] | None:
    """Positions that have no value; None where all have one."""
    least_u, greatest_u, least_v, greatest_v = reach
    begin, rest = (0.0, 0) if nearest else (-SNAP, 1)
    height, width = image.shape[0] - rest, image.shape[1] - rest
    outside = u < begin if least_u < 0 else None
    if greatest_u >= width:
        outside = _or(outside, u >= width)
    if least_v < 0:
        outside = _or(outside, v < begin)
    if greatest_v >= height:
        outside = _or(outside, v >= height)
    return outside


def _or(first: NDArray[np.bool_] | None, second: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return second if first is None else np.logical_or(first, second, out=first)


def _shifted(
    image: Pixels,
    patch: Patch,
    shift: tuple[int, int],
    nearest: bool,
    convert: Callable[[Pixels], Pixels] | None,
) -> Pixels:
    height, width = image.shape[:2]
    left, top = shift
    right = left + patch.columns.stop - patch.columns.start
    bottom = top + patch.rows.stop - patch.rows.start
    values = image[top:bottom, left:right]
    if convert is not None:
        values = convert(values)
    if not nearest and (right == width or bottom == height):
        values = values.copy()
        values[height - 1 - top :] = 0
        values[:, width - 1 - left :] = 0
    return values


def _interpolated(
    image: Pixels,
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    reach: Reach,
    convert: Callable[[Pixels], Pixels] | None,
) -> Pixels:
    """Bilinear interpolation with float weights; OpenCV before 5 rounds them to 1/32."""
    import cv2

    part = image
    # a small one is not worth the cut
    if image.size > BLOCK_PIXELS or max(image.shape) > BLOCK_COLUMNS:
        left, right = _needed(reach[0], reach[1], image.shape[1])
        top, bottom = _needed(reach[2], reach[3], image.shape[0])
        part = image[top:bottom, left:right]
        u = u - np.float32(left) if left else u
        v = v - np.float32(top) if top else v
    if convert is not None:
        part = convert(part)
    values = cv2.remap(part.astype(np.float32), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    if part.dtype == np.float32:
        return values
    # none is below 0: cutting the fraction off is rounding down
    return np.add(values, _HALF, out=values).astype(part.dtype)


def _needed(least: float, greatest: float, size: int) -> tuple[int, int]:
    first = min(max(0, math.floor(least)), size - 1)
    last = min(max(0, math.floor(greatest) + 1), size - 1)
    return first, last + 1
