"""Points in coordinate requests and their answers, each given by an entry.

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
_REQUIRED_NUMBERS = {2: "x and y", 3: "x, y and z"}
#: Fields that an entry must have, by the field that holds its point.
_REQUIRED_FIELDS = {"local": ("local", "tileId"), "world": ("world",)}


@dataclass(frozen=True)
class ReadPoints:
    """The points of a list of entries.

    Attributes
    ----------
    indices : list of int
        Which entries have a point.
    points : list of lists of float
        The numbers of these points, two or three each.
    problems : dict
        Reasons why the other entries have none, by their index.
    """

    indices: list[int]
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
    """Read the first `count` numbers (2 or 3) of the field `local` or `world` of each entry."""
    read = ReadPoints([], [], {})
    for index, entry in enumerate(entries):
        problem = _problem(entry, field, count)
        if problem is not None:
            read.problems[index] = problem
            continue
        read.indices.append(index)
        # numbers that are not finite come as text
        read.points.append([float(number) for number in (entry or {})[field][:count]])
    return read


def _problem(entry: Entry, field: str, count: int) -> str | None:
    if entry is None:
        return "there is no entry, only null"
    missing = [name for name in _REQUIRED_FIELDS[field] if name not in entry]
    if missing:
        return f"there is no {missing[0]} in the entry"
    if len(entry[field]) < count:
        return f"{field} needs {_REQUIRED_NUMBERS[count]}, it holds {len(entry[field])} numbers"
    return None


def failed(entry: Entry, problem: str) -> JsonObject:
    """The entry with an error."""
    return {**(entry or {}), "error": problem}


def with_tile(entry: JsonObject, tile_id: str | bytes) -> JsonObject:
    """The entry with this tile id in place of its own; with none for a tile that has no id."""
    rest = {name: value for name, value in entry.items() if name != "tileId"}
    return {**tile_field(tile_id), **rest}


def tile_field(tile_id: str | bytes | None) -> JsonObject:
    """The field tileId of an entry; {} for a tile that has no id."""
    return {"tileId": tile_id} if isinstance(tile_id, str) else {}


def point_text(point: Sequence[float]) -> str:
    """A point for messages: `x 1.0, y 2.0`."""
    return ", ".join(f"{axis} {value}" for axis, value in zip("xyz", point, strict=False))
