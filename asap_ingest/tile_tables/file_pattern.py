"""File names with the grid position of a tile: `tiles/tile_{row}_{col}.tif`.

`{row}`, `{col}` (or `{column}`) and `{z}` match digits, `*` matches anything but a slash, in names of files
and of folders. A field that occurs twice must have the same digits.
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
        No file matches, or two have the same grid position.
    StorageError
    """
    faults = Faults(pattern)
    local = storage.local_path(pattern)
    folder, parts = _split(pattern if local is None else str(local))
    rows = sorted(_rows(folder, _expression(parts), len(parts)), key=lambda row: (_position(row), row.place))
    for before, row in pairwise(rows):
        if _position(before) == _position(row):
            problem = f"has the grid position of {before.place}"
            faults.add(row.place, problem, "rename one of them, or narrow the pattern")
    if not rows:
        names = sorted(storage.names_in(folder))
        examples = ", ".join(map(repr, names[:_SHOWN])) + (", ..." if len(names) > _SHOWN else "")
        content = f"{len(names)} names: {examples}" if names else "no files"
        remedy = f"correct {shown(pattern)}; {{row}} and {{col}} stand for digits"
        faults.add("", f"no file matches; {folder} has {content}", remedy)
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


def _position(row: TableRow) -> tuple[float, int, int]:
    """z, row and column."""
    return row.z or 0.0, row.row or 0, row.column or 0


def _gaps(rows: list[TableRow]) -> Iterator[str]:
    """A message for each section with grid positions that have no file."""
    by_z: dict[float, set[tuple[int, int]]] = {}
    for z, row, column in map(_position, rows):
        by_z.setdefault(z, set()).add((row, column))
    for z, present in by_z.items():
        (first_row, last_row), (first_column, last_column) = (
            (min(numbers), max(numbers)) for numbers in zip(*present, strict=True)
        )
        # numbers may be dates: a grid can have far more positions than there are files, or than len() can be
        count = (last_row - first_row + 1) * (last_column - first_column + 1) - len(present)
        missing = (
            f"row {row} column {column}"
            for row in range(first_row, last_row + 1)
            for column in range(first_column, last_column + 1)
            if (row, column) not in present
        )
        if count:
            section = f"z {z:g}: " if len(by_z) > 1 else ""
            examples = ", ".join(islice(missing, _SHOWN)) + (", ..." if count > _SHOWN else "")
            yield f"{section}{count} grid positions have no file: {examples}"
