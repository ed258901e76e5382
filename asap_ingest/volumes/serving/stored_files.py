"""Bytes of a volume's files: as they lie, decompressed, or as the samples of a TIFF."""

from __future__ import annotations

import logging
import math
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import imagecodecs
import numpy as np
import orjson

from asap_ingest.errors import ImageError
from asap_ingest.volumes.serving.served_volume import Samples, ServedFile
from asap_ingest.volumes.tiff_chunks import tiff_samples

#: Larger files are sent in pieces of this size.
PIECE_BYTES = 4 * 2**20
_GZIP_WINDOW = 31
#: Ends of the names of compressed files: what HTTP calls their encoding, and how they are decoded.
_COMPRESSED: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    ".gz": ("gzip", lambda content: zlib.decompress(content, _GZIP_WINDOW)),
    ".br": ("br", lambda content: bytes(imagecodecs.brotli_decode(content))),
    ".zstd": ("zstd", lambda content: bytes(imagecodecs.zstd_decode(content))),
}
_log = logging.getLogger(__name__)


class DamagedFileError(Exception):
    """A file that does not hold what the volume says it does."""


@dataclass(frozen=True)
class StoredFile:
    """An open file, and what tells it from a later one of its name.

    Attributes
    ----------
    encoding : str
        How its bytes are compressed, as HTTP names it; empty for none.
    """

    path: str
    file: BinaryIO
    size: int
    version: str
    suffix: str = ""

    @property
    def encoding(self) -> str:
        return _COMPRESSED[self.suffix][0] if self.suffix else ""

    def read(self) -> bytes:
        """All bytes, as they lie."""
        return self.file.read()

    def pieces(self, start: int, length: int) -> Iterator[bytes]:
        """A part in pieces."""
        self.file.seek(start)
        while length and (piece := self.file.read(min(length, PIECE_BYTES))):
            length -= len(piece)
            yield piece


def open_stored(root: Path, path: str) -> StoredFile:
    """Open a file, or where it is not there the one with `.gz`, `.br` or `.zstd` at its end.

    Raises
    ------
    FileNotFoundError
        There is none, it is no regular file, or it lies out of the folder, which the log says.
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
    # for what is no regular file, like a pipe, opening must not wait
    descriptor = os.open(full, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    found = os.fstat(descriptor)
    target = os.path.realpath(full)
    is_inside = target.startswith(f"{root}".rstrip("/") + "/")
    if not is_inside:
        _warn_once(full, target)
    if not stat.S_ISREG(found.st_mode) or not is_inside:
        os.close(descriptor)
        raise FileNotFoundError(full)
    file = os.fdopen(descriptor, "rb", buffering=0)
    return StoredFile(path, file, found.st_size, f"{found.st_mtime_ns:x}-{found.st_size:x}{suffix}", suffix)


@lru_cache(maxsize=1024)
def _warn_once(link: str, target: str) -> None:
    _log.warning("%s leads out of the volume to %s: not served", link, target)


def plain_content(served: ServedFile, stored: StoredFile) -> bytes:
    """What a file holds, not compressed; of a chunk that lies as TIFF its samples, x fastest.

    Raises
    ------
    DamagedFileError
    """
    content = stored.read()
    if stored.suffix:
        try:
            content = _COMPRESSED[stored.suffix][1](content)
        except (zlib.error, imagecodecs.BrotliError, imagecodecs.ZstdError) as error:
            problem = f"{stored.path} is not compressed with {stored.encoding}: {error}"
            raise DamagedFileError(problem) from error
    if served.is_tiff:
        return _tiff_content(served, stored.path, content)
    if served.left_out:
        try:
            said = orjson.loads(content)
        except orjson.JSONDecodeError as error:
            raise DamagedFileError(f"{stored.path} is no JSON: {error}") from error
        return orjson.dumps({name: value for name, value in said.items() if name not in served.left_out})
    check_size(served, stored.path, len(content))
    return content


def check_size(served: ServedFile, path: str, size: int) -> None:
    """Raise DamagedFileError for plain samples that are too few or too many."""
    expected = served.samples
    if expected is None:
        return
    wanted = math.prod(expected.shape) * np.dtype(expected.data_type).itemsize
    if size != wanted:
        raise DamagedFileError(f"{path} has {size:,} bytes; {wanted:,} are expected for {expected}")


def _tiff_content(served: ServedFile, path: str, content: bytes) -> bytes:
    expected = served.samples
    assert expected is not None
    try:
        samples = tiff_samples(content)
    except ImageError as error:
        raise DamagedFileError(f"{path} {error}") from error
    # the first axis is that of channels
    wanted = Samples(expected.shape[1:], expected.data_type)
    found = Samples(samples.shape, samples.dtype.name)
    if found != wanted:
        raise DamagedFileError(f"{path} holds {found}, not {wanted} (z, y, x)")
    return samples.tobytes()
