"""Chunks that are files of their own, read as (z, y, x) arrays."""

from __future__ import annotations

import gzip
import io
import re
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from operator import add
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.axes import Triple, per_axis
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.checking.volume_metadata import CheckedScale
from asap_ingest.volumes.checking.zarr_arrays import TENSORSTORE_ERRORS, ZarrArray, problem_of

Chunk = NDArray[Any]
Answer = TypeVar("Answer", bytes, int)

_NAME = re.compile(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)")
#: Chunks that are looked up to find out how they are stored.
_PROBED = 64
#: What decoders raise for damaged bytes.
_DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, TypeError, MemoryError),
    *(struct.error, zlib.error),
)


class ChunkReader(Protocol):
    """Chunks of one scale, by their index (x, y, z); a FaultError names the defective file."""

    def read(self, index: Triple) -> Chunk:
        """Samples (z, y, x); only of scales that are not `unread`."""

    def look(self, index: Triple) -> None:
        """Check, without reading it, that the chunk exists and is as long as it must be."""

    def is_expected(self, name: str) -> bool:
        """Whether a file below the scale's folder belongs there."""


def _by_imagecodecs(name: str) -> Callable[[bytes], bytes]:
    def decode(content: bytes) -> bytes:
        import imagecodecs

        return bytes(getattr(imagecodecs, f"{name}_decode")(content))

    return decode


#: Decoders by the suffixes of file names that cloud-volume writes.
SUFFIXES: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.decompress,
    ".br": _by_imagecodecs("brotli"),
    ".zstd": _by_imagecodecs("zstd"),
}


def decompress(content: bytes, suffix: str, place: str, prefix: str = "") -> bytes:
    """Decompress bytes; a FaultError at a place, its text after a prefix, if they are damaged."""
    try:
        return SUFFIXES[suffix](content)
    except _DAMAGED as error:
        raise FaultError(place, f"{prefix}cannot be decompressed: {error}") from error


@dataclass(frozen=True)
class _ChunkFiles:
    files: VolumeFiles
    scale: CheckedScale
    dtype: np.dtype[Any]

    def _name(self, index: Triple) -> str:
        begin = per_axis(add, self.scale.begin(index), self.scale.offset)
        ranges = zip(begin, self.scale.shape_xyz(index), strict=True)
        return f"{self.scale.key}/" + "_".join(f"{start}-{start + length}" for start, length in ranges)

    def _is_chunk(self, name: str) -> bool:
        match = _NAME.fullmatch(name)
        if match is None:
            return False
        index = per_axis(
            lambda start, shift, length: (int(start) - shift) // length,
            match.groups()[::2],
            self.scale.offset,
            self.scale.chunk_size,
        )
        return self.scale.has(index) and self._name(index) == f"{self.scale.key}/{name}"


@dataclass(frozen=True)
class RawChunks(_ChunkFiles):
    """Little-endian samples, x fastest; the suffix of a file's name says how it is compressed, if it is."""

    _suffixes: list[str] = field(default_factory=lambda: ["", *SUFFIXES])

    def read(self, index: Triple) -> Chunk:
        name, content = self._first(index, self.files.read)
        if self._suffixes[0]:
            content = decompress(content, self._suffixes[0], name)
        return samples_of(content, name, self.scale.shape_xyz(index), self.dtype)

    def look(self, index: Triple) -> None:
        name, size = self._first(index, self.files.size)
        if not self.scale.unread and not self._suffixes[0]:
            check_length(name, size, self.scale.shape_xyz(index), self.dtype)
        elif not size:
            raise FaultError(name, "is empty")

    def is_expected(self, name: str) -> bool:
        stem, _, suffix = name.partition(".")
        return self._is_chunk(stem) and (not suffix or f".{suffix}" in SUFFIXES)

    def _first(self, index: Triple, ask: Callable[[str], Answer | None]) -> tuple[str, Answer]:
        """(file, answer) for the first suffix that exists; the next chunk starts with it."""
        name = self._name(index)
        for position, suffix in enumerate(self._suffixes):
            answer = ask(f"{name}{suffix}")
            if answer is not None:
                self._suffixes.insert(0, self._suffixes.pop(position))
                return f"{name}{suffix}", answer
        raise FaultError(name, "missing")


