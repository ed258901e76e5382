"""The division of a volume into units, for a given memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from operator import mul

from asap_ingest.errors import ParameterError
from asap_ingest.volumes.axes import Triple, ceil_div, ceil_to, per_axis
from asap_ingest.volumes.grid import Box, Scale, tiles
from asap_ingest.volumes.shard_grid import sharding_of
from asap_ingest.volumes.writing.sharded_writer import SHARD_COPIES, Shard, shards_of
from asap_ingest.volumes.writing.unit import PlaneSource, Unit, VolumeSettings

#: Time to decode a voxel (PNG, JPEG, deflate), relative to reading or writing one.
_DECODING = 4
#: Time for a service to draw a voxel.
_DRAWING = 40


@dataclass(frozen=True)
class Budget:
    """Memory for the arrays of all workers together, and their number."""

    memory_bytes: int
    workers: int

    @property
    def bytes_per_worker(self) -> int:
        return self.memory_bytes // self.workers


@dataclass(frozen=True)
class VolumePlan:
    """All jobs that write a volume.

    Attributes
    ----------
    passes : tuple of tuple of Unit
        Scales that are too large to be made together are made one after the other, from the source or from
        the chunks of the finest one.
    shards : tuple of Shard
        Files that the chunks are packed into at last; empty unless sharded.
    """

    scales: tuple[Scale, ...]
    settings: VolumeSettings
    passes: tuple[tuple[Unit, ...], ...]
    shards: tuple[Shard, ...] = ()

    @property
    def units(self) -> list[Unit]:
        return [unit for units in self.passes for unit in units]

    @property
    def chunks(self) -> int:
        return sum(scale.chunks for scale in self.scales)

    @property
    def bytes(self) -> int:
        """Samples of all scales, uncompressed."""
        itemsize = self.units[0].source.dtype.itemsize
        return sum(scale.box.voxels for scale in self.scales) * itemsize

    @property
    def memory_bytes(self) -> int:
        """Memory of the largest job."""
        shards = max((shard.memory_bytes for shard in self.shards), default=0)
        return max(shards, *(unit.memory_bytes for unit in self.units))


def plan_volume(part: Unit, budget: Budget) -> VolumePlan:
    """Divide a volume into units that fit into the memory and keep all workers busy, with little read twice.

    Parameters
    ----------
    part : Unit
        The whole source and all scales, finest first.

    Raises
    ------
    ParameterError
        Not even one scale, in the narrowest columns of chunks, fits into the memory.
    """
    if part.settings.format.is_sharded:
        part = _with_sharding(part, budget)
    passes = tuple(tuple(_units(group, step)) for group, step in _quickest(part, budget))
    scales, settings, itemsize = part.scales, part.settings, part.source.dtype.itemsize
    shards = tuple(shard for scale in scales for shard in shards_of(scale, settings, itemsize))
    return VolumePlan(scales, settings, passes, shards)


def whole_source(source: PlaneSource, scales: Sequence[Scale], settings: VolumeSettings) -> Unit:
    """One unit of all of a source and all scales."""
    return Unit(source, tuple(scales), Box((0, 0, 0), source.size), settings)


def _with_sharding(part: Unit, budget: Budget) -> Unit:
    """A part whose scales have shards that fit into a worker's memory while they are packed."""
    # labels compress well; images hardly shrink
    encoding = "gzip" if part.settings.kind == "segmentation" else "raw"
    itemsize, limit = part.source.dtype.itemsize, budget.bytes_per_worker // SHARD_COPIES
    return replace(
        part,
        scales=tuple(
            replace(scale, sharding=sharding_of(scale, itemsize, encoding, limit)) for scale in part.scales
        ),
    )


#: Scales that are made together, as one unit, and the size to divide it by.
_Group = tuple[Unit, Triple]


