"""Bands of rows: what is computed with more bytes than a picture has is computed a band at a time."""

from __future__ import annotations

from collections.abc import Iterator

BAND_PIXELS = 2**18


def row_bands(height: int, width: int) -> Iterator[slice]:
    """Rows of a picture, in slices of about `BAND_PIXELS` pixels."""
    step = max(1, BAND_PIXELS // max(1, width))
    return (slice(start, start + step) for start in range(0, height, step))
