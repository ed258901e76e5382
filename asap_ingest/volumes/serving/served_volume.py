"""A folder as a volume that can be served: its position in space, and the files that belong to it.

A volume's metadata name folders; a pattern per folder says which files are served. No other path is opened.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

#: A name in a path: not empty, not hidden, without separators and control characters.
_SEGMENT = r"[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*"
#: Of a path in characters, with room for the folder of the volume; of a name in bytes, as in file systems.
LONGEST_PATH, LONGEST_NAME = 2000, 255
ANY_FILE = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*")


class DescriptionError(Exception):
    """Why the metadata in a folder describe no volume that can be served."""


@dataclass(frozen=True)
class Folder:
    """A folder that the metadata of a volume name.

    Attributes
    ----------
    names : re.Pattern
        Names of the files below it that belong to the volume.
    data_type : str
        Of samples, where files are chunks of plain samples whose names hold their bounds; else empty.
    compressible : bool
        Whether its files are worth compressing for a response, as their content is not compressed.
    """

    names: re.Pattern[str] = ANY_FILE
    data_type: str = ""
    channels: int = 1
    compressible: bool = False
    media_type: str = "application/octet-stream"

    def file(self, path: str, name: str) -> ServedFile | None:
        """The file `name` of this folder, at `path` in the volume; None for any other name."""
        match = self.names.fullmatch(name)
        if match is None:
            return None
        if not self.data_type:
            return ServedFile(path, self)
        bounds = tuple(map(int, match.groups()))
        shape = (end - begin for begin, end in zip(bounds[::2], bounds[1::2], strict=True))
        return ServedFile(path, self, (self.channels, *reversed(tuple(shape))))


_METADATA = Folder(compressible=True, media_type="application/json")


@dataclass(frozen=True)
class ServedFile:
    """A file of a volume, as a request names it.

    Attributes
    ----------
    path : str
        In the volume.
    shape : tuple of int
        Of plain samples (channels, z, y, x); empty for any other content.
    left_out : tuple of str
        Fields of a metadata file that are not sent.
    """

    path: str
    folder: Folder
    shape: tuple[int, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def size(self) -> int | None:
        """How many bytes the samples take; None for any other content."""
        return math.prod(self.shape) * np.dtype(self.folder.data_type).itemsize if self.shape else None


@dataclass(frozen=True)
class Axis:
    """One axis of space at the finest scale.

    Attributes
    ----------
    length : float
        Side of a voxel in `unit`, which is "m", or empty where the metadata name none.
    start : float
        Position of the first voxel, in voxels.
    size : int
        Number of voxels.
    """

    name: str
    length: float
    unit: str
    start: float
    size: int

    def __post_init__(self) -> None:
        if self.length <= 0:
            raise DescriptionError(f"the metadata have voxels of length {self.length} along {self.name}")


@dataclass(frozen=True, eq=False)
class ServedVolume:
    """A volume, as its metadata describe it.

    Attributes
    ----------
    root : Path
        Its folder, without links.
    scheme : str
        Of Neuroglancer's source URLs for this format, like `precomputed`.
    kind : str
        `image` or `segmentation`.
    axes : tuple of Axis
        x, y, z; empty where the metadata do not place the volume in space.
    metadata_files : frozenset of str
        Their paths in the volume.
    folders : mapping
        Folders by their paths in the volume.
    scales : tuple of str
        Paths of the folders of the scales, finest first.
    side_folders : mapping
        Paths of the folders of meshes, skeletons and properties, which may not exist, by field of `info`.
    name : str
        Path in the address of the server; empty for the folder that is served itself.
    labels : tuple of str
        Paths of volumes of labels that belong to it.
    """

    root: Path
    chunk_format: str
    scheme: str
    kind: str
    axes: tuple[Axis, ...]
    metadata_files: frozenset[str]
    folders: Mapping[str, Folder]
    scales: tuple[str, ...]
    side_folders: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    labels: tuple[str, ...] = ()

    def find(self, path: str) -> ServedFile | None:
        """The file at a path in the volume; None if the volume can have no such file."""
        if path in self.metadata_files:
            # viewers show nothing of a volume that names a missing folder
            missing = tuple(name for name, at in self.side_folders.items() if not (self.root / at).is_dir())
            return ServedFile(path, _METADATA, left_out=missing)
        parts = path.split("/")
        for count in range(len(parts) - 1, -1, -1):
            folder = self.folders.get("/".join(parts[:count]))
            if folder is not None:
                return folder.file(path, "/".join(parts[count:]))
        return None


def is_plain_path(path: Any) -> bool:
    """Whether a path in metadata stays below its folder, has one spelling only, and is not too long."""
    if not isinstance(path, str) or "%" in path or len(path) > LONGEST_PATH:
        return False
    is_named = all(len(name.encode()) <= LONGEST_NAME for name in path.split("/"))
    return is_named and ANY_FILE.fullmatch(path) is not None


def read_json(root: Path, name: str) -> Any:
    """A file of metadata; DescriptionError where it cannot be read."""
    try:
        return orjson.loads((root / name).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise DescriptionError(f"{name} cannot be read: {error}") from error
