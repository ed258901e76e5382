"""Reads and measures a picture of every tile of a section, and compares neighbours where they overlap."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest import storage
from asap_ingest.errors import AsapIngestError, StorageError
from asap_ingest.execution.machine_resources import usable_cores
from asap_ingest.report.overlaps import Overlap, Shift, Strip, overlaps_of, shift_between, strip_of
from asap_ingest.report.section_facts import Measure, measure
from asap_ingest.report.section_picture import (
    STEP_OF_8_BIT,
    ContactSheet,
    GreyLevels,
    Layout,
    fitted,
    is_place,
    layout,
)
from asap_ingest.report.section_tiles import ReportTile, SectionSummary
from asap_ingest.report.tile_measures import (
    CONTRAST,
    MEAN,
    NAMES,
    at_measured_size,
    gray_image,
    level_to_read,
    measured,
)
from asap_ingest.storage import ReaderThreads

_READ_AT_ONCE = 32  # threads hide the time that object stores and network drives take to answer
_SHADING_SIDE = 32
#: The largest shift between a tile and its neighbours, in pixels of level 0.
RESIDUAL = "residual"

Values = dict[int, float]  # tile index -> value


@dataclass(frozen=True)
class Survey:
    """Results for a section's report.

    Attributes
    ----------
    sheet : layout of the contact sheet; None without a tile that can be placed
    picture : the contact sheet, JPEG
    levels : grey values of all pictures
    shading : ndarray of float, shape (32, 32), or None
        Median over the tiles of their brightness at a place, divided by the tile's mean: 1 everywhere
        under flat illumination.
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


@dataclass(frozen=True)
class _TileResult:
    """Result for one tile; without a readable picture `problem` and nothing else."""

    index: int
    problem: str | None = None
    picture: NDArray[Any] | None = None
    counts: NDArray[np.int64] | None = None
    values: dict[str, float] = field(default_factory=dict)
    shading: NDArray[np.float32] | None = None
    strips: dict[int, Strip | None] = field(default_factory=dict)
    scale: float = 1.0


def survey(section: SectionSummary) -> Survey:
    """Read a picture of every tile once. One that cannot be read is a failure of its tile."""
    run = _SurveyRun(section)
    run.measure_tiles()
    return run.result()


class _SurveyRun:
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
        self._strips: dict[int, tuple[int, Strip | None]] = {}
        self._shifts: dict[int, Future[Shift | None]] = {}
        self._values: dict[str, Values] = {MEAN: {}, CONTRAST: {}}
        self._failures: dict[int, str] = {}
        self._shadings: list[NDArray[np.float32]] = []

    def measure_tiles(self) -> None:
        tiles = self._section.tiles
        # by rows, so that few strips wait for those of a neighbour
        indices = sorted(range(len(tiles)), key=lambda index: tiles[index].box[1::-1])
        readers = ReaderThreads(_READ_AT_ONCE)
        # OpenCV and SciPy release the GIL
        computers = ThreadPoolExecutor(usable_cores())
        with readers, computers:
            for result in self._results(indices, readers, computers):
                self._add(result)
                for number, strip in result.strips.items():
                    self._match(number, result, strip, computers)

    def _results(
        self, indices: list[int], readers: ThreadPoolExecutor, computers: ThreadPoolExecutor
    ) -> Iterator[_TileResult]:
        for first in range(0, len(indices), _READ_AT_ONCE):
            block = indices[first : first + _READ_AT_ONCE]
            contents = list(readers.map(self._read, block))
            yield from computers.map(lambda index, read: self._result(index, *read), block, contents)

    def _read(self, index: int) -> tuple[int, bytes | str]:
        """Level and content of a tile's file, or the reason why there is none."""
        tile = self._section.tiles[index]
        if not tile.level_uris:
            return 0, "no mipmap levels"
        level = level_to_read(tile, self._sheet)
        try:
            return level, storage.read_bytes(tile.level_uris[level - 1])
        except StorageError as error:
            return level, f"level {level}: {error}"

    def _result(self, index: int, level: int, content: bytes | str) -> _TileResult:
        if isinstance(content, str):
            return _TileResult(index, content)
        try:
            return self._measured(index, level, gray_image(content))
        except AsapIngestError as error:
            return _TileResult(index, f"level {level} {error}")

    def _measured(self, index: int, level: int, image: NDArray[Any]) -> _TileResult:
        import cv2

        tile = self._section.tiles[index]
        picture = fitted(image, self._sheet.area(tile.box)) if self._sheet and is_place(tile.box) else None
        pixels = at_measured_size(image, level, tile.shape_yx)
        values = measured(pixels)
        sides = (_SHADING_SIDE, _SHADING_SIDE)
        shading = cv2.resize(pixels.astype(np.float32), sides, interpolation=cv2.INTER_AREA)
        numbers = self._overlaps_of.get(index, ())
        return _TileResult(
            index,
            picture=picture,
            counts=np.bincount(pixels.ravel(), minlength=1 << 8 * pixels.dtype.itemsize),
            values=values,
            shading=shading.astype(np.float32) / values[MEAN] if values[MEAN] > 0 else None,
            strips={number: strip_of(pixels, tile, self._overlaps[number]) for number in numbers},
            scale=1.0 if tile.shape_yx is None else tile.shape_yx[1] / pixels.shape[1],
        )

    def _add(self, result: _TileResult) -> None:
        tile = self._section.tiles[result.index]
        if reasons := _reasons(tile, result.problem):
            self._failures[result.index] = reasons
        for name, score in tile.scores.items():
            if name not in NAMES and math.isfinite(score):
                self._values.setdefault(name, {})[result.index] = float(score)
        if result.counts is None:
            return
        if self._canvas and self._sheet and result.picture is not None:
            self._canvas.paste(result.picture, self._sheet.area(tile.box))
        self._levels.add(result.counts)
        step = STEP_OF_8_BIT if len(result.counts) == 256 else 1
        for name, value in result.values.items():
            factor = step if name in (MEAN, CONTRAST) else 1
            self._values.setdefault(name, {})[result.index] = value * factor
        if result.shading is not None:
            self._shadings.append(result.shading)

    def _match(
        self, number: int, result: _TileResult, strip: Strip | None, computers: ThreadPoolExecutor
    ) -> None:
        """Store a tile's strip of an overlap, or compare it with the strip of the other tile."""
        if number not in self._strips:
            self._strips[number] = result.index, strip
            return
        other, stored = self._strips.pop(number)
        if strip is None or stored is None:
            return
        pair = (stored, strip) if other == self._overlaps[number].first else (strip, stored)
        self._shifts[number] = computers.submit(shift_between, *pair, result.scale)

    def result(self) -> Survey:
        shifts = [(self._overlaps[number], shift.result()) for number, shift in sorted(self._shifts.items())]
        residuals: Values = {}
        for overlap, shift in shifts:
            if shift is not None:
                for index in (overlap.first, overlap.second):
                    residuals[index] = max(residuals.get(index, 0.0), math.hypot(shift[0], shift[1]))
        # the unit of a grey value is known when all tiles were read
        for name in (MEAN, CONTRAST):
            of_tiles = self._values[name].items()
            self._values[name] = {index: value / self._levels.step for index, value in of_tiles}
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


def _reasons(tile: ReportTile, problem: str | None) -> str:
    # that a failed tile has no levels is nothing new
    reasons = [tile.failure or problem]
    if not is_place(tile.box):
        reasons.append(f"cannot be placed: its box is {tile.box}")
    return "; ".join(reason for reason in reasons if reason)
