"""Coarser voxels against the voxels that they stand for. Arrays are (z, y, x).

Blocks are counted from the first voxel of a scale; those at the upper ends of the axes may be smaller.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.axes import Triple

Array = NDArray[Any]

#: A float32 may differ from its mean by half of its last bit; twice that is allowed, and the sum's rounding.
_FLOAT_SHARE = 2.0**-23
_SUM_SHARE = 2.0**-40


class Known(NamedTuple):
    """The voxels of a chunk for the next scale: sums over the finest scale, or labels.

    `unknown` is above 0 where a chunk of a finer scale could not be read.
    """

    values: Array
    unknown: Array


class Means:
    """Gathers the sums below a chunk; samples are means over the finest scale.

    Parameters
    ----------
    counts : ndarray of int
        For each voxel of the chunk the voxels of the finest scale in it.
    finer_shape : triple of int
        Voxels of the scale before that the chunk stands for.
    step : triple of int
        Voxels of the scale before in one.
    """

    wrong = "not the mean of the finest scale"

    def __init__(self, counts: Array, finer_shape: Triple, step: Triple, dtype: np.dtype[Any]) -> None:
        self._counts, self._step, self._dtype = counts, step, dtype
        self._values = self._zeros(counts.shape, finer_shape)
        self._unknown = np.zeros(counts.shape, np.int64)

    def _zeros(self, shape: tuple[int, ...], finer_shape: Triple) -> Array:
        return np.zeros(shape, _sum_type(self._dtype))

    def add(self, known: Known, begin: Triple) -> None:
        """Add a finer chunk whose first voxel is `begin`, counted from the first one below this chunk."""
        with np.errstate(invalid="ignore", over="ignore"):
            add_blocks(self._values, known.values, begin, self._step)
        add_blocks(self._unknown, known.unknown, begin, self._step)

    def faulty(self, chunk: Array) -> Array:
        """Where the chunk's voxels are wrong, as bool array."""
        return not_means(chunk, self._values, self._counts) & (self._unknown == 0)

    def known(self, chunk: Array | None) -> Known:
        """The chunk for the next scale; sums do not depend on its own samples."""
        return Known(self._values, self._unknown)

    @staticmethod
    def finest(chunk: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Known:
        """A chunk of the finest scale; None if it could not be read."""
        values = np.zeros(shape, _sum_type(dtype)) if chunk is None else chunk.astype(_sum_type(dtype))
        return Known(values, np.full(shape, chunk is None, np.int64))


class Modes(Means):
    """Gathers the labels below a chunk; samples are the most frequent labels of the scale before."""

    wrong = "not the most frequent label of the scale before"

    def _zeros(self, shape: tuple[int, ...], finer_shape: Triple) -> Array:
        return np.zeros(finer_shape, self._dtype)

    def add(self, known: Known, begin: Triple) -> None:
        ends = zip(begin, known.values.shape, strict=True)
        self._values[tuple(slice(start, start + length) for start, length in ends)] = known.values
        add_blocks(self._unknown, known.unknown, begin, self._step)

    def faulty(self, chunk: Array) -> Array:
        return not_modes(chunk, self._values, self._step) & (self._unknown == 0)

    def known(self, chunk: Array | None) -> Known:
        return self.finest(chunk, self._counts.shape, self._dtype)

    @staticmethod
    def finest(chunk: Array | None, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Known:
        values = np.zeros(shape, dtype) if chunk is None else chunk
        return Known(values, np.full(shape, chunk is None, np.int64))


def _sum_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype.kind == "f" else np.int64)


def add_blocks(target: Array, part: Array, begin: Triple, step: Triple) -> None:
    """Add sums over blocks of `step` voxels to a target, which has one voxel for each block.

    The first voxel of the part is `begin`, counted from the first block of the target.
    """
    region = []
    for axis, (first, length) in enumerate(zip(begin, step, strict=True)):
        last = first + part.shape[axis]
        starts = [0, *range((first // length + 1) * length - first, part.shape[axis], length)]
        part = np.add.reduceat(part, starts, axis=axis)
        region.append(slice(first // length, -(-last // length)))
    target[tuple(region)] += part


def voxel_counts(shape: Triple, begin: Triple, factor: Triple, finest: Triple) -> Array:
    """Voxels of the finest scale in each block of `factor` voxels.

    `shape` blocks from block `begin` on are counted; `finest` is the size of the finest scale.
    """
    z, y, x = (
        np.minimum(times, size - times * np.arange(start, start + count))
        for count, start, times, size in zip(shape, begin, factor, finest, strict=True)
    )
    counts: Array = z[:, None, None] * y[None, :, None] * x[None, None, :]
    return counts.astype(np.int64)


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
    wrong = np.zeros(values.shape, bool)
    for region, block in _equal_blocks(labels.shape, values.shape, step):
        inside = tuple(
            slice(part.start * length, part.start * length + (part.stop - part.start) * held)
            for part, length, held in zip(region, step, block, strict=True)
        )
        groups = _grouped(labels[inside], block)
        own = (groups == values[region][..., None]).sum(axis=-1)
        wrong[region] = own < _longest_run(np.sort(groups, axis=-1))
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
