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
from dataclasses import replace

from asap_ingest.tile_tables.entries import read_row, shown
from asap_ingest.tile_tables.table_records import PIXEL, Faults, TableContent, TableRow

#: A line that only this kind of file has.
FIJI_LINE = re.compile(r"^[ \t]*(dim[ \t]*=|[^#\n]*;[^;\n]*;[ \t]*\()", re.MULTILINE)


def read_fiji(text: str, source: str) -> TableContent:
    """The rows of a tile configuration.

    Raises
    ------
    TileTableError
    """
    faults = Faults(source)
    rows: list[TableRow] = []
    axes: str | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        words, place = line.strip(), f"line {number}"
        key, is_setting, value = (part.strip() for part in words.partition("="))
        if not words or words.startswith("#"):
            continue
        if is_setting and ";" not in key:
            if key.casefold() == "dim":
                before, axes = axes, "xyz" if value == "3" else "xy"
                if value not in ("2", "3"):
                    faults.add(f"{place}, dim", f"{shown(value)} is not 2 or 3", "write dim = 2")
                elif before not in (None, axes):
                    faults.add(f"{place}, dim", f"{value} follows dim = {len(before)}", "split the file")
        elif axes is None:
            faults.add(place, "stands before the number of axes", "begin with dim = 2")
            faults.refuse()
        else:
            rows.append(_row(words, place, axes, faults))
    faults.refuse()
    if not rows:
        faults.add("", "has no tiles", "give lines like tile.tif; ; (0.0, 0.0)")
    faults.refuse()
    return _in_whole_sections(rows)


def _row(words: str, place: str, axes: str, faults: Faults) -> TableRow:
    """The row; without an image, and a fault, if it cannot be read."""
    form = f"write it like tile.tif; ; ({', '.join(axes)})"
    parts = re.fullmatch(r"(.*);(.*);\s*\((.*)\)", words)
    if parts is None:
        faults.add(place, f"{shown(words)} cannot be read", form)
        return TableRow(place, "")
    image, series, coordinates = parts[1].strip(), parts[2].strip(), parts[3].split(",")
    if series not in ("", "0"):
        problem = f"series {shown(series)} of a file with several"
        faults.add(place, problem, "save each image as a file of its own")
    elif len(coordinates) != len(axes):
        faults.add(place, f"({parts[3]}) has {len(coordinates)} numbers, dim is {len(axes)}", form)
    texts = {"image": image, **dict(zip(axes, map(str.strip, coordinates), strict=False))}
    return read_row(place, texts, {"image": "file"}, faults)


def _in_whole_sections(rows: list[TableRow]) -> TableContent:
    """Round z to whole sections, halves up: registration along three axes gives fractions."""
    moved = [row for row in rows if row.z is not None and not row.z.is_integer()]
    whole = tuple(row if row.z is None else replace(row, z=float(math.floor(row.z + 0.5))) for row in rows)
    words = f"z was rounded to whole sections for {len(moved)} of {len(rows)} tiles"
    return TableContent(whole, PIXEL, notes=(f"{words}, like {moved[0].z:g}",) if moved else ())
