"""Source images of tiles: from URLs to pixels, with a cache of decoded images and their levels.

What is checked before drawing: as in render-ws 4.0.
"""

from __future__ import annotations

import copy
import logging
import os
import stat
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from asap_ingest.errors import ImageError
from asap_ingest.images.damage import UnreadableImageError
from asap_ingest.images.dynamic_masks import DYNAMIC_MASK, DynamicMask
from asap_ingest.images.formats import decode_page
from asap_ingest.images.pixels import Image, ImageHead
from asap_ingest.render_ws.drawing.image_urls import local_file_or_none, local_path
from asap_ingest.render_ws.memory.bounded_cache import BoundedCache, CacheState
from asap_ingest.render_ws.memory.limits import DEFAULT_LIMITS, TooLargeError
from asap_ingest.render_ws.memory.memory_budget import MemoryBudget
from asap_ingest.render_ws.wire.java_numbers import parse_double, truncate_to_int
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

TIFF_STACK = "IMAGEJ_TIFF_STACK"
LOADERS = (None, "IMAGEJ_DEFAULT", "IMAGEJ_COMPOSITE", TIFF_STACK)
#: The one message for everything that may be wrong with a file whose existence must not be disclosed.
WITHOUT_REASON = (
    "image '{}' cannot be drawn: it is missing, not a readable image, or outside the folders that "
    "images may be read from; the log of the service says which"
)
_LONGEST_LINE = 10_000
_SETTING = "max_source_mb"
_Key = tuple[str, int, int, int, int]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageSource:
    """URL, loader and slice of an image or mask, as in a tile spec."""

    url: str
    loader: str | None = None
    slice_number: int | None = None


