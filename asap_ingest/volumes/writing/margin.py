"""Planes that do not begin where the volume does: black voxels before them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.grid import Triple
from asap_ingest.volumes.writing.unit import PlaneSource


@dataclass(frozen=True)
class WithMargin:
    """A source with black voxels before it, as a `PlaneSource`.

    Attributes
    ----------
    before : triple of int
        Black voxels along x, y and z.
    """

    source: PlaneSource
    before: Triple

    @property
    def size(self) -> Triple:
        x, y, z = (length + more for length, more in zip(self.source.size, self.before, strict=True))
        return x, y, z

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.source.dtype

    def part(self, first: int, end: int) -> WithMargin:
        z = self.before[2]
        return replace(self, source=self.source.part(max(0, first - z), max(0, end - z)))

    def read(self, z: int, rows: slice, columns: slice) -> NDArray[Any] | None:
        """Samples (height, width) of a part of a plane; None before the first plane of the source."""
        left, top, first = self.before
        if z < first:
            return None
        plane = np.zeros((rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        y, x = max(rows.start - top, 0), max(columns.start - left, 0)
        bottom, right = rows.stop - top, columns.stop - left
        if bottom > y and right > x:
            samples = self.source.read(z - first, slice(y, bottom), slice(x, right))
            if samples is None:
                return None
            plane[y + top - rows.start :, x + left - columns.start :] = samples
        return plane
