"""How a volume is divided into units, for a given memory."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from asap_ingest.errors import ParameterError
from asap_ingest.volumes.grid import Box, Scale, Triple
from asap_ingest.volumes.shard_grid import sharding_of
from asap_ingest.volumes.writing.sharded_writer import SHARD_COPIES, Shard, shards_of
from asap_ingest.volumes.writing.unit import PlaneSource, Unit, VolumeSettings

#: Time to decode a voxel (PNG, JPEG, deflate) where that of one that is only read, or written, is 1.
_DECODING = 4
#: And to have it drawn by a service.
_DRAWING = 40


@dataclass(frozen=True)
class Budget:
    """What a run may use.

    Attributes
    ----------
    memory_bytes : int
        For the arrays of all workers together.
    """

    memory_bytes: int
    workers: int

    @property
    def bytes_per_worker(self) -> int:
        return self.memory_bytes // self.workers


@dataclass(frozen=True)
class VolumePlan:
    """A volume that is to be written.

    Attributes
    ----------
    passes : tuple of tuple of Unit
        Scales that are too large to be made together are made one after the other, from the source or from
        the chunks of the finest one.
    shards : tuple of Shard
        What the chunks are made into at last, if anything.
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
        """What the largest job takes."""
        shards = max((shard.memory_bytes for shard in self.shards), default=0)
        return max(shards, *(unit.memory_bytes for unit in self.units))


def plan_volume(part: Unit, budget: Budget) -> VolumePlan:
    """Units that fit into the memory and keep all workers busy, with little read twice.

    Parameters
    ----------
    part : Unit
        The whole source and all scales, finest first.

    Raises
    ------
    ParameterError
        Not even one scale, in the narrowest columns of chunks, fits into the memory.
    """
    if part.settings.chunk_format == "sharded":
        part = _with_sharding(part, budget)
    passes = tuple(tuple(_units(group, step)) for group, step in _quickest(part, budget))
    scales, settings, itemsize = part.scales, part.settings, part.source.dtype.itemsize
    shards = tuple(shard for scale in scales for shard in shards_of(scale, settings, itemsize))
    return VolumePlan(scales, settings, passes, shards)


def whole_source(source: PlaneSource, scales: Sequence[Scale], settings: VolumeSettings) -> Unit:
    """All of a source, to be made into all scales."""
    return Unit(source, tuple(scales), Box((0, 0, 0), source.size), settings)


def _with_sharding(part: Unit, budget: Budget) -> Unit:
    """A part whose scales have shards that a worker's memory holds while they are made."""
    # labels come in large pieces that are alike; images hardly shrink
    encoding = "gzip" if part.settings.kind == "segmentation" else "raw"
    itemsize, limit = part.source.dtype.itemsize, budget.bytes_per_worker // SHARD_COPIES
    return replace(
        part,
        scales=tuple(
            replace(scale, sharding=sharding_of(scale, itemsize, encoding, limit)) for scale in part.scales
        ),
    )


@dataclass(frozen=True)
class _Way:
    """A way to make some scales: groups that are made together, the size of their units, the time."""

    groups: tuple[tuple[Unit, Triple], ...] = ()
    cost: float = 0


def _quickest(part: Unit, budget: Budget) -> tuple[tuple[Unit, Triple], ...]:
    """Which scales to make together, and in units of what size.

    All at once reads the source once; but chunks of coarse scales cover so much of it that few units
    are left to share among the workers, or that one does not fit into the memory.
    """
    scales = part.scales
    ways: dict[int, _Way] = {len(scales): _Way()}
    for first in reversed(range(len(scales))):
        through = tuple(scale.factor for scale in scales[:first] if scale.factor != (1, 1, 1))
        found = []
        for source, end in product(_sources(part, first), range(len(scales), first, -1)):
            group = replace(source, scales=scales[first:end], through=through)
            step = _unit_size(group, budget)
            if step is not None:
                cost = _cost(group, step, budget) + ways[end].cost
                found.append(_Way(((group, step), *ways[end].groups), cost))
        if not found:
            raise _too_little_memory(group, budget)
        ways[first] = min(found, key=lambda way: way.cost)
    return ways[0].groups


def _sources(part: Unit, first: int) -> list[Unit]:
    """What scales from a number on can be made from: the chunks of the finest scale, or the source."""
    if first == 0 or not (part.drawn or part.whole_planes):
        return [part]
    finest = part.scales[0]
    depth = finest.chunk_size[2]
    planes = [count for count in (depth, depth // 4, depth // 16, 1) if count and depth % count == 0]
    return [*(replace(part, finest=finest, planes_at_once=count) for count in dict.fromkeys(planes)), part]


def _too_little_memory(group: Unit, budget: Budget) -> ParameterError:
    needed = _part(group, (0, 0, 0), _alignment(group)).memory_bytes
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
    step = (_ceil_to(size[0], align[0]), _ceil_to(size[1], align[1]), align[2])
    found = []
    for axis in (1, 0):
        while True:
            if _part(group, (0, 0, 0), step).memory_bytes <= budget.bytes_per_worker:
                found.append(step)
            if step[axis] <= align[axis] or (axis == 0 and found):
                break
            step = _narrower(step, axis, align[axis])
    return min(found, key=lambda step: _cost(group, step, budget), default=None)


def _cost(group: Unit, step: Triple, budget: Budget) -> float:
    """Time that a pass takes: its work shared among the workers, and the others' wait for the last unit."""
    size = group.box.size
    across, down, _ = counts = _counts(size, step)
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
    # more units than needed are worse only in what is done for each
    return work / budget.workers + largest * (1 - 1 / budget.workers) + math.prod(counts)


def _alignment(unit: Unit) -> Triple:
    """Voxels of the source that whole chunks of all scales cover."""
    x, y, z = (
        math.lcm(*(scale.chunk_size[axis] * scale.factor[axis] for scale in unit.scales)) for axis in range(3)
    )
    return x, y, z


def _units(group: Unit, step: Triple) -> Iterator[Unit]:
    size = group.box.size
    for z, y, x in product(*(range(0, size[axis], step[axis]) for axis in (2, 1, 0))):
        unit = _part(group, (x, y, z), step)
        yield replace(unit, source=unit.source.part(z, unit.box.end[2]))


def _narrower(step: Triple, axis: int, align: int) -> Triple:
    """About half as wide along an axis, still aligned."""
    half = min(_ceil_to(step[axis] // 2, align), step[axis] - align)
    x, y, z = (half if number == axis else length for number, length in enumerate(step))
    return x, y, z


def _part(whole: Unit, begin: Triple, step: Triple) -> Unit:
    x, y, z = (min(start + long, end) for start, long, end in zip(begin, step, whole.box.end, strict=True))
    return replace(whole, box=Box(begin, (x, y, z)))


def _ceil_to(length: int, multiple: int) -> int:
    return -(-length // multiple) * multiple


def _counts(size: Triple, step: Triple) -> Triple:
    x, y, z = (-(-length // long) for length, long in zip(size, step, strict=True))
    return x, y, z
