"""Which tiles stand out: a rule that the tiles that stand out do not move."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

#: Fewer values than this say nothing about what is usual.
FEWEST_VALUES = 8
#: A value further from the median than this many robust deviations stands out.
MOST_DEVIATIONS = 3.5
# makes the median absolute deviation of normally distributed values their standard deviation
_NORMAL = 1.4826

#: What the rule is, for the page.
RULE = (
    f"A tile is an outlier where a value is further from the section's median than {MOST_DEVIATIONS} robust "
    f"deviations ({_NORMAL} times the median absolute deviation). With fewer than {FEWEST_VALUES} tiles, or "
    "where more than half of them have the same value, there are no limits."
)


@dataclass(frozen=True)
class Measure:
    """One measure over the tiles of a section.

    Attributes
    ----------
    name : `mean`, `contrast` or a score's
    count : tiles that have it
    median, deviation : of these tiles; the deviation is robust, 0 where there are no limits
    deviations : tile index -> how many deviations above the median, for the outliers
    """

    name: str
    count: int
    median: float
    deviation: float
    deviations: Mapping[int, float]

    @property
    def limits(self) -> tuple[float, float] | None:
        """Lowest and highest value that is no outlier; None where there is no telling."""
        if not self.deviation:
            return None
        reach = MOST_DEVIATIONS * self.deviation
        return self.median - reach, self.median + reach

    @property
    def farthest_first(self) -> list[int]:
        """Indices of the outliers."""
        return sorted(self.deviations, key=lambda index: -abs(self.deviations[index]))


def measure(name: str, values: Mapping[int, float]) -> Measure:
    """Find the outliers among `values` (tile index -> value, all finite, at least one)."""
    found = np.array(list(values.values()), dtype=np.float64)
    median = float(np.median(found))
    distances = found - median
    deviation = _NORMAL * float(np.median(np.abs(distances)))
    if len(found) < FEWEST_VALUES or deviation <= np.spacing(abs(median)):
        return Measure(name, len(found), median, 0.0, {})
    deviations = distances / deviation
    outliers = {
        index: float(many)
        for index, many in zip(values, deviations, strict=True)
        if abs(many) > MOST_DEVIATIONS
    }
    return Measure(name, len(found), median, deviation, outliers)
