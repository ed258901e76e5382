"""Chunks that are files of their own, read as (z, y, x) arrays."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volume_check.description import CheckedScale, Index
from asap_ingest.volume_check.faults import FaultError
from asap_ingest.volume_check.places import Place

Chunk = NDArray[Any]

# what decoders raise for damaged bytes
_DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    RuntimeError,
    TypeError,
    MemoryError,
    struct.error,
    zlib.error,
)
_NAME = re.compile(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)")
#: So many chunks are asked for to find out how they are stored.
_PROBED = 64


class ChunkReader(Protocol):
    """Chunks of one scale, by their index (x, y, z); a FaultError names the file that is wrong."""

    def read(self, index: Index) -> Chunk: ...

    def look(self, index: Index) -> None:
        """Find out, without reading it, whether the chunk is there and as long as it must be."""

    def is_expected(self, name: str) -> bool:
        """Whether a file below the scale's folder belongs there."""


@dataclass(frozen=True)
class _ChunkFiles:
    place: Place
    scale: CheckedScale
    dtype: np.dtype[Any]

    def _bytes(self, name: str) -> bytes:
        content = self.place.read(name)
        if content is None:
            raise FaultError(name, "missing")
        return content

    def _name(self, index: Index) -> str:
        begin, shape = self.scale.begin(index), self.scale.shape_xyz(index)
        ranges = zip(begin, shape, self.scale.offset, strict=True)
        name = "_".join(f"{start + shift}-{start + shift + length}" for start, length, shift in ranges)
        return f"{self.scale.key}/{name}"

    def _is_chunk(self, name: str) -> bool:
        found = _NAME.fullmatch(name)
        if found is None:
            return False
        first = zip(map(int, found.groups()[::2]), self.scale.offset, self.scale.chunk_size, strict=True)
        x, y, z = ((begin - shift) // length for begin, shift, length in first)
        return self.scale.has((x, y, z)) and self._name((x, y, z)) == f"{self.scale.key}/{name}"


class RawChunks(_ChunkFiles):
    """Little-endian samples, x fastest."""

    def read(self, index: Index) -> Chunk:
        name = self._name(index)
        return samples_of(self._bytes(name), name, self.scale.shape_xyz(index), self.dtype)

    def look(self, index: Index) -> None:
        name = self._name(index)
        size = self.place.size(name)
        if size is None:
            raise FaultError(name, "missing")
        check_length(name, size, self.scale.shape_xyz(index), self.dtype)

    def is_expected(self, name: str) -> bool:
        return self._is_chunk(name)


class TiffChunks(_ChunkFiles):
    """TIFF files with one page per plane."""

    def read(self, index: Index) -> Chunk:
        import tifffile

        name = f"{self._name(index)}.tiff"
        content = self._bytes(name)
        try:
            with tifffile.TiffFile(io.BytesIO(content)) as tiff:
                pages = [page.asarray() for page in tiff.pages]
        except (tifffile.TiffFileError, *_DAMAGED) as error:
            raise FaultError(name, f"is a damaged TIFF: {error}") from error
        width, height, depth = self.scale.shape_xyz(index)
        if len(pages) != depth or any(page.shape != (height, width) for page in pages):
            shapes = sorted({page.shape for page in pages})
            problem = f"has {len(pages)} pages of shape {shapes}; there must be {depth} of {(height, width)}"
            raise FaultError(name, problem)
        if any(page.dtype.newbyteorder("=") != self.dtype.newbyteorder("=") for page in pages):
            raise FaultError(name, f"has samples of {pages[0].dtype}; they must be {self.dtype.name}")
        return np.stack(pages)

    def look(self, index: Index) -> None:
        name = f"{self._name(index)}.tiff"
        if not self.place.size(name):
            raise FaultError(name, "missing or empty")

    def is_expected(self, name: str) -> bool:
        return name.endswith(".tiff") and self._is_chunk(name.removesuffix(".tiff"))


class ZarrChunks(_ChunkFiles):
    """Compressed samples, always of whole chunks."""

    def read(self, index: Index) -> Chunk:
        name = self._zarr_name(index)
        content = self._bytes(name)
        first, *compressors = self.scale.layout["codecs"]
        try:
            for codec in reversed(compressors):
                content = _DECODERS[codec["name"]](content)
        except _DAMAGED as error:
            raise FaultError(name, f"cannot be decompressed: {error}") from error
        endian = (first.get("configuration") or {}).get("endian", "little")
        dtype = self.dtype.newbyteorder(">" if endian == "big" else "<")
        whole = samples_of(content, name, self.scale.chunk_size, dtype)
        return whole[tuple(slice(length) for length in self.scale.shape_xyz(index)[::-1])]

    def look(self, index: Index) -> None:
        if not self.place.size(self._zarr_name(index)):
            raise FaultError(self._zarr_name(index), "missing or empty")

    def is_expected(self, name: str) -> bool:
        separator = self.scale.layout["separator"]
        first, *places = name.split(separator)
        if name == "zarr.json" or first != "c" or len(places) != 3 or not all(map(str.isdecimal, places)):
            return name == "zarr.json"
        z, y, x = map(int, places)
        return self.scale.has((x, y, z)) and self._zarr_name((x, y, z)) == f"{self.scale.key}/{name}"

    def _zarr_name(self, index: Index) -> str:
        x, y, z = index
        return f"{self.scale.key}/" + self.scale.layout["separator"].join(("c", str(z), str(y), str(x)))


def samples_of(content: bytes, place: str, shape_xyz: Index, dtype: np.dtype[Any]) -> Chunk:
    """The samples (z, y, x) in bytes with x fastest; a FaultError where they are too few or too many."""
    check_length(place, len(content), shape_xyz, dtype)
    return np.frombuffer(content, dtype).reshape(shape_xyz[::-1])


def check_length(place: str, length: int, shape_xyz: Index, dtype: np.dtype[Any]) -> None:
    """A FaultError where a chunk has not as many bytes as its samples."""
    x, y, z = shape_xyz
    expected = x * y * z * dtype.itemsize
    if length != expected:
        problem = f"has {length} bytes; {x} x {y} x {z} voxels of {dtype.name} take {expected}"
        raise FaultError(place, problem)


def files_of(place: Place, scale: CheckedScale, dtype: np.dtype[Any]) -> ChunkReader:
    """The reader of a precomputed scale without shards: TIFF chunks are known by their names."""
    raw, tiff = RawChunks(place, scale, dtype), TiffChunks(place, scale, dtype)
    for index in islice(scale.indices(), _PROBED):
        for reader in (raw, tiff):
            try:
                reader.look(index)
            except FaultError as error:
                if "missing" in error.fault.problem:
                    continue
            return reader
    return raw


def _zstd(content: bytes) -> bytes:
    import imagecodecs

    return bytes(imagecodecs.zstd_decode(content))


def gunzip(content: bytes) -> bytes:
    """What gzip has compressed; zlib.error or EOFError where it is damaged."""
    decompressor = zlib.decompressobj(wbits=31)
    whole = decompressor.decompress(content) + decompressor.flush()
    if not decompressor.eof or decompressor.unused_data:
        raise EOFError("it ends too early or too late")
    return whole


_DECODERS: dict[str, Callable[[bytes], bytes]] = {"zstd": _zstd, "gzip": gunzip}
