"""A tile table, of whichever kind, as tiles: the readers, the images' sizes, the places.

`read_tile_table` and `read_tile_pattern` are the only parts of this package that open files.
"""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from asap_ingest import storage
from asap_ingest.errors import ImageError, MissingFileError, ParameterError, StorageError
from asap_ingest.images.pixels import ImageHead
from asap_ingest.tile_tables.delimited import read_delimited
from asap_ingest.tile_tables.fiji import FIJI_LINE, read_fiji
from asap_ingest.tile_tables.file_pattern import read_pattern
from asap_ingest.tile_tables.serialem import MDOC_LINE, read_serialem
from asap_ingest.tile_tables.table_positions import Placement, positions
from asap_ingest.tile_tables.table_records import (
    Fault,
    PlacedTile,
    TableContent,
    TableRow,
    TileTable,
    TileTableError,
)
from asap_ingest.tile_tables.tile_files import image_uri, is_relative, read_heads

_AS_IT_SAYS = Placement()


def read_tile_table(
    path: str,
    *,
    z: float | None = None,
    image_directory: str | None = None,
    placement: Placement = _AS_IT_SAYS,
) -> TileTable:
    """The tiles of a CSV, a TSV, a `TileConfiguration.txt` or an `.mdoc`: which one, the content tells.

    Parameters
    ----------
    path : path or URI
    z : float or None
        Of all tiles; None: the table says it.
    image_directory : path or URI, or None
        Where relative paths begin; None: at the folder of the table.

    Raises
    ------
    TileTableError
        Entries that are missing or wrong, images that cannot be read.
    ParameterError
        `z` or something of `placement` is needed, or contradicts the table.
    StorageError
    """
    text = _text(storage.read_bytes(path), path)
    read = (
        read_fiji if FIJI_LINE.search(text) else read_serialem if MDOC_LINE.search(text) else read_delimited
    )
    folder = image_directory or storage.parent(path)
    return _placed(read(text, path), path, z, folder, placement)


def read_tile_pattern(
    pattern: str,
    *,
    z: float | None = None,
    image_directory: str | None = None,
    placement: Placement = _AS_IT_SAYS,
) -> TileTable:
    """The tiles on a grid of which files have names like `tile_{row}_{col}.tif`; else as `read_tile_table`.

    Parameters
    ----------
    image_directory : path or URI, or None
        Where a relative pattern begins; None: at the current folder.
    """
    if image_directory is not None and is_relative(pattern):
        pattern = storage.join(image_directory, pattern)
    return _placed(read_pattern(pattern), pattern, z, storage.parent(pattern), placement)


def _text(content: bytes, source: str) -> str:
    """The text of a table: UTF-8, or UTF-16 with its mark, as spreadsheets also write it."""
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if marked else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        problem = f"is not text in UTF-8: byte {content[error.start]:#04x}"
        remedy = "save it as CSV in UTF-8"
        raise TileTableError(source, [Fault(f"line {line}", "", problem, remedy)]) from error
    if "\0" in text:
        raise TileTableError(source, [Fault("", "", "is not a text file", "save it as CSV in UTF-8")])
    return text


def _placed(
    content: TableContent, source: str, z: float | None, folder: str, placement: Placement
) -> TileTable:
    rows, notes = content.rows, list(content.notes)
    z_values = _z_of_rows(rows, z, source, notes)
    uris = [image_uri(row.image, folder) for row in rows]
    _refuse_twice(rows, uris, z_values, source)
    heads = _usable_heads(rows, uris, source)
    sizes = [(head.shape_yx[1], head.shape_yx[0]) for head in heads]
    corners = positions(content, sizes, placement, source).tolist()
    names = _names(rows, uris, z_values, folder)
    tiles = (
        PlacedTile(
            name=names[index],
            image_uri=uris[index],
            x=corners[index][0],
            y=corners[index][1],
            z=z_values[index],
            width=sizes[index][0],
            height=sizes[index][1],
            sample_type=heads[index].tile_type,
            rotation_degrees=row.rotation_degrees,
            row=row.row,
            column=row.column,
        )
        for index, row in enumerate(rows)
    )
    return TileTable(source, tuple(tiles), placement.pixel_size_nm or content.pixel_size_nm, tuple(notes))


def _z_of_rows(rows: Sequence[TableRow], z: float | None, source: str, notes: list[str]) -> list[float]:
    own = sorted({row.z for row in rows if row.z is not None})
    if z is None:
        if not own:
            raise ParameterError("z_index", f"is required: {source} does not say the z of its tiles")
        return [row.z for row in rows if row.z is not None]
    if len(own) > 1:
        raise ParameterError(
            "z_index",
            f"{z:g}: {source} has {len(own)} sections, z {own[0]:g} to {own[-1]:g}; leave z_index out",
        )
    if own and own[0] != z:
        notes.append(f"z_index {z:g} is taken, not the table's z {own[0]:g}")
    return [float(z)] * len(rows)


def _refuse_twice(
    rows: Sequence[TableRow], uris: Sequence[str], z_values: Sequence[float], source: str
) -> None:
    """An image is one tile of its section."""
    first: dict[tuple[float, str], TableRow] = {}
    faults = []
    for row, uri, z in zip(rows, uris, z_values, strict=True):
        before = first.setdefault((z, uri), row)
        if before is not row:
            problem = f"has the image of {before.place}, {row.image!r}"
            faults.append(Fault(row.place, "", problem, "take one of them out, or give them different z"))
    if faults:
        raise TileTableError(source, faults)


def _usable_heads(rows: Sequence[TableRow], uris: Sequence[str], source: str) -> list[ImageHead]:
    heads = read_heads(uris)
    faults = list(_image_faults(rows, uris, heads))
    if faults:
        raise TileTableError(source, faults)
    return [head for head in heads if isinstance(head, ImageHead)]


def _image_faults(
    rows: Sequence[TableRow], uris: Sequence[str], heads: Sequence[ImageHead | StorageError | ImageError]
) -> Iterator[Fault]:
    for row, uri, head in zip(rows, uris, heads, strict=True):
        shown = _path(uri)
        if isinstance(head, ImageHead):
            said = row.width or head.shape_yx[1], row.height or head.shape_yx[0]
            if said != head.shape_yx[::-1]:
                problem = (
                    f"says {said[0]} x {said[1]}, {shown} has {head.shape_yx[1]} x {head.shape_yx[0]} pixels"
                )
                yield Fault(row.place, "", problem, "correct it, or leave width and height out")
        else:
            reason = head.problem if isinstance(head, StorageError) else str(head)
            missing = isinstance(head, MissingFileError)
            remedy = (
                "correct the path, or give image_directory" if missing else "replace it, or take its row out"
            )
            yield Fault(row.place, "", f"{shown}: {reason}", remedy)


def _names(
    rows: Sequence[TableRow], uris: Sequence[str], z_values: Sequence[float], folder: str
) -> list[str]:
    """A name for each tile that no other of its section has.

    The file's without extension; where that is not enough, with the folders below that of the table, or all,
    and then with the extension.
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
    count = Counter(zip(z_values, names, strict=True))
    faults = [
        Fault(
            row.place, "", f"{row.image!r} gets the tile id {name!r}, as another image", "rename one of them"
        )
        for row, name, z in zip(rows, names, z_values, strict=True)
        if count[z, name] > 1
    ]
    raise TileTableError(folder, faults)


def _path(uri: str) -> str:
    return str(storage.local_path(uri) or uri)


def _joined(path: PurePosixPath) -> str:
    return "_".join(part.strip(":") for part in path.parts if part != "/")
