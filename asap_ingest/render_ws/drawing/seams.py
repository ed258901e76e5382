"""Fill seams between tiles from their edges.

The last row and column of a tile are not drawn, and a level lacks the fraction of a pixel at its end: where
tiles overlap by less than a pixel of the level, a black line would remain between them. Tiles beside empty
pixels are drawn a second time, with a margin, on a canvas below the picture.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.intensity import Pixels

#: One pixel that is not drawn, and up to one that the level lacks.
MARGIN = 2
#: Pixels of the canvas by which a tile may lie beside its stored box, margin included, and the side of blocks
#: in which empty pixels are counted.
_AROUND, _BLOCK = 6, 8


def with_margin(image: Pixels) -> Pixels:
    """The image with its last row and column repeated."""
    return cv2.copyMakeBorder(image, 0, MARGIN, 0, MARGIN, cv2.BORDER_REPLICATE)


def empty_pixels(canvas: Canvas) -> NDArray[np.bool_]:
    """Pixels without a value, shape (height, width): those that are transparent, or 0."""
    if canvas.alpha is not None:
        return canvas.alpha == 0
    if canvas.values is None:
        return np.ones((canvas.height, canvas.width), bool)
    return canvas.values == 0 if canvas.values.ndim == 2 else (canvas.values == 0).all(axis=2)


def near_empty(empty: NDArray[np.bool_], boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which boxes have empty pixels in or beside them, shape (n,).

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
    """Copy pixels of the canvas below, which has an alpha channel, to where the other one is empty."""
    if canvas.values is None or below.values is None or below.alpha is None:
        return
    empty = empty & (below.alpha > 0)
    canvas.values[empty] = below.values[empty]
    if canvas.alpha is not None:
        canvas.alpha[empty] = below.alpha[empty]
