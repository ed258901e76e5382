"""Read every chunk of a volume, and compare it with the finer chunks that it is made of.

The walk goes from a chunk of the coarsest scale down to those below it: each chunk is read once, and one of
each scale is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product
from operator import add, mul, sub
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.axes import Triple, ceil_div, per_axis
from asap_ingest.volumes.checking.chunk_readers import Chunk
from asap_ingest.volumes.checking.comparison import Means, Modes
from asap_ingest.volumes.checking.faults import FaultError, Findings
from asap_ingest.volumes.checking.tensorstore_readers import ChunkReader
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, factor_of


class Level(NamedTuple):
    """A scale with the reader of its chunks."""

    scale: CheckedScale
    reader: ChunkReader


@dataclass(frozen=True)
class Walk:
    """A walk through the chunks of all scales.

    Attributes
    ----------
    levels : sequence of Level
        Finest first.
    is_segmentation : bool
        Coarser voxels are compared with the most frequent labels, not with means.
    advance : callable
        Called after each chunk with its bytes.
    """

    levels: Sequence[Level]
    is_segmentation: bool
    findings: Findings
    advance: Callable[[int], None]

    def compare(self, count: int) -> None:
        """Compare all voxels of the finest scales.

        Their chunks are equally large, and each scale is a whole multiple of the one before.
        """
        for index in self.levels[count - 1].scale.indices():
            self._compare(count - 1, index)

    def read(self, level: Level, index: Triple, *, lookup: bool = False) -> Chunk | None:
        """A chunk; None if it cannot be read or is only looked up, with a fault if it is defective."""
        chunk = None
        try:
            if lookup or level.scale.unread:
                level.reader.look_up(index)
            else:
                chunk = level.reader.read(index)
        except FaultError as error:
            self.findings.add(error, f"scale {level.scale.key}")
        self.advance(0 if chunk is None else chunk.nbytes)
        return chunk

    @property
    def _comparison(self) -> type[Means]:
        return Modes if self.is_segmentation else Means

    def _compare(self, number: int, index: Triple) -> NDArray[Any]:
        """Compare a chunk and all those below it; what it gives to the next coarser one."""
        level = self.levels[number]
        below = self._gather(number, index) if number else None
        chunk = self.read(level, index)
        if below is None:
            return self._comparison.finest(chunk, _zyx(level.scale.shape_xyz(index)), level.scale.dtype)
        if chunk is not None:
            self._report(level.scale, index, below.faulty(chunk))
        return below.passed_on(chunk)

    def _gather(self, number: int, index: Triple) -> Means:
        """Compare all chunks below a chunk, and collect what they give to it."""
        finer, scale = self.levels[number - 1].scale, self.levels[number].scale
        begin, shape, step = scale.begin(index), scale.shape_xyz(index), factor_of(scale, finer)
        assert step, "only comparable scales come here"
        first = per_axis(mul, begin, step)
        end = per_axis(min, per_axis(mul, per_axis(add, begin, shape), step), finer.size)
        below = self._comparison(_zyx(shape), _zyx(per_axis(sub, end, first)), _zyx(step), scale.dtype)
        # chunks of all scales are equally large, so each lies below one chunk only
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
        problem = f"{count} of {faulty.size} voxels are {self._comparison.wrong}; the first at {voxel}"
        where = f"scale {scale.key}"
        self.findings.add(FaultError(f"{where} chunk at {begin}", problem), where)


def _zyx(triple: Triple) -> Triple:
    return triple[2], triple[1], triple[0]
