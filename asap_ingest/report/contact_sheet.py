"""The section from small copies of its tiles, where the stage says that they lie."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images import formats
from asap_ingest.report.tile_table import Box

#: Pixels of a sheet's longest side.
LONGEST_SIDE = 1600
_BACKGROUND = 238
_FARTHEST = 1e12  # pixels; what lies further out is no place


@dataclass(frozen=True)
class Place:
    """A tile's pixels on the sheet; at least one, and all of them on it."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Layout:
    """From the stage's pixels to the sheet's; the sheet is `width` x `height`."""

    left: float
    top: float
    scale: float
    width: int
    height: int

    def place(self, box: Box) -> Place:
        x, right = self._span(box[0] - self.left, box[2] - self.left, self.width)
        y, bottom = self._span(box[1] - self.top, box[3] - self.top, self.height)
        return Place(x, y, right - x, bottom - y)

    def _span(self, low: float, high: float, size: int) -> tuple[int, int]:
        first = min(round(low * self.scale), size - 1)
        return first, min(max(round(high * self.scale), first + 1), size)


def is_place(box: Box) -> bool:
    """Whether a tile with this box can be placed: NaN, infinite and turned boxes cannot."""
    return all(abs(edge) < _FARTHEST for edge in box) and box[0] <= box[2] and box[1] <= box[3]


def layout(boxes: Iterable[Box]) -> Layout | None:
    """A sheet that holds all boxes that can be placed; None without any."""
    edges = np.array([box for box in boxes if is_place(box)], np.float64)
    if not len(edges):
        return None
    (left, top), (right, bottom) = edges[:, :2].min(axis=0).tolist(), edges[:, 2:].max(axis=0).tolist()
    scale = LONGEST_SIDE / max(right - left, bottom - top, 1.0)
    width, height = (max(1, round(side * scale)) for side in (right - left, bottom - top))
    return Layout(left, top, scale, width, height)


def fitted(image: NDArray[Any], place: Place) -> NDArray[Any]:
    """A tile's picture at the size of its place."""
    import cv2

    shrinks = image.shape[0] >= place.height and image.shape[1] >= place.width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (place.width, place.height), interpolation=how)


class ContactSheet:
    """A canvas for small pictures, 8-bit ones in the high byte; later ones cover earlier ones."""

    def __init__(self, sheet: Layout) -> None:
        self._values = np.zeros((sheet.height, sheet.width), np.uint16)
        self._covered = np.zeros(self._values.shape, bool)

    def paste(self, picture: NDArray[Any], place: Place) -> None:
        """Put down a picture of the place's size (`fitted` makes it)."""
        area = (slice(place.y, place.y + place.height), slice(place.x, place.x + place.width))
        self._values[area] = picture.astype(np.uint16) << (8 if picture.dtype == np.uint8 else 0)
        self._covered[area] = True

    def jpeg(self, black: int, white: int) -> bytes:
        """The sheet as a file, with `black` to `white` shown as 0 to 255."""
        stretched = (self._values.astype(np.float32) - black) * np.float32(255 / (white - black))
        grey = np.clip(np.rint(stretched), 0, 255).astype(np.uint8)
        return formats.encode(np.where(self._covered, grey, np.uint8(_BACKGROUND)), "jpg")
