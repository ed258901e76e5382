"""One job: read level 0 of an image once, write its levels 1 to n."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.errors import ImageError, MissingFileError
from asap_ingest.images import formats
from asap_ingest.images.downsample import Downsampling, level_shape, levels_of, minimum_levels, to_8bit
from asap_ingest.mipmaps.locations import mask_extension, mipmap_uri

Image = NDArray[Any]


@dataclass(frozen=True)
class PyramidSettings:
    """What is the same for all images of a run.

    Attributes
    ----------
    root : str
        Folder of the pyramids, path or URI.
    extension : str
        A value of `locations.EXTENSIONS`.
    levels : int
        The last level; 1 and up.
    force_redo : bool
        False leaves files that are there and not older than their level 0.
    """

    root: str
    extension: str
    levels: int
    downsampling: Downsampling = field(default_factory=Downsampling)
    convert_to_8bit: bool = True
    force_redo: bool = True


@dataclass(frozen=True)
class PyramidJob:
    """One level-0 image, or mask, and the tiles that use it.

    Attributes
    ----------
    draw : callable, optional
        `draw(level, shape_yx)` gives the bytes of a 16-bit gray image of that level, drawn by
        someone else, where `shape_yx` is that of level 0: then the levels are not computed here.
    drawn_wide : bool
        A drawing of an 8-bit image holds its values in the high byte.
    """

    image_uri: str
    tile_ids: tuple[str, ...]
    settings: PyramidSettings
    is_mask: bool = False
    draw: Callable[[int, tuple[int, int]], bytes] | None = None
    drawn_wide: bool = False

    def uri_of(self, level: int) -> str:
        extension = self.settings.extension
        return mipmap_uri(
            self.settings.root,
            self.image_uri,
            level,
            mask_extension(extension) if self.is_mask else extension,
        )


@dataclass(frozen=True)
class PyramidResult:
    """What a job did: files, bytes, and seconds by stage."""

    written: int = 0
    skipped: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: dict[str, float] = field(default_factory=dict)


def build_pyramid(job: PyramidJob) -> PyramidResult:
    """Write the levels of one image that are missing or to be redone.

    Raises
    ------
    MissingFileError, StorageError, ImageError
        Levels written before the error stay; each is whole.
    """
    missing = [level for level in range(1, job.settings.levels + 1) if _must_write(job, level)]
    if not missing:
        return PyramidResult(skipped=job.settings.levels)
    clock = StageClock()
    with clock.stage("read"):
        content = storage.read_bytes(job.image_uri)
    with clock.stage("decode"):
        image = _decoded(content)
    bytes_written = 0
    for level, pixels in _timed(_pyramid(job, image, max(missing)), clock):
        if level not in missing:
            continue
        uri = job.uri_of(level)
        with clock.stage("encode"):
            encoded = formats.encode(pixels, uri.rpartition(".")[2])
        with clock.stage("write"):
            storage.write_bytes(uri, encoded)
        bytes_written += len(encoded)
    skipped = job.settings.levels - len(missing)
    return PyramidResult(len(missing), skipped, len(content), bytes_written, clock.seconds)


class StageClock:
    """Seconds spent in named stages."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def _decoded(content: bytes) -> Image:
    image = formats.decode(content)
    if image.dtype == np.float32:
        raise ImageError("has float32 samples; tiles have 8- or 16-bit unsigned ones")
    return image


def _must_write(job: PyramidJob, level: int) -> bool:
    if job.settings.force_redo:
        return True
    written = storage.modified_time(job.uri_of(level))
    if written is None:
        return True
    source = storage.modified_time(job.image_uri)
    if source is None:
        raise MissingFileError(job.image_uri)
    return written < source


def _pyramid(job: PyramidJob, image: Image, levels: int) -> Iterator[tuple[int, Image]]:
    """(level, pixels) for levels 1 to `levels`."""
    if job.is_mask:
        return enumerate(minimum_levels(_as_mask(image), levels), start=1)
    if job.draw is not None:
        return _drawn(job, image, levels)
    level_0 = to_8bit(image) if job.settings.convert_to_8bit else image
    return enumerate(levels_of(level_0, levels, job.settings.downsampling), start=1)


def _as_mask(image: Image) -> Image:
    if image.ndim != 2:
        raise ImageError("a mask has one channel; this one has colours")
    return to_8bit(image)


def _drawn(job: PyramidJob, image: Image, levels: int) -> Iterator[tuple[int, Image]]:
    """Levels as the render service draws them, in the depth that the other methods would write."""
    assert job.draw is not None
    is_8bit = image.dtype == np.uint8
    for level in range(1, levels + 1):
        drawn = formats.decode(job.draw(level, image.shape[:2]))
        expected = level_shape(image.shape[:2], level)
        if drawn.shape != expected:
            raise ImageError(f"level {level} was drawn as {drawn.shape}, not as gray {expected}")
        if is_8bit and not job.drawn_wide:
            yield level, drawn.astype(np.uint8)
        else:
            yield level, to_8bit(drawn) if is_8bit or job.settings.convert_to_8bit else drawn


def _timed(levels: Iterator[tuple[int, Image]], clock: StageClock) -> Iterator[tuple[int, Image]]:
    while True:
        with clock.stage("reduce"):
            item = next(levels, None)
        if item is None:
            return
        yield item
