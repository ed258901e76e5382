"""Bytes of a volume's files, whole or in part; chunks that lie as TIFF come as their samples."""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

from asap_ingest.errors import ImageError
from asap_ingest.precomputed.chunk_formats import tiff_samples
from asap_ingest.precomputed.serving.served_names import Samples, ServedFile

#: Larger files are read and sent in pieces of this size.
PIECE_BYTES = 4 * 2**20
#: Decoded chunks that are kept: a viewer asks again after it has moved away and back.
CACHE_BYTES = 256 * 2**20


class DamagedFileError(Exception):
    """A file that does not hold what the volume says it does."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path} {problem}")
        self.path = path


@dataclass(frozen=True)
class FileState:
    """A file as it was found: its open descriptor, what tells it from a later one, and its size."""

    descriptor: int
    version: str
    size: int


class VolumeFiles:
    """Reads files below a folder. Calls come from many threads at once.

    Parameters
    ----------
    root : Path
        Without links; a link that leads out of it is no file of it.
    """

    def __init__(self, root: Path, cache_bytes: int = CACHE_BYTES) -> None:
        self._root = str(root)
        self._cache = DecodedChunks(cache_bytes)

    def open(self, path: str) -> FileState:
        """Open a regular file for reading.

        Raises
        ------
        FileNotFoundError
            There is none, or it lies elsewhere.
        OSError
            It cannot be opened.
        """
        full = f"{self._root}/{path}"
        # for what is no regular file, like a pipe, opening must not wait
        descriptor = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or not self._is_inside(full):
                raise FileNotFoundError(full)
        except OSError:
            os.close(descriptor)
            raise
        return FileState(descriptor, f"{found.st_mtime_ns:x}-{found.st_size:x}", found.st_size)

    def _is_inside(self, full: str) -> bool:
        return os.path.realpath(full).startswith(self._root.rstrip("/") + "/")

    def samples(self, served: ServedFile, state: FileState) -> bytes:
        """Samples of a chunk that lies as TIFF, little-endian, x fastest.

        Raises
        ------
        DamagedFileError
        """
        key = (served.path, state.version)
        content = self._cache.get(key)
        if content is None:
            content = _decode(served, read(state, 0, state.size))
            self._cache.put(key, content)
        return content


def read(state: FileState, start: int, length: int) -> bytes:
    """Bytes of an open file; fewer where it has become shorter."""
    content = os.pread(state.descriptor, length, start)
    while len(content) < length:
        more = os.pread(state.descriptor, length - len(content), start + len(content))
        if not more:
            break
        content += more
    return content


class FilePart:
    """A part of an open file that is too large for one piece of memory; open until it is closed."""

    def __init__(self, state: FileState, start: int, length: int) -> None:
        self._state = replace(state, descriptor=os.dup(state.descriptor))
        self._position, self._end = start, start + length

    def next_piece(self) -> bytes:
        """The next bytes; none at the end."""
        piece = read(self._state, self._position, min(PIECE_BYTES, self._end - self._position))
        self._position += len(piece)
        return piece

    def close(self) -> None:
        os.close(self._state.descriptor)


def check_size(served: ServedFile, state: FileState) -> None:
    """Raise DamagedFileError for a file of plain samples that is too short or too long."""
    samples = served.samples
    if samples and not served.is_tiff and state.size != samples.bytes:
        raise DamagedFileError(
            served.path,
            f"has {state.size:,} bytes; {samples.bytes:,} are expected for {_describe(samples)}",
        )


def _decode(served: ServedFile, content: bytes) -> bytes:
    expected = served.samples
    assert expected is not None
    try:
        samples = tiff_samples(content)
    except ImageError as error:
        raise DamagedFileError(served.path, str(error)) from error
    # the first axis is that of channels
    if samples.shape != expected.shape[1:] or samples.dtype.name != expected.data_type:
        found = _describe(Samples(samples.shape, samples.dtype.name))
        wanted = _describe(Samples(expected.shape[1:], expected.data_type))
        raise DamagedFileError(served.path, f"holds {found}, not {wanted} (z, y, x)")
    return samples.tobytes()


def _describe(samples: Samples) -> str:
    return f"{' x '.join(map(str, samples.shape))} voxels of {samples.data_type}"


class DecodedChunks:
    """The chunks that were asked for last, up to a number of bytes."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._bytes = 0
        self._chunks: OrderedDict[tuple[str, str], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, str]) -> bytes | None:
        """A chunk, by path and version."""
        with self._lock:
            if key not in self._chunks:
                return None
            self._chunks.move_to_end(key)
            return self._chunks[key]

    def put(self, key: tuple[str, str], content: bytes) -> None:
        """Keep a chunk, and let go of those that were not asked for for longest."""
        with self._lock:
            self._bytes += len(content) - len(self._chunks.pop(key, b""))
            self._chunks[key] = content
            while self._bytes > self._limit:
                _, oldest = self._chunks.popitem(last=False)
                self._bytes -= len(oldest)
