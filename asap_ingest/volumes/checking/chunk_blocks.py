"""Blocks of voxels: their sums, how many voxels they hold, how often labels occur in them. Arrays only.

Arrays are (z, y, x). Blocks are counted from the first voxel of a scale; those at the upper ends of
the axes may be smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Triple = tuple[int, int, int]

#: A float32 is off its mean by half of its last bit; twice that is granted, and the sum's own rounding.
_FLOAT_SHARE = 2.0**-23
_SUM_SHARE = 2.0**-40


def add_blocks(target: Array, part: Array, begin: Triple, step: Triple) -> tuple[slice, slice, slice]:
    """Add sums over the blocks of a part to a target.

    Parameters
    ----------
    part : ndarray
        Its first voxel is `begin`, counted from the first block of the target.
    step : triple of int
        Voxels of a block.

    Returns
    -------
    triple of slice
        The blocks of the target that the part reaches.
    """
    touched = []
    for axis, (first, length) in enumerate(zip(begin, step, strict=True)):
        last = first + part.shape[axis]
        starts = [0, *range((first // length + 1) * length - first, part.shape[axis], length)]
        part = np.add.reduceat(part, starts, axis=axis)
        touched.append(slice(first // length, -(-last // length)))
    region = touched[0], touched[1], touched[2]
    target[region] += part
    return region


def voxel_counts(shape: Triple, begin: Triple, factor: Triple, finest: Triple) -> Array:
    """Voxels of the finest scale in each block.

    Parameters
    ----------
    shape, begin : triple of int
        Blocks, and where they begin.
    factor : triple of int
        Voxels of a block.
    finest : triple of int
        Size of the finest scale.
    """
    along = [
        np.minimum(times, size - times * np.arange(start, start + count))
        for count, start, times, size in zip(shape, begin, factor, finest, strict=True)
    ]
    z, y, x = along
    counts: Array = z[:, None, None] * y[None, :, None] * x[None, None, :]
    return counts.astype(np.int64)


def not_means(values: Array, sums: Array, counts: Array) -> Array:
    """Where samples are further from sums over counts than rounding explains, as bool array."""
    if values.dtype.kind != "f":
        return np.abs(values.astype(np.int64) * counts - sums) > counts // 2
    with np.errstate(invalid="ignore", over="ignore"):
        means = sums / counts
        finite = np.isfinite(means)
        largest = np.abs(means[finite]).max(initial=0.0)
        granted = _FLOAT_SHARE * np.abs(means) + _SUM_SHARE * largest + np.finfo(np.float32).tiny
        off = ~(np.abs(values - means) <= granted)
        alike = (values == means.astype(np.float32)) | (np.isnan(values) & np.isnan(means))
    return off & ~alike


def not_modes(values: Array, labels: Array, step: Triple) -> Array:
    """Where labels are no most frequent ones of their blocks of `labels`, as bool array."""
    wrong = np.zeros(values.shape, bool)
    for region, block in _equal_blocks(labels.shape, values.shape, step):
        inside = tuple(
            slice(part.start * length, part.start * length + (part.stop - part.start) * held)
            for part, length, held in zip(region, step, block, strict=True)
        )
        groups = _grouped(labels[inside], block)
        most = _longest_run(np.sort(groups, axis=-1))
        own = (groups == values[region][..., None]).sum(axis=-1)
        wrong[region] = own < most
    return wrong


def _equal_blocks(
    size: Sequence[int], blocks: Sequence[int], step: Triple
) -> Iterator[tuple[tuple[slice, ...], Triple]]:
    """Regions of blocks that hold equally many voxels, and how many along each axis."""
    axes = []
    for length, count, times in zip(size, blocks, step, strict=True):
        whole = length // times
        parts = [(slice(0, whole), times), (slice(whole, count), length - whole * times)]
        axes.append([(part, held) for part, held in parts if part.stop > part.start])
    for (z, depth), (y, height), (x, width) in product(*axes):
        yield (z, y, x), (depth, height, width)


def _grouped(labels: Array, block: Triple) -> Array:
    """(z, y, x) to (blocks along z, y, x, voxels of a block)."""
    z, y, x = (length // held for length, held in zip(labels.shape, block, strict=True))
    split = labels.reshape(z, block[0], y, block[1], x, block[2])
    return split.transpose(0, 2, 4, 1, 3, 5).reshape(z, y, x, -1)


def _longest_run(ordered: Array) -> Array:
    """How often the most frequent value of the last axis, which is sorted, occurs."""
    run = np.ones(ordered.shape[:-1], np.int64)
    longest = run.copy()
    for position in range(1, ordered.shape[-1]):
        run = np.where(ordered[..., position] == ordered[..., position - 1], run + 1, 1)
        np.maximum(longest, run, out=longest)
    return longest
