"""The canvas that tiles are drawn on, and the finished picture: 8-bit gray, 16-bit gray, or RGBA.

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
    IntensityRange,
    Pixels,
    kind_of,
    mean_of_components,
    picture_to_8bit,
    scale_float,
)
from asap_ingest.render_ws.drawing.transparency import premultiply_once


@dataclass
class Canvas:
    """A picture of `height` x `width` pixels: transparent black until its kind is known.

    Attributes
    ----------
    values : ndarray
        (height, width) of uint8, uint16 or float32, or (height, width, 3) of uint8.
    alpha : ndarray of uint8, shape (height, width), or None
        255 where opaque; None for an opaque picture.
    intensity_range : IntensityRange
        Range that turns the values into 8-bit ones.
    outlines : bool
        Whether it holds outlines of tiles instead of their pixels: those have no 16-bit form.
    is_drawn : bool
        Whether its kind is known: it was started by the first tile, or made of values.
    """

    height: int
    width: int
    values: Pixels = None  # type: ignore[assignment]
    alpha: NDArray[np.uint8] | None = None
    intensity_range: IntensityRange = field(default_factory=IntensityRange)
    outlines: bool = False

    def __post_init__(self) -> None:
        self.is_drawn = self.values is not None
        if not self.is_drawn:
            self.values, self.alpha = np.zeros((2, self.height, self.width), np.uint8)

    @property
    def kind(self) -> str:
        """Kind of the values: a key of `intensity.CANVAS_TYPES`."""
        return kind_of(self.values)

    def start(self, kind: str, has_masks: bool, noise: bool) -> None:
        """Allocate values of a kind (a key of `intensity.CANVAS_TYPES`): black, or random noise."""
        shape = (self.height, self.width, 3) if kind == "color" else (self.height, self.width)
        self.values, self.is_drawn = np.zeros(shape, CANVAS_TYPES[kind]), True
        if noise:
            gray = np.random.default_rng().integers(0, 256, (self.height, self.width), np.uint8)
            self.values[:] = gray[:, :, None] if kind == "color" else gray
        self.alpha = np.zeros((self.height, self.width), np.uint8) if has_masks else None

    def target(self) -> tuple[Pixels, NDArray[np.uint8], tuple[int, ...]]:
        """The canvas as compiled loops take it: see `rows.Target`."""
        components = (0, 1, 2) if self.values.ndim == 3 else (0,)
        alpha = np.zeros((0, 0), np.uint8) if self.alpha is None else self.alpha
        return self.values.reshape(self.height, -1), alpha, components

    def gray16(self) -> NDArray[np.uint16]:
        """The picture as 16-bit gray, without its alpha.

        Gray values stay as they are, float values are scaled from the intensity range, and colours become the
        mean of their 8-bit components after the range was applied.
        """
        if self.kind == "color":
            return mean_of_components(picture_to_8bit(self.values, self.intensity_range)).astype(np.uint16)
        if self.kind == "float":
            low, high = self.intensity_range
            return scale_float(self.values, low, high - low, np.uint16)
        return self.values.astype(np.uint16, copy=False)

    def gray8(self) -> NDArray[np.uint8] | None:
        """The picture as 8-bit gray; None if it has colours or an alpha channel."""
        if self.alpha is not None or self.kind == "color":
            return None
        return picture_to_8bit(self.values, self.intensity_range)

    def rgba(self) -> NDArray[np.uint8]:
        """The picture as (height, width, 4) of uint8: red, green, blue, alpha (not premultiplied)."""
        shown = picture_to_8bit(self.values, self.intensity_range)
        code = cv2.COLOR_RGB2RGBA if shown.ndim == 3 else cv2.COLOR_GRAY2RGBA
        picture: Any = cv2.cvtColor(np.ascontiguousarray(shown), code)
        if self.alpha is None:
            return picture
        picture[..., 3] = self.alpha
        premultiply_once(picture)
        return picture
