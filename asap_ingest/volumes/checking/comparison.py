"""Compare the voxels of a chunk with the finer voxels that they stand for. Arrays are (z, y, x).

A voxel stands for a block of voxels of the next finer scale, and so of the finest. Blocks are counted from
the first voxel of a scale; those at the upper ends of the axes may be smaller.
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
#: Count of an unread voxel: so low that the count of every block with one is below 0.
_UNREAD = -(2**48)


class Means:
    """What a chunk of an image must hold: means over the finest scale, collected from all finer chunks.

    Parameters
    ----------
    shape, finer_shape : triple of int
        Voxels of the chunk; voxels of the next finer scale that it stands for.
    step : triple of int
        Voxels of the next finer scale in one of the chunk.

    Attributes
    ----------
    below : ndarray, shape (2, z, y, x)
        For each voxel of the chunk: sum of the voxels of the finest scale, and their number.
    """

    #: What a wrong voxel is, for the text of the fault.
    wrong = "not the mean of the finest scale"

    def __init__(self, shape: Triple, finer_shape: Triple, step: Triple, dtype: np.dtype[Any]) -> None:
        self._step = step
        self.below = np.zeros((2, *shape), _sum_type(dtype))

    def add(self, finer: Array, begin: Triple) -> None:
        """Add what `finest` or `passed_on` gave for a finer chunk.

        `begin` is its first voxel, counted from the first finer voxel that this chunk stands for.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            add_blocks(self.below, finer, begin, self._step)

    def faulty(self, chunk: Array) -> Array:
        """Where the chunk's voxels are wrong, as bool array; False where finer voxels could not be read."""
        sums, counts = self.below
        return not_means(chunk, sums, counts) & (counts > 0)

    def passed_on(self, chunk: Array | None) -> Array:
        """What the chunk gives to the next coarser one: the sums, which do not depend on its own samples."""
        return self.below

    @staticmethod
    def finest(chunk: Array | None, shape: Triple, dtype: np.dtype[Any]) -> Array:
        """What a chunk of the finest scale gives to the next coarser one; None if it could not be read."""
        below = np.ones((2, *shape), _sum_type(dtype))
        below[0], below[1] = (0, _UNREAD) if chunk is None else (chunk, 1)
        return below


class Modes(Means):
    """What a chunk of a segmentation must hold: the most frequent labels of the next finer scale.

    `below` has shape (2, finer z, y, x): finer labels, and 1 where they could be read, else 0.
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
    """Add sums over blocks of `step` voxels of a part to a target, which has one voxel for each block.

    Both have a further axis in front. The part begins at voxel `begin`, counted from the first block's first.
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
