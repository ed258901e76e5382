"""Looks at all tiles of a section once: what is on the sheet, what stands out, what failed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from asap_ingest.section_report.contact_sheet import ContactSheet, Layout, is_place, layout
from asap_ingest.section_report.grey_levels import GreyLevels
from asap_ingest.section_report.outliers import Measure, measure
from asap_ingest.section_report.records import ReportTile, SectionSummary
from asap_ingest.section_report.thumbnails import Thumbnail, thumbnails

#: Measured on thumbnails; grey values.
MEAN, CONTRAST = "mean", "contrast"

Values = dict[int, float]  # tile index -> value


@dataclass(frozen=True)
class Survey:
    """What the page tells.

    Attributes
    ----------
    sheet : where tiles lie on the picture; None without a tile that can be placed
    picture : the contact sheet, JPEG
    levels : grey values of all thumbnails
    values : measure -> its value for the tiles that have it
    measures : the measures that any tile has
    failures : tile index -> reasons
    """

    section: SectionSummary
    sheet: Layout | None
    picture: bytes
    levels: GreyLevels
    values: Mapping[str, Values]
    measures: tuple[Measure, ...]
    failures: Mapping[int, str]

    @property
    def outliers(self) -> dict[int, list[Measure]]:
        """Tile index -> the measures by which it stands out."""
        found: dict[int, list[Measure]] = {}
        for by in self.measures:
            for index in by.deviations:
                found.setdefault(index, []).append(by)
        return dict(sorted(found.items()))


def survey(section: SectionSummary) -> Survey:
    """Read every thumbnail once. What cannot be read is a failure of its tile."""
    sheet = layout(tile.box for tile in section.tiles)
    canvas = ContactSheet(sheet) if sheet else None
    notes = _Notes()
    seen = zip(section.tiles, thumbnails(section.tiles), strict=True)
    for index, (tile, thumbnail) in enumerate(seen):
        notes.take(index, tile, thumbnail)
        if canvas and sheet and thumbnail.image is not None and is_place(tile.box):
            canvas.paste(thumbnail.image, sheet.place(tile.box))
    picture = canvas.jpeg(*notes.levels.limits) if canvas else b""
    values = notes.in_grey_values()
    measures = tuple(measure(name, of_tiles) for name, of_tiles in values.items() if of_tiles)
    return Survey(section, sheet, picture, notes.levels, values, measures, notes.failures)


@dataclass
class _Notes:
    levels: GreyLevels = field(default_factory=GreyLevels)
    values: dict[str, Values] = field(default_factory=lambda: {MEAN: {}, CONTRAST: {}})
    failures: dict[int, str] = field(default_factory=dict)

    def take(self, index: int, tile: ReportTile, thumbnail: Thumbnail) -> None:
        reasons = _reasons(tile, thumbnail.problem)
        if reasons:
            self.failures[index] = reasons
        for name, score in tile.scores.items():
            if name not in (MEAN, CONTRAST) and math.isfinite(score):
                self.values.setdefault(name, {})[index] = float(score)
        if thumbnail.image is not None:
            self.levels.add(thumbnail)
            self.values[MEAN][index] = float(np.mean(thumbnail.image))
            self.values[CONTRAST][index] = float(np.std(thumbnail.image))

    def in_grey_values(self) -> dict[str, Values]:
        """Now that all tiles were seen it is known what a grey value is."""
        return {
            name: {index: value / self.levels.step for index, value in of_tiles.items()}
            if name in (MEAN, CONTRAST)
            else of_tiles
            for name, of_tiles in self.values.items()
        }


def _reasons(tile: ReportTile, unreadable: str | None) -> str:
    # a tile that failed has no thumbnail: that says nothing new
    reasons = [tile.failure or unreadable]
    if not is_place(tile.box):
        reasons.append(f"cannot be placed: its box is {tile.box}")
    return "; ".join(reason for reason in reasons if reason)
