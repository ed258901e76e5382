"""Source images of tiles: from URL to pixels, with a bounded cache of decoded images.

Checks before drawing: those of render-ws 4.0.
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

import numpy as np

from asap_ingest.errors import ImageError
from asap_ingest.images.formats import Image, ImageHead, UnreadableImageError, decode_page
from asap_ingest.render_ws.drawing import dynamic_masks
from asap_ingest.render_ws.drawing.halving import halve
from asap_ingest.render_ws.drawing.image_urls import looked_for, path_in
from asap_ingest.render_ws.memory.bounded_cache import BoundedCache, CacheState
from asap_ingest.render_ws.memory.limits import DEFAULT_LIMITS, TooLargeError
from asap_ingest.render_ws.memory.memory_budget import MemoryBudget
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

TIFF_STACK = "IMAGEJ_TIFF_STACK"
LOADERS = (None, "IMAGEJ_DEFAULT", "IMAGEJ_COMPOSITE", TIFF_STACK)
#: Told of whatever is wrong with a file where its being there is nobody's business.
WITHOUT_REASON = (
    "image '{}' cannot be drawn: it is missing, no image that can be read, or outside the folders that "
    "images may be read from; the log of the service says which"
)
_LONGEST_LINE = 10_000
_SETTING = "max_source_mb"
_Key = tuple[str, int, int, int, int]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ImageSource:
    """Where an image (or mask) comes from: as in a tile spec."""

    url: str
    loader: str | None = None
    slice_number: int | None = None


class SourceImages:
    """Loads images, keeps what was decoded, may be used by many threads at once.

    Parameters
    ----------
    image_roots : sequence of Path or None
        Folders that images may be read from, symbolic links followed first; None allows any. With them,
        errors do not tell what is wrong with a file: that is logged.
    cache_bytes : int
        Room for decoded images; the ones not used for longest are dropped.
    image_bytes : int
        Decoded samples of one image, at most, and of all that are being decoded at once.
    """

    def __init__(
        self,
        image_roots: Sequence[Path] | None,
        cache_bytes: int,
        image_bytes: int = DEFAULT_LIMITS.source_bytes,
    ) -> None:
        self._roots = None if image_roots is None else [Path(root).resolve() for root in image_roots]
        self._tells_reasons = image_roots is None
        self._images: BoundedCache[Image] = BoundedCache(cache_bytes)
        self.image_bytes = image_bytes
        self._decoding = MemoryBudget(image_bytes, "images that are decoded at once", _SETTING)
        # one reader per image at a time: the others find it in the cache
        self._reading = [threading.Lock() for _ in range(64)]

    def without_reasons(self) -> SourceImages:
        """The same images; errors do not tell what is wrong with a file."""
        quiet = copy.copy(self)
        quiet._tells_reasons = False
        return quiet

    def problem(self, what: str, reason: str) -> IllegalArgumentError:
        """The error for a file that cannot be used; `what` is as the client wrote it."""
        if self._tells_reasons:
            return IllegalArgumentError(reason)
        _log_once(reason)
        return IllegalArgumentError(WITHOUT_REASON.format(what))

    def check(self, url: str) -> bool:
        """Raise IllegalArgumentError, naming the file, when it is missing, empty or not to be read.

        URLs of other schemes than `file` are not looked at. False for a symbolic link: it stays where it is
        when its file goes.
        """
        path = looked_for(url)
        if path is None:
            return True
        allowed = self._path(url)  # first: whether a file exists outside is nobody's business
        facts = self._facts(path, url, follow=False)
        is_link = stat.S_ISLNK(facts.st_mode)
        if is_link:
            facts = self._facts(allowed, url)
        if facts.st_size == 0:
            raise self.problem(url, f"image file '{Path(path)}' is empty")
        return not is_link

    def is_usable(self, url: str) -> bool:
        """Whether a file that is not empty lies there."""
        try:
            facts = Path(self._path(url)).stat()
        except OSError:
            return False
        return stat.S_ISREG(facts.st_mode) and facts.st_size > 0

    def load(self, source: ImageSource, halvings: int = 0) -> Image:
        """The pixels of an image, halved some times.

        Returns
        -------
        ndarray, shape (height, width) or (height, width, 3)
            Shared with other callers: not to be written to.

        Raises
        ------
        IllegalArgumentError
            When the file is missing, outside the allowed folders, or no image that can be drawn.
        """
        if source.loader == dynamic_masks.LOADER:
            image = dynamic_masks.dynamic_mask(
                source.url, lambda size: self.admit(source.url, source.url, size)
            )
            for _ in range(halvings):
                image = halve(image)
            return image
        page = _page(source)  # first: it is wrong whether or not there is a file
        path = self._path(source.url)
        facts = self._facts(path, source.url)
        key = (path, facts.st_mtime_ns, facts.st_size, page, halvings)
        found = self._images.get(key)
        if found is None:
            with self._reading[hash(key[:4]) % len(self._reading)]:
                found = self._images.get(key, again=True)
                if found is None:
                    found = self._read(Path(path), key, source.url)
        return found

    @property
    def cache_state(self) -> CacheState:
        """How the cache of decoded images does."""
        return self._images.state

    def clear(self) -> None:
        """Drop all decoded images."""
        self._images.clear()

    def _read(self, path: Path, key: _Key, url: str) -> Image:
        """Read and decode, or halve the nearest level that the cache holds; keep every step."""
        *file, halvings = key
        done = halvings
        image = None
        while image is None and done > 0:
            done -= 1
            image = self._images.get((*file, done), again=True)
        if image is None:
            try:
                image = self._decoded(path, key[3], url)
            except UnreadableImageError as error:
                # its text would show clients some bytes of a file that is no image
                raise self.problem(url, f"image file '{path}' is no image that can be read") from error
            except (ImageError, OSError) as error:
                raise self.problem(url, f"image file '{path}' {error}") from error
            image = self._keep((*file, 0), image)  # type: ignore[arg-type]
        for level in range(done + 1, halvings + 1):
            image = self._keep((*file, level), halve(image))  # type: ignore[arg-type]
        return image

    def _decoded(self, path: Path, page_index: int, url: str) -> Image:
        with self._decoding.claim() as claim:

            def admit(head: ImageHead) -> None:
                self.admit(url, f"image file '{path}'", head.sample_bytes)
                claim.grow(head.sample_bytes, may_wait=True)

            # not all of a stack: what is kept of a slice would hold the bytes of all the others
            with path.open("rb") as opened:
                return decode_page(opened, page_index, strips_only=True, admit=admit)

    def admit(self, url: str, what: str, size: int) -> None:
        """Raise IllegalArgumentError for a file of more bytes, decoded or as sent, than may be held."""
        if size > self.image_bytes:
            error = TooLargeError(what, f"holds {size} bytes", f"{self.image_bytes} bytes", _SETTING)
            raise error if self._tells_reasons else self.problem(url, str(error))

    def _keep(self, key: _Key, image: Image) -> Image:
        """The image as the compiled loops of drawing take it."""
        image = np.ascontiguousarray(image)
        image.setflags(write=False)
        self._images.keep(key, image, image.nbytes)
        return image

    def _path(self, url: str) -> str:
        path = path_in(url)
        return path if self._roots is None else str(self.allowed(Path(path), url))

    def allowed(self, path: Path, what: str) -> Path:
        """The path, its symbolic links followed where the folders to read from are limited.

        Raises
        ------
        IllegalArgumentError
            Naming `what`, when it is outside these folders, or may be on its way: what lies at `a` in
            `a/../b` would show by where that leads.
        """
        if self._roots is None:
            return path
        found = Path(os.path.realpath(path))
        if ".." in path.parts or not any(found.is_relative_to(root) for root in self._roots):
            raise self.problem(what, f"'{path}' is outside the folders that images may be read from")
        return found

    def _facts(self, path: str, url: str, follow: bool = True) -> os.stat_result:
        try:
            return os.stat(path, follow_symlinks=follow)  # noqa: PTH116
        except OSError as error:
            raise self.problem(url, f"cannot find image file '{Path(path)}'") from error


def _log_once(reason: str) -> None:
    # a client wrote part of it: no line break of its own shall make a line of the log, and none a long one
    _log_line_once(reason.encode("unicode_escape").decode()[:_LONGEST_LINE])


@lru_cache(maxsize=1024)
def _log_line_once(line: str) -> None:
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
