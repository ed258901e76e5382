"""The picture that tiles are drawn on: its values, its transparency, and the finished 8- or 16-bit picture.

Fill, masks and alpha: those of render-ws 4.0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.intensity import (
    CANVAS_TYPES,
    FINAL,
    IntensityRange,
    Pixels,
    kind_of,
    mean_of_components,
    row_bands,
    scale_float,
)


@dataclass
class Canvas:
    """A picture of `height` x `width` pixels.

    Attributes
    ----------
    values : ndarray or None
        (height, width) of uint8, uint16 or float32, or (height, width, 3) of uint8; None while nothing
        was drawn: then the picture is transparent.
    alpha : ndarray of uint8, shape (height, width), or None
        255 where opaque; None for an opaque picture.
    shown : IntensityRange
        Range that turns the values into 8-bit ones.
    outlines : bool
        Whether it holds outlines of tiles instead of their pixels: those have no 16-bit form.
    """

    height: int
    width: int
    values: Pixels | None = None
    alpha: NDArray[np.uint8] | None = None
    shown: IntensityRange = field(default_factory=IntensityRange)
    outlines: bool = False

    @property
    def kind(self) -> str:
        """Kind of the values: a key of `intensity.FINAL`."""
        if self.values is None:
            raise ValueError("nothing was drawn yet")
        return kind_of(self.values)

    def start(self, kind: str, has_masks: bool, noise: bool) -> None:
        """Allocate values of a kind (a key of `intensity.FINAL`): black, or random noise."""
        shape = (self.height, self.width, 3) if kind == "color" else (self.height, self.width)
        self.values = np.zeros(shape, CANVAS_TYPES[kind])
        if noise:
            gray = np.random.default_rng().integers(0, 256, (self.height, self.width), np.uint8)
            self.values[:] = gray[:, :, None] if kind == "color" else gray
        if has_masks:
            self.alpha = np.zeros((self.height, self.width), np.uint8)

    def rows(self) -> tuple[Pixels, NDArray[np.uint8], tuple[int, ...]]:
        """Values as rows of samples, alpha (shape (0, 0) where opaque), and the numbers of components."""
        if self.values is None:
            raise ValueError("start comes before rows")
        components = (0, 1, 2) if self.values.ndim == 3 else (0,)
        alpha = np.zeros((0, 0), np.uint8) if self.alpha is None else self.alpha
        return self.values.reshape(self.height, -1), alpha, components

    def gray16(self) -> NDArray[np.uint16]:
        """The picture as 16-bit gray, opaque or not: values as they are, the mean of ranged colours."""
        if self.values is None:
            return np.zeros((self.height, self.width), np.uint16)
        if kind_of(self.values) == "color":
            return mean_of_components(FINAL["color"](self.values, self.shown)).astype(np.uint16)
        if kind_of(self.values) == "float":
            return scale_float(self.values, self.shown, np.uint16)
        return self.values.astype(np.uint16, copy=False)

    def gray8(self) -> NDArray[np.uint8] | None:
        """The picture as opaque 8-bit gray, or None where it has colours or is not opaque."""
        if self.values is None or self.alpha is not None or kind_of(self.values) == "color":
            return None
        return FINAL[kind_of(self.values)](self.values, self.shown)

    def rgba(self) -> NDArray[np.uint8]:
        """The picture as (height, width, 4) of uint8: red, green, blue, alpha (not premultiplied)."""
        if self.values is None:
            return np.zeros((self.height, self.width, 4), np.uint8)
        shown = FINAL[kind_of(self.values)](self.values, self.shown)
        code = cv2.COLOR_RGB2RGBA if shown.ndim == 3 else cv2.COLOR_GRAY2RGBA
        picture: Any = cv2.cvtColor(np.ascontiguousarray(shown), code)
        if self.alpha is None:
            return picture
        picture[..., 3] = self.alpha
        return _premultiplied_once(picture)


def _premultiplied_once(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Multiply by alpha, round, divide and round: render holds its pictures premultiplied."""
    for rows in row_bands(*picture.shape[:2]):
        band = picture[rows]
        alpha = band[..., 3:]
        partial = (alpha[..., 0] > 0) & (alpha[..., 0] < 255)
        share = alpha[partial] / 255.0
        band[partial, :3] = np.floor(np.floor(band[partial, :3] * share + 0.5) / share + 0.5)
        band[alpha[..., 0] == 0, :3] = 0
    return picture
