"""Planes of volumes in image files: where each lies, and the samples of any part of one.

A plane may be larger than memory, and a file may hold thousands: where the file allows it, only the rows that
are asked for are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asap_ingest.errors import ImageError, StorageError
from asap_ingest.images.damage import naming_damage
from asap_ingest.images.pictures import opened_picture, picture_head, picture_samples
from asap_ingest.images.pixels import Image, gray_pixels
from asap_ingest.images.tiff_pages import opened_tiff, page_head, read_samples

#: Bytes of rows that are read at once where only some of their columns are used.
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
        First byte of the samples if they are stored as they lie in memory.
    big_endian : bool
        Byte order of such samples.
    directory : int or None
        First byte of the page's directory in a TIFF if the samples must be decoded.
    """

    file: str
    page: int = 0
    offset: int | None = None
    big_endian: bool = False
    directory: int | None = None


@dataclass(frozen=True)
class PlaneStack:
    """The planes that a file holds, or that a set of files holds together.

    Attributes
    ----------
    shape : tuple of int
        (planes, height, width)
    sample_type : str
        NumPy's name of the type that `read_plane` gives.
    stored_type : str
        NumPy's name of the type of the samples in the file.
    may_have_colours : bool
        Only the pixels show whether the planes are gray.
    whole_planes : bool
        Planes can be decoded only as a whole.
    voxel_size_nm : triple of float or None
        From the metadata of the file.
    left_out : str
        Description of images in the file that are not planes; empty if there are none.
    """

    file: str
    shape: tuple[int, int, int]
    sample_type: str
    stored_type: str
    planes: tuple[PlaneFile, ...]
    may_have_colours: bool = False
    whole_planes: bool = False
    voxel_size_nm: tuple[float, float, float] | None = None
    left_out: str = ""


def picture_stack(file: str) -> PlaneStack:
    """The one plane of a PNG or JPEG."""
    with opened_picture(file) as picture:
        head = picture_head(picture)
    return PlaneStack(
        file,
        (1, *head.shape_yx),
        head.gray_type,
        head.sample_type,
        (PlaneFile(file),),
        may_have_colours=head.may_have_colours,
        whole_planes=True,
    )


def require_gray(stack: PlaneStack) -> None:
    """Raise ImageError if a plane is not gray; reads its pixels, a band of rows at a time."""
    if not stack.may_have_colours:
        return
    _, height, width = stack.shape
    band = height if stack.whole_planes else max(1, _ROWS_BYTES // width)
    for plane in stack.planes:
        for start in range(0, height, band):
            rows = slice(start, min(start + band, height))
            read_plane(plane, (height, width), np.dtype(stack.sample_type), rows, slice(0, width))


def read_plane(
    plane: PlaneFile, shape_yx: tuple[int, int], dtype: np.dtype, rows: slice, columns: slice
) -> Image:
    """Gray values or labels of a part of a plane.

    Parameters
    ----------
    shape_yx, dtype
        Of the whole plane, as found when the file was first opened.

    Returns
    -------
    ndarray of `dtype`, shape (rows, columns)

    Raises
    ------
    StorageError
        The file cannot be read.
    ImageError
        It is damaged, or has changed since it was first opened.
    """
    try:
        if plane.offset is not None:
            return _plain_rows(plane, plane.offset, (shape_yx[1], dtype), rows, columns)
        return _decoded(plane, shape_yx, dtype, rows, columns)
    except OSError as error:
        raise StorageError(plane.file, error.strerror or str(error)) from error
    except ImageError as error:
        raise ImageError(f"{plane.file}: {error}") from error


def _decoded(
    plane: PlaneFile, shape_yx: tuple[int, int], dtype: np.dtype, rows: slice, columns: slice
) -> Image:
    if plane.directory is None:
        with opened_picture(plane.file) as picture:
            head = picture_head(picture)
            samples = picture_samples(picture)[rows, columns]
    else:
        import tifffile

        with opened_tiff(plane.file) as tiff, naming_damage(f"page {plane.page}"):
            tiff.filehandle.seek(plane.directory)
            page = tifffile.TiffPage(tiff, plane.page)
            head = page_head(page)
            samples = read_samples(page, rows, columns) if head.shape_yx == shape_yx else np.empty(0)
    if (head.shape_yx, head.gray_type) != (shape_yx, dtype.name):
        raise ImageError(
            f"changed: it has {head.gray_type} samples of shape {head.shape_yx}, "
            f"and had {dtype} of {shape_yx}"
        )
    return gray_pixels(samples, head)


def _plain_rows(
    plane: PlaneFile, offset: int, row: tuple[int, np.dtype], rows: slice, columns: slice
) -> Image:
    """Samples that are stored as they lie in memory; `row` is their number in a row, and their type."""
    width, dtype = row
    stored = dtype.newbyteorder(">" if plane.big_endian else "<")
    whole_rows = columns.stop - columns.start == width
    step = rows.stop - rows.start if whole_rows else max(1, _ROWS_BYTES // (width * stored.itemsize))
    parts = []
    with Path(plane.file).open("rb", buffering=0) as file:
        file.seek(offset + rows.start * width * stored.itemsize)
        for start in range(rows.start, rows.stop, step):
            count = min(step, rows.stop - start)
            samples = np.fromfile(file, stored, count * width)
            if samples.size < count * width:
                raise ImageError(f"is cut short: it ends within plane {plane.page}")
            part = samples.reshape(count, width)[:, columns].astype(dtype, copy=False)
            parts.append(part if whole_rows else np.ascontiguousarray(part))
    return parts[0] if len(parts) == 1 else np.concatenate(parts)
