"""Planes from files: one image per plane, or the pages of one TIFF."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images.planes import PlaneFile, read_plane
from asap_ingest.precomputed.grid import Triple


@dataclass(frozen=True)
class ImagePlanes:
    """A stack of planes in files, as a `PlaneSource`.

    Attributes
    ----------
    sample_type : str
        Name of the samples' type, like `uint16`.
    whole_planes : bool
        Whatever part of a plane is read, all of it is decoded.
    first : int
        z of the first of the planes.
    """

    planes: tuple[PlaneFile, ...]
    size: Triple
    sample_type: str
    whole_planes: bool = False
    first: int = 0

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.sample_type)

    def part(self, first: int, end: int) -> ImagePlanes:
        planes = self.planes[first - self.first : end - self.first]
        return replace(self, planes=planes, first=first)

    def read(self, z: int, rows: slice, columns: slice) -> NDArray[Any]:
        """Samples (height, width) of a part of a plane; of files that allow it, only its rows are read.

        Raises
        ------
        StorageError, ImageError
            The file is not what it was when it was looked at first.
        """
        width, height, _ = self.size
        return read_plane(self.planes[z - self.first], (height, width), self.dtype, rows, columns)
