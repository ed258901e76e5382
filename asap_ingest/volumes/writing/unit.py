"""One job: read a part of a volume plane by plane, write its chunks at every scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.images.plane_reductions import REDUCTIONS, Carry, Reduction, Step
from asap_ingest.volumes.chunk_formats import CHUNK_FORMATS
from asap_ingest.volumes.grid import Box, Scale, Triple
from asap_ingest.volumes.writing.unit_planes import planes_of

Plane = NDArray[Any]
#: A chunk is in memory twice while it is written: as array and as bytes.
_CHUNK_COPIES = 2
#: And a plane that is decoded as a whole: as samples, and as the file that they come from.
_WHOLE_COPIES = 2


class PlaneSource(Protocol):
    """Planes of a volume; it is sent to worker processes.

    Attributes
    ----------
    size : triple of int
        Voxels along x, y and z.
    dtype : dtype of the samples, one of `images.volumes.SAMPLE_TYPES`
    """

    @property
    def size(self) -> Triple: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def read(self, z: int, rows: slice, columns: slice) -> Plane | None:
        """Samples (height, width) of a part of plane z; None where there is no such plane."""

    def part(self, first: int, end: int) -> PlaneSource:
        """What a worker needs that reads only planes from `first` up to, not including, `end`."""


@dataclass(frozen=True)
class VolumeSettings:
    """What is the same for all units of a volume.

    Attributes
    ----------
    root : str
        Folder of the volume, path or URI.
    chunk_format : name in `CHUNK_FORMATS`
    kind : name in `REDUCTIONS`
    """

    root: str
    chunk_format: str = "raw"
    kind: str = "image"
    storage_options: Mapping[str, Any] = field(default_factory=dict)

    def chunk_uri(self, scale: Scale, chunk: Box) -> str:
        """Where a chunk lies."""
        name = CHUNK_FORMATS[self.chunk_format].name_of(scale, chunk)
        return storage.join(self.chunk_root, f"{scale.key}/{name}")

    @property
    def chunk_root(self) -> str:
        """Folder of the scales' folders of chunks; that of the volume, or one in it."""
        folder = CHUNK_FORMATS[self.chunk_format].folder
        return storage.join(self.root, folder) if folder else self.root


