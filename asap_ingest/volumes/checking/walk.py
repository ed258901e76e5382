"""Every voxel of a volume, compared with those of finer scales.

The walk goes from a chunk of the coarsest scale down to those that it is made of: each chunk is read
once, and one of each scale is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.checking.chunk_blocks import voxel_counts
from asap_ingest.volumes.checking.chunk_files import Chunk, ChunkReader
from asap_ingest.volumes.checking.comparison import Blocks, Comparison, Part
from asap_ingest.volumes.checking.faults import Fault, FaultError, Findings
from asap_ingest.volumes.checking.scale_sizes import factor_of
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Index


@dataclass(frozen=True)
class Level:
    """A scale with what reads its chunks."""

    scale: CheckedScale
    reader: ChunkReader


@dataclass(frozen=True)
class Walk:
    """A comparison of scales.

    Attributes
    ----------
    levels : sequence of Level
        Finest first; chunks are equally large, and each scale is a whole multiple of the one before.
    seen : callable
        Called after each chunk with its bytes.
    """

    levels: Sequence[Level]
    dtype: np.dtype[Any]
    comparison: type[Comparison]
    findings: Findings
    seen: Callable[[int], None]

    def run(self) -> None:
        """Compare all voxels."""
        coarsest = len(self.levels) - 1
        for index in self.levels[coarsest].scale.indices():
            self._chunk(coarsest, index)

    def _chunk(self, number: int, index: Index) -> Part:
        """Read a chunk and all those below it."""
        level = self.levels[number]
        gathered = self._gather(number, index) if number else None
        chunk = read_chunk(level, index, self.findings)
        self.seen(0 if chunk is None else chunk.nbytes)
        if gathered is None:
            return self.comparison.finest(chunk, _reversed(level.scale.shape_xyz(index)), self.dtype)
        if chunk is not None:
            self._report(level.scale, index, gathered.faulty(chunk))
        return gathered.part(chunk)

    def _gather(self, number: int, index: Index) -> Comparison:
        scale, finer = self.levels[number].scale, self.levels[number - 1].scale
        step = _factor(scale, finer)
        first = _times(scale.begin(index), step)
        end = _least(_times(_plus(scale.begin(index), scale.shape_xyz(index)), step), finer.size)
        finer_shape = _plus(end, first, -1)
        blocks = Blocks(
            shape=_reversed(scale.shape_xyz(index)),
            finer_shape=_reversed(finer_shape),
            step=_reversed(step),
            counts=self._counts(scale, index),
            dtype=self.dtype,
        )
        gathered = self.comparison(blocks)
        # chunks are equally large, so each lies below one chunk only
        for child in _places(first, end, finer.chunk_size):
            begin = _plus(finer.begin(child), first, -1)
            gathered.add(self._chunk(number - 1, child), _reversed(begin))
        return gathered

    def _counts(self, scale: CheckedScale, index: Index) -> NDArray[Any]:
        finest = self.levels[0].scale
        return voxel_counts(
            _reversed(scale.shape_xyz(index)),
            _reversed(scale.begin(index)),
            _reversed(_factor(scale, finest)),
            _reversed(finest.size),
        )

    def _report(self, scale: CheckedScale, index: Index, faulty: NDArray[Any]) -> None:
        count = int(np.count_nonzero(faulty))
        if not count:
            return
        z, y, x = (int(place) for place in np.argwhere(faulty)[0])
        begin = _plus(scale.begin(index), scale.offset)
        voxel = _plus(begin, (x, y, z))
        problem = f"{count} of {faulty.size} voxels are {self.comparison.wrong}; the first at {voxel}"
        where = f"scale {scale.key}"
        self.findings.add(Fault(f"{where} chunk at {begin}", problem), where)


def read_chunk(level: Level, index: Index, findings: Findings) -> Chunk | None:
    """A chunk; None where it cannot be read, with a fault if it is not as it must be."""
    try:
        return level.reader.read(index)
    except FaultError as error:
        findings.add(error.fault, f"scale {level.scale.key}")
        return None


def _places(first: Index, end: Index, chunk_size: Index) -> Iterator[Index]:
    """Indices of the chunks between two voxels."""
    x_places, y_places, z_places = (
        range(start // length, -(-stop // length))
        for start, stop, length in zip(first, end, chunk_size, strict=True)
    )
    for z, y, x in product(z_places, y_places, x_places):
        yield x, y, z


def _factor(scale: CheckedScale, finer: CheckedScale) -> Index:
    factor = factor_of(scale, finer)
    if factor is None:
        raise ValueError(f"scale {scale.key} is no multiple of scale {finer.key}")
    return factor


def _reversed(values: Index) -> Index:
    return values[2], values[1], values[0]


def _plus(values: Index, others: Index, times: int = 1) -> Index:
    x, y, z = (value + times * other for value, other in zip(values, others, strict=True))
    return x, y, z


def _times(values: Index, factors: Index) -> Index:
    x, y, z = (value * factor for value, factor in zip(values, factors, strict=True))
    return x, y, z


def _least(values: Index, others: Index) -> Index:
    x, y, z = map(min, values, others)
    return x, y, z
