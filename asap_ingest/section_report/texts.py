"""Words and numbers of the page."""

from __future__ import annotations

from asap_ingest.section_report.outliers import Measure
from asap_ingest.section_report.survey import CONTRAST, MEAN

_LABELS = {
    MEAN: "mean grey value",
    CONTRAST: "contrast (standard deviation)",
    "focus_score": "focus score",
    "astig_score": "astigmatism score",
}


def label(by: Measure) -> str:
    return _LABELS.get(by.name, by.name)


def number(value: float) -> str:
    """Four digits, or all before the point."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def finding(by: Measure, value: float, index: int) -> str:
    """`mean grey value 12.3, 9.4 deviations below the median 120.1`."""
    return f"{label(by)} {number(value)}, {distance(by, index)} the median {number(by.median)}"


def distance(by: Measure, index: int) -> str:
    many = by.deviations[index]
    return f"{abs(many):.1f} deviations {'above' if many > 0 else 'below'}"
