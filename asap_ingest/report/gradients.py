"""The pixel loop of a tile's measures."""

from __future__ import annotations

from typing import Any

import numpy as np

from asap_ingest.images.compiled import compiled


@compiled()
def gradient_sums(image: Any) -> tuple[Any, ...]:
    """Sums over the pixels that have eight neighbours; exact.

    Parameters
    ----------
    image : ndarray of uint8 or uint16, shape (height, width)
        Up to 2**22 pixels: more could pass 64 bits.

    Returns
    -------
    tuple of five int64
        Of the Laplacian and its square, then of xx, yy and xy of the gradient by Scharr's weights
        (3, 10, 3), whose length does not depend on its direction.
    """
    number = np.int64
    laplacian, squared, xx, yy, xy = number(0), number(0), number(0), number(0), number(0)
    for y in range(1, image.shape[0] - 1):
        above, here, below = image[y - 1], image[y], image[y + 1]
        for x in range(1, image.shape[1] - 1):
            top, left = number(above[x]), number(here[x - 1])
            right, bottom = number(here[x + 1]), number(below[x])
            falling = number(below[x + 1]) - number(above[x - 1])
            rising = number(above[x + 1]) - number(below[x - 1])
            curvature = top + left + right + bottom - 4 * number(here[x])
            along_x = 3 * (falling + rising) + 10 * (right - left)
            along_y = 3 * (falling - rising) + 10 * (bottom - top)
            laplacian += curvature
            squared += curvature * curvature
            xx += along_x * along_x
            yy += along_y * along_y
            xy += along_x * along_y
    return laplacian, squared, xx, yy, xy
