"""Entries of coordinate requests and of their answers.

An entry has the fields tileId, visible, local, world and error, in this order, any of which may be absent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.wire.json_types import (
    Fields,
    boolean,
    list_reader,
    numbers,
    object_reader,
    text,
)

JsonObject = dict[str, Any]
Entry = JsonObject | None

#: Names of the numbers of a point, by their count.
_NEEDED_NUMBERS = {2: "x and y", 3: "x, y and z"}
#: Fields that an entry needs for its point.
_NEEDED_FIELDS = {"local": ("local", "tileId"), "world": ("world",)}


@dataclass(frozen=True)
class ReadPoints:
    """The points of some entries.

    Attributes
    ----------
    places : list of int
        Indices of the entries that have a point.
    points : list of lists of float
        Their numbers, two or three each.
    problems : dict
        Reasons why the other entries cannot be used, by their index.
    """

    places: list[int]
    points: list[list[float]]
    problems: dict[int, str]


ENTRY_FIELDS: Fields = (
    ("tileId", text),
    ("visible", boolean),
    ("local", numbers),
    ("world", numbers),
    ("error", text),
)
#: Reads the body of a request for many points; MalformedBodyError for anything but a list of entries.
read_entries = list_reader(object_reader(ENTRY_FIELDS))


def read_points(entries: Sequence[Entry], field: str, count: int) -> ReadPoints:
    """The first `count` numbers (2 or 3) of the field `local` or `world` of each entry."""
    read = ReadPoints([], [], {})
    for place, entry in enumerate(entries):
        problem = _fault(entry, field, count)
        if problem is not None:
            read.problems[place] = problem
            continue
        read.places.append(place)
        # numbers that are not finite are stored as text
        read.points.append([float(number) for number in (entry or {})[field][:count]])
    return read


def _fault(entry: Entry, field: str, count: int) -> str | None:
    if entry is None:
        return "there is no entry, only null"
    missing = [name for name in _NEEDED_FIELDS[field] if name not in entry]
    if missing:
        return f"there is no {missing[0]} in the entry"
    if len(entry[field]) < count:
        return f"{field} needs {_NEEDED_NUMBERS[count]}, it holds {len(entry[field])} numbers"
    return None


def failed(entry: Entry, problem: str) -> JsonObject:
    """The entry with an error."""
    return {**(entry or {}), "error": problem}


def with_tile(entry: JsonObject, tile_id: str | bytes) -> JsonObject:
    """The entry with the tile filled in; a tile without id leaves none."""
    rest = {name: value for name, value in entry.items() if name != "tileId"}
    return {**named(tile_id), **rest}


def named(tile_id: str | bytes | None) -> JsonObject:
    """The first field of an entry; {} for a tile without id."""
    return {"tileId": tile_id} if isinstance(tile_id, str) else {}


def point_text(point: Sequence[float]) -> str:
    """A point for messages: `x 1.0, y 2.0`."""
    return ", ".join(f"{axis} {value}" for axis, value in zip("xyz", point, strict=False))
