"""Every voxel of a volume, compared with those of finer scales.

The walk goes from a chunk of the coarsest scale down to those that it is made of: each chunk is read
once, and one of each scale is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from operator import add, mul, sub
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.axes import Triple, ceil_div, per_axis
from asap_ingest.volumes.checking.chunk_readers import Chunk, ChunkReader
from asap_ingest.volumes.checking.comparison import Known, Means, voxel_counts
from asap_ingest.volumes.checking.faults import Fault, FaultError, Findings
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, factor_of


@dataclass(frozen=True)
class Level:
    """A scale with the reader of its chunks."""

    scale: CheckedScale
    reader: ChunkReader

    def read(self, index: Triple, findings: Findings, *, lookup: bool = False) -> Chunk | None:
        """A chunk; None if it cannot be read or is only looked up, with a fault if it is defective."""
        try:
            if not (lookup or self.scale.unread):
                return self.reader.read(index)
            self.reader.look(index)
        except FaultError as error:
            findings.add(error.fault, f"scale {self.scale.key}")
        return None


@dataclass(frozen=True)
class Walk:
    """A comparison of scales.

    Attributes
    ----------
    levels : sequence of Level
        Finest first; chunks are equally large, and each scale is a whole multiple of the one before.
    comparison : Means or Modes
    advance : callable
        Called after each chunk with its bytes.
    """

    levels: Sequence[Level]
    dtype: np.dtype[Any]
    comparison: type[Means]
    findings: Findings
    advance: Callable[[int], None]

    def run(self) -> None:
        """Compare all voxels."""
        coarsest = len(self.levels) - 1
        for index in self.levels[coarsest].scale.indices():
            self._compare(coarsest, index)

    def _compare(self, number: int, index: Triple) -> Known:
        """Read a chunk and all those below it."""
        level = self.levels[number]
        below = self._gather(number, index) if number else None
        chunk = level.read(index, self.findings)
        self.advance(0 if chunk is None else chunk.nbytes)
        if below is None:
            return self.comparison.finest(chunk, _zyx(level.scale.shape_xyz(index)), self.dtype)
        if chunk is not None:
            self._report(level.scale, index, below.faulty(chunk))
        return below.known(chunk)

    def _gather(self, number: int, index: Triple) -> Means:
        """Everything below a chunk."""
        finest, finer, scale = (self.levels[which].scale for which in (0, number - 1, number))
        begin, shape = scale.begin(index), scale.shape_xyz(index)
        step, factor = factor_of(scale, finer), factor_of(scale, finest)
        assert step, "only comparable scales come here"
        assert factor
        first = per_axis(mul, begin, step)
        end = per_axis(min, per_axis(mul, per_axis(add, begin, shape), step), finer.size)
        counts = voxel_counts(_zyx(shape), _zyx(begin), _zyx(factor), _zyx(finest.size))
        finer_shape = per_axis(sub, end, first)
        below = self.comparison(counts, _zyx(finer_shape), _zyx(step), self.dtype)
        # chunks are equally large, so each lies below one chunk only
        children = per_axis(
            lambda start, stop, length: range(start // length, ceil_div(stop, length)),
            first,
            end,
            finer.chunk_size,
        )
        for z, y, x in product(*reversed(children)):
            child = (x, y, z)
            below.add(self._compare(number - 1, child), _zyx(per_axis(sub, finer.begin(child), first)))
        return below

    def _report(self, scale: CheckedScale, index: Triple, faulty: NDArray[Any]) -> None:
        count = int(np.count_nonzero(faulty))
        if not count:
            return
        begin = per_axis(add, scale.begin(index), scale.offset)
        voxel = per_axis(add, begin, np.argwhere(faulty)[0][::-1].tolist())
        problem = f"{count} of {faulty.size} voxels are {self.comparison.wrong}; the first at {voxel}"
        where = f"scale {scale.key}"
        self.findings.add(Fault(f"{where} chunk at {begin}", problem), where)


def _zyx(triple: Triple) -> Triple:
    return triple[2], triple[1], triple[0]
