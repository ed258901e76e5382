"""What a chunk must hold, gathered from the chunks of the scale before. Arrays are (z, y, x)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.checking.chunk_blocks import add_blocks, not_means, not_modes

Array = NDArray[Any]
Triple = tuple[int, int, int]


@dataclass(frozen=True)
class Part:
    """What is known of a chunk's voxels for the next scale.

    Attributes
    ----------
    values : ndarray
        Sums over the finest scale, or labels.
    unknown : ndarray of int
        Above 0 where a chunk of a finer scale could not be read.
    """

    values: Array
    unknown: Array


@dataclass(frozen=True)
class Blocks:
    """The chunk that is looked at.

    Attributes
    ----------
    shape : triple of int
        Its voxels.
    finer_shape : triple of int
        The voxels of the scale before in them.
    step : triple of int
        Voxels of the scale before in one.
    counts : ndarray of int
        Voxels of the finest scale in each.
    dtype : dtype of the samples
    """

    shape: Triple
    finer_shape: Triple
    step: Triple
    counts: Array
    dtype: np.dtype[Any]


class Comparison(Protocol):
    """Gathers the parts of a chunk, then finds its wrong voxels."""

    wrong: str

    def __init__(self, blocks: Blocks) -> None: ...

    def add(self, part: Part, begin: Triple) -> None:
        """Take in a part whose first voxel is `begin`, counted from the chunk's first."""

    def faulty(self, chunk: Array) -> Array:
        """Where the chunk is not what the parts say, as bool array."""

    def part(self, chunk: Array | None) -> Part:
        """What the next scale has to know."""

    @staticmethod
    def finest(chunk: Array | None, shape: Triple, dtype: np.dtype[Any]) -> Part:
        """A chunk of the finest scale; None where it could not be read."""


class Means:
    """Samples are means over the finest scale."""

    wrong = "not the mean of the finest scale"

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._values = np.zeros(blocks.shape, _sum_type(blocks.dtype))
        self._unknown = np.zeros(blocks.shape, np.int64)

    def add(self, part: Part, begin: Triple) -> None:
        with np.errstate(invalid="ignore", over="ignore"):
            add_blocks(self._values, part.values, begin, self._blocks.step)
        add_blocks(self._unknown, part.unknown, begin, self._blocks.step)

    def faulty(self, chunk: Array) -> Array:
        return not_means(chunk, self._values, self._blocks.counts) & (self._unknown == 0)

    def part(self, chunk: Array | None) -> Part:
        return Part(self._values, self._unknown)

    @staticmethod
    def finest(chunk: Array | None, shape: Triple, dtype: np.dtype[Any]) -> Part:
        if chunk is None:
            return Part(np.zeros(shape, _sum_type(dtype)), np.ones(shape, np.int64))
        return Part(chunk.astype(_sum_type(dtype)), np.zeros(shape, np.int64))


class Modes:
    """Labels are most frequent ones of the scale before."""

    wrong = "not the most frequent label of the scale before"

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._labels = np.zeros(blocks.finer_shape, blocks.dtype)
        self._unknown = np.zeros(blocks.shape, np.int64)

    def add(self, part: Part, begin: Triple) -> None:
        region = tuple(
            slice(start, start + length) for start, length in zip(begin, part.values.shape, strict=True)
        )
        self._labels[region] = part.values
        add_blocks(self._unknown, part.unknown, begin, self._blocks.step)

    def faulty(self, chunk: Array) -> Array:
        return not_modes(chunk, self._labels, self._blocks.step) & (self._unknown == 0)

    def part(self, chunk: Array | None) -> Part:
        return self.finest(chunk, self._blocks.shape, self._blocks.dtype)

    @staticmethod
    def finest(chunk: Array | None, shape: Triple, dtype: np.dtype[Any]) -> Part:
        if chunk is None:
            return Part(np.zeros(shape, dtype), np.ones(shape, np.int64))
        return Part(chunk, np.zeros(shape, np.int64))


def _sum_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype.kind == "f" else np.int64)
