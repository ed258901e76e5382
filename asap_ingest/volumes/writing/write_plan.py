"""The division of a volume into units, for a given memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from operator import mul

from asap_ingest.errors import ParameterError
from asap_ingest.volumes.axes import Triple, ceil_div, ceil_to, per_axis
from asap_ingest.volumes.grid import Box, Scale, grid_boxes
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
        The units of each group of scales that are written together. A group that reads chunks of the finest
        scale comes after the group that writes them.
    shards : tuple of Shard
        Files into which the chunks are packed at the end; empty unless sharded.
    """

    scales: tuple[Scale, ...]
    settings: VolumeSettings
    passes: tuple[tuple[Unit, ...], ...]
    shards: tuple[Shard, ...] = ()

    @property
    def units(self) -> list[Unit]:
        return [unit for units in self.passes for unit in units]

    @property
    def chunk_count(self) -> int:
        return sum(scale.chunk_count for scale in self.scales)

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
    """Divide a volume into units that fit into the memory and keep all workers busy; little is read twice.

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
    passes = tuple(tuple(_units(group, unit_size)) for group, unit_size in _quickest_groups(part, budget))
    scales, settings, itemsize = part.scales, part.settings, part.source.dtype.itemsize
    shards = tuple(shard for scale in scales for shard in shards_of(scale, settings, itemsize))
    return VolumePlan(scales, settings, passes, shards)


def whole_source(source: PlaneSource, scales: Sequence[Scale], settings: VolumeSettings) -> Unit:
    """A whole volume as one unit, for `plan_volume` to divide."""
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


#: Scales that are written together: one unit of the whole volume, and the size to divide it by.
_Group = tuple[Unit, Triple]


def _quickest_groups(part: Unit, budget: Budget) -> tuple[_Group, ...]:
    """The quickest division of the scales into groups, by dynamic programming from the coarsest scale on.

    One group of all scales reads the source once. But whole chunks of coarse scales cover so much of it that
    there are few units for the workers, or that a unit does not fit into the memory.
    """
    scales = part.scales
    # by the number of a scale: cost and groups of this scale and all coarser ones
    best: dict[int, tuple[float, tuple[_Group, ...]]] = {len(scales): (0, ())}
    for first in reversed(range(len(scales))):
        through = tuple(scale.factor for scale in scales[:first] if scale.factor != (1, 1, 1))
        candidates = []
        for source, end in product(_sources(part, first), range(len(scales), first, -1)):
            group = replace(source, scales=scales[first:end], through=through)
            unit_size = _quickest_unit_size(group, budget)
            if unit_size is not None:
                cost, groups = best[end]
                candidates.append((cost + _cost(group, unit_size, budget), ((group, unit_size), *groups)))
        if not candidates:
            raise _too_little_memory(replace(part, scales=scales[first : first + 1], through=through), budget)
        best[first] = min(candidates, key=lambda candidate: candidate[0])
    return best[0][1]


def _sources(part: Unit, first: int) -> list[Unit]:
    """The whole volume with each source that scale `first` and coarser ones can be read from.

    It may be the chunks of the finest scale, some planes at a time, where reading the source itself is slow.
    """
    if first == 0 or not (part.drawn or part.whole_planes):
        return [part]
    finest = part.scales[0]
    depth = finest.chunk_size[2]
    counts = dict.fromkeys((depth, depth // 4, depth // 16, 1))
    divisors = [count for count in counts if count and depth % count == 0]
    return [*(replace(part, finest=finest, planes_at_once=count) for count in divisors), part]


def _too_little_memory(group: Unit, budget: Budget) -> ParameterError:
    needed = _first_unit(group, _alignment(group)).memory_bytes
    return ParameterError(
        "memory",
        f"{budget.memory_bytes:,} bytes for {budget.workers} workers are too few: one column of chunks of "
        f"scale {group.scales[0].key} takes {needed:,} bytes a worker; give more memory, fewer workers, "
        "fewer levels or smaller chunks",
    )


def _quickest_unit_size(group: Unit, budget: Budget) -> Triple | None:
    """The quickest size of units that fit into the memory; None if none does.

    Units are as wide as the planes if possible, because files are read by rows.
    """
    size, align = group.box.size, _alignment(group)
    unit_size = (ceil_to(size[0], align[0]), ceil_to(size[1], align[1]), align[2])
    fitting = []
    for axis in (1, 0):
        while True:
            if _first_unit(group, unit_size).memory_bytes <= budget.bytes_per_worker:
                fitting.append(unit_size)
            if unit_size[axis] <= align[axis] or (axis == 0 and fitting):
                break
            unit_size = _narrower(unit_size, axis, align[axis])
    return min(fitting, key=lambda unit_size: _cost(group, unit_size, budget), default=None)


def _cost(group: Unit, unit_size: Triple, budget: Budget) -> float:
    """Time of a pass, relative to that of reading or writing a voxel.

    The work is shared among the workers; at the end they wait for the last unit.
    """
    size = group.box.size
    across, down, _ = counts = per_axis(ceil_div, size, unit_size)
    reading = math.prod(size)
    if group.finest is not None:
        reading *= group.finest.chunk_size[2] // group.planes_at_once
    elif group.drawn:
        reading *= _DRAWING
    else:
        # a part of the columns costs as much as all of them: files are read by rows
        reading *= across * (down * _DECODING if group.whole_planes else 1)
    work = reading + sum(group.box_at(scale).voxels for scale in group.scales)
    largest = work / math.prod(max(1, length / long) for length, long in zip(size, unit_size, strict=True))
    # the last term is the overhead of each unit
    return work / budget.workers + largest * (1 - 1 / budget.workers) + math.prod(counts)


def _alignment(unit: Unit) -> Triple:
    """The smallest box of the source, along x, y and z, that whole chunks of all scales fill."""
    return per_axis(math.lcm, *(per_axis(mul, scale.chunk_size, scale.factor) for scale in unit.scales))


def _units(group: Unit, unit_size: Triple) -> Iterator[Unit]:
    for box in grid_boxes(group.box, unit_size, group.box.end):
        yield replace(group, box=box, source=group.source.part(box.begin[2], box.end[2]))


def _narrower(unit_size: Triple, axis: int, align: int) -> Triple:
    """About half as long along an axis, still aligned."""
    half = min(ceil_to(unit_size[axis] // 2, align), unit_size[axis] - align)
    return per_axis(lambda number, length: half if number == axis else length, (0, 1, 2), unit_size)


def _first_unit(group: Unit, unit_size: Triple) -> Unit:
    """The first unit of a group, which no other exceeds in size."""
    return replace(group, box=Box((0, 0, 0), per_axis(min, unit_size, group.box.end)))
