"""The entries of a row: text to numbers and names; entries that are invalid become faults."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from asap_ingest.tile_tables.table_records import Fault, TableRow

Value = TypeVar("Value")

_LONGEST_SHOWN = 60


@dataclass(frozen=True)
class Entries:
    """Entries of one row, by the names of `TableRow`'s fields.

    Attributes
    ----------
    texts : mapping of field to text
        Without blank entries.
    titles : mapping of field to text
        Name of the field in the table, for faults.
    faults : list of Fault
        Collects invalid entries.
    """

    place: str
    texts: Mapping[str, str]
    titles: Mapping[str, str]
    faults: list[Fault]

    def row(self) -> TableRow:
        """The tile; an invalid entry becomes None and a fault."""
        rotation = self._read("rotation_degrees", finite_number)
        return TableRow(
            place=self.place,
            image=self._read("image", _image) or self.missing("image", "give the name of the image file"),
            x=self._read("x", finite_number),
            y=self._read("y", finite_number),
            z=self._read("z", finite_number),
            row=self._read("row", _whole),
            column=self._read("column", _whole),
            width=self._read("width", _size),
            height=self._read("height", _size),
            rotation_degrees=rotation or 0.0,
        )

    def missing(self, field: str, remedy: str) -> str:
        """Add a fault where a required entry is missing; returns an empty text in its place."""
        if field not in self.texts:
            self.faults.append(Fault(self.place, self.titles.get(field, field), "is empty", remedy))
        return ""

    def _read(self, field: str, read: Callable[[str], Value]) -> Value | None:
        text = self.texts.get(field)
        if text is None:
            return None
        try:
            return read(text)
        except ValueError as error:
            problem = f"{shown(text)} is not {error}"
            self.faults.append(Fault(self.place, self.titles.get(field, field), problem, _REMEDIES[field]))
            return None


_REMEDIES = {
    "image": "give the name of the image file",
    "x": "give it like 120 or 120.5",
    "y": "give it like 120 or 120.5",
    "z": "give the section like 7",
    "row": "count rows like 0, 1, 2",
    "column": "count columns like 0, 1, 2",
    "width": "give pixels, or leave the column out: sizes are read from the images",
    "height": "give pixels, or leave the column out: sizes are read from the images",
    "rotation_degrees": "give degrees like 90 or -1.5",
}


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