class TiffChunks(_ChunkFiles):
    """TIFF files with one page per plane."""

    def read(self, index: Triple) -> Chunk:
        import tifffile

        name = f"{self._name(index)}.tiff"
        content = self.files.read(name)
        if content is None:
            raise FaultError(name, "missing")
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

    def look(self, index: Triple) -> None:
        name = f"{self._name(index)}.tiff"
        if not self.files.size(name):
            raise FaultError(name, "missing or empty")

    def is_expected(self, name: str) -> bool:
        return name.endswith(".tiff") and self._is_chunk(name.removesuffix(".tiff"))


@dataclass(frozen=True)
class ZarrChunks:
    """Chunks of a zarr array, decoded in memory by tensorstore; not to be shared by threads."""

    files: VolumeFiles
    scale: CheckedScale
    array: ZarrArray

    def read(self, index: Triple) -> Chunk:
        name = self._name(index)
        content = self.files.read(name)
        if content is None and not self.scale.lacks_chunks:
            raise FaultError(name, "missing")
        begin, shape = self.scale.begin(index), self.scale.shape_xyz(index)
        x, y, z = per_axis(lambda start, length: slice(start, start + length), begin, shape)
        memory, name_in_memory = self._array_in_memory.kvstore, self.array.chunk_name(index[::-1])
        if content is not None:
            memory[name_in_memory] = content
        try:
            return np.asarray(self._array_in_memory[z, y, x].read().result())
        except TENSORSTORE_ERRORS as error:
            raise FaultError(name, f"cannot be decoded: {problem_of(error)}") from error
        finally:
            del memory[name_in_memory]

    def look(self, index: Triple) -> None:
        size = self.files.size(self._name(index))
        if size == 0 or (size is None and not self.scale.lacks_chunks):
            raise FaultError(self._name(index), "missing or empty")

    def is_expected(self, name: str) -> bool:
        position = self.array.chunk_position(name)
        return name in self.array.files or (position is not None and self.scale.has(position[::-1]))

    @cached_property
    def _array_in_memory(self) -> Any:
        return self.array.open_in_memory()

    def _name(self, index: Triple) -> str:
        return f"{self.scale.key}/{self.array.chunk_name(index[::-1])}"


def samples_of(content: bytes, place: str, shape_xyz: Triple, dtype: np.dtype[Any]) -> Chunk:
    """The samples (z, y, x) in bytes with x fastest; a FaultError if they are too few or too many."""
    check_length(place, len(content), shape_xyz, dtype)
    return np.frombuffer(content, dtype).reshape(shape_xyz[::-1])


def check_length(place: str, length: int, shape_xyz: Triple, dtype: np.dtype[Any]) -> None:
    """Raise a FaultError unless a chunk has as many bytes as its samples."""
    x, y, z = shape_xyz
    expected = x * y * z * dtype.itemsize
    if length != expected:
        problem = f"has {length} bytes; {x} x {y} x {z} voxels of {dtype.name} take {expected}"
        raise FaultError(place, problem)


def precomputed_reader(files: VolumeFiles, scale: CheckedScale, dtype: np.dtype[Any]) -> ChunkReader:
    """The reader of a precomputed scale without shards; file names tell TIFF chunks."""
    raw, tiff = RawChunks(files, scale, dtype), TiffChunks(files, scale, dtype)
    for index in islice(scale.indices(), _PROBED):
        for reader in (raw, tiff):
            try:
                reader.look(index)
            except FaultError as error:
                if "missing" in error.fault.problem:
                    continue
            return reader
    return raw
