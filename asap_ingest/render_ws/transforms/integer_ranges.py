"""Ranges of integers, many at once."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def expanded(first: Indices, end: Indices) -> tuple[Indices, Indices]:
    """All integers of the ranges first[i] to end[i], the end left out: the i of each, and the integers."""
    count = end - first
    owner = np.repeat(np.arange(len(first)), count)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count) + first[owner]
