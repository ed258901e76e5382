"""Seams between tiles, filled from their edges.

A tile has no value at its last row and column, and a level has no part of a pixel at its end: where tiles
overlap by less than a pixel of the level, a black line would be left between them. Tiles beside empty pixels
are drawn a second time, a little beyond their end, on a canvas that lies below the picture.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.intensity import Pixels

#: One pixel that has no value, and up to one that the level has lost.
MARGIN = 2
#: Pixels of the canvas by which a tile may lie beside its stored box, its margin included.
_AROUND = 6
#: Side of the blocks by which empty pixels are looked for, pixels.
_BLOCK = 8


def with_margin(image: Pixels) -> Pixels:
    """The image with its last row and column repeated."""
    import cv2

    return cv2.copyMakeBorder(image, 0, MARGIN, 0, MARGIN, cv2.BORDER_REPLICATE)


def empty_pixels(canvas: Canvas) -> NDArray[np.bool_]:
    """Where nothing was drawn, shape (height, width): transparent pixels, or those that are 0."""
    if canvas.alpha is not None:
        return canvas.alpha == 0
    if canvas.values is None:
        return np.ones((canvas.height, canvas.width), bool)
    return canvas.values == 0 if canvas.values.ndim == 2 else (canvas.values == 0).all(axis=2)


def near_empty(empty: NDArray[np.bool_], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes have empty pixels in them or less than some blocks beside them, shape (n,).

    Parameters
    ----------
    boxes : ndarray, shape (n, 4)
        Left, top, right, bottom in pixels.
    """
    # counted by blocks: sums over all pixels would take more memory than the picture
    blocks = _any_in_blocks(empty)
    height, width = blocks.shape
    before = np.zeros((height + 1, width + 1), np.int64)
    before[1:, 1:] = blocks.cumsum(axis=0).cumsum(axis=1)
    sides = (np.nan_to_num(boxes) + np.array([-_AROUND, -_AROUND, _AROUND, _AROUND])) / _BLOCK
    most = width, height, width, height
    starts, ends = np.floor(sides[:, :2]), np.ceil(sides[:, 2:])
    left, top, right, bottom = np.clip(np.hstack([starts, ends]), 0, most).astype(int).T
    count = before[bottom, right] - before[top, right] - before[bottom, left] + before[top, left]
    return count > 0


def _any_in_blocks(pixels: NDArray[np.bool_]) -> NDArray[np.bool_]:
    rows = np.logical_or.reduceat(pixels, np.arange(0, pixels.shape[0], _BLOCK), axis=0)
    return np.logical_or.reduceat(rows, np.arange(0, pixels.shape[1], _BLOCK), axis=1)


def fill(canvas: Canvas, below: Canvas, empty: NDArray[np.bool_]) -> None:
    """Put pixels of the canvas below, which has an alpha channel, where the other one is empty."""
    if canvas.values is None or below.values is None or below.alpha is None:
        return
    empty = empty & (below.alpha > 0)
    canvas.values[empty] = below.values[empty]
    if canvas.alpha is not None:
        canvas.alpha[empty] = below.alpha[empty]
