"""Looks at all tiles of a section once: what is on the sheet, what stands out, what failed."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import AsapIngestError, StorageError
from asap_ingest.report import measures
from asap_ingest.report.contact_sheet import ContactSheet, Layout, fitted, is_place, layout
from asap_ingest.report.grey_levels import GreyLevels
from asap_ingest.report.level_images import (
    LevelImage,
    content_of,
    image_of,
    level_to_read,
    measured_size,
)
from asap_ingest.report.outliers import Measure, measure
from asap_ingest.report.overlaps import (
    LEAST_CORRELATION,
    Overlap,
    Strip,
    overlaps_of,
    shift_between,
    strip_of,
)
from asap_ingest.report.tile_table import ReportTile, SectionSummary
from asap_ingest.storage.reader_threads import ReaderThreads

_READ_AT_ONCE = 32  # threads hide the time that object stores and network drives take to answer
_SHADING_SIDE = 32
#: The largest shift between a tile and its neighbours, in pixels of level 0.
RESIDUAL = "residual"

Values = dict[int, float]  # tile index -> value
Shift = tuple[float, float, float]  # dx, dy, correlation


@dataclass(frozen=True)
class Survey:
    """What a section's report says.

    Attributes
    ----------
    sheet : where tiles lie on the contact sheet; None without a tile that can be placed
    picture : the contact sheet, JPEG
    levels : grey values of all pictures
    shading : ndarray of float, shape (32, 32), or None
        Median over the tiles of their brightness at a place, as a part of their mean: what a flat
        illumination would make 1 everywhere.
    values : measure -> its value for the tiles that have it
    measures : the measures that any tile has
    failures : tile index -> reasons
    shifts : overlaps with the shift between their two tiles; None where they do not show the same
    """

    section: SectionSummary
    sheet: Layout | None
    picture: bytes
    levels: GreyLevels
    shading: NDArray[np.float64] | None
    values: dict[str, Values]
    measures: tuple[Measure, ...]
    failures: dict[int, str]
    shifts: list[tuple[Overlap, Shift | None]]

    @property
    def outliers(self) -> dict[int, list[Measure]]:
        """Tile index -> the measures by which it stands out."""
        result: dict[int, list[Measure]] = {}
        for by in self.measures:
            for index in by.deviations:
                result.setdefault(index, []).append(by)
        return dict(sorted(result.items()))


@dataclass(frozen=True)
class _Look:
    """What was seen of one tile; all but `problem` only where its picture could be read."""

    index: int
    problem: str | None = None
    picture: NDArray[Any] | None = None
    counts: NDArray[np.int64] | None = None
    values: dict[str, float] = field(default_factory=dict)
    shading: NDArray[np.float32] | None = None
    strips: dict[int, Strip | None] = field(default_factory=dict)
    scale: float = 1.0


def survey(section: SectionSummary) -> Survey:
    """Read a picture of every tile once. What cannot be read is a failure of its tile."""
    observer = _Observer(section)
    observer.observe()
    return observer.conclude()


class _Observer:
    def __init__(self, section: SectionSummary) -> None:
        self._section = section
        self._sheet = layout(tile.box for tile in section.tiles)
        self._canvas = ContactSheet(self._sheet) if self._sheet else None
        self._levels = GreyLevels()
        self._overlaps = overlaps_of(section.tiles)
        self._overlaps_of: dict[int, list[int]] = {}
        for number, overlap in enumerate(self._overlaps):
            for index in (overlap.first, overlap.second):
                self._overlaps_of.setdefault(index, []).append(number)
        self._waiting: dict[int, tuple[int, Strip | None]] = {}
        self._shifts: dict[int, Future[Shift | None]] = {}
        self._values: dict[str, Values] = {measures.MEAN: {}, measures.CONTRAST: {}}
        self._failures: dict[int, str] = {}
        self._shadings: list[NDArray[np.float32]] = []

    def observe(self) -> None:
        # by rows, so that a tile's strips soon meet those of its neighbours
        indices = sorted(
            range(len(self._section.tiles)), key=lambda index: self._section.tiles[index].box[1::-1]
        )
        readers = ReaderThreads(_READ_AT_ONCE)
        # OpenCV and SciPy compute without Python's lock
        computers = ThreadPoolExecutor(os.cpu_count())
        with readers, computers:
            for look in self._looks(indices, readers, computers):
                self._take(look)
                for number, strip in look.strips.items():
                    self._match(number, look, strip, computers)

    def _looks(
        self, indices: list[int], readers: ThreadPoolExecutor, computers: ThreadPoolExecutor
    ) -> Iterator[_Look]:
        for first in range(0, len(indices), _READ_AT_ONCE):
            block = indices[first : first + _READ_AT_ONCE]
            contents = list(readers.map(self._read, block))
            yield from computers.map(self._look, block, contents)

    def _read(self, index: int) -> tuple[int, bytes | StorageError | None]:
        tile = self._section.tiles[index]
        level = level_to_read(tile, self._sheet)
        return level, content_of(tile.level_uris, level) if tile.level_uris else None

    def _look(self, index: int, read: tuple[int, bytes | StorageError | None]) -> _Look:
        level, content = read
        if content is None:
            return _Look(index, "no mipmap levels")
        if isinstance(content, StorageError):
            return _Look(index, f"level {level}: {content}")
        try:
            return self._seen(index, level, image_of(content))
        except AsapIngestError as error:
            return _Look(index, f"level {level} {error}")

    def _seen(self, index: int, level: int, image: LevelImage) -> _Look:
        import cv2

        tile = self._section.tiles[index]
        placed = self._sheet is not None and is_place(tile.box)
        picture = fitted(image.pixels, self._sheet.place(tile.box)) if self._sheet and placed else None
        pixels = measured_size(image, level, tile.shape_yx).pixels
        values = measures.measured(pixels)
        size = 1 << 8 * pixels.dtype.itemsize
        sides = (_SHADING_SIDE, _SHADING_SIDE)
        shading = cv2.resize(pixels.astype(np.float32), sides, interpolation=cv2.INTER_AREA)
        return _Look(
            index,
            picture=picture,
            counts=np.bincount(pixels.ravel(), minlength=size),
            values=values,
            shading=shading.astype(np.float32) / values[measures.MEAN] if values[measures.MEAN] > 0 else None,
            strips={
                number: strip_of(pixels, tile, self._overlaps[number])
                for number in self._overlaps_of.get(index, ())
            },
            scale=1.0 if tile.shape_yx is None else tile.shape_yx[1] / pixels.shape[1],
        )

    def _take(self, look: _Look) -> None:
        tile = self._section.tiles[look.index]
        if reasons := _reasons(tile, look.problem):
            self._failures[look.index] = reasons
        for name, score in tile.scores.items():
            if name not in measures.NAMES and math.isfinite(score):
                self._values.setdefault(name, {})[look.index] = float(score)
        if look.counts is None:
            return
        if self._canvas and self._sheet and look.picture is not None:
            self._canvas.paste(look.picture, self._sheet.place(tile.box))
        self._levels.add(look.counts)
        in_sheet_units = 256 if len(look.counts) == 256 else 1
        for name, value in look.values.items():
            factor = in_sheet_units if name in (measures.MEAN, measures.CONTRAST) else 1
            self._values.setdefault(name, {})[look.index] = value * factor
        if look.shading is not None:
            self._shadings.append(look.shading)

    def _match(self, number: int, look: _Look, strip: Strip | None, computers: ThreadPoolExecutor) -> None:
        """Keep a tile's strip of an overlap until that of the other tile comes; then look for the shift."""
        if number not in self._waiting:
            self._waiting[number] = look.index, strip
            return
        other, before = self._waiting.pop(number)
        if strip is None or before is None:
            return
        pair = (before, strip) if other == self._overlaps[number].first else (strip, before)
        self._shifts[number] = computers.submit(shift_between, *pair, look.scale)

    def conclude(self) -> Survey:
        shifts = [
            (self._overlaps[number], _sure(found.result())) for number, found in sorted(self._shifts.items())
        ]
        residuals: Values = {}
        for overlap, shift in shifts:
            if shift is not None:
                for index in (overlap.first, overlap.second):
                    residuals[index] = max(residuals.get(index, 0.0), math.hypot(shift[0], shift[1]))
        # now that all tiles were seen it is known what a grey value is
        for name in (measures.MEAN, measures.CONTRAST):
            self._values[name] = {
                index: value / self._levels.step for index, value in self._values[name].items()
            }
        values = self._values | {RESIDUAL: residuals}
        return Survey(
            section=self._section,
            sheet=self._sheet,
            picture=self._canvas.jpeg(*self._levels.limits) if self._canvas else b"",
            levels=self._levels,
            shading=np.median(self._shadings, axis=0) if self._shadings else None,
            values=values,
            measures=tuple(measure(name, dict(sorted(of.items()))) for name, of in values.items() if of),
            failures=dict(sorted(self._failures.items())),
            shifts=shifts,
        )


def _sure(shift: Shift | None) -> Shift | None:
    return None if shift is None or shift[2] < LEAST_CORRELATION else shift


def _reasons(tile: ReportTile, unreadable: str | None) -> str:
    # a tile that failed has no levels: that says nothing new
    reasons = [tile.failure or unreadable]
    if not is_place(tile.box):
        reasons.append(f"cannot be placed: its box is {tile.box}")
    return "; ".join(reason for reason in reasons if reason)
