"""One job: read a part of a volume plane by plane, write its chunks at every scale."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from operator import floordiv
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.errors import MissingFileError
from asap_ingest.images.plane_reductions import REDUCTIONS, Coarsening, ReducedPlane, Reduction
from asap_ingest.volumes.axes import Triple, ceil_div, per_axis
from asap_ingest.volumes.chunk_formats import CHUNK_FORMATS, ChunkFormat
from asap_ingest.volumes.grid import Box, Scale

Plane = NDArray[Any]
#: A chunk is in memory twice while it is written: as array and as bytes.
_CHUNK_COPIES = 2
#: So is a plane that is decoded as a whole: as samples and as the file that they come from.
_WHOLE_COPIES = 2
#: Folder for the chunks that are packed into shards later.
_UNPACKED = ".raw"


class PlaneSource(Protocol):
    """Planes of a volume; it is sent to worker processes.

    Attributes
    ----------
    size : triple of int
        Voxels along x, y and z.
    dtype : dtype of the samples, one of `images.plane_reductions.SAMPLE_TYPES`
    """

    @property
    def size(self) -> Triple: ...

    @property
    def dtype(self) -> np.dtype[Any]: ...

    def read(self, z: int, rows: slice, columns: slice) -> Plane | None:
        """Samples (height, width) of a part of plane z; None for a missing plane."""

    def part(self, first: int, end: int) -> PlaneSource:
        """The source for a worker that reads only planes from `first` up to, not including, `end`."""


@dataclass(frozen=True)
class VolumeSettings:
    """Settings of all units of a volume.

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

    @property
    def format(self) -> ChunkFormat:
        return CHUNK_FORMATS[self.chunk_format]

    @property
    def chunk_root(self) -> str:
        """The folder that has a folder of chunks for each scale."""
        return storage.join(self.root, _UNPACKED) if self.format.is_sharded else self.root

    def chunk_uri(self, scale: Scale, chunk: Box) -> str:
        """Path or URI of a chunk."""
        return storage.join(self.chunk_root, f"{scale.key}/{self.format.chunk_name(scale, chunk)}")


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
        Factors of finer scales, which other units write. They are computed on the way to `scales`, so that
        voxels do not depend on which scales are written together.
    whole_planes : bool
        The source decodes all of a plane, whatever part of it is read.
    drawn : bool
        A service draws the planes of the source; that takes longer than anything else.
    finest : Scale or None
        The scale whose chunks, written by earlier units, are read instead of the source; None for the source.
    planes_at_once : int
        Planes of these chunks in memory; chunks are read again for the next planes. It divides their depth.
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
        return Box(
            per_axis(floordiv, self.box.begin, scale.factor), per_axis(ceil_div, self.box.end, scale.factor)
        )

    def reductions(self) -> Iterator[tuple[Scale | None, Triple, Reduction | None]]:
        """The way of each plane through the scales, in order.

        Yields
        ------
        (scale, factor, reduction)
            The scale, None if it is not written; its factor from the source; what makes its planes from those
            before, None for the planes of the source.
        """
        width, height, _ = self.box.size
        before: Triple = (1, 1, 1)
        unwritten: list[tuple[Scale | None, Triple]] = [(None, factor) for factor in self.through]
        for scale, total in [*unwritten, *((scale, scale.factor) for scale in self.scales)]:
            reduction = None
            if total != (1, 1, 1):
                x, y, z = per_axis(floordiv, total, before)
                step = Coarsening((z, y, x), total[::-1], (height, width), self.source.dtype)
                reduction = REDUCTIONS[self.settings.kind](step)
            yield scale, total, reduction
            before = total

    @property
    def memory_bytes(self) -> int:
        """Memory of the job's arrays at most."""
        itemsize = self.source.dtype.itemsize
        sum_bytes = 8 if itemsize == 4 else 4
        total = self.box.size[0] * self.box.size[1] * (itemsize + sum_bytes)
        if self.finest is not None:
            slab = math.prod(self.box.size[:2]) * min(self.box.size[2], self.planes_at_once)
            total += (slab + _CHUNK_COPIES * self._chunk_voxels(self.finest, self.box.size)) * itemsize
        if self.whole_planes and self.finest is None:
            total += _WHOLE_COPIES * self.source.size[0] * self.source.size[1] * itemsize
        for scale, factor, reduction in self.reductions():
            size = width, height, depth = per_axis(ceil_div, self.box.size, factor)
            if reduction is not None:
                total += width * height * reduction.bytes_per_voxel
            if scale is not None:
                total += width * height * min(depth, scale.chunk_size[2]) * itemsize
                total += _CHUNK_COPIES * self._chunk_voxels(scale, size) * itemsize
        return total

    def _chunk_voxels(self, scale: Scale, size: Triple) -> int:
        """Voxels of the largest chunk, as it is encoded, of a part of this size."""
        if self.settings.format.fills_chunks:
            return math.prod(scale.chunk_size)
        return math.prod(map(min, size, scale.chunk_size))


