"""The loops behind image pyramids: exact, in one pass over level 0.

Images come as rows of samples, shape (height, width x channels), C-contiguous. The caller owns all results.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint8, uint16, uint32, uint64, void
from numpy.typing import NDArray

from asap_ingest.images.compiled import compiled, read_only
from asap_ingest.images.downsample import EXACT_LEVELS

#: Rows of level 1 that are made before their coarser levels: the sums stay in the processor's first cache.
_BAND = 1 << (EXACT_LEVELS - 1)

_Rows = NDArray[Any]


@compiled([int64(int64, int64)])
def row_of_sums(width: int, channels: int) -> int:
    """Elements from one row of sums to the next: an even number, so that no pair crosses rows."""
    return (width * channels + 1) >> 1 << 1


@compiled()
def _halve_rows(
    upper: _Rows, lower: _Rows, drop: int, channels: int, sums: _Rows, level: int, row: _Rows
) -> None:
    """Make a row of a level from two rows: of samples, or of the sums of the finer level.

    The lowest `drop` bits of samples are left out. `sums` gets the sums over 2 x 2 of them, `row` the means:
    sums over 4**level, halves up.
    """
    number = sums.dtype.type
    for x in range(sums.size // channels):
        for channel in range(channels):
            left, right = 2 * x * channels + channel, (2 * x + 1) * channels + channel
            sums[x * channels + channel] = number(
                number(upper[left] >> drop)
                + number(upper[right] >> drop)
                + number(lower[left] >> drop)
                + number(lower[right] >> drop)
            )
    _round(sums, level, row)


@compiled()
def _halve_byte_rows(upper: _Rows, lower: _Rows, sums: _Rows, row: _Rows) -> None:
    """The same for level 1 of bytes of one channel; `upper` and `lower` hold two of them as a uint16."""
    low, eight = np.uint16(255), np.uint16(8)
    for x in range(sums.size):
        above = np.uint16((upper[x] & low) + (upper[x] >> eight))
        below = np.uint16((lower[x] & low) + (lower[x] >> eight))
        total = np.uint16(above + below)
        sums[x] = total
        row[x] = np.uint8(np.uint16(total + np.uint16(2)) >> np.uint16(2))


@compiled()
def _halve_sum_rows(upper: _Rows, lower: _Rows, sums: _Rows, level: int, row: _Rows) -> None:
    """The same for finer sums of one channel; `upper` and `lower` hold two of them in one number.

    Two are added at once, as none overflows into the other.
    """
    number, pair = sums.dtype.type, upper.dtype.type
    base = pair(pair(number(-1)) + pair(1))  # known when this is compiled, so that division is a shift
    for x in range(sums.size):
        both = pair(upper[x] + lower[x])
        sums[x] = number(number(both) + number(both // base))
    _round(sums, level, row)


@compiled()
def _round(sums: _Rows, level: int, row: _Rows) -> None:
    """Means of sums over 4**level samples, halves up.

    A loop apart from that of the sums: as one, the two are not vectorised well (0.46 instead of 0.17 ms).
    """
    number = sums.dtype.type
    half, shift = number(1 << (2 * level - 1)), number(2 * level)
    for x in range(sums.size):
        row[x] = row.dtype.type(number(sums[x] + half) >> shift)


@compiled()
def _upper_levels(
    top: int,
    rows: int,
    height: int,
    width: int,
    channels: int,
    sums: _Rows,
    pairs: _Rows,
    means: _Rows,
    levels: int,
) -> None:
    """Levels 2 to `levels` of a band, from the sums of its rows of level 1.

    Parameters
    ----------
    top, rows : int
        First row of the band, and their number, at level 1.
    height, width : int
        Of the image, level 0.
    sums : ndarray
        Sums of a band of level 1, then of level 2, ...; of the last level all rows. A row has `row_of_sums`
        elements.
    pairs : ndarray
        The memory of `sums` as numbers of twice the bits.
    means : ndarray
        Levels 1 to `levels`, all rows, one after the other.
    """
    below, here = 0, 0  # first elements of the bands of the finer level and of this one in `sums`
    level_start = 0  # first element of this level in `means`
    for level in range(2, levels + 1):
        stride_below = row_of_sums(width >> (level - 1), channels)
        stride_here = row_of_sums(width >> level, channels)
        row_here = (width >> level) * channels
        level_start += (height >> (level - 1)) * (width >> (level - 1)) * channels
        here = below + (_BAND >> (level - 2)) * stride_below
        top >>= 1
        rows >>= 1
        for r in range(rows):
            target = top + r if level == levels else r
            sum_start, mean_start = here + target * stride_here, level_start + (top + r) * row_here
            into, mean = sums[sum_start : sum_start + row_here], means[mean_start : mean_start + row_here]
            upper = below + 2 * r * stride_below
            lower = upper + stride_below
            if channels == 1:
                _halve_sum_rows(pairs[upper >> 1 :], pairs[lower >> 1 :], into, level, mean)
            else:
                _halve_rows(sums[upper:], sums[lower:], 0, channels, into, level, mean)
        below = here


@compiled(
    [
        void(read_only(uint8), int64, int64, uint16[::1], uint32[::1], uint8[::1], int64),
        void(read_only(uint16), int64, int64, uint16[::1], uint32[::1], uint8[::1], int64),
        void(read_only(uint16), int64, int64, uint32[::1], uint64[::1], uint16[::1], int64),
    ]
)
def mean_levels_of_rows(
    image: _Rows, channels: int, drop: int, sums: _Rows, pairs: _Rows, means: _Rows, levels: int
) -> None:
    """Levels 1 to `levels`, at most `EXACT_LEVELS`, of samples without their lowest `drop` bits.

    `sums`, `pairs` and `means` as in `_upper_levels`.
    """
    in_pairs = image.itemsize == 1 and channels == 1 and image.shape[1] % 2 == 0
    height, width = image.shape[0] >> 1, image.shape[1] // channels
    half, stride = (width >> 1) * channels, row_of_sums(width >> 1, channels)
    for top in range(0, height, _BAND):
        rows = min(_BAND, height - top)
        for r in range(rows):
            y = 2 * (top + r)
            target = top + r if levels == 1 else r
            into = sums[target * stride :][:half]
            mean = means[(top + r) * half :][:half]
            if in_pairs:
                _halve_byte_rows(image[y].view(np.uint16), image[y + 1].view(np.uint16), into, mean)
            # a constant number of channels lets the compiler use vectors: 3.6 instead of 33 ms for 16 bits
            elif channels == 1:
                _halve_rows(image[y], image[y + 1], drop, 1, into, 1, mean)
            else:
                _halve_rows(image[y], image[y + 1], drop, channels, into, 1, mean)
        _upper_levels(top, rows, image.shape[0], width, channels, sums, pairs, means, levels)


@compiled([void(read_only(uint8), uint8[:, ::1])])
def minimum_of_blocks(image: _Rows, level: _Rows) -> None:
    """The least of every 2 x 2 samples."""
    for y in range(level.shape[0]):
        upper, lower, row = image[2 * y], image[2 * y + 1], level[y]
        for x in range(row.size):
            row[x] = min(upper[2 * x], upper[2 * x + 1], lower[2 * x], lower[2 * x + 1])


@compiled()
def _insert(label: Any, ordered: _Rows, count: int) -> None:
    """Insert a label among the first `count`, which are ascending."""
    while count > 0 and ordered[count - 1] > label:
        ordered[count] = ordered[count - 1]
        count -= 1
    ordered[count] = label


@compiled()
def _mode(ordered: _Rows, count: int) -> Any:
    """The most frequent of the first `count` labels, which are ascending; the smallest of several."""
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
