"""The tiles' top levels, read some at a time: however many and large they are, memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.errors import AsapIngestError, ImageError, StorageError
from asap_ingest.images import formats
from asap_ingest.section_report.records import ReportTile

_READ_AT_ONCE = 32  # threads hide the time that object stores and network drives take to answer

#: One grey value of an 8-bit image in the units of a thumbnail.
STEP_OF_8_BIT = 256


@dataclass(frozen=True)
class Thumbnail:
    """A tile's top level.

    Attributes
    ----------
    image : ndarray of uint16, shape (height, width), or None
        8-bit samples stand in the high byte; None where it could not be read.
    is_8bit : bool
    problem : str or None
        Why it could not be read.
    """

    image: NDArray[np.uint16] | None = None
    is_8bit: bool = True
    problem: str | None = None


def thumbnails(tiles: Sequence[ReportTile]) -> Iterator[Thumbnail]:
    """The thumbnail of each tile, in their order."""
    with ThreadPoolExecutor(_READ_AT_ONCE) as readers:
        for first in range(0, len(tiles), _READ_AT_ONCE):
            # options of object stores belong to the context, which a thread does not have by itself
            asked = [(copy_context(), tile) for tile in tiles[first : first + _READ_AT_ONCE]]
            for content in readers.map(lambda one: one[0].run(_content, one[1]), asked):
                yield content if isinstance(content, Thumbnail) else _thumbnail(content)


def _content(tile: ReportTile) -> bytes | Thumbnail:
    if tile.thumbnail_uri is None:
        return Thumbnail(problem="no thumbnail")
    try:
        return storage.read_bytes(tile.thumbnail_uri)
    except StorageError as error:
        return Thumbnail(problem=f"thumbnail: {error}")


def _thumbnail(content: bytes) -> Thumbnail:
    try:
        image = formats.decode(content)
        if image.dtype == np.float32:
            raise ImageError("has float32 samples; thumbnails have 8- or 16-bit unsigned ones")
    except AsapIngestError as error:
        return Thumbnail(problem=f"thumbnail {error}")
    grey = _grey(image)
    if grey.dtype == np.uint8:
        return Thumbnail(grey.astype(np.uint16) * np.uint16(STEP_OF_8_BIT))
    return Thumbnail(grey, is_8bit=False)


def _grey(image: NDArray[Any]) -> NDArray[Any]:
    if image.ndim == 2:
        return image
    import cv2

    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
