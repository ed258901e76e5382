"""The loops behind image pyramids: exact, in one pass over level 0.

Images come as rows of samples, shape (height, width x channels), C-contiguous. The caller owns all results.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint8, uint16, uint32, void
from numpy.typing import NDArray

from asap_ingest.images.compiled import compiled, read_only
from asap_ingest.images.downsample import EXACT_LEVELS

#: Rows of level 1 that are made before the levels above: their sums stay in the processor's first cache.
_BAND = 1 << (EXACT_LEVELS - 1)

_Rows = NDArray[Any]


@compiled()
def _halve_rows(
    upper: _Rows, lower: _Rows, drop: int, channels: int, sums: _Rows, level: int, row: _Rows
) -> None:
    """A row of sums over blocks from two rows of samples (their high bits, from `drop` on) or sums.

    `row` gets the means: the sums over 4**level, halves up.
    """
    number = sums.dtype.type
    half, shift = number(1 << (2 * level - 1)), number(2 * level)
    if channels == 1:
        for x in range(sums.size):
            left = number(upper[2 * x] >> drop) + number(lower[2 * x] >> drop)
            right = number(upper[2 * x + 1] >> drop) + number(lower[2 * x + 1] >> drop)
            total = number(number(left) + number(right))
            sums[x] = total
            row[x] = row.dtype.type(number(total + half) >> shift)
    else:
        for x in range(sums.size // channels):
            for channel in range(channels):
                left, right = 2 * x * channels + channel, (2 * x + 1) * channels + channel
                total = number(
                    number(upper[left] >> drop)
                    + number(upper[right] >> drop)
                    + number(lower[left] >> drop)
                    + number(lower[right] >> drop)
                )
                sums[x * channels + channel] = total
                row[x * channels + channel] = row.dtype.type(number(total + half) >> shift)


@compiled()
def _halve_byte_rows(upper: _Rows, lower: _Rows, sums: _Rows, row: _Rows) -> None:
    """The same for level 1 of bytes, which come in pairs as uint16: half as many steps."""
    low, eight = np.uint16(255), np.uint16(8)
    for x in range(sums.size):
        above = np.uint16((upper[x] & low) + (upper[x] >> eight))
        below = np.uint16((lower[x] & low) + (lower[x] >> eight))
        total = np.uint16(above + below)
        sums[x] = total
        row[x] = np.uint8(np.uint16(total + np.uint16(2)) >> np.uint16(2))


@compiled()
def _upper_levels(
    top: int, rows: int, height: int, width: int, channels: int, sums: _Rows, means: _Rows, levels: int
) -> None:
    """Levels 2 to `levels` of a band, from the sums of its rows of level 1.

    `sums` holds a band of each level one after the other, but for the last level, of which it holds all;
    `means` holds all of all levels.
    """
    below, here = 0, 0
    place = 0
    for level in range(2, levels + 1):
        row_below = (width >> (level - 1)) * channels
        row_here = (width >> level) * channels
        place += (height >> (level - 1)) * row_below
        here = below + (_BAND >> (level - 2)) * row_below
        top >>= 1
        rows >>= 1
        for r in range(rows):
            kept = top + r if level == levels else r
            upper = below + 2 * r * row_below
            into = sums[here + kept * row_here : here + (kept + 1) * row_here]
            mean = place + (top + r) * row_here
            _halve_rows(
                sums[upper : upper + row_below],
                sums[upper + row_below : upper + 2 * row_below],
                0,
                channels,
                into,
                level,
                means[mean : mean + row_here],
            )
        below = here


@compiled([void(read_only(uint16), int64, uint16[::1], uint8[::1], int64)])
def mean_levels_of_bytes(pairs: _Rows, width: int, sums: _Rows, means: _Rows, levels: int) -> None:
    """Levels 1 to `levels` (at most `EXACT_LEVELS`) of gray 8-bit samples, given as pairs."""
    height, half = pairs.shape[0] >> 1, width >> 1
    for top in range(0, height, _BAND):
        rows = min(_BAND, height - top)
        for r in range(rows):
            y = 2 * (top + r)
            kept = top + r if levels == 1 else r
            _halve_byte_rows(
                pairs[y],
                pairs[y + 1],
                sums[kept * half : (kept + 1) * half],
                means[(top + r) * half :][:half],
            )
        _upper_levels(top, rows, pairs.shape[0], width, 1, sums, means, levels)


@compiled(
    [
        void(read_only(uint8), int64, int64, uint16[::1], uint8[::1], int64),
        void(read_only(uint16), int64, int64, uint16[::1], uint8[::1], int64),
        void(read_only(uint16), int64, int64, uint32[::1], uint16[::1], int64),
    ]
)
def mean_levels_of_rows(
    image: _Rows, channels: int, drop: int, sums: _Rows, means: _Rows, levels: int
) -> None:
    """Levels 1 to `levels` of any samples, of which the lowest `drop` bits are left out."""
    height, width = image.shape[0] >> 1, image.shape[1] // channels
    half = (width >> 1) * channels
    for top in range(0, height, _BAND):
        rows = min(_BAND, height - top)
        for r in range(rows):
            y = 2 * (top + r)
            kept = top + r if levels == 1 else r
            into = sums[kept * half : (kept + 1) * half]
            _halve_rows(image[y], image[y + 1], drop, channels, into, 1, means[(top + r) * half :][:half])
        _upper_levels(top, rows, image.shape[0], width, channels, sums, means, levels)


@compiled([void(read_only(uint8), uint8[:, ::1])])
def minimum_of_blocks(image: _Rows, level: _Rows) -> None:
    """The least of every 2 x 2 samples."""
    for y in range(level.shape[0]):
        upper, lower, row = image[2 * y], image[2 * y + 1], level[y]
        for x in range(row.size):
            row[x] = min(upper[2 * x], upper[2 * x + 1], lower[2 * x], lower[2 * x + 1])


@compiled()
def _insert(label: Any, ordered: _Rows, count: int) -> None:
    """Put a label into its place among the first `count`, which are ascending."""
    while count > 0 and ordered[count - 1] > label:
        ordered[count] = ordered[count - 1]
        count -= 1
    ordered[count] = label


@compiled()
def _mode(ordered: _Rows, count: int) -> Any:
    """The most frequent of the first `count` labels, which are ascending."""
    mode, most, run = ordered[0], 0, 0
    if ordered[count - 1] == mode:
        return mode
    for index in range(count):
        run = run + 1 if index and ordered[index] == ordered[index - 1] else 1
        if run > most:
            mode, most = ordered[index], run
    return mode


@compiled()
def modes_of_blocks(labels: _Rows, height: int, width: int, modes: _Rows) -> None:
    """The most frequent label of every block, of equally frequent ones the smallest.

    Parameters
    ----------
    labels : ndarray, shape (depth, rows, columns)
        A block has `depth` x `height` x `width` of them, less at the lower and right edge.
    modes : ndarray, shape (block rows, block columns)
    """
    ordered = np.empty(labels.shape[0] * height * width, labels.dtype)
    for y in range(modes.shape[0]):
        for x in range(modes.shape[1]):
            count = 0
            for plane in range(labels.shape[0]):
                for row in range(y * height, min((y + 1) * height, labels.shape[1])):
                    for column in range(x * width, min((x + 1) * width, labels.shape[2])):
                        _insert(labels[plane, row, column], ordered, count)
                        count += 1
            modes[y, x] = _mode(ordered, count)