@dataclass(frozen=True)
class Unit:
    """A part of a volume that one job writes, over one or more scales.

    Attributes
    ----------
    scales : tuple of Scale
        Finer before coarser.
    box : Box
        In voxels of the source; it covers whole chunks of every scale, but for the volume's ends.
    through : tuple of triple of int
        Factors from the source to finer scales that are made on the way and not written: voxels must
        not depend on which scales are made together.
    whole_planes : bool
        The source decodes all of a plane, whatever part of it is read.
    drawn : bool
        The source has a service draw each plane, which takes longer than anything else.
    finest : Scale or None
        The scale whose chunks the planes are read from, written by other units before; None for the source.
    planes_at_once : int
        Planes that are kept of these chunks, which are read again for the next ones; it divides their depth.
    wanted : frozenset of str or None
        URIs of the chunks to write; None for all.
    """

    source: PlaneSource
    scales: tuple[Scale, ...]
    box: Box
    settings: VolumeSettings
    through: tuple[Triple, ...] = ()
    whole_planes: bool = False
    drawn: bool = False
    finest: Scale | None = None
    planes_at_once: int = 1
    wanted: frozenset[str] | None = None

    def box_at(self, scale: Scale) -> Box:
        """The unit's box in voxels of a scale."""
        factor = scale.factor
        begin = tuple(start // times for start, times in zip(self.box.begin, factor, strict=True))
        end = tuple(-(-stop // times) for stop, times in zip(self.box.end, factor, strict=True))
        return Box(begin, end)  # type: ignore[arg-type]

    def reductions(self) -> Iterator[tuple[Scale | None, Triple, Reduction | None]]:
        """What planes go through: scale (None: not written), factor from the source, how it is made."""
        width, height, _ = self.box.size
        before: Triple = (1, 1, 1)
        on_the_way: list[tuple[Scale | None, Triple]] = [(None, factor) for factor in self.through]
        for scale, total in [*on_the_way, *((scale, scale.factor) for scale in self.scales)]:
            reduction = None
            if total != (1, 1, 1):
                x, y, z = (new // old for new, old in zip(total, before, strict=True))
                step = Step((z, y, x), total[::-1], (height, width), self.source.dtype)
                reduction = REDUCTIONS[self.settings.kind](step)
            yield scale, total, reduction
            before = total

    @property
    def memory_bytes(self) -> int:
        """What the arrays of the job take at most."""
        itemsize = self.source.dtype.itemsize
        sum_bytes = 8 if itemsize == 4 else 4
        total = self.box.size[0] * self.box.size[1] * (itemsize + sum_bytes)
        if self.finest is not None:
            slab = math.prod(self.box.size[:2]) * min(self.box.size[2], self.planes_at_once)
            total += (slab + _CHUNK_COPIES * self._chunk_voxels(self.finest, self.box.size)) * itemsize
        if self.whole_planes and self.finest is None:
            total += _WHOLE_COPIES * self.source.size[0] * self.source.size[1] * itemsize
        for scale, factor, reduction in self.reductions():
            width, height, depth = (-(-n // times) for n, times in zip(self.box.size, factor, strict=True))
            if reduction is not None:
                total += width * height * reduction.bytes_per_voxel
            if scale is not None:
                total += width * height * min(depth, scale.chunk_size[2]) * itemsize
                total += _CHUNK_COPIES * self._chunk_voxels(scale, (width, height, depth)) * itemsize
        return total

    def _chunk_voxels(self, scale: Scale, size: Triple) -> int:
        """Voxels of the largest chunk, as it is encoded, of a part of this size."""
        if CHUNK_FORMATS[self.settings.chunk_format].fills_chunks:
            return math.prod(scale.chunk_size)
        return math.prod(map(min, size, scale.chunk_size))


@dataclass(frozen=True)
class UnitResult:
    """What a job did."""

    chunks: int
    bytes_read: int
    bytes_written: int
    shards: int = 0


def build_unit(unit: Unit) -> UnitResult:
    """Write all chunks of a unit.

    Raises
    ------
    MissingFileError, StorageError, ImageError
        Chunks written before the error stay; each is whole.
    """
    with storage.options(unit.settings.storage_options):
        levels = _levels(unit)
        for plane in planes_of(unit):
            _push(levels, Carry(plane, 1))
        _finish(levels)
    read = unit.box.voxels * unit.source.dtype.itemsize
    return UnitResult(
        sum(level.chunks for level in levels), read, sum(level.bytes_written for level in levels)
    )


class _OnTheWay:
    """A scale that coarser ones are made from, and that is not written."""

    chunks = bytes_written = 0

    def __init__(self, reduction: Reduction | None) -> None:
        self.reduction = reduction

    def take(self, carry: Carry) -> None:
        """Nothing is kept of it."""

    def flush(self) -> None:
        """Nothing waits."""


class _Level(_OnTheWay):
    """One scale of a unit: how its planes are made, and those that wait for their chunks to be full."""

    def __init__(self, unit: Unit, scale: Scale, reduction: Reduction | None) -> None:
        super().__init__(reduction)
        self._scale, self._settings, self._wanted = scale, unit.settings, unit.wanted
        self._box = unit.box_at(scale)
        width, height, depth = self._box.size
        self._slab = np.empty((min(depth, scale.chunk_size[2]), height, width), unit.source.dtype)
        self._first = self._box.begin[2]
        self._filled = 0

    def take(self, carry: Carry) -> None:
        """Add a plane; writes the chunks when they are full."""
        self._slab[self._filled] = carry.plane if self.reduction is None else self.reduction.values(carry)
        self._filled += 1
        if self._filled == len(self._slab):
            self.flush()

    def flush(self) -> None:
        """Write the chunks of the planes at hand."""
        if not self._filled:
            return
        chunk_format = CHUNK_FORMATS[self._settings.chunk_format]
        left, top, _ = self._box.begin
        right, bottom, _ = self._box.end
        planes = Box((left, top, self._first), (right, bottom, self._first + self._filled))
        for chunk in self._scale.chunks_in(planes):
            uri = self._settings.chunk_uri(self._scale, chunk)
            if self._wanted is not None and uri not in self._wanted:
                continue
            (x0, y0, _), (x1, y1, _) = chunk.begin, chunk.end
            samples = self._slab[: self._filled, y0 - top : y1 - top, x0 - left : x1 - left]
            content = chunk_format.encode(_little_endian(samples), self._scale)
            storage.write_bytes(uri, content)
            self.chunks, self.bytes_written = self.chunks + 1, self.bytes_written + len(content)
        self._first, self._filled = self._first + self._filled, 0


def _levels(unit: Unit) -> list[_OnTheWay]:
    return [
        _OnTheWay(reduction) if scale is None else _Level(unit, scale, reduction)
        for scale, _, reduction in unit.reductions()
    ]


def _push(levels: Sequence[_OnTheWay], carry: Carry | None) -> None:
    """Hand a plane to the first of the levels, and what becomes of it to the others."""
    for level in levels:
        if level.reduction is not None and carry is not None:
            carry = level.reduction.add(carry)
        if carry is None:
            return
        level.take(carry)


def _finish(levels: Sequence[_OnTheWay]) -> None:
    """Complete the last blocks, finer scales first, and write what is left."""
    for index, level in enumerate(levels):
        rest = level.reduction.rest() if level.reduction is not None else None
        if rest is not None:
            level.take(rest)
            _push(levels[index + 1 :], rest)
        level.flush()


def _little_endian(samples: NDArray[Any]) -> NDArray[Any]:
    return samples.astype(samples.dtype.newbyteorder("<"), copy=False)
