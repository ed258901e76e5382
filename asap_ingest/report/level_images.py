"""The level of each tile that a report looks at, read some at a time: memory is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.errors import ImageError, StorageError
from asap_ingest.images import formats
from asap_ingest.images.downsample import level_shape
from asap_ingest.report.contact_sheet import Layout, is_place
from asap_ingest.report.tile_table import ReportTile

#: Longest side of the level on which tiles are measured: the same for all sections with such tiles.
MEASURED_SIDE = 1024


@dataclass(frozen=True)
class LevelImage:
    """A tile's picture: gray, uint8 or uint16, shape (height, width)."""

    pixels: NDArray[Any]

    @property
    def is_8bit(self) -> bool:
        return self.pixels.dtype == np.uint8


def level_to_read(tile: ReportTile, sheet: Layout | None) -> int:
    """The coarsest level that is as fine as the contact sheet and the measures need; 1 and up."""
    last = len(tile.level_uris)
    if tile.shape_yx is None:  # the tilespec does not say how large it is
        return last
    place = sheet.place(tile.box) if sheet is not None and is_place(tile.box) else None
    for level in range(last, 1, -1):
        height, width = level_shape(tile.shape_yx, level)
        fits = place is None or (width >= place.width and height >= place.height)
        if fits and max(level_shape(tile.shape_yx, level - 1)) > MEASURED_SIDE:
            return level
    return 1


def content_of(uris: Sequence[str], level: int) -> bytes | StorageError:
    """The bytes of a level's file."""
    try:
        return storage.read_bytes(uris[level - 1])
    except StorageError as error:
        return error


def image_of(content: bytes) -> LevelImage:
    """The picture in a level's file; colours become gray.

    Raises
    ------
    ImageError
    """
    import cv2

    image = formats.decode(content)
    if image.dtype == np.float32:
        raise ImageError("has float32 samples; levels have 8- or 16-bit unsigned ones")
    return LevelImage(image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))


def measured_size(image: LevelImage, level: int, shape_yx: tuple[int, int] | None) -> LevelImage:
    """The picture at the size on which tiles are measured, for one that was read at a finer level."""
    import cv2

    height, width = image.pixels.shape
    sides = (height << level, width << level) if shape_yx is None else shape_yx
    wanted = level
    while max(level_shape(sides, wanted)) > MEASURED_SIDE:
        wanted += 1
    if wanted == level:
        return image
    rows, columns = level_shape((height, width), wanted - level)
    return LevelImage(cv2.resize(image.pixels, (columns, rows), interpolation=cv2.INTER_AREA))
