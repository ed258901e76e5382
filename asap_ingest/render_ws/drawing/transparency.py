"""Compiled loops over the transparent pixels of a picture.

Pictures have shape (height, width, 4) of uint8: red, green, blue, alpha (not premultiplied).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images.compiled import compiled


@compiled()
def premultiply_once(picture: NDArray[np.uint8]) -> None:
    """Multiply colours by alpha, round, divide and round: render-ws holds its pictures premultiplied."""
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            if picture[y, x, 3] == 255:
                continue
            pixel, share = picture[y, x], picture[y, x, 3] / 255.0
            for color in range(3):
                shown = np.floor(pixel[color] * share + 0.5)
                pixel[color] = np.uint8(np.floor(shown / share + 0.5)) if share > 0 else np.uint8(0)


@compiled()
def lay_over(background: tuple[float, float, float], picture: NDArray[np.uint8]) -> None:
    """Put a colour (0 to 255) behind a picture, which becomes opaque; halves are rounded up."""
    for y in range(picture.shape[0]):
        for x in range(picture.shape[1]):
            if picture[y, x, 3] == 255:
                continue
            pixel, share = picture[y, x], picture[y, x, 3] / 255.0
            for color in range(3):
                mixed = pixel[color] * share + background[color] * (1 - share)
                pixel[color] = np.uint8(np.floor(mixed + 0.5))
            pixel[3] = 255
