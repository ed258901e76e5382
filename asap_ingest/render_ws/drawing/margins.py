"""Seams between tiles, filled from their edges.

A tile has no value at its last row and column, and a level has no part of a pixel at its end: where tiles
overlap by less than a pixel of the level, a black line would be left between them. Each tile is drawn a
second time, a little beyond its end, on a canvas that lies below the picture.
"""

from __future__ import annotations

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.intensity import Pixels

#: One pixel that has no value, and up to one that the level has lost.
MARGIN = 2


def with_margin(image: Pixels) -> Pixels:
    """The image with its last row and column repeated."""
    import cv2

    return cv2.copyMakeBorder(image, 0, MARGIN, 0, MARGIN, cv2.BORDER_REPLICATE)


class Margins:
    """A canvas below another one, which shows where that one is empty."""

    def __init__(self, above: Canvas) -> None:
        self._above = above
        self._below = Canvas(above.height, above.width)

    def canvas(self) -> Canvas:
        """The canvas below, of the kind of the one above: transparent where no tile is."""
        if self._below.values is None:
            self._below.start(self._above.kind, has_masks=True, noise=False)
        return self._below

    def fill(self) -> None:
        """Put values of the canvas below where the one above has none: 0, or transparent."""
        above, below = self._above, self._below
        if above.values is None or below.values is None or below.alpha is None:
            return
        if above.alpha is not None:
            empty = above.alpha == 0
        else:
            empty = above.values == 0 if above.values.ndim == 2 else (above.values == 0).all(axis=2)
        empty &= below.alpha > 0
        above.values[empty] = below.values[empty]
        if above.alpha is not None:
            above.alpha[empty] = below.alpha[empty]
