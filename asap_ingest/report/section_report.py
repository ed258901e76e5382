"""Writes a section's report: its page, its summary, and the page of all sections of the folder."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from asap_ingest import storage
from asap_ingest.errors import StorageError
from asap_ingest.report.outliers import distribution_of
from asap_ingest.report.section_facts import LABELS, facts_of, summary_of
from asap_ingest.report.section_tiles import SectionSummary
from asap_ingest.report.survey import Survey
from asap_ingest.secrets import with_masked_texts
from asap_ingest.storage import ReaderThreads
from asap_ingest.storage.json_documents import read_object

#: The page of all sections that have a report in a folder.
INDEX = "sections.html"
_FILES = Path(__file__).parent / "pages"
_SUMMARY = re.compile(r"section_.+\.json")
_READ_AT_ONCE = 32


def write_section_report(folder: str, section: SectionSummary) -> str:
    """Measure a section's tiles and write a self-contained HTML page about them.

    One picture of each tile is read; one that cannot be read is a failure of its tile. Besides the page, its
    summary is written, `section_<z>.json`, and `sections.html`, which shows all summaries of the folder,
    whichever runs wrote them. The same section and pictures give the same bytes.

    Parameters
    ----------
    folder : str
        Path or URI; made if it is missing.

    Returns
    -------
    str
        URI of `<folder>/section_<z>.html`.

    Raises
    ------
    StorageError
        A page could not be written.
    """
    survey = Survey(section)
    picture = base64.b64encode(survey.picture).decode()
    facts = facts_of(survey)
    title = f"{section.stack}, section {section.z_text}"
    uri = storage.as_uri(storage.join(folder, f"section_{section.z_text}.html"))
    storage.write_bytes(uri, _page("section", title, facts, picture))
    summary = json.dumps(with_masked_texts(summary_of(survey)), indent=1)
    storage.write_bytes(storage.join(folder, f"section_{section.z_text}.json"), summary.encode())
    _write_index(folder)
    return uri


def _write_index(folder: str) -> None:
    """Write the page of all sections, again if another run added a summary meanwhile."""
    while True:
        times = _summary_times(folder)
        sections = _summaries(folder, times)
        facts = {"sections": sections, "labels": LABELS, "measures": _drift(sections)}
        storage.write_bytes(storage.join(folder, INDEX), _page("sections", "Sections", facts))
        if _summary_times(folder) == times:
            return


def _summary_times(folder: str) -> dict[str, float]:
    stamps = storage.names_and_stamps(folder)
    return {name: time for name, (time, _) in stamps.items() if _SUMMARY.fullmatch(name)}


def _summaries(folder: str, times: dict[str, float]) -> list[dict[str, Any]]:
    """The summaries, sorted by z; other files are skipped."""

    def read(name: str) -> dict[str, Any] | None:
        try:
            summary = read_object(storage.join(folder, name))
            json.dumps(summary, allow_nan=False)  # raises for NaN, which pages cannot hold
            # raises if something is missing that the page needs
            float(summary["z"]), summary["medians"].items(), summary["page"], summary["tiles"]
        except (StorageError, ValueError, TypeError, KeyError, AttributeError):
            return None
        return {**summary, "time": times[name]}

    with ReaderThreads(_READ_AT_ONCE) as readers:
        summaries = readers.map(read, sorted(times))
        return sorted(filter(None, summaries), key=lambda summary: float(summary["z"]))


def _drift(sections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each measure: median and limits of the sections' medians, and the sections outside the limits."""
    result = []
    for name in LABELS:
        medians = ((index, section["medians"].get(name)) for index, section in enumerate(sections))
        numbers = {index: float(value) for index, value in medians if isinstance(value, int | float)}
        if numbers:
            over = distribution_of(name, numbers)
            result.append(
                {"name": name, "median": over.median, "limits": over.limits, "out": [*over.outliers]}
            )
    return result


def _page(name: str, title: str, facts: dict[str, Any], picture: str = "") -> bytes:
    """One HTML file that loads nothing else: script, style, and the facts as JSON."""
    # "</script>" in a text would end the element
    document = json.dumps(with_masked_texts(facts), separators=(",", ":"), allow_nan=False)
    masked_title = escape(with_masked_texts(title))
    parts = {
        "policy": _policy(name),
        "title": masked_title,
        "style": _file("page.css"),
        "script": _script(name),
        "facts": document.replace("<", "\\u003c"),
        "picture": picture,
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda slot: parts[slot[1]], _file(f"{name}.html"))
    # what UTF-8 cannot hold (half of a surrogate pair in a stack's name) becomes a reference
    return page.encode("utf-8", "xmlcharrefreplace")


@cache
def _file(name: str) -> str:
    return (_FILES / name).read_text(encoding="utf-8")


@cache
def _script(name: str) -> str:
    return "".join(map(_file, ("common.js", "table.js", "charts.js", f"{name}.js")))


@cache
def _policy(name: str) -> str:
    """Content security policy: no scripts and styles but the page's own, whatever a tile is named."""
    script, style = (
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (_script(name), _file("page.css"))
    )
    return (
        f"default-src 'none'; img-src data:; script-src {script}; style-src {style}; "
        "base-uri 'none'; form-action 'none'"
    )
