"""`TileConfiguration.txt` and `TileConfiguration.registered.txt` of Fiji's stitching plugins.

    # Define the number of dimensions we are working on
    dim = 2

    # Define the image coordinates
    tile_1.tif; ; (0.0, 0.0)
    tile_2.tif; ; (479.6, 2.3)

Coordinates are those of the upper left corners, in pixels, y downwards; with `dim = 3` the third is z, here
the section. Between the semicolons stands the series of a file with several (`multiseries = true`).
Source: <https://imagej.net/plugins/image-stitching>, and the reader of these files in Fiji's plugin Stitching
(class Stitching_Grid), which requires `dim` and three parts in every line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import replace

from asap_ingest.tile_tables.entries import Entries, shown
from asap_ingest.tile_tables.table_records import PIXEL, Fault, TableContent, TableRow, TileTableError

#: A line that only this kind of file has.
FIJI_LINE = re.compile(r"^[ \t]*(dim[ \t]*=|[^#\n]*;[^;\n]*;[ \t]*\()", re.MULTILINE)

_TITLES = {"image": "file", "x": "x", "y": "y", "z": "z"}


def read_fiji(text: str, source: str) -> TableContent:
    """The rows of a tile configuration.

    Raises
    ------
    TileTableError
    """
    faults: list[Fault] = []
    rows: list[TableRow] = []
    axes = None
    for number, line in enumerate(text.splitlines(), start=1):
        words, place = line.strip(), f"line {number}"
        key, is_setting, value = (part.strip() for part in words.partition("="))
        if not words or words.startswith("#"):
            continue
        if is_setting and ";" not in key:
            axes = _axes(value, place, faults) if key.casefold() == "dim" else axes
        elif axes is None:
            faults.append(Fault(place, "", "stands before the number of axes", "begin with dim = 2"))
            break
        else:
            rows += _row(words, place, axes, faults)
    if not rows and not faults:
        faults.append(Fault("", "", "has no tiles", "give lines like tile.tif; ; (0.0, 0.0)"))
    if faults:
        raise TileTableError(source, faults)
    return _in_whole_sections(rows)


def _axes(value: str, place: str, faults: list[Fault]) -> str:
    if value not in ("2", "3"):
        faults.append(Fault(place, "dim", f"{shown(value)} is not 2 or 3", "write dim = 2"))
    return "xyz" if value == "3" else "xy"


def _row(words: str, place: str, axes: str, faults: list[Fault]) -> Iterator[TableRow]:
    """The row, or nothing and a fault."""
    parts = [part.strip() for part in words.rsplit(";", 2)]
    form = f"tile.tif; ; ({', '.join(axes)})"
    if len(parts) != 3 or not re.fullmatch(r"\(.*\)", parts[2]):
        faults.append(Fault(place, "", f"{shown(words)} cannot be read", f"write it like {form}"))
        return
    image, series, coordinates = parts[0], parts[1], parts[2][1:-1].split(",")
    if series not in ("", "0"):
        problem = f"series {shown(series)} of a file with several"
        faults.append(Fault(place, "", problem, "save each image as a file of its own"))
    elif len(coordinates) != len(axes):
        problem = f"{parts[2]} has {len(coordinates)} numbers, dim is {len(axes)}"
        faults.append(Fault(place, "", problem, f"write it like {form}"))
    else:
        texts = dict(zip(axes, map(str.strip, coordinates), strict=True))
        yield Entries(place, {"image": image, **texts} if image else texts, _TITLES, faults).row()


def _in_whole_sections(rows: list[TableRow]) -> TableContent:
    """Registration of three axes gives parts of a section; a tile belongs to the nearest one, halves up."""
    moved = [row for row in rows if row.z is not None and not row.z.is_integer()]
    whole = tuple(row if row.z is None else replace(row, z=float(math.floor(row.z + 0.5))) for row in rows)
    words = f"z was rounded to whole sections for {len(moved)} of {len(rows)} tiles"
    return TableContent(whole, PIXEL, notes=(f"{words}, like {moved[0].z:g}",) if moved else ())