def _quickest(part: Unit, budget: Budget) -> tuple[_Group, ...]:
    """The quickest grouping of the scales.

    All at once reads the source once; but chunks of coarse scales cover so much of it that few units
    are left to share among the workers, or that one does not fit into the memory.
    """
    scales = part.scales
    # by the number of a scale: time and groups of this scale and all coarser ones
    best: dict[int, tuple[float, tuple[_Group, ...]]] = {len(scales): (0, ())}
    for first in reversed(range(len(scales))):
        through = tuple(scale.factor for scale in scales[:first] if scale.factor != (1, 1, 1))
        candidates = []
        for source, end in product(_sources(part, first), range(len(scales), first, -1)):
            group = replace(source, scales=scales[first:end], through=through)
            step = _unit_size(group, budget)
            if step is not None:
                cost, groups = best[end]
                candidates.append((cost + _cost(group, step, budget), ((group, step), *groups)))
        if not candidates:
            raise _too_little_memory(group, budget)
        best[first] = min(candidates, key=lambda candidate: candidate[0])
    return best[0][1]


def _sources(part: Unit, first: int) -> list[Unit]:
    """Sources of scale `first` and coarser ones: the chunks of the finest scale, or the source itself."""
    if first == 0 or not (part.drawn or part.whole_planes):
        return [part]
    finest = part.scales[0]
    depth = finest.chunk_size[2]
    planes = [count for count in (depth, depth // 4, depth // 16, 1) if count and depth % count == 0]
    return [*(replace(part, finest=finest, planes_at_once=count) for count in dict.fromkeys(planes)), part]


def _too_little_memory(group: Unit, budget: Budget) -> ParameterError:
    needed = _first_part(group, _alignment(group)).memory_bytes
    return ParameterError(
        "memory",
        f"{budget.memory_bytes:,} bytes for {budget.workers} workers are too few: one column of chunks of "
        f"scale {group.scales[0].key} takes {needed:,} bytes a worker; give more memory, fewer workers, "
        "fewer levels or smaller chunks",
    )


def _unit_size(group: Unit, budget: Budget) -> Triple | None:
    """The quickest size of a unit that fits into the memory, None if none does.

    Bands as wide as the planes if possible, as files are read by rows; columns only where they must be.
    """
    size, align = group.box.size, _alignment(group)
    step = (ceil_to(size[0], align[0]), ceil_to(size[1], align[1]), align[2])
    fitting = []
    for axis in (1, 0):
        while True:
            if _first_part(group, step).memory_bytes <= budget.bytes_per_worker:
                fitting.append(step)
            if step[axis] <= align[axis] or (axis == 0 and fitting):
                break
            step = _narrower(step, axis, align[axis])
    return min(fitting, key=lambda step: _cost(group, step, budget), default=None)


def _cost(group: Unit, step: Triple, budget: Budget) -> float:
    """Time of a pass: its work shared among the workers, and the others' wait for the last unit."""
    size = group.box.size
    across, down, _ = counts = per_axis(ceil_div, size, step)
    reading = math.prod(size)
    if group.finest is not None:
        reading *= group.finest.chunk_size[2] // group.planes_at_once
    elif group.drawn:
        reading *= _DRAWING
    else:
        # a part of the columns costs as much as all of them: files are read by rows
        reading *= across * (down * _DECODING if group.whole_planes else 1)
    work = reading + sum(group.box_at(scale).voxels for scale in group.scales)
    largest = work / math.prod(max(1, length / long) for length, long in zip(size, step, strict=True))
    # the last term is the overhead of each unit
    return work / budget.workers + largest * (1 - 1 / budget.workers) + math.prod(counts)


def _alignment(unit: Unit) -> Triple:
    """Voxels of the source that whole chunks of all scales cover."""
    return per_axis(math.lcm, *(per_axis(mul, scale.chunk_size, scale.factor) for scale in unit.scales))


def _units(group: Unit, step: Triple) -> Iterator[Unit]:
    for box in tiles(group.box, step, group.box.end):
        yield replace(group, box=box, source=group.source.part(box.begin[2], box.end[2]))


def _narrower(step: Triple, axis: int, align: int) -> Triple:
    """About half as wide along an axis, still aligned."""
    half = min(ceil_to(step[axis] // 2, align), step[axis] - align)
    return per_axis(lambda number, length: half if number == axis else length, (0, 1, 2), step)


def _first_part(whole: Unit, step: Triple) -> Unit:
    """The largest part of a unit that is divided by a size."""
    return replace(whole, box=Box((0, 0, 0), per_axis(min, step, whole.box.end)))