@dataclass(frozen=True)
class UnitResult:
    """Counts of one job."""

    chunks: int
    bytes_read: int
    bytes_written: int
    shards: int = 0


def build_unit(unit: Unit) -> UnitResult:
    """Write all chunks of a unit.

    Generators are chained: each scale takes planes from the one before, writes its chunks and hands its
    planes on.

    Raises
    ------
    MissingFileError, StorageError, ImageError
        Chunks written before the error stay; each is whole.
    """
    sizes: list[int] = []
    read = _source_planes(unit) if unit.finest is None else _planes_of_chunks(unit, unit.finest)
    planes: Iterator[ReducedPlane] = (ReducedPlane(plane, 1) for plane in read)
    for scale, _, reduction in unit.reductions():
        if reduction is not None:
            planes = _reduced(planes, reduction)
        if scale is not None:
            planes = _written(planes, unit, scale, reduction, sizes)
    deque(planes, maxlen=0)  # runs the chain, keeps nothing
    return UnitResult(len(sizes), unit.box.voxels * unit.source.dtype.itemsize, sum(sizes))


def _source_planes(unit: Unit) -> Iterator[Plane]:
    """Planes (height, width) of a unit's box from its source, in order; missing ones are black."""
    (left, top, first), (right, bottom, end) = unit.box.begin, unit.box.end
    for z in range(first, end):
        plane = unit.source.read(z, slice(top, bottom), slice(left, right))
        yield np.zeros((bottom - top, right - left), unit.source.dtype) if plane is None else plane


def _planes_of_chunks(unit: Unit, finest: Scale) -> Iterator[Plane]:
    """Planes of a unit from the chunks of the finest scale, some planes in memory at a time."""
    (left, top, first), (right, bottom, end) = unit.box.begin, unit.box.end
    for z in range(first, end, unit.planes_at_once):
        box = Box((left, top, z), (right, bottom, min(z + unit.planes_at_once, end)))
        try:
            yield from _samples_of_chunks(unit, finest, box)
        except MissingFileError:  # an earlier run has packed the chunks into a shard
            yield from _source_planes(replace(unit, box=box))


def _samples_of_chunks(unit: Unit, finest: Scale, box: Box) -> Plane:
    """Samples (z, y, x) of a box that lies in one layer of chunks."""
    left, top, first = box.begin
    dtype, depth = unit.source.dtype, box.size[2]
    samples = np.empty(box.size[::-1], dtype)
    layer = replace(box, begin=(left, top, first - first % finest.chunk_size[2]))
    for chunk in finest.chunks_in(layer):
        (x0, y0, z0), (x1, y1, _) = chunk.begin, chunk.end
        content = storage.read_bytes(unit.settings.chunk_uri(finest, chunk))
        decoded = unit.settings.format.decode(content, chunk.size[::-1], dtype, finest)
        samples[:, y0 - top : y1 - top, x0 - left : x1 - left] = decoded[first - z0 : first - z0 + depth]
    return samples


def _reduced(planes: Iterator[ReducedPlane], reduction: Reduction) -> Iterator[ReducedPlane]:
    """Planes of the next scale; those left over at the end make one too."""
    for finer in planes:
        reduced = reduction.add(finer)
        if reduced is not None:
            yield reduced
    rest = reduction.rest()
    if rest is not None:
        yield rest


def _written(
    planes: Iterator[ReducedPlane], unit: Unit, scale: Scale, reduction: Reduction | None, sizes: list[int]
) -> Iterator[ReducedPlane]:
    """Write the chunks of a scale, append the bytes of each to `sizes`, and hand its planes on."""
    box = unit.box_at(scale)
    width, height, depth = box.size
    slab = np.empty((min(depth, scale.chunk_size[2]), height, width), unit.source.dtype)
    z, filled = box.begin[2], 0
    for reduced in planes:
        slab[filled] = reduced.plane if reduction is None else reduction.values(reduced)
        filled += 1
        if filled == len(slab):
            sizes.extend(_write_chunks(unit, scale, slab, z))
            z, filled = z + filled, 0
        yield reduced
    if filled:
        sizes.extend(_write_chunks(unit, scale, slab[:filled], z))


def _write_chunks(unit: Unit, scale: Scale, slab: NDArray[Any], z: int) -> Iterator[int]:
    """Write the chunks in a layer of a scale, whose planes (z, y, x) begin at `z`; the bytes of each."""
    left, top, _ = unit.box_at(scale).begin
    right, bottom, _ = unit.box_at(scale).end
    for chunk in scale.chunks_in(Box((left, top, z), (right, bottom, z + len(slab)))):
        uri = unit.settings.chunk_uri(scale, chunk)
        if unit.wanted is None or uri in unit.wanted:
            (x0, y0, _), (x1, y1, _) = chunk.begin, chunk.end
            samples = slab[:, y0 - top : y1 - top, x0 - left : x1 - left]
            little_endian = samples.astype(samples.dtype.newbyteorder("<"), copy=False)
            content = unit.settings.format.encode(little_endian, scale)
            storage.write_bytes(uri, content)
            yield len(content)
