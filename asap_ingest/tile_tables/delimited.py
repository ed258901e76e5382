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

from asap_ingest.tile_tables.entries import Entries, finite_number, shown
from asap_ingest.tile_tables.table_records import PIXEL, Fault, TableContent, TileTableError

#: Field of a row -> names of its column, in lower case, letters and digits only.
COLUMN_NAMES = {
    "image": (
        "path",
        "filename",
        "file",
        "image",
        "filepath",
        "imagepath",
        "imagefile",
        "name",
        "uri",
        "url",
    ),
    "x": ("x", "xpos", "posx", "xposition", "positionx", "left"),
    "y": ("y", "ypos", "posy", "yposition", "positiony", "top"),
    "z": ("z", "zindex", "section", "slice"),
    "row": ("row", "imagerow", "gridrow"),
    "column": ("column", "col", "imagecol", "gridcol", "gridcolumn"),
    "width": ("width", "w"),
    "height": ("height", "h"),
    "rotation_degrees": ("rotation", "rotationdegrees", "rotationdeg", "angle", "degrees"),
}
_FIELD_OF = {name: field for field, names in COLUMN_NAMES.items() for name in names}
#: What may follow the name of x or y.
_UNIT_NAMES = {
    **dict.fromkeys(("px", "pixel", "pixels"), PIXEL),
    **dict.fromkeys(("nm", "nanometer", "nanometers"), "nm"),
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns"), "um"),
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
    delimiter = _delimiter(text)
    lines = list(_lines(text, delimiter, source))
    if not lines:
        raise TileTableError(source, [Fault("", "", "has no tiles", f"begin with the line {_EXAMPLE}")])
    first_line, names = lines[0]
    columns, unit = _columns(names, first_line, source)
    if not columns:
        columns = _columns_without_names(names, first_line, source)
    else:
        lines = lines[1:]
    faults: list[Fault] = []
    rows = [
        _entries(line, cells, columns, delimiter == ";", faults).row()
        for line, cells in lines
        if _fits(line, cells, len(names), faults)
    ]
    if not lines:
        faults.append(Fault("", "", "has no tiles after its first line", "give a line for each tile"))
    if faults:
        raise TileTableError(source, faults)
    return TableContent(tuple(rows), unit, notes=tuple(_notes(names, columns)))


def _delimiter(text: str) -> str:
    first = next((line for line in text.splitlines() if _has_content(line)), "")
    outside_quotes = re.sub(r'"[^"]*"', "", first)
    return max(_DELIMITERS, key=outside_quotes.count)


def _has_content(line: str) -> bool:
    return bool(line.strip(" ,;\t")) and not line.lstrip().startswith("#")


def _lines(text: str, delimiter: str, source: str) -> Iterator[tuple[int, list[str]]]:
    """(line number, stripped cells) of the lines that have any."""
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    try:
        for cells in reader:
            if _has_content(" ".join(cells)):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        fault = Fault(f"line {reader.line_num}", "", f"cannot be read: {error}", "close its quotes")
        raise TileTableError(source, [fault]) from error


def _columns(names: Sequence[str], line: int, source: str) -> tuple[dict[str, int], str | None]:
    """The column of each field, and the unit in the names of x and y; empty without any known name."""
    columns: dict[str, int] = {}
    units = set()
    for place, name in enumerate(names):
        field, unit = _field_and_unit(name)
        if field in columns:
            problem = f"{names[columns[field]]!r} and {name!r} both mean {field}"
            raise TileTableError(source, [Fault(f"line {line}", "", problem, "rename one of them")])
        if field is not None:
            columns[field] = place
        if unit is not None:
            units.add(unit)
    if not columns:
        return {}, None
    if len(units) > 1:
        problem = f"x and y have different units: {', '.join(sorted(units))}"
        raise TileTableError(source, [Fault(f"line {line}", "", problem, "give both in one")])
    if "image" not in columns or not ({"x", "y"} <= columns.keys() or {"row", "column"} <= columns.keys()):
        raise TileTableError(source, [_missing_columns(names, columns, line)])
    return columns, next(iter(units), None)


def _field_and_unit(name: str) -> tuple[str | None, str | None]:
    words = re.sub(r"[^a-z0-9µμ]", "", name.casefold().replace("µ", "μ"))
    if words in _FIELD_OF:
        return _FIELD_OF[words], None
    for ending, unit in _UNIT_NAMES.items():
        field = _FIELD_OF.get(words.removesuffix(ending)) if words.endswith(ending) else None
        if field in ("x", "y"):
            return field, unit
    return None, None


def _missing_columns(names: Sequence[str], columns: Mapping[str, int], line: int) -> Fault:
    wanted = [field for field in ("image", "x", "y") if field not in columns]
    titles = ["path" if field == "image" else field for field in wanted]
    unknown = [name for place, name in enumerate(names) if place not in columns.values()]
    near = {name: difflib.get_close_matches(name.casefold(), _FIELD_OF, n=1) for name in unknown}
    guesses = [
        f"{close[0]} for {name!r}" for name, close in near.items() if close and _FIELD_OF[close[0]] in wanted
    ]
    remedy = f"name the columns like {_EXAMPLE}" + (
        f"; did you mean {', '.join(guesses)}?" if guesses else ""
    )
    return Fault(f"line {line}", "", f"has {_list(names)}, and no column {', '.join(titles)}", remedy)


def _columns_without_names(cells: Sequence[str], line: int, source: str) -> dict[str, int]:
    """Image, x and y, where three columns of which two hold numbers have no names."""
    numbers = [place for place, cell in enumerate(cells) if _is_number(cell)]
    if len(cells) == 3 and len(numbers) == 2:
        (image,) = {0, 1, 2} - set(numbers)
        return {"image": image, "x": numbers[0], "y": numbers[1]}
    problem = f"{_list(cells)} does not name the columns"
    raise TileTableError(source, [Fault(f"line {line}", "", problem, f"begin with a line like {_EXAMPLE}")])


def _is_number(text: str) -> bool:
    try:
        finite_number(text.replace(",", "."))
    except ValueError:
        return False
    return True


def _fits(line: int, cells: Sequence[str], length: int, faults: list[Fault]) -> bool:
    """Whether a line has at most as many cells as the first; blank ones at its end do not count."""
    filled = max((place for place, cell in enumerate(cells, start=1) if cell), default=0)
    if filled > length:
        problem = f"has {filled} cells, the first line {length}: {_list(cells)}"
        faults.append(Fault(f"line {line}", "", problem, "put names with the delimiter in quotes"))
    return filled <= length


def _entries(
    line: int, cells: Sequence[str], columns: Mapping[str, int], decimal_comma: bool, faults: list[Fault]
) -> Entries:
    texts = {field: cells[place] for field, place in columns.items() if place < len(cells) and cells[place]}
    if decimal_comma:
        texts = {field: text if field == "image" else text.replace(",", ".") for field, text in texts.items()}
    titles = {field: "path" if field == "image" else field.partition("_")[0] for field in columns}
    entries = Entries(f"line {line}", texts, titles, faults)
    for field in ("x", "y", "z") if "x" in columns else ("row", "column", "z"):
        if field in columns:
            entries.missing(field, "give a number, or take the row out")
    return entries


def _notes(names: Sequence[str], columns: Mapping[str, int]) -> Iterator[str]:
    unused = [name for place, name in enumerate(names) if place not in columns.values() and name]
    if unused:
        yield f"columns that are not used: {', '.join(unused)}"


def _list(cells: Sequence[str]) -> str:
    return shown(", ".join(cells))
