"""Chunks as TIFF files with one page per plane, which Fiji opens."""

from __future__ import annotations

import io
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import ImageError
from asap_ingest.images.damage import naming_damage
from asap_ingest.volumes.axes import Lengths

Chunk = NDArray[Any]


def tiff_bytes(chunk: Chunk, resolution_nm: Lengths) -> bytes:
    """An uncompressed TIFF with one page per plane, and the voxel size in ImageJ's description."""
    # header and tags depend on these alone, and take longer to make than the samples
    head, tail = _around_samples(chunk.shape, chunk.dtype, resolution_nm)
    return b"".join((head, chunk.tobytes(), tail))


@lru_cache(maxsize=256)
def _around_samples(
    shape: tuple[int, ...], dtype: np.dtype[Any], resolution_nm: Lengths
) -> tuple[bytes, bytes]:
    import tifffile

    file = io.BytesIO()
    x_nm, y_nm, z_nm = resolution_nm
    depth = shape[0]
    blank = np.zeros(shape, dtype)
    written: Any = tifffile.imwrite(
        file,
        blank,
        photometric="minisblack",
        resolution=(1000 / x_nm, 1000 / y_nm),
        # written here, as tifffile's own ImageJ description squeezes planes of one column
        description=f"ImageJ=1.54\nimages={depth}\nslices={depth}\nspacing={z_nm / 1000}\nunit=um\n",
        metadata=None,
        software=False,
        byteorder="<",
        returnoffset=True,
    )
    begin, content = written[0], file.getvalue()
    # the pages are contiguous, and tifffile returns the offset of the first
    return content[:begin], content[begin + blank.nbytes :]


def tiff_samples(content: bytes, most_bytes: int | None = None) -> Chunk:
    """The samples (z, y, x) of a TIFF with one page per plane, little-endian.

    Raises
    ------
    ImageError
        It is damaged, its pages are not such planes, or their samples take more than `most_bytes`.
    """
    import tifffile

    with naming_damage(), tifffile.TiffFile(io.BytesIO(content)) as tiff:
        samples = _samples_in_one_piece(tiff, content)
        if samples is None:
            size = sum(page.nbytes for page in tiff.pages)
            if most_bytes is not None and size > most_bytes:
                raise ImageError(f"has {size:,} bytes of samples; at most {most_bytes:,} are expected")
            shapes = sorted({page.shape for page in tiff.pages})
            if len(shapes) != 1 or len(shapes[0]) != 2:
                raise ImageError(f"has pages of shapes {shapes}; those of a chunk are equal: (height, width)")
            samples = np.stack([page.asarray() for page in tiff.pages])
    return samples.astype(samples.dtype.newbyteorder("<"), copy=False)


def _samples_in_one_piece(tiff: Any, content: bytes) -> Chunk | None:
    """The samples if all pages are contiguous, as we write them; reading page by page is slow."""
    first, last, depth = tiff.pages.first, tiff.pages[-1], len(tiff.pages)
    page_bytes = first.size * first.dtype.itemsize
    is_plain = first.is_contiguous and first.compression == 1 and first.ndim == 2
    offset = first.dataoffsets[0]
    if not is_plain or last.dataoffsets[0] != offset + (depth - 1) * page_bytes or last.shape != first.shape:
        return None
    dtype = first.dtype.newbyteorder(tiff.byteorder)
    return np.frombuffer(content, dtype, depth * first.size, offset).reshape(depth, *first.shape)
