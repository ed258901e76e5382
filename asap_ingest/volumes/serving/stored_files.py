"""Bytes of a volume's files: as stored, decompressed, or as the samples of a TIFF."""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs
import orjson

from asap_ingest.errors import ImageError
from asap_ingest.volumes.serving.served_volume import ServedFile
from asap_ingest.volumes.tiff_chunks import tiff_samples

#: Larger files are sent in pieces of this size.
PIECE_BYTES = 4 * 2**20
#: Most bytes of a decompressed file whose size is not known from a shape of samples.
MOST_INFLATED_BYTES = 256 * 2**20
_log = logging.getLogger(__name__)

_TIFF = ".tiff"
#: By suffix: HTTP's name of the encoding, and the decoder; `out` is the most bytes that it may return.
_COMPRESSED: Mapping[str, tuple[str, Callable[..., Any]]] = {
    ".gz": ("gzip", imagecodecs.gzip_decode),
    ".br": ("br", imagecodecs.brotli_decode),
    ".zstd": ("zstd", imagecodecs.zstd_decode),
}


class DamagedFileError(Exception):
    """A file that cannot be read, or does not hold what the volume says it does."""


@dataclass(frozen=True)
class StoredFile:
    """An open file of a volume.

    Attributes
    ----------
    path : str
        In the volume, with the suffix.
    version : str
        By time and length of the file, so that it changes when the file is replaced.
    suffix : str
        What the stored name has beyond the requested one: key of `_COMPRESSED`, `_TIFF`, or empty.
    """

    path: str
    file: BinaryIO
    size: int
    version: str
    suffix: str = ""

    @property
    def encoding(self) -> str:
        """HTTP's name of its compression; empty for none."""
        return _COMPRESSED[self.suffix][0] if self.suffix in _COMPRESSED else ""

    def pieces(self, start: int, length: int) -> Iterator[bytes]:
        """The bytes from `start` on in pieces; fewer than `length` if the file has become shorter."""
        self.file.seek(start)
        while length and (piece := self.file.read(min(length, PIECE_BYTES))):
            length -= len(piece)
            yield piece


def open_stored(root: Path, served: ServedFile) -> StoredFile:
    """Open a file; if it does not exist, one with `.gz`, `.br` or `.zstd` appended, or for samples `.tiff`.

    Raises
    ------
    FileNotFoundError
        There is none, it is not a regular file, or a link leads out of the volume, which is logged.
    DamagedFileError
        It cannot be opened.
    """
    for suffix in ("", *([_TIFF] if served.shape else []), *_COMPRESSED):
        try:
            return _open(root, f"{served.path}{suffix}", suffix)
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG):
                raise DamagedFileError(f"{served.path} cannot be read: {error.strerror}") from error
    raise FileNotFoundError(served.path)


def _open(root: Path, path: str, suffix: str) -> StoredFile:
    full = f"{root}/{path}"
    # O_NONBLOCK: opening a pipe must not wait for a writer
    descriptor = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    target = os.path.realpath(full)
    is_inside = target.startswith(f"{root}".rstrip("/") + "/")
    if not is_inside:
        _warn_once(full, target)
    if not stat.S_ISREG(status.st_mode) or not is_inside:
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, full)
    file = os.fdopen(descriptor, "rb", buffering=0)
    version = f"{status.st_mtime_ns:x}-{status.st_size:x}{suffix}"
    return StoredFile(path, file, status.st_size, version, suffix)


@lru_cache(maxsize=1024)
def _warn_once(link: str, target: str) -> None:
    _log.warning("%s leads out of the volume to %s: not served", link, target)


def plain_content(served: ServedFile, stored: StoredFile) -> bytes:
    """The uncompressed content of a file; for a TIFF chunk its samples, x fastest.

    Raises
    ------
    DamagedFileError
    """
    content = stored.file.read()
    if stored.suffix == _TIFF:
        return _tiff_content(served, stored.path, content)
    if stored.suffix:
        most = served.size or MOST_INFLATED_BYTES
        name, decode = _COMPRESSED[stored.suffix]
        try:
            content = bytes(decode(content, out=most))
        except (ValueError, RuntimeError) as error:
            problem = f"cannot be decompressed with {name} to at most {most:,} bytes: {error}"
            raise DamagedFileError(f"{stored.path} {problem}") from error
    if served.left_out:
        try:
            fields = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise DamagedFileError(f"{stored.path} is not JSON: {error}") from error
        return orjson.dumps({name: value for name, value in fields.items() if name not in served.left_out})
    check_size(served, stored.path, len(content))
    return content


def check_size(served: ServedFile, path: str, size: int) -> None:
    """Raise DamagedFileError for plain samples that are too few or too many."""
    if served.size not in (None, size):
        voxels = _voxels(served.shape, served.folder.data_type)
        problem = f"{path} has {size:,} bytes; {served.size:,} are expected for {voxels}"
        raise DamagedFileError(problem)


def _tiff_content(served: ServedFile, path: str, content: bytes) -> bytes:
    try:
        samples = tiff_samples(content, served.size)
    except ImageError as error:
        raise DamagedFileError(f"{path} {error}") from error
    # the first axis is that of channels
    wanted, actual = (served.shape[1:], served.folder.data_type), (samples.shape, samples.dtype.name)
    if actual != wanted:
        raise DamagedFileError(f"{path} holds {_voxels(*actual)}, not {_voxels(*wanted)} (z, y, x)")
    return samples.tobytes()


def _voxels(shape: tuple[int, ...], data_type: str) -> str:
    return f"{' x '.join(map(str, shape))} voxels of {data_type}"
