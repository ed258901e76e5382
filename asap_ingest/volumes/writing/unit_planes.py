"""The planes that a unit is made of: those of its source, or of the volume's own finest scale."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.errors import MissingFileError
from asap_ingest.volumes.chunk_formats import CHUNK_FORMATS
from asap_ingest.volumes.grid import Box, Scale

if TYPE_CHECKING:
    from asap_ingest.volumes.writing.unit import Unit

Plane = NDArray[Any]


def planes_of(unit: Unit) -> Iterator[Plane]:
    """Planes (height, width) of a unit's box, in order.

    Raises
    ------
    MissingFileError, StorageError, ImageError
    """
    return _source_planes(unit) if unit.finest is None else _planes_of_chunks(unit, unit.finest)


def _source_planes(unit: Unit) -> Iterator[Plane]:
    """Planes of a unit as the source has them; black where there is none."""
    (left, top, first), (right, bottom, end) = unit.box.begin, unit.box.end
    for z in range(first, end):
        plane = unit.source.read(z, slice(top, bottom), slice(left, right))
        yield np.zeros((bottom - top, right - left), unit.source.dtype) if plane is None else plane


def _planes_of_chunks(unit: Unit, finest: Scale) -> Iterator[Plane]:
    """Planes of a unit from the chunks of the finest scale, some planes in memory at a time."""
    (left, top, first), (right, bottom, end) = unit.box.begin, unit.box.end
    for z in range(first, end, unit.planes_at_once):
        planes = Box((left, top, z), (right, bottom, min(z + unit.planes_at_once, end)))
        try:
            yield from _samples_of_chunks(unit, finest, planes)
        except MissingFileError:  # chunks that a shard holds already
            yield from _source_planes(replace(unit, box=planes))


def _samples_of_chunks(unit: Unit, finest: Scale, box: Box) -> Plane:
    """Samples (z, y, x) of a box that lies in one layer of chunks."""
    width, height, depth = box.size
    left, top, first = box.begin
    samples = np.empty((depth, height, width), unit.source.dtype)
    decode = CHUNK_FORMATS[unit.settings.chunk_format].decode
    layer = replace(box, begin=(left, top, first - first % finest.chunk_size[2]))
    for chunk in finest.chunks_in(layer):
        (x0, y0, z0), (x1, y1, _) = chunk.begin, chunk.end
        content = storage.read_bytes(unit.settings.chunk_uri(finest, chunk))
        decoded = decode(content, chunk.size[::-1], unit.source.dtype, finest)
        samples[:, y0 - top : y1 - top, x0 - left : x1 - left] = decoded[first - z0 : first - z0 + depth]
    return samples
