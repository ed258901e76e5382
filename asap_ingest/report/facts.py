"""A survey as JSON: all of it for the section's page, and its summary for the page of all sections."""

from __future__ import annotations

import math
from typing import Any

from asap_ingest.report.outliers import RULE, Measure
from asap_ingest.report.overlaps import LEAST_CORRELATION
from asap_ingest.report.survey import Survey

#: What measures are called on pages, with their unit.
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
        "outliers": len(survey.outliers),
        "seconds": None if section.seconds is None else round(section.seconds, 2),
        "medians": {by.name: _short(by.median) for by in survey.measures},
    }


def facts_of(survey: Survey) -> dict[str, Any]:
    """What `section_<z>.html` shows, but for the contact sheet; lists are in the order of tiles."""
    section, sheet = survey.section, survey.sheet
    count = len(section.tiles)
    return {
        **summary_of(survey),
        "labels": LABELS,
        "rule": RULE,
        "view": section.view,
        "throughput": dict(section.throughput),
        "sheet": None if sheet is None else {**vars(sheet)},
        "histogram": _histogram(survey),
        "measures": [_measure(by) for by in survey.measures],
        "ids": [tile.tile_id for tile in section.tiles],
        "boxes": [[_short(edge, 10) for edge in tile.box] for tile in section.tiles],
        "rasters": [tile.raster for tile in section.tiles],
        "values": {
            by.name: [_short(survey.values[by.name].get(index, math.nan)) for index in range(count)]
            for by in survey.measures
        },
        "failures": survey.failures,
        "missingRasters": section.missing,
        "shading": None
        if survey.shading is None
        else [[_short(v) for v in row] for row in survey.shading.tolist()],
        "shifts": [
            [overlap.first, overlap.second, *map(_short, shift)]
            for overlap, shift in survey.shifts
            if shift is not None
        ],
        "unlike": [[overlap.first, overlap.second] for overlap, shift in survey.shifts if shift is None],
        "leastCorrelation": LEAST_CORRELATION,
    }


def _measure(by: Measure) -> dict[str, Any]:
    return {
        "name": by.name,
        "count": by.count,
        "median": _short(by.median),
        "limits": None if by.limits is None else [_short(limit) for limit in by.limits],
        "deviations": {index: _short(many) for index, many in by.deviations.items()},
    }


def _histogram(survey: Survey) -> dict[str, Any] | None:
    levels = survey.levels
    if not levels.pixels:
        return None
    first, width, counts = levels.histogram()
    shown = [limit // levels.step for limit in levels.limits]
    return {"first": first, "width": width, "counts": counts.tolist(), "shown": shown}


def _short(value: float, digits: int = 6) -> float | None:
    """Rounded, so that pages of 10,000 tiles stay small; None for what JSON cannot hold."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
