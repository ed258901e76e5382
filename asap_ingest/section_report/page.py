"""The page: one HTML file that asks nobody for anything."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

from asap_ingest.section_report.drawings import histogram, overlay, shares_at_ends
from asap_ingest.section_report.outliers import RULE, Measure
from asap_ingest.section_report.survey import Survey
from asap_ingest.section_report.texts import counted, distance, label, number

_STYLE = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_TALLEST = 1200  # pixels that the sheet may take of the page's height
#: More rows than this are counted, not shown: a section may fail as a whole.
MOST_ROWS = 500


def page(survey: Survey) -> str:
    """The HTML of what was found in a section; the same survey gives the same text."""
    section = survey.section
    title = f"{escape(section.stack)}, section {section.z_text}"
    body = "".join(
        (
            f"<header><h1>{escape(section.stack)} <small>section</small> {section.z_text}</h1>"
            f"<p>{_summary(survey)}</p></header><main>",
            _sheet(survey),
            f'<div class="pair">{_histogram(survey)}{_throughput(survey)}</div>',
            _failures(survey),
            _measures(survey),
            "</main>",
        )
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )


def _summary(survey: Survey) -> str:
    failed, outliers = len(survey.failures), len(survey.outliers)
    parts = (
        counted(len(survey.section.tiles), "tile"),
        f'<b class="{"bad" if failed else "good"}">{f"{failed:,} failed" if failed else "none failed"}</b>',
        f'<b class="{"odd" if outliers else "good"}">'
        f"{counted(outliers, 'outlier') if outliers else 'no outliers'}</b>",
    )
    return " · ".join(parts)


def _sheet(survey: Survey) -> str:
    sheet = survey.sheet
    if sheet is None:
        return '<p class="nothing">No tile of this section can be placed: there is nothing to show.</p>'
    picture = base64.b64encode(survey.picture).decode()
    kinds = {"failed": bool(survey.failures), "outlier": bool(survey.outliers)}
    legend = "".join(f'<span class="key {kind}">{kind}</span>' for kind, some in kinds.items() if some)
    return (
        f'<figure><div class="sheet" style="aspect-ratio:{sheet.width}/{sheet.height};'
        f'max-width:{_TALLEST * sheet.width // sheet.height + 1}px">'
        f'<img src="data:image/jpeg;base64,{picture}" width="{sheet.width}" height="{sheet.height}" '
        f'alt="contact sheet of the section"><svg viewBox="0 0 {sheet.width} {sheet.height}">'
        f"{overlay(survey)}</svg></div><figcaption>{legend}<span>The top mipmap level of every tile, where "
        f"the stage says that it lies; 1 pixel here is {number(1 / sheet.scale)} of level 0. Point at a tile "
        "for its name.</span></figcaption></figure>"
    )


def _histogram(survey: Survey) -> str:
    levels = survey.levels
    if not levels.pixels:
        return _card("Grey values", "<p>No thumbnail could be read.</p>")
    black, white = (limit // levels.step for limit in levels.limits)
    shown = (
        "" if (black, white) == (0, 255) else f" The sheet shows {black:,} as black and {white:,} as white."
    )
    text = f"<p>All {levels.pixels:,} pixels of the thumbnails: {shares_at_ends(levels)}.{shown}</p>"
    return _card("Grey values", histogram(levels) + text)


def _throughput(survey: Survey) -> str:
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in survey.section.throughput.items()
    )
    return _card("Throughput", f"<dl>{rows}</dl>" if rows else "<p>Not measured.</p>")


def _failures(survey: Survey) -> str:
    if not survey.failures:
        return ""
    rows = ((_named(survey, index), escape(reason)) for index, reason in survey.failures.items())
    return _card("Failures", _table(("tile", "reason"), list(rows)))


def _measures(survey: Survey) -> str:
    measures = [
        (escape(label(by)), f"{by.count:,}", *_usual(by), f"{len(by.deviations):,}") for by in survey.measures
    ]
    head = ("measure", "tiles", "median", "usual from", "to", "outliers")
    rows = [
        (_named(survey, index), escape(label(by)), number(survey.values[by.name][index]), distance(by, index))
        for by in survey.measures
        for index in by.farthest_first
    ]
    found = _table(("tile", "measure", "value", "from the median"), rows) if rows else ""
    return _card("Outliers", f"{_table(head, measures)}<p>{RULE}</p>{found}")


def _usual(by: Measure) -> Sequence[str]:
    limits = ("no limits", "") if by.limits is None else map(number, by.limits)
    return (number(by.median), *limits)


def _named(survey: Survey, index: int) -> str:
    """A tile's name that leads to it on the sheet."""
    return f'<a href="#t{index}">{escape(survey.section.tiles[index].tile_id)}</a>'


def _table(head: Iterable[str], rows: Sequence[Iterable[str]]) -> str:
    """A table of cells that are HTML."""
    shown = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows[:MOST_ROWS])
    left = len(rows) - MOST_ROWS
    more = f"<p>and {left:,} more; the step's output JSON lists all failures</p>" if left > 0 else ""
    names = "".join(f"<th>{name}</th>" for name in head)
    return f"<table><thead><tr>{names}</tr></thead><tbody>{shown}</tbody></table>{more}"


def _card(title: str, content: str) -> str:
    return f"<section><h2>{title}</h2>{content}</section>"
