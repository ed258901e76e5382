"""One job: read level 0 of an image, write its levels, verify them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.errors import FaultyLevelsError, ImageError, StorageError
from asap_ingest.images import formats
from asap_ingest.images.downsample import (
    Downsampling,
    as_type,
    level_shape,
    levels_of,
    minimum_levels,
    to_8bit,
)
from asap_ingest.images.memory import ReusedMemory
from asap_ingest.mipmaps.grey_values import level_warning, need_16_bits
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.tile_images import TileImage, refuse_other_size
from asap_ingest.mipmaps.verify import SAMPLE_TYPES, Fault, faults_of, level_0_head, opened, reason_of

Image = NDArray[Any]

#: Modules that workers load before they are forked: compiled code takes a while to load.
WORKERS_LOAD = ("asap_ingest.images.kernels",)

#: Memory of level 0 and of the levels, which the next job overwrites: no view of it may outlive a job.
_LEVEL_0_MEMORY, _LEVELS_MEMORY = ReusedMemory(), ReusedMemory()


@dataclass(frozen=True)
class PyramidSettings:
    """Settings that all images of a run share.

    Attributes
    ----------
    levels : Levels
        Where levels lie, and how many there are.
    compression : str
        Of TIFF levels, a name in `formats.TIFF_COMPRESSIONS`.
    """

    levels: Levels
    downsampling: Downsampling = field(default_factory=Downsampling)
    convert_to_8bit: bool = True
    compression: str = "none"


@dataclass(frozen=True)
class PyramidJob:
    """The pyramid of an image or mask.

    Attributes
    ----------
    image : TileImage
        An image of another size than its tiles is refused. Its intensity ranges decide whether levels of a
        16-bit image can have 8 bits.
    levels : tuple of int, optional
        The levels to write; None: all of the settings.
    draw : callable, optional
        `draw(level, shape_yx)` has the render service draw a level; it returns a file with a 16-bit gray
        image. `shape_yx` is the (height, width) of level 0.
    drawn_wide : bool
        Drawings of an 8-bit image hold its values in the high byte.
    """

    image: TileImage
    settings: PyramidSettings
    levels: tuple[int, ...] | None = None
    draw: Callable[[int, tuple[int, int]], bytes] | None = None
    drawn_wide: bool = False

    @cached_property
    def level_uris(self) -> list[str]:
        """URIs of levels 1, 2, ..."""
        return self.settings.levels.uris(*self.image.source, is_mask=self.image.is_mask)

    def uri_of(self, level: int) -> str:
        return self.level_uris[level - 1]

    def level_type(self, sample_type: str) -> str:
        """NumPy's name of the levels' samples, given that of level 0."""
        to_8bit = self.settings.convert_to_8bit and not need_16_bits(self.image.ranges)
        return "uint8" if self.image.is_mask or to_8bit else sample_type


@dataclass(frozen=True)
class PyramidResult:
    """Files and bytes that a job wrote, its seconds by stage, and a warning about the grey values.

    The stages are `read` (from the file of level 0 to its pixels), `reduce`, `encode` and `write`.
    """

    written: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    warning: str | None = None


def build_pyramid(job: PyramidJob) -> PyramidResult:
    """Write the job's levels of one image.

    Raises
    ------
    MissingFileError, StorageError, ImageError
        Levels written before the error stay; each is whole.
    """
    levels = tuple(range(1, job.settings.levels.count + 1)) if job.levels is None else job.levels
    if not levels:  # all exist, but may have been made for tiles of another size
        refuse_other_size(level_0_head(job.image.source).shape_yx, job.image.shape_yx)
        return PyramidResult()
    clock = StageClock()
    image, bytes_read = _level_0(job, clock)
    bytes_written = 0
    brightest: int | None = None
    for level, pixels in _timed(_pyramid(job, image, max(levels)), clock):
        if level == 1 and image.dtype == np.uint16 and pixels.dtype == np.uint8:
            brightest = int(pixels.max())
        if level in levels:
            uri = job.uri_of(level)
            with clock.stage("encode"):
                parts = formats.encoded_parts(pixels, uri.rpartition(".")[2], job.settings.compression)
            with clock.stage("write"):
                storage.write_bytes(uri, *parts)
            bytes_written += sum(map(len, parts))
    warning = None
    if image.dtype == np.uint16 and job.settings.convert_to_8bit and not job.image.is_mask:
        warning = level_warning(job.image.ranges, brightest)
    return PyramidResult(len(levels), bytes_read, bytes_written, clock.seconds, warning)


def build_and_verify(job: PyramidJob) -> PyramidResult:
    """Build a pyramid, then read all its levels again, also those that this job did not write.

    Raises
    ------
    FaultyLevelsError
        Names the first faulty level; besides the errors of `build_pyramid`.
    """
    result = build_pyramid(job)
    faults = verify_pyramid(job)
    if faults:
        raise FaultyLevelsError(faults)
    return result


def verify_pyramid(job: PyramidJob) -> list[Fault]:
    """Faults of the levels of a job's image.

    Size and type follow from the header of level 0, whose pixels are not decoded. If level 0 cannot be read,
    that is the only fault.
    """
    uri = job.image.source.uri
    try:
        head = level_0_head(job.image.source)
        refuse_other_size(head.shape_yx, job.image.shape_yx)
    except (StorageError, ImageError) as error:
        return [Fault(uri, reason_of(error))]
    if head.tile_type not in SAMPLE_TYPES:
        return [Fault(uri, f"has {head.tile_type} samples, must have {' or '.join(SAMPLE_TYPES)}")]
    return faults_of(job.level_uris, head.shape_yx, job.level_type(head.tile_type))


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


def _level_0(job: PyramidJob, clock: StageClock) -> tuple[Image, int]:
    """Pixels, and the number of bytes that were read: of a TIFF stack those of the slice."""
    with clock.stage("read"), opened(job.image.source.uri) as file:
        image = formats.decode_page(file, job.image.source.page_index, memory=_LEVEL_0_MEMORY)
        bytes_read = image.nbytes if job.image.source.slice_number is not None else file.seek(0, os.SEEK_END)
    return _checked(job, image), bytes_read


def _checked(job: PyramidJob, image: Image) -> Image:
    if image.dtype == np.float32:
        raise ImageError("has floating-point samples; levels have 8 or 16 bit: save it as uint8 or uint16")
    refuse_other_size(image.shape, job.image.shape_yx)
    if job.settings.levels.extension == "jpg" and image.dtype == np.uint16 and need_16_bits(job.image.ranges):
        raise ImageError(
            "has 16 bits, of which its tiles show a part: 8-bit levels, all that fits a JPEG, would not look "
            "like it; set imgformat tif or png"
        )
    return image


def _pyramid(job: PyramidJob, image: Image, levels: int) -> Iterator[tuple[int, Image]]:
    """(level, pixels) for levels 1 to `levels`."""
    if job.image.is_mask:
        return enumerate(minimum_levels(_as_mask(image), levels), start=1)
    if job.draw is not None:
        return _drawn(job, image, levels)
    dtype = np.dtype(job.level_type(str(image.dtype)))
    means = levels_of(image, levels, job.settings.downsampling, dtype, _LEVELS_MEMORY)
    return enumerate(means, start=1)


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
            yield level, as_type(drawn, np.dtype(job.level_type(str(image.dtype))))


def _timed(levels: Iterator[tuple[int, Image]], clock: StageClock) -> Iterator[tuple[int, Image]]:
    while True:
        with clock.stage("reduce"):
            item = next(levels, None)
        if item is None:
            return
        yield item
