"""Bytes of a volume's files: as stored, decompressed, or as the samples of a TIFF."""

from __future__ import annotations

import logging
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import orjson

from asap_ingest.errors import ImageError
from asap_ingest.volumes.serving.served_volume import Samples, ServedFile
from asap_ingest.volumes.tiff_chunks import tiff_samples

#: Larger files are sent in pieces of this size.
PIECE_BYTES = 4 * 2**20
#: The most that a compressed file without a known size may hold.
MOST_INFLATED_BYTES = 256 * 2**20
_GZIP_WINDOW = 31
_log = logging.getLogger(__name__)


def _inflate(content: bytes, most: int) -> bytes:
    inflator = zlib.decompressobj(_GZIP_WINDOW)
    inflated = inflator.decompress(content, most + 1)
    if len(inflated) > most:
        raise zlib.error("there is more")
    if not inflator.eof:
        raise zlib.error("incomplete or truncated stream")
    return inflated


#: By suffix: HTTP's name of the encoding, and the decoder, called with the most bytes that it may return.
_COMPRESSED: Mapping[str, tuple[str, Callable[[bytes, int], bytes]]] = {
    ".gz": ("gzip", _inflate),
    ".br": ("br", lambda content, most: bytes(imagecodecs.brotli_decode(content, out=most))),
    ".zstd": ("zstd", lambda content, most: bytes(imagecodecs.zstd_decode(content, out=most))),
}


class DamagedFileError(Exception):
    """A file that does not hold what the volume says it does."""


@dataclass(frozen=True)
class StoredFile:
    """An open file.

    Attributes
    ----------
    version : str
        Differs from that of a later file of the same name.
    suffix : str
        Key of `_COMPRESSED`; empty for a file that is not compressed.
    """

    path: str
    file: BinaryIO
    size: int
    version: str
    suffix: str = ""

    @property
    def encoding(self) -> str:
        """HTTP's name of its compression; empty for none."""
        return _COMPRESSED[self.suffix][0] if self.suffix else ""

    def pieces(self, start: int, length: int) -> Iterator[bytes]:
        """A part in pieces."""
        self.file.seek(start)
        while length and (piece := self.file.read(min(length, PIECE_BYTES))):
            length -= len(piece)
            yield piece


def open_stored(root: Path, path: str) -> StoredFile:
    """Open a file, or if it does not exist the one with `.gz`, `.br` or `.zstd` appended.

    Raises
    ------
    FileNotFoundError
        There is none, it is not a regular file, or it lies outside of the folder, which is logged.
    OSError
        It cannot be opened.
    """
    for suffix in ("", *_COMPRESSED):
        try:
            return _open(root, f"{path}{suffix}", suffix)
        except (FileNotFoundError, NotADirectoryError):
            continue
    raise FileNotFoundError(path)


def _open(root: Path, path: str, suffix: str) -> StoredFile:
    full = f"{root}/{path}"
    # opening a pipe must not wait for somebody who writes
    descriptor = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    target = os.path.realpath(full)
    is_inside = target.startswith(f"{root}".rstrip("/") + "/")
    if not is_inside:
        _warn_once(full, target)
    if not stat.S_ISREG(status.st_mode) or not is_inside:
        os.close(descriptor)
        raise FileNotFoundError(full)
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
    if stored.suffix:
        content = _decompressed(served, stored, content)
    if served.is_tiff:
        return _tiff_content(served, stored.path, content)
    if served.left_out:
        try:
            fields = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise DamagedFileError(f"{stored.path} is not JSON: {error}") from error
        return orjson.dumps({name: value for name, value in fields.items() if name not in served.left_out})
    check_size(served, stored.path, len(content))
    return content


def _decompressed(served: ServedFile, stored: StoredFile, content: bytes) -> bytes:
    """The content of a compressed file, of the size of its samples at most."""
    most = MOST_INFLATED_BYTES
    if served.samples and not served.is_tiff:
        most = served.samples.bytes
    try:
        return _COMPRESSED[stored.suffix][1](content, most)
    except (zlib.error, imagecodecs.BrotliError, imagecodecs.ZstdError) as error:
        raise DamagedFileError(
            f"{stored.path} cannot be decompressed with {stored.encoding} to at most {most:,} bytes: {error}"
        ) from error


def check_size(served: ServedFile, path: str, size: int) -> None:
    """Raise DamagedFileError for plain samples that are too few or too many."""
    expected = served.samples
    if expected is not None and size != expected.bytes:
        problem = f"{path} has {size:,} bytes; {expected.bytes:,} are expected for {expected}"
        raise DamagedFileError(problem)


def _tiff_content(served: ServedFile, path: str, content: bytes) -> bytes:
    expected = served.samples
    assert expected is not None
    try:
        samples = tiff_samples(content, expected.bytes)
    except ImageError as error:
        raise DamagedFileError(f"{path} {error}") from error
    # the first axis is that of channels
    wanted = Samples(expected.shape[1:], expected.data_type)
    actual = Samples(samples.shape, samples.dtype.name)
    if actual != wanted:
        raise DamagedFileError(f"{path} holds {actual}, not {wanted} (z, y, x)")
    return samples.tobytes()
