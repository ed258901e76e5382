"""Planes from files: one image per plane, or the pages of one TIFF."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.errors import ImageError, StorageError
from asap_ingest.images import formats
from asap_ingest.precomputed.grid import Triple

Plane = NDArray[Any]

#: First bytes of TIFF and BigTIFF files, of either byte order.
TIFF_STARTS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
#: Bytes of rows that are read at once where only some of their columns are kept.
_ROWS_BYTES = 1 << 22


@dataclass(frozen=True)
class PlaneFile:
    """Where the samples of a plane lie.

    Attributes
    ----------
    file : str
        Path of the image file.
    page : int
        Of a TIFF.
    offset : int or None
        First byte of the samples, where they lie in the file as they lie in memory.
    big_endian : bool
        The samples then have their highest byte first.
    directory : int or None
        First byte of what a TIFF says of the page, where the samples must be decoded.
    """

    file: str
    page: int = 0
    offset: int | None = None
    big_endian: bool = False
    directory: int | None = None


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

    def read(self, z: int, rows: slice, columns: slice) -> Plane:
        """Samples (height, width) of a part of a plane; of files that allow it, only its rows are read.

        Raises
        ------
        StorageError, ImageError
            The file is not what it was when it was looked at first.
        """
        plane = self.planes[z - self.first]
        if plane.offset is not None:
            return self._rows_of(plane, plane.offset, rows, columns)
        if plane.directory is not None:
            return self._segments_of(plane, plane.directory, rows, columns)
        try:
            whole = formats.decode(storage.read_bytes(plane.file))
        except ImageError as error:
            raise ImageError(f"{plane.file}: {error}") from error
        self._refuse_changed(plane, whole.shape, whole.dtype)
        return whole[rows, columns]

    def _refuse_changed(self, plane: PlaneFile, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        width, height, _ = self.size
        if shape != (height, width) or dtype != self.dtype:
            raise ImageError(
                f"{plane.file}: changed: it has {dtype} samples of shape {shape}, "
                f"and had {self.dtype} of {(height, width)}"
            )

    def _rows_of(self, plane: PlaneFile, offset: int, rows: slice, columns: slice) -> Plane:
        sample_type, width = self.dtype.newbyteorder(">" if plane.big_endian else "<"), self.size[0]
        row_bytes = width * sample_type.itemsize
        samples = np.empty((rows.stop - rows.start, columns.stop - columns.start), sample_type)
        whole_rows = samples.shape[1] == width
        step = len(samples) if whole_rows else max(1, _ROWS_BYTES // row_bytes)
        try:
            with Path(plane.file).open("rb", buffering=0) as file:
                file.seek(offset + rows.start * row_bytes)
                for start in range(0, len(samples), step):
                    part = samples[start : start + step]
                    read = part if whole_rows else np.empty((len(part), width), sample_type)
                    if not _filled(read, file):
                        raise ImageError(f"{plane.file}: ends within plane {plane.page}")
                    part[:] = read if whole_rows else read[:, columns]
        except OSError as error:
            raise StorageError(plane.file, error.strerror or str(error)) from error
        return samples.astype(self.dtype, copy=False)

    def _segments_of(self, plane: PlaneFile, directory: int, rows: slice, columns: slice) -> Plane:
        """Decode the strips or tiles of a page that rows and columns touch."""
        import tifffile

        samples = np.empty((rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        try:
            with tifffile.TiffFile(plane.file) as tiff:
                tiff.filehandle.seek(directory)
                page = tifffile.TiffPage(tiff, plane.page)
                self._refuse_changed(plane, page.shape, np.dtype(page.dtype).newbyteorder("="))
                for number, place in _segments(page):
                    if _meet(place[0], rows) and _meet(place[1], columns):
                        _copy(_decoded(page, number), place, samples, (rows, columns))
        except OSError as error:
            raise StorageError(plane.file, error.strerror or str(error)) from error
        except (tifffile.TiffFileError, *DAMAGED) as error:
            raise ImageError(f"{plane.file}: page {plane.page} cannot be decoded: {error}") from error
        return samples


#: What the libraries raise for damaged files.
DAMAGED = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


def _filled(samples: Plane, file: FileIO) -> bool:
    """Read as many bytes as an array has; False if the file ends before."""
    view = memoryview(samples.reshape(-1).view(np.uint8).data)
    while view:
        count = file.readinto(view)
        if not count:
            return False
        view = view[count:]
    return True


def _segments(page: Any) -> Iterator[tuple[int, tuple[slice, slice]]]:
    """Strips or tiles of a gray page, with the rows and columns that each covers."""
    height, width = page.shape
    down, across = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, width)
    places = ((y, x) for y in range(0, height, down) for x in range(0, width, across))
    for number, (y, x) in enumerate(places):
        yield number, (slice(y, min(y + down, height)), slice(x, min(x + across, width)))


def _decoded(page: Any, number: int) -> Plane:
    """Samples (height, width) of a strip or tile; tiles at the edges may be larger than what they cover."""
    file = page.parent.filehandle
    file.seek(page.dataoffsets[number])
    content = file.read(page.databytecounts[number])
    if not content or len(content) < page.databytecounts[number]:
        raise ValueError(f"strip or tile {number} is not in the file")
    # strips of JPEG may leave what they have in common to the page
    shared = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader} if page.jpegtables else {}
    samples, _, _ = page.decode(content, number, **shared)
    return samples[0, :, :, 0]


def _meet(one: slice, other: slice) -> bool:
    return one.start < other.stop and other.start < one.stop


def _copy(segment: Plane, place: tuple[slice, slice], samples: Plane, wanted: tuple[slice, slice]) -> None:
    """Put what a segment has of the wanted rows and columns into an array of these."""
    common = [
        slice(max(has.start, want.start), min(has.stop, want.stop))
        for has, want in zip(place, wanted, strict=True)
    ]
    rows, columns = (_from(part, has.start) for part, has in zip(common, place, strict=True))
    into = tuple(_from(part, want.start) for part, want in zip(common, wanted, strict=True))
    samples[into] = segment[rows, columns]


def _from(part: slice, start: int) -> slice:
    return slice(part.start - start, part.stop - start)
