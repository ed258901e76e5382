"""Filling of seams between tiles from their edges.

The last row and column of a tile are not drawn, and a level may lack a fraction of a pixel at its end:
between tiles that overlap by less than a pixel of the level, a black line would remain. Therefore tiles
beside empty pixels are drawn a second time, with a margin, on another canvas, whose pixels fill the empty
ones.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.intensity import Pixels

#: Pixels that are added to a tile: one that is not drawn, and up to one that the level lacks.
MARGIN = 2
#: Pixels of the canvas by which a tile may lie beside its stored box, margin included.
_AROUND = 6


def with_margin(image: Pixels) -> Pixels:
    """The image with its last row and column repeated."""
    return cv2.copyMakeBorder(image, 0, MARGIN, 0, MARGIN, cv2.BORDER_REPLICATE)


def empty_pixels(canvas: Canvas) -> NDArray[np.bool_]:
    """Whether each pixel is empty: transparent, or 0 on an opaque canvas. Shape (height, width)."""
    if canvas.alpha is not None:
        return canvas.alpha == 0
    return canvas.values == 0 if canvas.values.ndim == 2 else (canvas.values == 0).all(axis=2)


def near_empty(empty: NDArray[np.bool_], boxes: NDArray[np.float64]) -> list[bool]:
    """Whether each box has empty pixels in it or beside it.

    Parameters
    ----------
    boxes : ndarray, shape (n, 4)
        Left, top, right, bottom in pixels.
    """
    height, width = empty.shape
    sides = np.nan_to_num(boxes) + np.array([-_AROUND, -_AROUND, _AROUND + 1, _AROUND + 1])
    limited = np.clip(sides, 0, (width, height, width, height)).astype(int).tolist()
    return [bool(empty[top:bottom, left:right].any()) for left, top, right, bottom in limited]


def fill(canvas: Canvas, below: Canvas, empty: NDArray[np.bool_]) -> None:
    """Copy pixels of the canvas below, which has an alpha channel, to where the other one is empty."""
    assert below.alpha is not None
    empty = empty & (below.alpha > 0)
    canvas.values[empty] = below.values[empty]
    if canvas.alpha is not None:
        canvas.alpha[empty] = below.alpha[empty]
