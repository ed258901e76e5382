"""How often each grey value occurs in a section."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: One grey value of an 8-bit image in the units of a contact sheet.
STEP_OF_8_BIT = 256
_BINS = 256
# the brightest and darkest pixels of one bad tile must not take the contrast from all others
_LEFT_OUT = 0.001


class GreyLevels:
    """Counts of the grey values of pictures.

    As long as all of them have 8 bit, values are 0 to 255; with one of 16 bit they are 0 to 65535,
    and those of 8 bit count as their high byte.
    """

    def __init__(self) -> None:
        self._counts = np.zeros(1 << 16, np.int64)
        self._is_8bit = True

    def add(self, counts: NDArray[np.int64]) -> None:
        """Add a picture's counts: 256 of one with 8 bit, 65536 of one with 16."""
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
    def pixels(self) -> int:
        return int(self._counts.sum())

    @property
    def limits(self) -> tuple[int, int]:
        """What is shown as black and as white, in the units of a contact sheet.

        8 bit: as they are. 16 bit: the section's own range, without a thousandth at either end.
        """
        if self._is_8bit or not self.pixels:
            return 0, 255 * STEP_OF_8_BIT
        up_to = np.cumsum(self._counts)
        low, high = np.searchsorted(up_to, [_LEFT_OUT * up_to[-1], (1 - _LEFT_OUT) * up_to[-1]])
        return int(low), max(int(high), int(low) + 1)

    def histogram(self) -> tuple[int, int, NDArray[np.int64]]:
        """(first value, values a bin, counts): at most 256 bins of equally many values.

        8 bit: every value from 0 to 255. 16 bit: from the lowest to the highest value that occurs.
        """
        if self._is_8bit:
            return 0, 1, self._counts[::STEP_OF_8_BIT]
        occurring = np.flatnonzero(self._counts)
        first, last = int(occurring[0]), int(occurring[-1])
        width = -(-(last - first + 1) // _BINS)
        counts = np.add.reduceat(self._counts[first : last + 1], np.arange(0, last - first + 1, width))
        return first, width, counts
