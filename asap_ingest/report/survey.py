"""Reads and measures a picture of every tile of a section, and compares neighbours where they overlap."""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.errors import AsapIngestError, StorageError
from asap_ingest.execution.machine_resources import usable_cores
from asap_ingest.report.outliers import Distribution, distribution_of
from asap_ingest.report.overlaps import Shift, Strip, overlaps_of, shift_between, strip_of
from asap_ingest.report.section_picture import (
    STEP_OF_8_BIT,
    ContactSheet,
    GreyHistogram,
    can_be_placed,
    fitted,
    sheet_layout,
)
from asap_ingest.report.section_tiles import SectionSummary
from asap_ingest.report.tile_measures import (
    CONTRAST,
    MEAN,
    NAMES,
    at_measured_size,
    gray_image,
    level_to_read,
    measure_picture,
)
from asap_ingest.storage import ReaderThreads

_READ_AT_ONCE = 32  # threads hide the time that object stores and network drives take to answer
_SHADING_SIDE = 32
#: The largest shift between a tile and its neighbours, in pixels of level 0.
RESIDUAL = "residual"

Values = dict[int, float]  # tile index -> value


@dataclass(frozen=True)
class _MeasuredTile:
    """A tile's picture at the size on which it is measured, and what follows from it.

    Attributes
    ----------
    on_sheet : ndarray or None
        The picture at its size on the contact sheet; None for a tile that cannot be placed.
    counts : ndarray of int64
        Of each grey value, 256 or 65536.
    """

    picture: NDArray[Any]
    on_sheet: NDArray[Any] | None
    counts: NDArray[np.int64]
    values: dict[str, float]
    shading: NDArray[np.float32] | None


