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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PureWindowsPath

from asap_ingest.tile_tables.entries import Entries, finite_number, shown
from asap_ingest.tile_tables.table_records import PIXEL, Fault, TableContent, TileTableError

#: A line that only this kind of file has.
MDOC_LINE = re.compile(r"^[ \t]*\[[ \t]*(Image|ZValue|MontSection)[ \t]*=", re.MULTILINE)

_HEAD = re.compile(r"\[\s*(\w+)\s*=\s*(.*?)\s*\]")
_ANGSTROM_PER_NM = 10
#: Keys with positions, and the coordinates that they give.
_POSITIONS = {"AlignedPieceCoords": "xyz", "PieceCoordinates": "xyz", "StagePosition": "xy"}


@dataclass(frozen=True)
class _Section:
    """A part of the file: its kind and name, its line, and for each key (line, value)."""

    kind: str
    name: str
    line: int
    values: dict[str, tuple[int, str]] = field(default_factory=dict)


def read_serialem(text: str, source: str) -> TableContent:
    """The rows of a montage.

    Raises
    ------
    TileTableError
        Also for pieces that are images of one file.
    """
    faults: list[Fault] = []
    head, *sections = _sections(text, faults)
    images = [section for section in sections if section.kind == "Image"]
    stacked = next((section for section in sections if section.kind == "ZValue"), None)
    if stacked is not None:
        file = head.values.get("ImageFile", (0, "one file"))[1]
        problem = f"[ZValue = {stacked.name}] is an image in {file}; tiles are files of their own"
        remedy = "save each as a TIFF, for instance with IMOD's mrc2tif, and list them in a CSV"
        faults.append(Fault(f"line {stacked.line}", "", problem, remedy))
    elif not images:
        faults.append(
            Fault("", "", "has no section like [Image = piece.tif]", "save the montage as TIFF files")
        )
    if faults:
        raise TileTableError(source, faults)
    key = _best_key(images)
    titles = {"image": "Image", **dict.fromkeys(_POSITIONS[key], key)}
    rows = tuple(_entries(image, key, titles, faults).row() for image in images)
    pixel_size = _pixel_size_nm([head, *images], faults)
    if faults:
        raise TileTableError(source, faults)
    if key == "StagePosition":
        note = (
            "placed by StagePosition, as if the camera stood along the axes of the stage: look at the picture"
        )
        return TableContent(rows, "um", True, True, pixel_size, (note,))
    notes = (f"placed by {key}",) if key != "PieceCoordinates" else ()
    return TableContent(rows, PIXEL, True, False, pixel_size, notes)


def _sections(text: str, faults: list[Fault]) -> list[_Section]:
    """The head of the file, then every section with a name in brackets."""
    sections = [_Section("", "", 0)]
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.strip()
        head = _HEAD.fullmatch(words)
        key, is_entry, value = (part.strip() for part in words.partition("="))
        if head:
            sections.append(_Section(head[1], head[2], number))
        elif is_entry and not words.startswith("["):
            sections[-1].values[key] = (number, value)
        elif words and not words.startswith("#"):
            problem = f"{shown(words)} is not an entry"
            faults.append(Fault(f"line {number}", "", problem, "entries are like PixelSpacing = 53.2"))
    return sections


def _best_key(images: Sequence[_Section]) -> str:
    """Piece coordinates if any image has them: gaps in them are faults, as stage positions are coarse."""
    if all("AlignedPieceCoords" in image.values for image in images):
        return "AlignedPieceCoords"
    has_pieces = any("PieceCoordinates" in image.values for image in images)
    has_stage = any("StagePosition" in image.values for image in images)
    return "StagePosition" if has_stage and not has_pieces else "PieceCoordinates"


def _entries(image: _Section, key: str, titles: Mapping[str, str], faults: list[Fault]) -> Entries:
    line, value = image.values.get(key, (image.line, ""))
    axes = _POSITIONS[key]
    numbers = value.split()
    # SerialEM runs on Windows; the images lie beside the file
    texts = {"image": PureWindowsPath(image.name).name}
    if len(numbers) == len(axes):
        texts |= dict(zip(axes, numbers, strict=True))
    else:
        problem = f"{shown(value)} is not" if value else "is missing, and should be"
        problem += f" {len(axes)} numbers"
        faults.append(Fault(f"line {line}", key, problem, f"give it like {' '.join('000'[: len(axes)])}"))
    return Entries(f"line {line}", {name: text for name, text in texts.items() if text}, titles, faults)


def _pixel_size_nm(sections: Sequence[_Section], faults: list[Fault]) -> float | None:
    """Pixel size of the first section that has one."""
    for section in sections:
        if "PixelSpacing" in section.values:
            line, value = section.values["PixelSpacing"]
            try:
                size = finite_number(value) / _ANGSTROM_PER_NM
            except ValueError:
                size = 0.0
            if size > 0:
                return size
            problem = f"{shown(value)} is not a number above 0"
            faults.append(Fault(f"line {line}", "PixelSpacing", problem, "give Å per pixel, like 53.2"))
            return None
    return None
