"""Planes from files: one image per plane, or the pages of one TIFF."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images.plane_samples import PlaneFile, read_plane
from asap_ingest.volumes.grid import Triple

#: Enough that a changed plane is not taken for the old one: one in 10**14.
_FINGERPRINT_DIGITS = 12


@dataclass(frozen=True)
class ImagePlanes:
    """A stack of planes in files, as a `PlaneSource`.

    Attributes
    ----------
    sample_type : str
        Name of the samples' type, like `uint16`.
    planes : tuple of PlaneFile or None
        None where there is nothing to show.
    whole_planes : bool
        Whatever part of a plane is read, all of it is decoded.
    first : int
        z of the first of the planes.
    """

    planes: tuple[PlaneFile | None, ...]
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

    def read(self, z: int, rows: slice, columns: slice) -> NDArray[Any] | None:
        """Samples (height, width) of a part of a plane; of files that allow it, only its rows are read.

        None where there is nothing to show.

        Raises
        ------
        StorageError, ImageError
            The file is not what it was when it was looked at first.
        """
        width, height, _ = self.size
        plane = self.planes[z - self.first]
        return None if plane is None else read_plane(plane, (height, width), self.dtype, rows, columns)

    @property
    def files(self) -> list[str]:
        """Absolute paths of all files, each once, in the order of the planes."""
        return list(dict.fromkeys(map(os.path.abspath, self._names)))

    @property
    def _names(self) -> dict[str, None]:
        return dict.fromkeys(plane.file for plane in self.planes if plane is not None)

    def fingerprints(self) -> list[str]:
        """For each plane, what changes with its file: of path, length, time and place in it."""
        states = {name: _state_of(name) for name in self._names}
        return ["" if plane is None else _fingerprint(states[plane.file], plane) for plane in self.planes]


def _state_of(name: str) -> str:
    file = Path(name).resolve()
    status = file.stat()
    return f"{file} {status.st_size} {status.st_mtime_ns}"


def _fingerprint(state: str, plane: PlaneFile) -> str:
    described = f"{state} {plane.page} {plane.offset} {plane.directory}"
    return hashlib.sha256(described.encode(errors="surrogateescape")).hexdigest()[:_FINGERPRINT_DIGITS]