class Survey:
    """Measures the tiles of a section when it is made; holds the results.

    A picture of every tile is read once. One that cannot be read is a failure of its tile.

    Attributes
    ----------
    layout : of the contact sheet; None without a tile that can be placed
    grey : grey values of all pictures
    shading : ndarray of float, shape (32, 32), or None
        Median over the tiles of their brightness at a place, divided by the tile's mean: 1 everywhere
        under flat illumination.
    values : measure -> its value for the tiles that have it
    failures : tile index -> reasons
    shifts : overlaps with the shift between their two tiles; None where they do not show the same
    """

    def __init__(self, section: SectionSummary) -> None:
        self.section = section
        self.layout = sheet_layout(tile.box for tile in section.tiles)
        self.grey = GreyHistogram()
        self.values: dict[str, Values] = {MEAN: {}, CONTRAST: {}}
        self.failures: dict[int, str] = {}
        self._canvas = ContactSheet(self.layout) if self.layout else None
        self._shadings: list[NDArray[np.float32]] = []
        self._overlaps = overlaps_of(section.tiles)
        self._overlaps_of: dict[int, list[int]] = {}
        for number, overlap in enumerate(self._overlaps):
            for index in (overlap.first, overlap.second):
                self._overlaps_of.setdefault(index, []).append(number)
        self._strips: dict[int, Strip | None] = {}
        self._shifts: dict[int, Future[Shift | None]] = {}
        self._measure_tiles()
        self.failures = dict(sorted(self.failures.items()))
        self.shading = np.median(self._shadings, axis=0) if self._shadings else None
        self.shifts = [
            (self._overlaps[number], each.result()) for number, each in sorted(self._shifts.items())
        ]
        # the unit of a grey value is known when all tiles were read
        for name in (MEAN, CONTRAST):
            of_tiles = self.values[name].items()
            self.values[name] = {index: value / self.grey.step for index, value in of_tiles}
        residuals = self.values[RESIDUAL] = {}
        for overlap, shift in self.shifts:
            if shift is not None:
                for index in (overlap.first, overlap.second):
                    residuals[index] = max(residuals.get(index, 0.0), math.hypot(shift[0], shift[1]))

    @property
    def picture(self) -> bytes:
        """The contact sheet, JPEG."""
        return self._canvas.jpeg(*self.grey.limits) if self._canvas else b""

    @cached_property
    def distributions(self) -> list[Distribution]:
        """One for each measure of which at least one tile has a value."""
        return [
            distribution_of(name, dict(sorted(values.items())))
            for name, values in self.values.items()
            if values
        ]

    def _measure_tiles(self) -> None:
        tiles = self.section.tiles
        # by rows, so that few strips wait for those of a neighbour
        indices = sorted(range(len(tiles)), key=lambda index: tiles[index].box[1::-1])
        # OpenCV and SciPy release the GIL
        with ReaderThreads(_READ_AT_ONCE) as readers, ThreadPoolExecutor(usable_cores()) as computers:
            for first in range(0, len(indices), _READ_AT_ONCE):
                block = indices[first : first + _READ_AT_ONCE]
                contents = list(readers.map(self._read, block))
                for index, result in zip(
                    block, computers.map(self._measure_tile, block, contents), strict=True
                ):
                    self._add_tile(index, result if isinstance(result, str) else None)
                    if isinstance(result, _MeasuredTile):
                        self._add_picture(index, result)
                        self._match(index, result.picture, computers)

    def _read(self, index: int) -> bytes | str:
        """The content of a tile's file, or the reason why there is none."""
        tile = self.section.tiles[index]
        if not tile.level_uris:
            return "no mipmap levels"
        level = level_to_read(tile, self.layout)
        try:
            return storage.read_bytes(tile.level_uris[level - 1])
        except StorageError as error:
            return f"level {level}: {error}"

    def _measure_tile(self, index: int, content: bytes | str) -> _MeasuredTile | str:
        """Results for a tile, or the reason why there are none."""
        import cv2

        if isinstance(content, str):
            return content
        tile = self.section.tiles[index]
        level = level_to_read(tile, self.layout)
        try:
            image = gray_image(content)
            on_sheet = None
            if self.layout and can_be_placed(tile.box):
                on_sheet = fitted(image, self.layout.area(tile.box))
            picture = at_measured_size(image, level, tile.shape_yx)
            values = measure_picture(picture)
        except AsapIngestError as error:
            return f"level {level} {error}"
        counts = np.bincount(picture.ravel(), minlength=1 << 8 * picture.dtype.itemsize)
        sides = (_SHADING_SIDE, _SHADING_SIDE)
        shading = cv2.resize(picture.astype(np.float32), sides, interpolation=cv2.INTER_AREA)
        flat = shading.astype(np.float32) / values[MEAN] if values[MEAN] > 0 else None
        return _MeasuredTile(picture, on_sheet, counts, values, flat)

    def _add_tile(self, index: int, problem: str | None) -> None:
        tile = self.section.tiles[index]
        # a failed tile is known to lack its levels
        reasons = [tile.failure or problem]
        if not can_be_placed(tile.box):
            reasons.append(f"cannot be placed: its box is {tile.box}")
        if any(reasons):
            self.failures[index] = "; ".join(filter(None, reasons))
        for name, score in tile.scores.items():
            if name not in NAMES and math.isfinite(score):
                self.values.setdefault(name, {})[index] = float(score)

    def _add_picture(self, index: int, result: _MeasuredTile) -> None:
        if self._canvas and self.layout and result.on_sheet is not None:
            self._canvas.paste(result.on_sheet, self.layout.area(self.section.tiles[index].box))
        self.grey.add(result.counts)
        step = STEP_OF_8_BIT if len(result.counts) == 256 else 1
        for name, value in result.values.items():
            factor = step if name in (MEAN, CONTRAST) else 1
            self.values.setdefault(name, {})[index] = value * factor
        if result.shading is not None:
            self._shadings.append(result.shading)

    def _match(self, index: int, picture: NDArray[Any], computers: ThreadPoolExecutor) -> None:
        """Store a tile's strips of its overlaps, or compare them with those of the other tiles."""
        tile = self.section.tiles[index]
        for number in self._overlaps_of.get(index, ()):
            overlap = self._overlaps[number]
            strip = strip_of(picture, tile, overlap)
            if number not in self._strips:
                self._strips[number] = strip
                continue
            stored = self._strips.pop(number)
            if strip is not None and stored is not None and tile.shape_yx is not None:
                pair = (strip, stored) if overlap.first == index else (stored, strip)
                scale = tile.shape_yx[1] / picture.shape[1]
                self._shifts[number] = computers.submit(shift_between, *pair, scale)
