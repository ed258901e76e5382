"""Levels of 16-bit images: when 8 bits are enough to look like level 0, and warnings where they are not.

Render draws 8-bit levels of a tile whose range reaches beyond 255 as if they were the high byte. With a
range of 0 to 65535 that looks like level 0. A narrower one shows a few values of the high byte only: 4 of
10-bit data. Nothing but 16 bits will do there, because a tile has one range for all its levels.
"""

from __future__ import annotations

from collections.abc import Iterable

#: minIntensity and maxIntensity of a tile.
Range = tuple[float, float]

#: Render's default, and that of the first step: it carries no information about 16 bits.
DEFAULT_RANGE: Range = (0.0, 255.0)
_LARGEST = 65535.0

#: Largest high byte of levels with too few grey values for their image.
_DARK = 64

KEPT_16_BITS = (
    "levels keep 16 bits, although convert_to_8bit is set: the range of their tiles is a part of 0..65535, "
    "of which 8 bits would show a part of the grey values"
)
DRAWN_WHITE = (
    "16 bits, but the range of their tiles is 0..255: levels are the high byte and do not look like level 0; "
    "ingest again with the largest value in use, or 65535, as maximum_intensity"
)
DARK = (
    f"fewer than {_DARK} grey values are left of 16 bits: only their low part is used; ingest again with the "
    "largest value in use as maximum_intensity, or set convert_to_8bit false"
)


def need_16_bits(ranges: Iterable[Range]) -> bool:
    """Whether 8-bit levels of a 16-bit image would not look like level 0 in a tile with one of the ranges."""
    return any((low, high) != DEFAULT_RANGE and (low > 0 or high < _LARGEST) for low, high in ranges)


def level_warning(ranges: Iterable[Range], brightest: int | None) -> str | None:
    """A warning about the levels of a 16-bit image for which 8 bits were requested.

    Parameters
    ----------
    brightest : int or None
        The largest value of the 8-bit levels; None where they have 16.
    """
    if brightest is None:
        return KEPT_16_BITS
    if DEFAULT_RANGE in ranges:
        return DRAWN_WHITE
    return DARK if brightest < _DARK else None
