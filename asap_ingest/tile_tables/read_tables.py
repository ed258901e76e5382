"""From a tile table to tiles: picks the reader, reads the sizes of the images, places the tiles.

The readers get text; only this module and `file_pattern` use storage.
"""

from __future__ import annotations

import codecs
import posixpath
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath, PureWindowsPath

from asap_ingest import storage
from asap_ingest.errors import ImageError, MissingFileError, ParameterError, StorageError
from asap_ingest.images.formats import read_head
from asap_ingest.images.pixels import ImageHead
from asap_ingest.storage import ReaderThreads
from asap_ingest.tile_tables.delimited import read_delimited
from asap_ingest.tile_tables.fiji import FIJI_LINE, read_fiji
from asap_ingest.tile_tables.file_pattern import read_pattern
from asap_ingest.tile_tables.serialem import MDOC_LINE, read_serialem
from asap_ingest.tile_tables.table_positions import Placement, positions
from asap_ingest.tile_tables.table_records import Faults, PlacedTile, TableContent, TableRow, TileTable

#: A line that only one kind of table has, and the reader of that kind; other tables are CSV or TSV.
_READERS: tuple[tuple[re.Pattern[str], Callable[[str, str], TableContent]], ...] = (
    (FIJI_LINE, read_fiji),
    (MDOC_LINE, read_serialem),
)
# reading a head is waiting for the network: more threads than cores
_READ_AT_ONCE = 16
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|file:", re.IGNORECASE)
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]|\\\\")
_FROM_TABLE = Placement()


def read_tile_table(
    source: str,
    *,
    is_pattern: bool = False,
    z: float | None = None,
    image_directory: str | None = None,
    placement: Placement = _FROM_TABLE,
) -> TileTable:
    """The tiles of a CSV, a TSV, a `TileConfiguration.txt`, an `.mdoc`, or a pattern of file names.

    Parameters
    ----------
    source : path or URI
        Of the table, whose content tells its kind; with `is_pattern` file names like `tile_{row}_{col}.tif`.
    z : float or None
        Of all tiles; None: from the table.
    image_directory : path or URI, or None
        Base of relative paths; None: the folder of the table, or for a pattern the working directory.

    Raises
    ------
    TileTableError
        Entries that are missing or wrong, images that cannot be read.
    ParameterError
        `z` or a field of `placement` is required, or contradicts the table.
    StorageError
    """
    if is_pattern:
        if image_directory is not None and _is_relative(source):
            source = storage.join(image_directory, source)
        return _place_tiles(read_pattern(source), source, z, storage.parent(source), placement)
    text = _text(storage.read_bytes(source), source)
    read = next((reader for line, reader in _READERS if line.search(text)), read_delimited)
    return _place_tiles(read(text, source), source, z, image_directory or storage.parent(source), placement)


def _text(content: bytes, source: str) -> str:
    """The text of a table: UTF-8, or UTF-16 with its mark, as spreadsheets also write it."""
    faults = Faults(source)
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    text = ""
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problem = f"is not text in UTF-8: byte {content[error.start]:#04x}"
        faults.add(f"line {line}", problem, "save it as CSV in UTF-8")
    if "\0" in text:
        faults.add("", "is not a text file", "save it as CSV in UTF-8")
    faults.refuse()
    return text


def _place_tiles(
    content: TableContent, source: str, z: float | None, folder: str, placement: Placement
) -> TileTable:
    rows, notes, faults = content.rows, list(content.notes), Faults(source)
    z_values = _z_of_rows(rows, z, source, notes)
    uris = [_image_uri(row.image, folder) for row in rows]
    _refuse_duplicates(rows, uris, z_values, faults)
    heads = _heads(rows, uris, faults)
    sizes = [(head.shape_yx[1], head.shape_yx[0]) for head in heads]
    corners = positions(content, sizes, placement, source).tolist()
    names = _names(rows, uris, z_values, folder)
    tiles = (
        PlacedTile(name, uri, x, y, tile_z, width, height, head.tile_type, row)
        for row, name, uri, head, (width, height), (x, y), tile_z in zip(
            rows, names, uris, heads, sizes, corners, z_values, strict=True
        )
    )
    return TileTable(source, tuple(tiles), placement.pixel_size_nm or content.pixel_size_nm, tuple(notes))


