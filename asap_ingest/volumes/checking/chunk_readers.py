"""Chunks of the precomputed format that are files of their own, read as (z, y, x) arrays."""

from __future__ import annotations

import gzip
import io
import math
import re
import struct
import zlib
from collections.abc import Callable
from operator import add, floordiv, sub
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.axes import Triple, per_axis
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.checking.volume_metadata import CheckedScale

Chunk = NDArray[Any]
Answer = TypeVar("Answer", bytes, int)

_NAME = re.compile(r"(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)_(-?\d+)-(-?\d+)")
_TIFF = ".tiff"
#: What decoders raise for damaged bytes.
_DAMAGED = (
    *(OSError, EOFError, ValueError, LookupError, RuntimeError, TypeError, MemoryError, OverflowError),
    *(struct.error, zlib.error),
)


def _gunzip(content: bytes, most: int) -> bytes:
    """Decompress all members of a gzip file, to the checksum of the last."""
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
        samples = file.read(most + 1)
    if len(samples) > most:
        raise ValueError("it has more")
    return samples


def _decoder(name: str) -> Callable[[bytes, int], bytes]:
    def decode(content: bytes, most: int) -> bytes:
        import imagecodecs

        return bytes(getattr(imagecodecs, name)(content, out=most))

    return decode


#: By the suffixes of file names that cloud-volume writes.
_DECODERS = {".gz": _gunzip, ".br": _decoder("brotli_decode"), ".zstd": _decoder("zstd_decode")}


class PrecomputedChunks:
    """Chunks that are files of their own: little-endian samples, x fastest, or TIFFs with a page per plane.

    The suffix of a file's name says which, and how samples are compressed, if they are. The first file that
    exists decides between TIFFs and samples. Chunks are asked for by their index (x, y, z) in the grid; a
    FaultError names the defective file.
    """

    def __init__(self, files: VolumeFiles, scale: CheckedScale) -> None:
        self._files, self._scale = files, scale
        self._suffixes: list[str] = ["", *_DECODERS, _TIFF]

    def read(self, index: Triple) -> Chunk:
        """Samples (z, y, x) of a chunk; only for scales that are not `unread`."""
        name, content = self._first(index, self._files.read)
        suffix = self._suffixes[0]
        if suffix == _TIFF:
            return _tiff_samples(content, name, self._scale.shape_xyz(index), self._scale.dtype)
        if suffix:
            content = decompress(content, suffix, name, bytes_of(self._scale, index))
        return samples_of(content, name, self._scale, index)

    def look_up(self, index: Triple) -> None:
        """Raise a FaultError if a chunk does not exist or has a wrong length; its content is not read."""
        name, size = self._first(index, self._files.size)
        if not self._scale.unread and not self._suffixes[0]:
            check_length(name, size, self._scale, index)
        elif not size:
            raise FaultError(name, "is empty")

    def is_expected(self, name: str) -> bool:
        """Whether a file below the scale's folder belongs there."""
        stem, dot, suffix = name.partition(".")
        match = _NAME.fullmatch(stem)
        if match is None or f"{dot}{suffix}" not in self._suffixes:
            return False
        begin = [int(number) for number in match.groups()[::2]]
        index = per_axis(floordiv, per_axis(sub, begin, self._scale.offset), self._scale.chunk_size)
        return self._scale.has(index) and self._name(index) == f"{self._scale.key}/{stem}"

    def _name(self, index: Triple) -> str:
        begin = per_axis(add, self._scale.begin(index), self._scale.offset)
        ranges = zip(begin, self._scale.shape_xyz(index), strict=True)
        return f"{self._scale.key}/" + "_".join(f"{start}-{start + length}" for start, length in ranges)

    def _first(self, index: Triple, ask: Callable[[str], Answer | None]) -> tuple[str, Answer]:
        """(file, answer) for the first suffix with an answer, which is tried first for the next chunk."""
        name = self._name(index)
        for suffix in self._suffixes:
            answer = ask(f"{name}{suffix}")
            if answer is not None:
                others: list[str] = [_TIFF] if suffix == _TIFF else ["", *_DECODERS]
                others.remove(suffix)
                self._suffixes = [suffix, *others]
                return f"{name}{suffix}", answer
        raise FaultError(f"{name}{_TIFF}" if self._suffixes == [_TIFF] else name, "missing")


def decompress(content: bytes, suffix: str, place: str, most: int) -> bytes:
    """Decompress to at most `most` bytes; a FaultError if there are more, or if they are damaged."""
    try:
        return _DECODERS[suffix](content, most)
    except _DAMAGED as error:
        raise FaultError(place, f"cannot be decompressed to at most {most:,} bytes: {error}") from error


def samples_of(content: bytes, place: str, scale: CheckedScale, index: Triple) -> Chunk:
    """Bytes with x fastest as samples (z, y, x); a FaultError if they are too few or too many."""
    check_length(place, len(content), scale, index)
    return np.frombuffer(content, scale.dtype).reshape(scale.shape_xyz(index)[::-1])


def check_length(place: str, length: int, scale: CheckedScale, index: Triple) -> None:
    """Raise a FaultError unless a chunk has as many bytes as its samples."""
    expected = bytes_of(scale, index)
    if length != expected:
        voxels = " x ".join(map(str, scale.shape_xyz(index)))
        problem = f"has {length} bytes; {voxels} voxels of {scale.dtype.name} take {expected}"
        raise FaultError(place, problem)


def bytes_of(scale: CheckedScale, index: Triple) -> int:
    """Length of a chunk's samples in bytes."""
    return math.prod(scale.shape_xyz(index)) * scale.dtype.itemsize


def _tiff_samples(content: bytes, name: str, shape_xyz: Triple, dtype: np.dtype[Any]) -> Chunk:
    """The samples (z, y, x) of a TIFF with a page per plane; a FaultError if it has others."""
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(content)) as tiff:
            pages = [page.asarray() for page in tiff.pages]
    except (tifffile.TiffFileError, *_DAMAGED) as error:
        raise FaultError(name, f"is a damaged TIFF: {error}") from error
    width, height, depth = shape_xyz
    if len(pages) != depth or any(page.shape != (height, width) for page in pages):
        shapes = sorted({page.shape for page in pages})
        problem = f"has {len(pages)} pages of shape {shapes}; there must be {depth} of {(height, width)}"
        raise FaultError(name, problem)
    if any(page.dtype.newbyteorder("=") != dtype.newbyteorder("=") for page in pages):
        raise FaultError(name, f"has samples of {pages[0].dtype}; they must be {dtype.name}")
    return np.stack(pages)
