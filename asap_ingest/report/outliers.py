"""Which values of a measure are outliers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

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


@dataclass(frozen=True)
class Distribution:
    """Values of a measure over the tiles of a section, or its medians over sections.

    Attributes
    ----------
    count : int
        Tiles or sections that have a value.
    median, deviation : float
        The deviation is robust; 0 if there are no limits.
    outliers : mapping of int to float
        Index -> robust deviations from the median, above or (negative) below it.
    """

    name: str
    count: int
    median: float
    deviation: float
    outliers: Mapping[int, float]

    @property
    def limits(self) -> tuple[float, float] | None:
        """Lowest and highest value that is no outlier; None without limits."""
        if not self.deviation:
            return None
        reach = MOST_DEVIATIONS * self.deviation
        return self.median - reach, self.median + reach


def distribution_of(name: str, values: Mapping[int, float]) -> Distribution:
    """Find the outliers among `values` (index -> value, all finite, at least one).

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
        return Distribution(name, len(numbers), median, 0.0, {})
    deviations = zip(values, (distances / deviation).tolist(), strict=True)
    outliers = {index: count for index, count in deviations if abs(count) > MOST_DEVIATIONS}
    return Distribution(name, len(numbers), median, deviation, outliers)
