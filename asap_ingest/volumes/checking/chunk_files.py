"""Chunks that are files of their own, read as (z, y, x) arrays."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.checking.chunk_places import Place
from asap_ingest.volumes.checking.decompression import DAMAGED, SUFFIXES, decompress
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Index
from asap_ingest.volumes.checking.zarr_arrays import ZarrArray

Chunk = NDArray[Any]
Answer = TypeVar("Answer", bytes, int)

_NAME = re.compile(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)")
#: So many chunks are asked for to find out how they are stored.
_PROBED = 64


class ChunkReader(Protocol):
    """Chunks of one scale, by their index (x, y, z); a FaultError names the file that is wrong."""

    def read(self, index: Index) -> Chunk | None:
        """The chunk; None where samples of the scale cannot be read here, and the chunk is there."""

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


@dataclass(frozen=True)
class RawChunks(_ChunkFiles):
    """Little-endian samples, x fastest; the end of a file's name says how the file is compressed, if it is.

    Samples of an `unread` scale are looked up only.
    """

    _suffixes: list[str] = field(default_factory=lambda: ["", *SUFFIXES])

    def read(self, index: Index) -> Chunk | None:
        if self.scale.unread:
            self.look(index)
            return None
        name, content = self._first(index, self.place.read)
        if self._suffixes[0]:
            content = decompress(content, (SUFFIXES[self._suffixes[0]],), name)
        return samples_of(content, name, self.scale.shape_xyz(index), self.dtype)

    def look(self, index: Index) -> None:
        name, size = self._first(index, self.place.size)
        if not self.scale.unread and not self._suffixes[0]:
            check_length(name, size, self.scale.shape_xyz(index), self.dtype)
        elif not size:
            raise FaultError(name, "is empty")

    def is_expected(self, name: str) -> bool:
        stem, _, suffix = name.partition(".")
        return self._is_chunk(stem) and (not suffix or f".{suffix}" in SUFFIXES)

    def _first(self, index: Index, ask: Callable[[str], Answer | None]) -> tuple[str, Answer]:
        """(file, what the place answers) of a chunk; its suffix becomes the first that is asked for."""
        name = self._name(index)
        for position, suffix in enumerate(self._suffixes):
            answer = ask(f"{name}{suffix}")
            if answer is not None:
                self._suffixes.insert(0, self._suffixes.pop(position))
                return f"{name}{suffix}", answer
        raise FaultError(name, "missing")


class TiffChunks(_ChunkFiles):
    """TIFF files with one page per plane."""

    def read(self, index: Index) -> Chunk | None:
        import tifffile

        if self.scale.unread:
            self.look(index)
            return None
        name = f"{self._name(index)}.tiff"
        content = self._bytes(name)
        try:
            with tifffile.TiffFile(io.BytesIO(content)) as tiff:
                pages = [page.asarray() for page in tiff.pages]
        except (tifffile.TiffFileError, *DAMAGED) as error:
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
    """Chunks of an array of zarr: always whole ones, and those of the fill value may have no file."""

    def read(self, index: Index) -> Chunk | None:
        array, name = self._array, self._zarr_name(index)
        if self.scale.unread:
            self.look(index)
            return None
        content = self.place.read(name)
        if content is None:
            if self.scale.layout["absent"] is None:
                raise FaultError(name, "missing")
            return np.full(self.scale.shape_xyz(index)[::-1], self.scale.layout["absent"], array.dtype)
        content = decompress(content, array.codecs, name)
        whole = samples_of(content, name, self.scale.chunk_size, array.dtype)
        return whole[tuple(slice(length) for length in self.scale.shape_xyz(index)[::-1])]

    def look(self, index: Index) -> None:
        size = self.place.size(self._zarr_name(index))
        if size == 0 or (size is None and self.scale.layout["absent"] is None):
            raise FaultError(self._zarr_name(index), "missing or empty")

    def is_expected(self, name: str) -> bool:
        if name in self._array.files:
            return True
        place = self._array.place(name)
        return place is not None and self.scale.has(place[::-1])

    @property
    def _array(self) -> ZarrArray:
        array: ZarrArray = self.scale.layout["zarr"]
        return array

    def _zarr_name(self, index: Index) -> str:
        return f"{self.scale.key}/{self._array.name(index[::-1])}"


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
