"""The contact sheet of a section, small copies of its tiles at their stage positions, and its grey values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images import formats
from asap_ingest.report.section_tiles import Box

#: Pixels of a sheet's longest side.
LONGEST_SIDE = 1600
#: One grey value of an 8-bit image in the units of a contact sheet.
STEP_OF_8_BIT = 256
_BACKGROUND = 238
_FARTHEST = 1e12  # pixels; a box further out is not a position
_BINS = 256
# the brightest and darkest pixels of one bad tile must not take the contrast from all others
_LEFT_OUT = 0.001


@dataclass(frozen=True)
class SheetLayout:
    """Size of a contact sheet, and where boxes lie on it.

    Attributes
    ----------
    left, top : float
        The sheet's upper left corner in the stage's pixels of level 0.
    scale : float
        Pixels of the sheet for one of the stage.
    width, height : int
        Pixels of the sheet.
    """

    left: float
    top: float
    scale: float
    width: int
    height: int

    def area(self, box: Box) -> tuple[slice, slice]:
        """The sheet's (rows, columns) of a tile; at least one of each, and all of them on the sheet."""
        columns = self._span(box[0] - self.left, box[2] - self.left, self.width)
        return self._span(box[1] - self.top, box[3] - self.top, self.height), columns

    def _span(self, low: float, high: float, size: int) -> slice:
        first = min(round(low * self.scale), size - 1)
        return slice(first, min(max(round(high * self.scale), first + 1), size))


def can_be_placed(box: Box) -> bool:
    """Whether a box is a position on a sheet: not NaN, infinite or inverted."""
    return all(abs(edge) < _FARTHEST for edge in box) and box[0] <= box[2] and box[1] <= box[3]


def sheet_layout(boxes: Iterable[Box]) -> SheetLayout | None:
    """The layout of a sheet with all boxes that can be placed; None if there are none."""
    edges = np.array([box for box in boxes if can_be_placed(box)], np.float64)
    if not len(edges):
        return None
    (left, top), (right, bottom) = edges[:, :2].min(axis=0).tolist(), edges[:, 2:].max(axis=0).tolist()
    scale = LONGEST_SIDE / max(right - left, bottom - top, 1.0)
    width, height = (max(1, round(side * scale)) for side in (right - left, bottom - top))
    return SheetLayout(left, top, scale, width, height)


def fitted(image: NDArray[Any], area: tuple[slice, slice]) -> NDArray[Any]:
    """A tile's picture at the size of its area on the sheet."""
    import cv2

    height, width = (side.stop - side.start for side in area)
    shrinks = image.shape[0] >= height and image.shape[1] >= width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return cv2.resize(image, (width, height), interpolation=how)


class ContactSheet:
    """A canvas for small pictures, 8-bit ones in the high byte; later ones cover earlier ones."""

    def __init__(self, layout: SheetLayout) -> None:
        self._values = np.zeros((layout.height, layout.width), np.uint16)
        self._covered = np.zeros(self._values.shape, bool)

    def paste(self, picture: NDArray[Any], area: tuple[slice, slice]) -> None:
        """Put a picture of the area's size (`fitted` makes it) onto the canvas."""
        self._values[area] = picture.astype(np.uint16) << (8 if picture.dtype == np.uint8 else 0)
        self._covered[area] = True

    def jpeg(self, black: int, white: int) -> bytes:
        """The sheet as a file, with `black` to `white` shown as 0 to 255."""
        stretched = (self._values.astype(np.float32) - black) * np.float32(255 / (white - black))
        grey = np.clip(np.rint(stretched), 0, 255).astype(np.uint8)
        return formats.encode(np.where(self._covered, grey, np.uint8(_BACKGROUND)), "jpg")


class GreyHistogram:
    """Grey values of all pictures of a section, counted.

    Values are 0 to 255 while all pictures have 8 bits. With the first picture of 16 bits they become
    0 to 65535, and 8-bit values are taken as high bytes.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(1 << 16, np.int64)
        self._is_8bit = True

    def add(self, counts: NDArray[np.int64]) -> None:
        """Add a picture's counts: 256 for 8 bits, 65536 for 16."""
        if len(counts) == 256:
            self._counts[::STEP_OF_8_BIT] += counts
        else:
            self._is_8bit = False
            self._counts += counts

    @property
    def step(self) -> int:
        """One grey value in the units of a contact sheet."""
        return STEP_OF_8_BIT if self._is_8bit else 1

    @property
    def limits(self) -> tuple[int, int]:
        """The values that are shown as black and as white, in the units of a contact sheet.

        8 bit: 0 and 255. 16 bit: the section's own range, without a thousandth at either end.
        """
        up_to = np.cumsum(self._counts)
        if self._is_8bit or not up_to[-1]:
            return 0, 255 * STEP_OF_8_BIT
        low, high = np.searchsorted(up_to, [_LEFT_OUT * up_to[-1], (1 - _LEFT_OUT) * up_to[-1]])
        return int(low), max(int(high), int(low) + 1)

    def histogram(self) -> dict[str, Any] | None:
        """At most 256 bins of equally many values; None without a picture.

        Returns
        -------
        dict
            `first` value, values per bin (`width`), `counts`, and the limits that are `shown` as black and
            white. 8 bit: every value from 0 to 255. 16 bit: from the lowest to the highest value that occurs.
        """
        occurring = np.flatnonzero(self._counts)
        if not len(occurring):
            return None
        shown = [limit // self.step for limit in self.limits]
        if self._is_8bit:
            return {"first": 0, "width": 1, "counts": self._counts[::STEP_OF_8_BIT].tolist(), "shown": shown}
        first, last = int(occurring[0]), int(occurring[-1])
        width = -(-(last - first + 1) // _BINS)
        counts = np.add.reduceat(self._counts[first : last + 1], np.arange(0, last - first + 1, width))
        return {"first": first, "width": width, "counts": counts.tolist(), "shown": shown}
