"""`.mdoc` of SerialEM: the metadata of a montage whose pieces are image files.

    PixelSpacing = 53.2
    ImageSeries = 1

    [Image = piece_001.tif]
    PieceCoordinates = 0 1844 0
    StagePosition = 12.5 -3.25

A section in brackets describes one image. Piece coordinates are those of the lower left corners, in pixels,
y upwards, then the section; `AlignedPieceCoords` are the same after SerialEM aligned the pieces, and are
taken where every image has them. Where there are neither, `StagePosition`, in µm, is that of the middle of
an image, x to the right and y upwards, over `PixelSpacing`, in Å.
Source: SerialEM's help on its file formats, <https://bio3d.colorado.edu/SerialEM/hlp/html/about_formats.htm>;
lower left corners are the convention of IMOD's piece lists, which these coordinates become.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PureWindowsPath

from asap_ingest.tile_tables.entries import finite_number, read_row, shown
from asap_ingest.tile_tables.table_records import PIXEL, Faults, TableContent, TableRow

#: A line that only this kind of file has.
MDOC_LINE = re.compile(r"^[ \t]*\[[ \t]*(Image|ZValue|MontSection)[ \t]*=", re.MULTILINE)

_HEAD = re.compile(r"\[\s*(\w+)\s*=\s*(.*?)\s*\]")
_ANGSTROM_PER_NM = 10
#: Keys with positions, and the coordinates that they give.
_POSITIONS = {"AlignedPieceCoords": "xyz", "PieceCoordinates": "xyz", "StagePosition": "xy"}


@dataclass(frozen=True)
class _Section:
    """A part of the file, `[kind = name]`: `values` has (place, value) for each key."""

    kind: str
    name: str
    place: str
    values: dict[str, tuple[str, str]] = field(default_factory=dict)


def read_serialem(text: str, source: str) -> TableContent:
    """The rows of a montage.

    Raises
    ------
    TileTableError
        Also for pieces that are images of one file.
    """
    faults = Faults(source)
    head, *sections = _sections(text, faults)
    images = [section for section in sections if section.kind == "Image"]
    stacked = next((section for section in sections if section.kind == "ZValue"), None)
    if stacked is not None:
        file = head.values.get("ImageFile", ("", "one file"))[1]
        problem = f"[ZValue = {stacked.name}] is an image in {file}; tiles are files of their own"
        remedy = "save each as a TIFF, for instance with IMOD's mrc2tif, and list them in a CSV"
        faults.add(stacked.place, problem, remedy)
    elif not images:
        faults.add("", "has no section like [Image = piece.tif]", "save the montage as TIFF files")
    faults.refuse()
    key = _best_key(images)
    rows = tuple(_row(image, key, faults) for image in images)
    pixel_size = _pixel_size_nm([head, *images], faults)
    faults.refuse()
    if key == "StagePosition":
        note = (
            "placed by StagePosition, as if the camera stood along the axes of the stage: look at the picture"
        )
        return TableContent(rows, "um", y_up=True, is_centre=True, pixel_size_nm=pixel_size, notes=(note,))
    notes = (f"placed by {key}",) if key != "PieceCoordinates" else ()
    return TableContent(rows, PIXEL, y_up=True, pixel_size_nm=pixel_size, notes=notes)


def _sections(text: str, faults: Faults) -> list[_Section]:
    """The lines above the first brackets, as a section without kind and name, then every other section."""
    sections = [_Section("", "", "")]
    for number, line in enumerate(text.splitlines(), start=1):
        words, place = line.strip(), f"line {number}"
        head = _HEAD.fullmatch(words)
        key, is_entry, value = (part.strip() for part in words.partition("="))
        if head:
            sections.append(_Section(head[1], head[2], place))
        elif is_entry and not words.startswith("["):
            sections[-1].values[key] = (place, value)
        elif words and not words.startswith("#"):
            faults.add(place, f"{shown(words)} is not an entry", "entries are like PixelSpacing = 53.2")
    return sections


def _best_key(images: Sequence[_Section]) -> str:
    """The key that gives all positions.

    If some images have piece coordinates, those without are faults: stage positions are too coarse to
    replace them.
    """
    if all("AlignedPieceCoords" in image.values for image in images):
        return "AlignedPieceCoords"
    has_pieces = any("PieceCoordinates" in image.values for image in images)
    has_stage = any("StagePosition" in image.values for image in images)
    return "StagePosition" if has_stage and not has_pieces else "PieceCoordinates"


def _row(image: _Section, key: str, faults: Faults) -> TableRow:
    place, value = image.values.get(key, (image.place, ""))
    axes, numbers = _POSITIONS[key], value.split()
    if len(numbers) != len(axes):
        problem = f"{shown(value)} is not" if value else "is missing, and should be"
        form = f"give it like {' '.join('000'[: len(axes)])}"
        faults.add(f"{place}, {key}", f"{problem} {len(axes)} numbers", form)
        numbers = []
    # SerialEM runs on Windows; the images lie beside the file
    texts = {"image": PureWindowsPath(image.name).name, **dict(zip(axes, numbers, strict=False))}
    return read_row(place, texts, {"image": "Image", **dict.fromkeys(axes, key)}, faults)


def _pixel_size_nm(sections: Sequence[_Section], faults: Faults) -> float | None:
    """Pixel size of the first section that has one."""
    entries = (section.values["PixelSpacing"] for section in sections if "PixelSpacing" in section.values)
    for place, value in entries:
        with suppress(ValueError):
            if (size := finite_number(value)) > 0:
                return size / _ANGSTROM_PER_NM
        problem = f"{shown(value)} is not a number above 0"
        faults.add(f"{place}, PixelSpacing", problem, "give Å per pixel, like 53.2")
        break
    return None
