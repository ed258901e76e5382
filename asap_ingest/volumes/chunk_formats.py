"""The table of chunk formats: how a chunk becomes a file, and how the volume describes itself.

A chunk is a little-endian array (z, y, x).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import floordiv
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.axes import per_axis
from asap_ingest.volumes.grid import Box, Scale
from asap_ingest.volumes.info import ZSTD_LEVEL, precomputed_files, zarr_2_files, zarr_files
from asap_ingest.volumes.tiff_chunks import tiff_bytes, tiff_samples

Chunk = NDArray[Any]


@dataclass(frozen=True)
class ChunkFormat:
    """One way to store a volume.

    Attributes
    ----------
    chunk_name : callable
        `chunk_name(scale, chunk)`, the file's path below the folder of its scale.
    encode : callable
        `encode(chunk, scale)`, the bytes of the file.
    decode : callable
        `decode(content, shape, dtype, scale)`, the chunk (z, y, x) in a file.
    describe : callable
        `describe(scales, dtype, kind)`, the files beside the chunks, by name; the last one makes the
        folder a volume.
    fills_chunks : bool
        Chunks at upper ends are as large as the others.
    is_sharded : bool
        Chunks are files only until tensorstore, which is required, packs them into shards.
    """

    chunk_name: Callable[[Scale, Box], str]
    encode: Callable[[Chunk, Scale], bytes]
    decode: Callable[[bytes, tuple[int, ...], np.dtype[Any], Scale], Chunk]
    describe: Callable[[Sequence[Scale], np.dtype[Any], str], dict[str, bytes]]
    fills_chunks: bool = False
    is_sharded: bool = False


def raw_bytes(chunk: Chunk, scale: Scale) -> bytes:
    """The samples, x fastest: `raw` of the precomputed format."""
    return chunk.tobytes()


def raw_samples(content: bytes, shape: tuple[int, ...], dtype: np.dtype[Any], scale: Scale) -> Chunk:
    """Inverse of `raw_bytes`."""
    return np.frombuffer(content, dtype.newbyteorder("<")).reshape(shape)


def zarr_bytes(chunk: Chunk, scale: Scale) -> bytes:
    """The samples, compressed; a chunk at an upper end is filled up with zeros."""
    import imagecodecs

    whole = np.zeros(scale.chunk_size[::-1], chunk.dtype)
    whole[tuple(map(slice, chunk.shape))] = chunk
    return bytes(imagecodecs.zstd_encode(whole.tobytes(), level=ZSTD_LEVEL))


def zarr_samples(content: bytes, shape: tuple[int, ...], dtype: np.dtype[Any], scale: Scale) -> Chunk:
    """Inverse of `zarr_bytes`, without the zeros of a chunk at an upper end."""
    import imagecodecs

    whole = raw_samples(bytes(imagecodecs.zstd_decode(content)), scale.chunk_size[::-1], dtype, scale)
    return whole[tuple(map(slice, shape))]


def _zarr_2_name(scale: Scale, chunk: Box) -> str:
    return "/".join(map(str, per_axis(floordiv, chunk.begin, scale.chunk_size)[::-1]))


#: Formats by name: the choices of the parameter `format`, and zarr of version 2, which `zarr_format` chooses.
CHUNK_FORMATS = {
    "tiff": ChunkFormat(
        lambda scale, chunk: f"{scale.chunk_name(chunk)}.tiff",
        lambda chunk, scale: tiff_bytes(chunk, scale.resolution_nm),
        lambda content, shape, dtype, scale: tiff_samples(content),
        precomputed_files,
    ),
    "raw": ChunkFormat(Scale.chunk_name, raw_bytes, raw_samples, precomputed_files),
    "sharded": ChunkFormat(Scale.chunk_name, raw_bytes, raw_samples, precomputed_files, is_sharded=True),
    "zarr": ChunkFormat(
        lambda scale, chunk: f"c/{_zarr_2_name(scale, chunk)}",
        zarr_bytes,
        zarr_samples,
        zarr_files,
        fills_chunks=True,
    ),
    "zarr2": ChunkFormat(_zarr_2_name, zarr_bytes, zarr_samples, zarr_2_files, fills_chunks=True),
}
