"""The entries of a row: text to numbers and names; entries that are invalid become faults."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from asap_ingest.tile_tables.table_records import Faults, TableRow

_LONGEST_SHOWN = 60


def read_row(
    place: str,
    texts: Mapping[str, str],
    titles: Mapping[str, str],
    faults: Faults,
    required: Iterable[str] = ("image",),
) -> TableRow:
    """The tile of a row; entries that are invalid or missing become faults.

    Parameters
    ----------
    texts : mapping of str
        Entries by the names of `TableRow`'s fields; blank ones count as missing.
    titles : mapping of str
        Names of these fields in the table, for faults.
    """
    values: dict[str, Any] = {"image": ""}
    for field in required:
        if not texts.get(field):
            remedy = _FIELDS["image"][1] if field == "image" else "give a number, or take the row out"
            faults.add(f"{place}, {titles.get(field, field)}", "is empty", remedy)
    for field, text in texts.items():
        read, remedy = _FIELDS[field]
        try:
            values |= {field: read(text)} if text else {}
        except ValueError as error:
            faults.add(f"{place}, {titles.get(field, field)}", f"{shown(text)} is not {error}", remedy)
    return TableRow(place, **values)


def shown(text: str) -> str:
    """A text for messages: quoted, long ones shortened."""
    return repr(text) if len(text) <= _LONGEST_SHOWN else repr(f"{text[: _LONGEST_SHOWN - 3]}...")


def finite_number(text: str) -> float:
    """A number; ValueError with words that fit after `is not`."""
    try:
        value = float(text)
    except ValueError as error:
        raise ValueError("a number") from error
    if not math.isfinite(value) or "_" in text:
        raise ValueError("a finite number")
    return value + 0.0  # no -0.0: ids of tiles and sections are made of z


def _whole(text: str) -> int:
    value = finite_number(text)
    if not value.is_integer():
        raise ValueError("a whole number")
    return int(value)


def _size(text: str) -> int:
    value = _whole(text)
    if value < 1:
        raise ValueError("a number of pixels, 1 or more")
    return value


def _image(text: str) -> str:
    if "\0" in text or text.rstrip("/\\") != text:
        raise ValueError("a file name")
    return text


_PIXELS = "give pixels, or leave the column out: sizes are read from the images"
#: For each field of a row, what reads its text, and the remedy for an invalid one.
_FIELDS = {
    "image": (_image, "give the name of the image file"),
    "x": (finite_number, "give it like 120 or 120.5"),
    "y": (finite_number, "give it like 120 or 120.5"),
    "z": (finite_number, "give the section like 7"),
    "row": (_whole, "count rows like 0, 1, 2"),
    "column": (_whole, "count columns like 0, 1, 2"),
    "width": (_size, _PIXELS),
    "height": (_size, _PIXELS),
    "rotation_degrees": (finite_number, "give degrees like 90 or -1.5"),
}
