"""The page's drawings as SVG: outlines over the contact sheet, and the histogram."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

import numpy as np

from asap_ingest.section_report.contact_sheet import is_place
from asap_ingest.section_report.grey_levels import GreyLevels
from asap_ingest.section_report.survey import Survey
from asap_ingest.section_report.texts import finding

_WIDTH, _HEIGHT, _AXIS = 512, 150, 22
_TICKS = 5


def overlay(survey: Survey) -> str:
    """Every tile as a rectangle that says its name when pointed at; those found are outlined.

    Failed tiles lie on top of outliers, and these on top of the others.
    """
    layers: dict[str, list[str]] = {"plain": [], "outlier": [], "failed": []}
    for kind, rectangle in _rectangles(survey):
        layers[kind].append(rectangle)
    return "".join(f'<g class="{kind}">{"".join(drawn)}</g>' for kind, drawn in layers.items() if drawn)


def _rectangles(survey: Survey) -> Iterator[tuple[str, str]]:
    sheet, outliers = survey.sheet, survey.outliers
    assert sheet is not None
    for index, tile in enumerate(survey.section.tiles):
        if not is_place(tile.box):
            continue
        kind = "failed" if index in survey.failures else "outlier" if index in outliers else "plain"
        place = sheet.place(tile.box)
        told = [tile.tile_id, survey.failures.get(index)]
        told += [finding(by, survey.values[by.name][index], index) for by in outliers.get(index, [])]
        title = escape("\n".join(line for line in told if line))
        name = "" if kind == "plain" else f' id="t{index}"'
        yield (
            kind,
            (
                f'<rect{name} x="{place.x}" y="{place.y}" width="{place.width}" height="{place.height}">'
                f"<title>{title}</title></rect>"
            ),
        )


def histogram(levels: GreyLevels) -> str:
    """How many pixels have which grey value; the highest bar that is at neither end fills the height.

    A peak at an end (black or saturated pixels) is cut off: its share stands in the text beside it.
    """
    first, width, counts = levels.histogram()
    inner = counts[1:-1] if len(counts) > 2 and counts[1:-1].any() else counts
    heights = np.rint(np.minimum(counts / inner.max(), 1) * _HEIGHT).astype(int)
    edges = np.rint(np.linspace(0, _WIDTH, len(counts) + 1)).astype(int)
    steps = "".join(f"V{_HEIGHT - height}H{right}" for height, right in zip(heights, edges[1:], strict=True))
    last = first + len(counts) * width - 1
    return (
        f'<svg class="histogram" viewBox="-20 -4 {_WIDTH + 40} {_HEIGHT + _AXIS + 4}" role="img" '
        f'aria-label="histogram of grey values"><path class="bars" d="M0 {_HEIGHT}{steps}V{_HEIGHT}Z"/>'
        f'<path class="axis" d="M0 {_HEIGHT}H{_WIDTH}"/>{"".join(_ticks(first, last))}</svg>'
    )


def _ticks(first: int, last: int) -> Iterator[str]:
    for number in range(_TICKS):
        part = number / (_TICKS - 1)
        yield (
            f'<text x="{part * _WIDTH:g}" y="{_HEIGHT + 16}" text-anchor="middle">'
            f"{round(first + part * (last - first)):,}</text>"
        )


def shares_at_ends(levels: GreyLevels) -> str:
    """`0.2% of the pixels at 0, 1.3% at 255`: how much is black, how much saturated."""
    first, width, counts = levels.histogram()
    last = first + len(counts) * width - 1
    return (
        f"{100 * counts[0] / levels.pixels:.2g}% of the pixels {_at(first, width)}, "
        f"{100 * counts[-1] / levels.pixels:.2g}% {_at(last - width + 1, width)}"
    )


def _at(first: int, width: int) -> str:
    return f"at {first:,}" if width == 1 else f"at {first:,} to {first + width - 1:,}"
