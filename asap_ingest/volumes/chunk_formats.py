"""How a chunk becomes a file: the table of formats.

A chunk is a little-endian array (z, y, x).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import ImageError
from asap_ingest.volumes.grid import Box, Scale

Chunk = NDArray[Any]


@dataclass(frozen=True)
class ChunkFormat:
    """One way to lay chunks out as files.

    Attributes
    ----------
    name_of : callable
        `name_of(scale, chunk)`, the file's path below the folder of its scale.
    encode : callable
        `encode(chunk, scale)`, the bytes of the file.
    decode : callable
        `decode(content, shape, dtype, scale)`, the chunk (z, y, x) of a file.
    fills_chunks : bool
        Chunks at upper ends are made as large as the others.
    folder : str
        Where the folders of the scales lie in that of the volume: apart, for chunks that are only on
        their way into shards.
    """

    name_of: Callable[[Scale, Box], str]
    encode: Callable[[Chunk, Scale], bytes]
    decode: Callable[[bytes, tuple[int, ...], np.dtype[Any], Scale], Chunk]
    fills_chunks: bool = False
    folder: str = ""


def raw_bytes(chunk: Chunk, scale: Scale) -> bytes:
    """The samples, x fastest: what `raw` means in the precomputed format."""
    return chunk.tobytes()


def raw_samples(content: bytes, shape: tuple[int, ...], dtype: np.dtype[Any], scale: Scale) -> Chunk:
    """What `raw_bytes` wrote."""
    return np.frombuffer(content, dtype.newbyteorder("<")).reshape(shape)


def tiff_bytes(chunk: Chunk, scale: Scale) -> bytes:
    """An uncompressed TIFF with one page per plane, and the voxel size where ImageJ looks for it."""
    # what stands around the samples depends on these alone, and takes longer to make than they
    head, tail = _around_samples(chunk.shape, chunk.dtype, scale.resolution_nm)
    return b"".join((head, chunk.tobytes(), tail))


@lru_cache(maxsize=256)
def _around_samples(
    shape: tuple[int, ...], dtype: np.dtype[Any], resolution_nm: tuple[float, float, float]
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
        # ImageJ's own words; tifffile's way of writing them squeezes planes of one column
        description=f"ImageJ=1.54\nimages={depth}\nslices={depth}\nspacing={z_nm / 1000}\nunit=um\n",
        metadata=None,
        software=False,
        byteorder="<",
        returnoffset=True,
    )
    begin, content = written[0], file.getvalue()
    # the pages lie one behind the other; tifffile tells where the first ends
    return content[:begin], content[begin + blank.nbytes :]


def tiff_samples(content: bytes, most_bytes: int | None = None) -> Chunk:
    """The samples (z, y, x) of a TIFF with one page per plane, little-endian.

    Raises
    ------
    ImageError
        It is no such TIFF, or its samples take more than `most_bytes`.
    """
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(content)) as tiff:
            samples = _samples_in_one_piece(tiff, content)
            if samples is None:
                size = sum(page.nbytes for page in tiff.pages)
                if most_bytes is not None and size > most_bytes:
                    raise ImageError(f"has {size:,} bytes of samples; at most {most_bytes:,} are expected")
                samples = np.stack([page.asarray() for page in tiff.pages])
    except (tifffile.TiffFileError, ValueError, IndexError, struct.error) as error:
        raise ImageError(f"is not a TIFF with equal pages: {error}") from error
    if samples.ndim != 3:
        raise ImageError(f"has pages of shape {samples.shape[1:]}; a chunk's are (height, width)")
    return samples.astype(samples.dtype.newbyteorder("<"), copy=False)


def _samples_in_one_piece(tiff: Any, content: bytes) -> Chunk | None:
    """The samples where all pages lie one behind the other, as we write them; page by page is slow."""
    first, last, depth = tiff.pages.first, tiff.pages[-1], len(tiff.pages)
    page_bytes = first.size * first.dtype.itemsize
    is_plain = first.is_contiguous and first.compression == 1 and first.ndim == 2
    offset = first.dataoffsets[0]
    if not is_plain or last.dataoffsets[0] != offset + (depth - 1) * page_bytes or last.shape != first.shape:
        return None
    dtype = first.dtype.newbyteorder(tiff.byteorder)
    return np.frombuffer(content, dtype, depth * first.size, offset).reshape(depth, *first.shape)


def zarr_bytes(chunk: Chunk, scale: Scale) -> bytes:
    """The samples, compressed; a chunk at an upper end is filled up with zeros."""
    import imagecodecs

    whole = np.zeros(scale.chunk_size[::-1], chunk.dtype)
    whole[tuple(slice(length) for length in chunk.shape)] = chunk
    return bytes(imagecodecs.zstd_encode(whole.tobytes(), level=ZSTD_LEVEL))


def zarr_samples(content: bytes, shape: tuple[int, ...], dtype: np.dtype[Any], scale: Scale) -> Chunk:
    """What `zarr_bytes` wrote, without what a chunk at an upper end is filled up with."""
    import imagecodecs

    whole = raw_samples(bytes(imagecodecs.zstd_decode(content)), scale.chunk_size[::-1], dtype, scale)
    return whole[tuple(slice(length) for length in shape)]


def _zarr_name(scale: Scale, chunk: Box) -> str:
    return f"c/{_zarr_2_name(scale, chunk)}"


def _zarr_2_name(scale: Scale, chunk: Box) -> str:
    indices = [begin // length for begin, length in zip(chunk.begin, scale.chunk_size, strict=True)]
    return "/".join(str(index) for index in reversed(indices))


#: Fast rather than small: electron micrographs hardly shrink further.
ZSTD_LEVEL = 1

#: Formats by name: what `format` may say, and zarr of version 2, which `zarr_format` chooses.
CHUNK_FORMATS = {
    "raw": ChunkFormat(Scale.chunk_name, raw_bytes, raw_samples),
    "sharded": ChunkFormat(Scale.chunk_name, raw_bytes, raw_samples, folder=".raw"),
    "tiff": ChunkFormat(
        lambda scale, chunk: f"{scale.chunk_name(chunk)}.tiff",
        tiff_bytes,
        lambda content, shape, dtype, scale: tiff_samples(content),
    ),
    "zarr": ChunkFormat(_zarr_name, zarr_bytes, zarr_samples, fills_chunks=True),
    "zarr2": ChunkFormat(_zarr_2_name, zarr_bytes, zarr_samples, fills_chunks=True),
}
