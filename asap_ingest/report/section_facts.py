"""Which tiles stand out, and a survey as JSON: all of it for the section's page, a summary for the index."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from asap_ingest.report.overlaps import LEAST_CORRELATION

if TYPE_CHECKING:
    from asap_ingest.report.survey import Survey

#: With fewer values there are no limits.
FEWEST_VALUES = 8
#: A value further from the median than this many robust deviations stands out.
MOST_DEVIATIONS = 3.5
# makes the median absolute deviation of normally distributed values their standard deviation
_NORMAL = 1.4826

#: Explanation of the rule, for the page.
RULE = (
    f"A tile is an outlier where a value is further from the section's median than {MOST_DEVIATIONS} robust "
    f"deviations ({_NORMAL} times the median absolute deviation). With fewer than {FEWEST_VALUES} tiles, or "
    "where more than half of them have the same value, there are no limits."
)
#: Names of the measures on pages, with their unit.
LABELS = {
    "mean": "mean grey value",
    "contrast": "contrast (standard deviation)",
    "focus": "focus (variance of the Laplacian)",
    "astigmatism": "astigmatism (coherence of gradients)",
    "residual": "largest shift to a neighbour, px",
    "focus_score": "focus score of the metafile",
    "astig_score": "astigmatism score of the metafile",
}


@dataclass(frozen=True)
class Measure:
    """One measure over the tiles of a section.

    Attributes
    ----------
    count : tiles that have it
    median, deviation : of these tiles; the deviation is robust, 0 where there are no limits
    deviations : tile index -> deviations above the median, for the outliers
    """

    name: str
    count: int
    median: float
    deviation: float
    deviations: Mapping[int, float]

    @property
    def limits(self) -> tuple[float, float] | None:
        """Lowest and highest value that is no outlier; None without limits."""
        if not self.deviation:
            return None
        reach = MOST_DEVIATIONS * self.deviation
        return self.median - reach, self.median + reach


def measure(name: str, values: Mapping[int, float]) -> Measure:
    """Find the outliers among `values` (tile index -> value, all finite, at least one).

    The rule is that of Iglewicz & Hoaglin [1]_: outliers move neither the median nor the median absolute
    deviation, so that they cannot hide each other [2]_.

    References
    ----------
    .. [1] Iglewicz & Hoaglin (1993), How to detect and handle outliers, ASQC Quality Press.
    .. [2] Rousseeuw & Croux (1993), Alternatives to the median absolute deviation, JASA 88, 1273-1283.
    """
    numbers = np.array(list(values.values()), dtype=np.float64)
    median = float(np.median(numbers))
    distances = numbers - median
    deviation = _NORMAL * float(np.median(np.abs(distances)))
    if len(numbers) < FEWEST_VALUES or deviation <= np.spacing(abs(median)):
        return Measure(name, len(numbers), median, 0.0, {})
    deviations = zip(values, (distances / deviation).tolist(), strict=True)
    outliers = {index: many for index, many in deviations if abs(many) > MOST_DEVIATIONS}
    return Measure(name, len(numbers), median, deviation, outliers)


def summary_of(survey: Survey) -> dict[str, Any]:
    """The part of `sections.html` about a section: counts, seconds, medians by measure."""
    section = survey.section
    return {
        "stack": section.stack,
        "z": section.z,
        "page": f"section_{section.z_text}.html",
        "tiles": len(section.tiles),
        "failed": len(survey.failures),
        "missing": len(section.missing),
        "outliers": len({index for by in survey.measures for index in by.deviations}),
        "seconds": None if section.seconds is None else round(section.seconds, 2),
        "medians": {by.name: _short(by.median) for by in survey.measures},
    }


def facts_of(survey: Survey) -> dict[str, Any]:
    """All that `section_<z>.html` shows, except the contact sheet; lists are in the order of tiles."""
    section, sheet, shading = survey.section, survey.sheet, survey.shading
    count = len(section.tiles)
    return {
        **summary_of(survey),
        "labels": LABELS,
        "rule": RULE,
        "view": section.view,
        "throughput": dict(section.throughput),
        "sheet": None if sheet is None else {**vars(sheet)},
        "histogram": survey.levels.histogram(),
        "measures": [_measure_facts(by) for by in survey.measures],
        "ids": [tile.tile_id for tile in section.tiles],
        "boxes": [[_short(edge, 10) for edge in tile.box] for tile in section.tiles],
        "rasters": [tile.raster for tile in section.tiles],
        "values": {
            by.name: [_short(survey.values[by.name].get(index, math.nan)) for index in range(count)]
            for by in survey.measures
        },
        "failures": survey.failures,
        "missingRasters": section.missing,
        "shading": None if shading is None else [[_short(part) for part in row] for row in shading.tolist()],
        "shifts": [
            [overlap.first, overlap.second, *map(_short, shift)]
            for overlap, shift in survey.shifts
            if shift is not None
        ],
        "unlike": [[overlap.first, overlap.second] for overlap, shift in survey.shifts if shift is None],
        "leastCorrelation": LEAST_CORRELATION,
    }


def _measure_facts(by: Measure) -> dict[str, Any]:
    return {
        "name": by.name,
        "count": by.count,
        "median": _short(by.median),
        "limits": None if by.limits is None else [_short(limit) for limit in by.limits],
        "deviations": {index: _short(many) for index, many in by.deviations.items()},
    }


def _short(value: float, digits: int = 6) -> float | None:
    """Rounded, so that pages of 10,000 tiles stay small; None for what JSON cannot hold."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
