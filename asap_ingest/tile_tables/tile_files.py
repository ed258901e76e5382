"""The images of a table: where they lie, and what their heads say; the latter for many at once."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import PureWindowsPath

from asap_ingest import storage
from asap_ingest.errors import ImageError, StorageError
from asap_ingest.images.formats import read_head
from asap_ingest.images.pixels import ImageHead
from asap_ingest.storage.reader_threads import ReaderThreads

#: Reading a head is waiting for the network: more readers than cores.
_READERS = 16

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:", re.IGNORECASE)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")


def is_relative(path: str) -> bool:
    """Neither an absolute path, also of Windows, nor a URI."""
    return not (path.startswith("/") or _URI.match(path) or _WINDOWS.match(path))


def image_uri(image: str, folder: str) -> str:
    """URI of an image as a table names it.

    Relative paths begin at the folder, also with backslashes; of absolute paths of Windows only the file name
    is taken, as the drive is not here.
    """
    if _WINDOWS.match(image):
        image = PureWindowsPath(image).name
    if not is_relative(image):
        return storage.as_uri(image)
    if "/" not in image:
        image = image.replace("\\", "/")
    scheme, separator, path = storage.join(folder, image).partition("://")
    return storage.as_uri(f"{scheme}{separator}{posixpath.normpath(path)}" if separator else scheme)


def read_heads(uris: Sequence[str]) -> list[ImageHead | StorageError | ImageError]:
    """What each image file says of itself, or why that cannot be known; pixels are not decoded."""
    with ReaderThreads(_READERS) as readers:
        return list(readers.map(_head, uris))


def _head(uri: str) -> ImageHead | StorageError | ImageError:
    try:
        return storage.read_parts(uri, read_head)
    except (StorageError, ImageError) as error:
        return error
