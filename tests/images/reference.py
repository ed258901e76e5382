"""Coarser scales counted block by block with Python's whole numbers."""

from collections import Counter
from itertools import product

import numpy as np


def blocks(array, factor):
    """(place, values) of every block; those at the upper ends may hold less."""
    shape = [-(-length // times) for length, times in zip(array.shape, factor, strict=True)]
    for place in product(*map(range, shape)):
        cut = tuple(slice(at * times, (at + 1) * times) for at, times in zip(place, factor, strict=True))
        yield place, array[cut].ravel().tolist()


def mean(values):
    """Rounded once, halves up."""
    return (2 * sum(values) + len(values)) // (2 * len(values))


def mode(values):
    counts = Counter(values)
    return min(value for value in counts if counts[value] == max(counts.values()))


def reference(array, factor, value_of):
    shape = [-(-length // times) for length, times in zip(array.shape, factor, strict=True)]
    made = np.empty(shape, array.dtype)
    for place, values in blocks(array, factor):
        made[place] = value_of(values)
    return made
