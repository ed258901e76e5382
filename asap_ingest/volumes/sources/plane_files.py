"""Planes from files: one image per plane, or the pages of one TIFF."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images.plane_samples import PlaneFile, read_plane
from asap_ingest.volumes.axes import Triple, per_axis

#: A changed plane has the old fingerprint once in 10**14.
_FINGERPRINT_DIGITS = 12


@dataclass(frozen=True)
class ImagePlanes:
    """A stack of planes in files; a `PlaneSource` of `writing`.

    Attributes
    ----------
    planes : tuple of PlaneFile or None
        None for a black plane.
    sample_type : str
        Name of the samples' type, like `uint16`.
    whole_planes : bool
        All of a plane is decoded, whatever part of it is read.
    first : int
        z of the first plane in `planes`.
    margin : pair of int
        Black columns and rows before the images, which `size` includes.
    """

    planes: tuple[PlaneFile | None, ...]
    size: Triple
    sample_type: str
    whole_planes: bool = False
    first: int = 0
    margin: tuple[int, int] = (0, 0)

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.sample_type)

    def part(self, first: int, end: int) -> ImagePlanes:
        planes = self.planes[first - self.first : end - self.first]
        return replace(self, planes=planes, first=first)

    def with_margin(self, before: Triple) -> ImagePlanes:
        """The planes with so many black voxels before them along x, y and z."""
        x, y, z = before
        size = per_axis(add, self.size, before)
        return replace(self, planes=(*[None] * z, *self.planes), size=size, margin=(x, y))

    def read(self, z: int, rows: slice, columns: slice) -> NDArray[Any] | None:
        """Samples (height, width) of a part of a plane; None for a black plane.

        Only its rows are read where the file allows that.

        Raises
        ------
        StorageError, ImageError
            The file has changed since the preflight.
        """
        plane = self.planes[z - self.first]
        if plane is None:
            return None
        (left, top), (width, height, _) = self.margin, self.size
        image_yx = (height - top, width - left)
        y = slice(max(rows.start - top, 0), rows.stop - top)
        x = slice(max(columns.start - left, 0), columns.stop - left)
        # rows and columns of the margin in this part
        black_rows, black_columns = y.start + top - rows.start, x.start + left - columns.start
        if not (black_rows or black_columns):
            return read_plane(plane, image_yx, self.dtype, y, x)
        samples = np.zeros((rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        if y.stop > y.start and x.stop > x.start:
            samples[black_rows:, black_columns:] = read_plane(plane, image_yx, self.dtype, y, x)
        return samples

    @property
    def files(self) -> list[str]:
        """Absolute paths of all files, each once, in the order of the planes."""
        return list(dict.fromkeys(map(os.path.abspath, self._names)))

    @property
    def _names(self) -> list[str]:
        """Files as they were named, each once."""
        return list(dict.fromkeys(plane.file for plane in self.planes if plane is not None))

    def fingerprints(self) -> list[str]:
        """For each plane a hash of path, length and time of its file, and of its place there; "" if black."""
        states = {name: _state_of(name) for name in self._names}
        return ["" if plane is None else _fingerprint(states[plane.file], plane) for plane in self.planes]


def _state_of(name: str) -> str:
    file = Path(name).resolve()
    status = file.stat()
    return f"{file} {status.st_size} {status.st_mtime_ns}"


def _fingerprint(state: str, plane: PlaneFile) -> str:
    described = f"{state} {plane.page} {plane.offset} {plane.directory}"
    return hashlib.sha256(described.encode(errors="surrogateescape")).hexdigest()[:_FINGERPRINT_DIGITS]
