"""CSV and TSV: a line with the names of the columns, then one line for each tile.

The delimiter is a comma, a tab or a semicolon: the most frequent one of the first line. With semicolons,
numbers may have a decimal comma, as spreadsheets in many languages write them. Blank lines and lines that
begin with `#` are skipped. Without the line of names there must be three columns, one with the image and two
with numbers: x and y.
"""

from __future__ import annotations

import csv
import difflib
import io
import re
from collections.abc import Iterator, Mapping, Sequence

from asap_ingest.tile_tables.entries import finite_number, read_row, shown
from asap_ingest.tile_tables.table_records import PIXEL, Faults, TableContent

#: Field of a row -> names of its column, in lower case, letters and digits only.
COLUMN_NAMES = {
    "image": "path filename file image filepath imagepath imagefile name uri url",
    "x": "x xpos posx xposition positionx left",
    "y": "y ypos posy yposition positiony top",
    "z": "z zindex section slice",
    "row": "row imagerow gridrow",
    "column": "column col imagecol gridcol gridcolumn",
    "width": "width w",
    "height": "height h",
    "rotation_degrees": "rotation rotationdegrees rotationdeg angle degrees",
}
_FIELD_OF = {name: field for field, names in COLUMN_NAMES.items() for name in names.split()}
#: What may follow the name of x or y.
_UNIT_NAMES = {
    **dict.fromkeys(("px", "pixel", "pixels"), PIXEL),
    **dict.fromkeys(("nm", "nanometer", "nanometers"), "nm"),
    **dict.fromkeys(("um", "μm", "micron", "microns"), "um"),
}
_WITH_UNIT = {
    f"{name}{ending}": (field, unit)
    for name, field in _FIELD_OF.items()
    if field in ("x", "y")
    for ending, unit in _UNIT_NAMES.items()
}
_DELIMITERS = ",\t;"
_EXAMPLE = "path,x,y"


def read_delimited(text: str, source: str) -> TableContent:
    """The rows of a CSV or TSV.

    Raises
    ------
    TileTableError
        Missing columns, invalid entries.
    """
    faults = Faults(source)
    delimiter = _delimiter(text)
    lines = list(_lines(text, delimiter, faults))
    if not lines:
        faults.add("", "has no tiles", f"begin with the line {_EXAMPLE}")
    faults.refuse()
    first, names = lines[0]
    columns, unit = _columns(names, first, faults)
    if columns:
        lines = lines[1:]
    else:
        columns = _columns_without_names(names, first, faults)
    if not lines:
        faults.add("", "has no tiles after its first line", "give a line for each tile")
    faults.refuse()
    titles = {field: "path" if field == "image" else field.partition("_")[0] for field in columns}
    needed = [field for field in ("image", *_position(columns), "z") if field in columns]
    rows = []
    for place, cells in lines:
        if any(cells[len(names) :]):
            problem = f"has {len(cells)} cells, the first line {len(names)}: {_list(cells)}"
            faults.add(place, problem, "put names with the delimiter in quotes")
            continue
        texts = {field: cells[number] for field, number in columns.items() if number < len(cells)}
        if delimiter == ";":
            texts |= {field: text.replace(",", ".") for field, text in texts.items() if field != "image"}
        rows.append(read_row(place, texts, titles, faults, needed))
    faults.refuse()
    unused = [name for number, name in enumerate(names) if number not in columns.values() and name]
    notes = (f"columns that are not used: {', '.join(unused)}",) if unused else ()
    return TableContent(tuple(rows), unit, notes=notes)


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if _has_content(line)), "")
    outside_quotes = re.sub(r'"[^"]*"', "", first)
    return max(_DELIMITERS, key=outside_quotes.count)


def _has_content(line: str) -> bool:
    return bool(line.strip(" ,;\t")) and not line.lstrip().startswith("#")


def _lines(text: str, delimiter: str, faults: Faults) -> Iterator[tuple[str, list[str]]]:
    """The place, like `line 7`, and the stripped cells of each line that has content."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    try:
        for cells in reader:
            if _has_content(" ".join(cells)):
                yield f"line {reader.line_num}", [cell.strip() for cell in cells]
    except csv.Error as error:
        faults.add(f"line {reader.line_num}", f"cannot be read: {error}", "close its quotes")
        faults.refuse()


def _columns(names: Sequence[str], place: str, faults: Faults) -> tuple[dict[str, int], str | None]:
    """The column number of each field, and the unit in the names of x and y.

    Without any known name there are no columns: the first line is a tile, then.
    """
    columns: dict[str, int] = {}
    units: dict[str, None] = {}
    for number, name in enumerate(names):
        word = re.sub(r"[^a-z0-9μ]", "", name.casefold())
        field, unit = _WITH_UNIT.get(word, (_FIELD_OF.get(word), None))
        if field in columns:
            problem = f"{names[columns[field]]!r} and {name!r} both mean {field}"
            faults.add(place, problem, "rename one of them")
        elif field is not None:
            columns[field] = number
        if unit is not None:
            units[unit] = None
    if len(units) > 1:
        problem = f"x and y have different units: {', '.join(sorted(units))}"
        faults.add(place, problem, "give both in one")
    if columns and not {"image", *_position(columns)} <= columns.keys():
        _refuse_missing(names, columns, place, faults)
    return columns, next(iter(units), None)


def _position(columns: Mapping[str, int]) -> tuple[str, str]:
    """The fields that give the tile's position."""
    is_grid = {"row", "column"} <= columns.keys() and "x" not in columns
    return ("row", "column") if is_grid else ("x", "y")


def _refuse_missing(names: Sequence[str], columns: Mapping[str, int], place: str, faults: Faults) -> None:
    wanted = [field for field in ("image", "x", "y") if field not in columns]
    titles = ["path" if field == "image" else field for field in wanted]
    unknown = [name for number, name in enumerate(names) if number not in columns.values()]
    near = {name: difflib.get_close_matches(name.casefold(), _FIELD_OF, n=1) for name in unknown}
    guesses = [
        f"{close[0]} for {name!r}" for name, close in near.items() if close and _FIELD_OF[close[0]] in wanted
    ]
    meant = f"; did you mean {', '.join(guesses)}?" if guesses else ""
    problem = f"has {_list(names)}, and no column {', '.join(titles)}"
    faults.add(place, problem, f"name the columns like {_EXAMPLE}{meant}")


def _columns_without_names(cells: Sequence[str], place: str, faults: Faults) -> dict[str, int]:
    """Image, x and y, where three columns of which two hold numbers have no names."""
    numbers = [number for number, cell in enumerate(cells) if _is_number(cell)]
    if len(cells) != 3 or len(numbers) != 2:
        faults.add(place, f"{_list(cells)} does not name the columns", f"begin with a line like {_EXAMPLE}")
        return {}
    (image,) = {0, 1, 2} - set(numbers)
    return {"image": image, "x": numbers[0], "y": numbers[1]}


def _is_number(text: str) -> bool:
    try:
        finite_number(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _list(cells: Sequence[str]) -> str:
    return shown(", ".join(cells))