class SourceImages:
    """Loads and caches images. Thread-safe.

    Parameters
    ----------
    image_roots : sequence of Path or None
        Folders that images may be read from, after symbolic links are followed; None allows all. If folders
        are given, errors do not disclose what is wrong with a file: that is logged.
    cache_bytes : int
        Size of the cache of decoded images.
    image_bytes : int
        Limit on the decoded samples of one image, and of all images that are being decoded at once.
    """

    def __init__(
        self,
        image_roots: Sequence[Path] | None,
        cache_bytes: int,
        image_bytes: int = DEFAULT_LIMITS.source_bytes,
    ) -> None:
        self._roots = None if image_roots is None else [Path(root).resolve() for root in image_roots]
        self._discloses = image_roots is None
        self._images: BoundedCache[Image] = BoundedCache(cache_bytes)
        self.image_bytes = image_bytes
        self._decoding = MemoryBudget(image_bytes, "images that are decoded at once", _SETTING)
        # an image is decoded by one thread at a time: others that need it wait, and find it in the cache
        self._reading = [threading.Lock() for _ in range(64)]

    def without_reasons(self) -> SourceImages:
        """The same images and cache, whose errors do not disclose what is wrong with a file."""
        quiet = copy.copy(self)
        quiet._discloses = False
        return quiet

    def file_error(self, what: str, reason: str) -> IllegalArgumentError:
        """The error for a file that cannot be used.

        Parameters
        ----------
        what : str
            The file as the client named it: all that the message holds if reasons are not disclosed.
        reason : str
            The whole message otherwise.
        """
        if self._discloses:
            return IllegalArgumentError(reason)
        # a client wrote part of it, which must neither break lines of the log nor fill it
        _log_once(reason.encode("unicode_escape").decode()[:_LONGEST_LINE])
        return IllegalArgumentError(WITHOUT_REASON.format(what))

    def check(self, url: str) -> bool:
        """Raise IllegalArgumentError if the file of a URL is missing, empty or must not be read.

        Returns whether removing the file would change its folder: False for a symbolic link, whose target may
        lie elsewhere. URLs of other schemes than `file` are not checked.
        """
        path = local_file_or_none(url)
        if path is None:
            return True
        allowed = self._path(url)  # first: the existence of a file outside must not be disclosed
        status = self._stat(path, url, follow=False)
        is_link = stat.S_ISLNK(status.st_mode)
        if is_link:
            status = self._stat(allowed, url)
        if status.st_size == 0:
            raise self.file_error(url, f"image file '{Path(path)}' is empty")
        return not is_link

    def is_usable(self, url: str) -> bool:
        """Whether a URL names a file that is not empty; IllegalArgumentError if it must not be read."""
        try:
            status = Path(self._path(url)).stat()
        except OSError:
            return False
        return stat.S_ISREG(status.st_mode) and status.st_size > 0

    def load(self, source: ImageSource, halvings: int = 0) -> Image:
        """Read the pixels of an image, and halve them `halvings` times.

        Returns
        -------
        ndarray, shape (height, width) or (height, width, 3)
            Shared with other callers: not to be written to.

        Raises
        ------
        IllegalArgumentError
            If the file is missing, outside the allowed folders, or not an image that can be drawn.
        """
        if source.loader == DYNAMIC_MASK:
            image = self._dynamic_mask(source.url)
            for _ in range(halvings):
                image = halve(image)
            return image
        page = _page(source)  # first: this error does not depend on the file
        path = self._path(source.url)
        status = self._stat(path, source.url)
        key = (path, status.st_mtime_ns, status.st_size, page, halvings)
        cached = self._images.get(key)
        if cached is None:
            with self._reading[hash(key[:4]) % len(self._reading)]:
                cached = self._images.get(key, again=True)
                if cached is None:
                    cached = self._read(Path(path), key, source.url)
        return cached

    @property
    def cache_state(self) -> CacheState:
        """Counts and size of the cache of decoded images."""
        return self._images.state

    def clear(self) -> None:
        """Evict all decoded images."""
        self._images.clear()

    def _read(self, path: Path, key: _Key, url: str) -> Image:
        """Decode the file, or halve the next finer level, and cache the result and all levels on the way."""
        *file, halvings = key
        if halvings:
            finer: _Key = (*file, halvings - 1)  # type: ignore[assignment]
            image = self._images.get(finer, again=True)
            image = halve(self._read(path, finer, url) if image is None else image)
        else:
            try:
                image = self._decoded(path, key[3], url)
            except UnreadableImageError as error:
                # its text would disclose some bytes of a file that is not an image
                raise self.file_error(url, f"image file '{path}' is not an image that can be read") from error
            except (ImageError, OSError) as error:
                raise self.file_error(url, f"image file '{path}' {error}") from error
        # the compiled loops need contiguous rows
        image = np.ascontiguousarray(image)
        image.setflags(write=False)
        self._images.keep(key, image, image.nbytes)
        return image

    def _decoded(self, path: Path, page_index: int, url: str) -> Image:
        with self._decoding.claim() as claim:

            def admit(head: ImageHead) -> None:
                self.check_size(url, f"image file '{path}'", head.sample_bytes)
                claim.grow(head.sample_bytes, may_wait=True)

            # only one page of a stack is decoded: a cached slice would keep all pages in memory
            with path.open("rb") as opened:
                return decode_page(opened, page_index, strips_only=True, admit=admit)

    def check_size(self, url: str, what: str, size: int) -> None:
        """Raise IllegalArgumentError if `what` has more bytes, decoded or to be sent, than the limit."""
        if size > self.image_bytes:
            error = TooLargeError(what, f"holds {size} bytes", f"{self.image_bytes} bytes", _SETTING)
            raise error if self._discloses else self.file_error(url, str(error))

    def _dynamic_mask(self, url: str) -> Image:
        try:
            mask = DynamicMask.parse(url, lambda text: truncate_to_int(parse_double(text)))
        except ImageError as error:
            raise IllegalArgumentError(f"mask URL '{url}' {error}") from error
        self.check_size(url, url, mask.width * mask.height)
        return mask.pixels()

    def _path(self, url: str) -> str:
        path = local_path(url)
        return path if self._roots is None else str(self.allowed(Path(path), url))

    def allowed(self, path: Path, what: str) -> Path:
        """The path, with symbolic links followed if only some folders may be read.

        Raises
        ------
        IllegalArgumentError
            Naming `what`, if the path is outside these folders, or has `..` in it: `a/../b` would disclose
            what lies at `a`.
        """
        if self._roots is None:
            return path
        real = Path(os.path.realpath(path))
        if ".." in path.parts or not any(real.is_relative_to(root) for root in self._roots):
            raise self.file_error(what, f"'{path}' is outside the folders that images may be read from")
        return real

    def _stat(self, path: str, url: str, follow: bool = True) -> os.stat_result:
        try:
            return os.stat(path, follow_symlinks=follow)  # noqa: PTH116
        except OSError as error:
            raise self.file_error(url, f"cannot find image file '{Path(path)}'") from error


def halve(image: Image) -> Image:
    """Average each 2 x 2 block of pixels, as render-ws makes levels that have no file.

    Means of integers are cut to integers. An odd last row or column is left out; an image of one row or
    column is returned as it is.
    """
    height, width = (size // 2 * 2 for size in image.shape[:2])
    if not height or not width:
        return image
    if image.dtype == np.float32:
        wide: Any = image[:height, :width]
        return (wide[::2, ::2] + wide[::2, 1::2] + wide[1::2, ::2] + wide[1::2, 1::2]) / np.float32(4)
    wider = np.uint16 if image.dtype == np.uint8 else np.uint32
    rows = np.add(image[:height:2, :width], image[1:height:2, :width], dtype=wider)
    return ((rows[:, ::2] + rows[:, 1::2]) >> 2).astype(image.dtype)


@lru_cache(maxsize=1024)
def _log_once(line: str) -> None:
    _log.warning("%s", line)


def _page(source: ImageSource) -> int:
    if source.loader not in LOADERS:
        raise IllegalArgumentError(f"image loader {source.loader!r} is not available; there are {LOADERS}")
    if source.loader != TIFF_STACK:
        return 0
    if source.slice_number is None:
        raise IllegalArgumentError(f"'{source.url}': {TIFF_STACK} needs an imageSliceNumber")
    if source.slice_number < 1:
        raise IllegalArgumentError(f"'{source.url}': slices are counted from 1, not {source.slice_number}")
    return source.slice_number - 1