def _z_of_rows(rows: Sequence[TableRow], z: float | None, source: str, notes: list[str]) -> list[float]:
    own = sorted({row.z for row in rows if row.z is not None})
    if z is None:
        if not own:
            raise ParameterError("z_index", f"is required: {source} has no z of its tiles")
        return [row.z for row in rows if row.z is not None]
    if len(own) > 1:
        raise ParameterError(
            "z_index",
            f"{z:g}: {source} has {len(own)} sections, z {own[0]:g} to {own[-1]:g}; leave z_index out",
        )
    if own and own[0] != z:
        notes.append(f"z_index {z:g} is taken, not the table's z {own[0]:g}")
    return [float(z)] * len(rows)


def _refuse_duplicates(
    rows: Sequence[TableRow], uris: Sequence[str], z_values: Sequence[float], faults: Faults
) -> None:
    """Add a fault for each row whose image is that of an earlier row at the same z."""
    first: dict[tuple[float, str], TableRow] = {}
    for row, uri, z in zip(rows, uris, z_values, strict=True):
        before = first.setdefault((z, uri), row)
        if before is not row:
            problem = f"has the image of {before.place}, {row.image!r}"
            faults.add(row.place, problem, "take one of them out, or give them different z")
    faults.refuse()


def _heads(rows: Sequence[TableRow], uris: Sequence[str], faults: Faults) -> list[ImageHead]:
    """Read the headers of the images, and refuse sizes that differ from those in the table."""
    with ReaderThreads(_READ_AT_ONCE) as readers:
        heads = list(readers.map(_head, uris))
    for row, uri, head in zip(rows, uris, heads, strict=True):
        shown = _path(uri)
        if isinstance(head, ImageHead):
            height, width = head.shape_yx
            written = row.width or width, row.height or height
            if written != (width, height):
                problem = f"gives {written[0]} x {written[1]}, but {shown} has {width} x {height} pixels"
                faults.add(row.place, problem, "correct it, or leave width and height out")
        elif isinstance(head, MissingFileError):
            faults.add(row.place, f"{shown}: {head.problem}", "correct the path, or give image_directory")
        else:
            reason = head.problem if isinstance(head, StorageError) else str(head)
            faults.add(row.place, f"{shown}: {reason}", "replace it, or take its row out")
    faults.refuse()
    return [head for head in heads if isinstance(head, ImageHead)]


def _head(uri: str) -> ImageHead | StorageError | ImageError:
    try:
        return storage.read_parts(uri, read_head)
    except (StorageError, ImageError) as error:
        return error


def _names(
    rows: Sequence[TableRow], uris: Sequence[str], z_values: Sequence[float], folder: str
) -> list[str]:
    """Names of the tiles, unique in each section.

    File names without extension, if they suffice; else with the folders below that of the table; else with
    the extension too.
    """
    paths = [PurePosixPath(_path(uri).removeprefix(f"{_path(folder).rstrip('/')}/")) for uri in uris]
    choices = (
        [path.stem for path in paths],
        [_joined(path.with_suffix("")) for path in paths],
        [_joined(path) for path in paths],
    )
    for names in choices:
        if len(set(zip(z_values, names, strict=True))) == len(names):
            return names
    faults, count = Faults(folder), Counter(zip(z_values, names, strict=True))
    for row, name, z in zip(rows, names, z_values, strict=True):
        if count[z, name] > 1:
            problem = f"{row.image!r} gets the tile id {name!r}, as another image"
            faults.add(row.place, problem, "rename one of them")
    faults.refuse()
    return names


def _path(uri: str) -> str:
    return str(storage.local_path(uri) or uri)


def _joined(path: PurePosixPath) -> str:
    return "_".join(part.strip(":") for part in path.parts if part != "/")


def _is_relative(path: str) -> bool:
    """Whether a path is neither absolute, on Windows or elsewhere, nor a URI."""
    return not (path.startswith("/") or _URI.match(path) or _WINDOWS.match(path))


def _image_uri(image: str, folder: str) -> str:
    """URI of an image as a table names it.

    Relative paths begin at the folder, also with backslashes; absolute Windows paths are reduced to the file
    name, as their drive does not exist here.
    """
    if _WINDOWS.match(image):
        image = PureWindowsPath(image).name
    if not _is_relative(image):
        return storage.as_uri(image)
    if "/" not in image:
        image = image.replace("\\", "/")
    path = storage.join(folder, image)
    if "://" in path:  # for local paths, as_uri removes ".."
        scheme, _, key = path.partition("://")
        path = f"{scheme}://{posixpath.normpath(key)}"
    return storage.as_uri(path)
