"""File names with the position of a tile on a grid: `tiles/tile_{row}_{col}.tif`.

`{row}`, `{col}` (or `{column}`) and `{z}` match digits, `*` matches anything but a slash; each may be part of
the name of a folder, and may occur twice, with the same value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice, pairwise

from asap_ingest import storage
from asap_ingest.errors import ParameterError
from asap_ingest.tile_tables.entries import shown
from asap_ingest.tile_tables.table_records import Faults, TableContent, TableRow

_FIELDS = {"row": "row", "col": "column", "column": "column", "z": "z"}
_PART = re.compile(r"(\{[^/]*?\}|\*|[{}])")
_SHOWN = 3


def read_pattern(pattern: str) -> TableContent:
    """The tiles whose files match the pattern, sorted by z, row and column.

    Raises
    ------
    ParameterError
        The pattern has no rows or columns, or other fields.
    TileTableError
        No file matches, or two have the same position.
    StorageError
    """
    faults = Faults(pattern)
    local = storage.local_path(pattern)
    folder, parts = _split(pattern if local is None else str(local))
    rows = sorted(_rows(folder, _expression(parts), len(parts)), key=lambda row: (_place(row), row.place))
    for before, row in pairwise(rows):
        if _place(before) == _place(row):
            problem = f"is at the place of {before.place}"
            faults.add(row.place, problem, "name each place once, or narrow the pattern")
    if not rows:
        names = sorted(storage.names_in(folder))
        listed = ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
        there = f"{len(names)} names: {listed}" if names else "no files"
        remedy = f"correct {shown(pattern)}; {{row}} and {{col}} stand for digits"
        faults.add("", f"no file has such a name; {folder} has {there}", remedy)
    faults.refuse()
    return TableContent(tuple(rows), notes=tuple(_gaps(rows)))


def _split(pattern: str) -> tuple[str, list[str]]:
    """The folder above the first field, and the parts of the pattern below it."""
    folder, _, name = pattern.rpartition("/")
    parts = [name]
    while _PART.search(folder):
        folder, _, name = folder.rpartition("/")
        parts.insert(0, name)
    return folder or "/", parts


def _expression(parts: list[str]) -> re.Pattern[str]:
    """The pattern as a regular expression for names below the folder."""
    seen: set[str] = set()
    pieces = _PART.split("/".join(parts))
    expression = "".join(
        _field_expression(piece, seen) if number % 2 else re.escape(piece)
        for number, piece in enumerate(pieces)
    )
    if not {"row", "column"} <= seen:
        wanted = "needs {row} and {col}, like tile_{row}_{col}.tif"
        raise ParameterError("pattern", f"{'/'.join(parts)!r} {wanted}")
    return re.compile(expression)


def _field_expression(piece: str, seen: set[str]) -> str:
    if piece == "*":
        return "[^/]*"
    field = _FIELDS.get(piece[1:-1].casefold())
    if field is None:
        known = ", ".join(f"{{{name}}}" for name in _FIELDS)
        raise ParameterError("pattern", f"{piece!r} is not known; there are {known}")
    if field in seen:
        return f"(?P={field})"
    seen.add(field)
    return rf"(?P<{field}>[0-9]+)"


def _rows(folder: str, expression: re.Pattern[str], depth: int) -> Iterator[TableRow]:
    """The tiles whose files match, `depth` levels below a folder."""
    for name in _names_below(folder, depth):
        match = expression.fullmatch(name)
        if match:
            numbers = match.groupdict()
            yield TableRow(
                place=name,
                image=storage.join(folder, name),
                row=int(numbers["row"]),
                column=int(numbers["column"]),
                z=float(numbers["z"]) if "z" in numbers else None,
            )


def _names_below(folder: str, depth: int) -> Iterator[str]:
    for name in storage.names_in(folder):
        if depth == 1:
            yield name
        else:
            yield from (f"{name}/{below}" for below in _names_below(storage.join(folder, name), depth - 1))


def _place(row: TableRow) -> tuple[float, int, int]:
    return row.z or 0.0, row.row or 0, row.column or 0


def _gaps(rows: list[TableRow]) -> Iterator[str]:
    """A message for each section with positions of the grid that have no file."""
    by_z: dict[float, set[tuple[int, int]]] = {}
    for row in rows:
        z, line, column = _place(row)
        by_z.setdefault(z, set()).add((line, column))
    for z, places in by_z.items():
        lines, columns = (_range({place[axis] for place in places}) for axis in (0, 1))
        count = len(lines) * len(columns) - len(places)
        # numbers may be dates: a grid can have far more places than there are files
        missing = ((row, column) for row in lines for column in columns if (row, column) not in places)
        if count:
            first = ", ".join(f"row {row} column {column}" for row, column in islice(missing, _SHOWN))
            section = f"z {z:g}: " if len(by_z) > 1 else ""
            yield f"{section}{count} places of the grid have no file: {first}{', ...' * (count > _SHOWN)}"


def _range(numbers: set[int]) -> range:
    return range(min(numbers), max(numbers) + 1)
