"""Levels that no file holds, halved from the next finer one as render halves them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Image = NDArray[Any]


def halve(image: Image) -> Image:
    """Means of 2 x 2 pixels cut to integers, an odd last row or column left out.

    An image of one row or column stays as it is.
    """
    height, width = (size // 2 * 2 for size in image.shape[:2])
    if not height or not width:
        return image
    if image.dtype == np.float32:
        wide: Any = image[:height, :width]
        return (wide[::2, ::2] + wide[::2, 1::2] + wide[1::2, ::2] + wide[1::2, 1::2]) / np.float32(4)
    rows = np.add(image[:height:2, :width], image[1:height:2, :width], dtype=_WIDER[image.dtype.type])
    total = rows[:, ::2] + rows[:, 1::2]
    return (total >> 2).astype(image.dtype)


_WIDER: dict[Any, Any] = {np.uint8: np.uint16, np.uint16: np.uint32}
