"""Coarser voxels against the voxels that they stand for. Arrays are (z, y, x).

Blocks are counted from the first voxel of a scale; those at the upper ends of the axes may be smaller.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.axes import Triple

Array = NDArray[Any]

#: A float32 may differ from its mean by half of its last bit; twice that is allowed, and the sum's rounding.
_FLOAT_SHARE = 2.0**-23
_SUM_SHARE = 2.0**-40
#: Number of voxels that stands for one that could not be read: every sum with it is below 0.
_UNREAD = -(2**48)


class Means:
    """The voxels below a chunk, whose samples are means over the finest scale.

    Parameters
    ----------
    shape, finer_shape : triple of int
        Voxels of the chunk, and of the scale before that the chunk stands for.
    step : triple of int
        Voxels of the scale before in one.

    Attributes
    ----------
    below : ndarray, shape (2, z, y, x)
        For each voxel of the chunk the sum over the finest scale, and how many voxels that are.
    """

    wrong = "not the mean of the finest scale"

    def __init__(self, shape: Triple, finer_shape: Triple, step: Triple, dtype: np.dtype[Any]) -> None:
        self._step = step
        self.below = np.zeros((2, *shape), _sum_type(dtype))

    def add(self, finer: Array, begin: Triple) -> None:
        """Add what a finer chunk has for this one; its first voxel is `begin`, counted from the first one."""
        with np.errstate(invalid="ignore", over="ignore"):
            add_blocks(self.below, finer, begin, self._step)

    def faulty(self, chunk: Array) -> Array:
        """Where the chunk's voxels are wrong, as bool array."""
        sums, counts = self.below
        return not_means(chunk, sums, counts) & (counts > 0)

    def passed_on(self, chunk: Array | None) -> Array:
        """What the chunk has for the next scale; sums do not depend on its own samples."""
        return self.below

    @staticmethod
    def finest(chunk: Array | None, shape: Triple, dtype: np.dtype[Any]) -> Array:
        """What a chunk of the finest scale has for the next; None is one that could not be read."""
        below = np.ones((2, *shape), _sum_type(dtype))
        below[0], below[1] = (0, _UNREAD) if chunk is None else (chunk, 1)
        return below


class Modes(Means):
    """The voxels below a chunk, whose samples are the most frequent labels of the scale before.

    `below` has the labels of the scale before, and 0 for those that could not be read, else 1.
    """

    wrong = "not the most frequent label of the scale before"

    def __init__(self, shape: Triple, finer_shape: Triple, step: Triple, dtype: np.dtype[Any]) -> None:
        self._step, self._shape = step, shape
        self.below = np.zeros((2, *finer_shape), dtype)

    def add(self, finer: Array, begin: Triple) -> None:
        ends = zip(begin, finer.shape[1:], strict=True)
        self.below[:, *(slice(start, start + length) for start, length in ends)] = finer

    def faulty(self, chunk: Array) -> Array:
        labels, is_read = self.below
        is_known = _blocks(is_read, self._step, 1).all(axis=-1)
        return not_modes(chunk, labels, self._step) & is_known

    def passed_on(self, chunk: Array | None) -> Array:
        return self.finest(chunk, self._shape, self.below.dtype)

    @staticmethod
    def finest(chunk: Array | None, shape: Triple, dtype: np.dtype[Any]) -> Array:
        below = np.zeros((2, *shape), dtype)
        if chunk is not None:
            below[0], below[1] = chunk, 1
        return below


def _sum_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype.kind == "f" else np.int64)


def add_blocks(target: Array, part: Array, begin: Triple, step: Triple) -> None:
    """Add sums over blocks of `step` voxels to a target, which has one voxel for each block.

    Both have a further axis in front. The first voxel of the part is `begin`, counted from the first block.
    """
    region = [slice(None)]
    for axis, (first, length) in enumerate(zip(begin, step, strict=True), 1):
        last = first + part.shape[axis]
        starts = [0, *range((first // length + 1) * length - first, part.shape[axis], length)]
        part = np.add.reduceat(part, starts, axis=axis)
        region.append(slice(first // length, -(-last // length)))
    target[tuple(region)] += part


def not_means(values: Array, sums: Array, counts: Array) -> Array:
    """Where samples differ from sums over counts by more than rounding, as bool array."""
    if values.dtype.kind != "f":
        return np.abs(values.astype(np.int64) * counts - sums) > counts // 2
    with np.errstate(invalid="ignore", over="ignore"):
        means = sums / counts
        largest = np.abs(means[np.isfinite(means)]).max(initial=0.0)
        granted = _FLOAT_SHARE * np.abs(means) + _SUM_SHARE * largest + np.finfo(np.float32).tiny
        differs = ~(np.abs(values - means) <= granted)
        same = (values == means.astype(np.float32)) | (np.isnan(values) & np.isnan(means))
    return differs & ~same


def not_modes(values: Array, labels: Array, step: Triple) -> Array:
    """Where a label is not among the most frequent ones of its block of `labels`, as bool array."""
    blocks, is_inside = _blocks(labels, step, 0), _blocks(np.ones(labels.shape, bool), step, 0)
    own = np.count_nonzero((blocks == values[..., None]) & is_inside, axis=-1)
    # a label of half of the voxels or more is one of the most frequent
    rare = own * 2 < np.count_nonzero(is_inside, axis=-1)
    blocks, is_inside = blocks[rare], is_inside[rare]
    most = np.zeros(len(blocks), np.int64)
    for position in range(blocks.shape[-1]):
        count = np.count_nonzero((blocks == blocks[:, position, None]) & is_inside, axis=-1)
        np.maximum(most, count, out=most)
    wrong = np.zeros(values.shape, bool)
    wrong[rare] = own[rare] < most
    return wrong


def _blocks(voxels: Array, step: Triple, filling: int) -> Array:
    """(z, y, x) to (blocks along z, y, x, voxels of a block); blocks at the upper ends are filled up."""
    ends = [(0, -length % times) for length, times in zip(voxels.shape, step, strict=True)]
    whole = np.pad(voxels, ends, constant_values=filling)
    z, y, x = (length // times for length, times in zip(whole.shape, step, strict=True))
    split = whole.reshape(z, step[0], y, step[1], x, step[2])
    return split.transpose(0, 2, 4, 1, 3, 5).reshape(z, y, x, -1)
