"""A survey as JSON: all of it for the section's page, a summary for the page of all sections."""

from __future__ import annotations

import math
from typing import Any

from asap_ingest.report.outliers import RULE, Distribution
from asap_ingest.report.overlaps import LEAST_CORRELATION
from asap_ingest.report.survey import Survey

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


def summary_of(survey: Survey) -> dict[str, Any]:
    """What `sections.html` shows of a section: counts, seconds, medians by measure."""
    section = survey.section
    return {
        "stack": section.stack,
        "z": section.z,
        "page": f"section_{section.z_text}.html",
        "tiles": len(section.tiles),
        "failed": len(survey.failures),
        "missing": len(section.missing),
        "outliers": len({index for each in survey.distributions for index in each.outliers}),
        "seconds": None if section.seconds is None else round(section.seconds, 2),
        "medians": {each.name: _short(each.median) for each in survey.distributions},
    }


def facts_of(survey: Survey) -> dict[str, Any]:
    """All that `section_<z>.html` shows, except the contact sheet; lists are in the order of tiles."""
    section, shading = survey.section, survey.shading
    count = len(section.tiles)
    return {
        **summary_of(survey),
        "labels": LABELS,
        "rule": RULE,
        "view": section.view,
        "throughput": dict(section.throughput),
        "sheet": None if survey.layout is None else {**vars(survey.layout)},
        "histogram": survey.grey.histogram(),
        "measures": [_distribution_facts(each) for each in survey.distributions],
        "ids": [tile.tile_id for tile in section.tiles],
        "boxes": [[_short(edge, 10) for edge in tile.box] for tile in section.tiles],
        "rasters": [tile.raster for tile in section.tiles],
        "values": {
            each.name: [_short(survey.values[each.name].get(index, math.nan)) for index in range(count)]
            for each in survey.distributions
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


def _distribution_facts(distribution: Distribution) -> dict[str, Any]:
    limits = distribution.limits
    return {
        "name": distribution.name,
        "count": distribution.count,
        "median": _short(distribution.median),
        "limits": None if limits is None else [_short(limit) for limit in limits],
        "deviations": {index: _short(count) for index, count in distribution.outliers.items()},
    }


def _short(value: float, digits: int = 6) -> float | None:
    """A value with few digits, so that pages of 10,000 tiles stay small; None for NaN and infinity."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
