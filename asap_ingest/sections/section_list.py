"""Which metafiles a run ingests, and at which z."""

from __future__ import annotations

import csv
import glob
import io
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from asap_ingest import storage
from asap_ingest.errors import AsapIngestError, ParameterError

#: Names that pyTEMCA gives metafiles.
METAFILES = "_metadata_*.json"
#: `z_from`: sections are numbered in the order of their paths.
ORDER = "order"
_TABLES = (".csv", ".tsv")
#: Metafile -> z; None where sections are numbered in order.
ZRule = Callable[[str], float | None]
_WILDCARDS = re.compile(r"[*?\[]")


def find_metafiles(given: Sequence[str]) -> list[str]:
    """The metafiles that files, folders and patterns name, each once, in natural order (`s2` before `s10`).

    A folder stands for all `_metadata_*.json` in it and below; in an object store, in it alone.

    Raises
    ------
    ParameterError
        A pattern is a URI.
    """
    metafiles: dict[str, str] = {}
    for name in given:
        for path in _named(name):
            metafiles.setdefault(storage.as_uri(path), path)
    return sorted(metafiles.values(), key=natural_key)


def natural_key(path: str) -> list[tuple[int, int | str]]:
    """Sort key by which the numbers in names count as numbers."""
    parts = re.split(r"([0-9]+)", path)
    # not isdigit: that takes superscripts, of which int makes no number
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts if part]


def _named(name: str) -> list[str]:
    path = storage.local_path(name)
    if path is None:
        if _WILDCARDS.search(name):
            raise ParameterError("metafiles", f"{name!r}: patterns are for local files; name a folder")
        if name.endswith(".json"):
            return [name]
        names = [each for each in storage.names_in(name) if Path(each).match(METAFILES)]
        return [storage.join(name, each) for each in names]
    if path.is_dir():
        return [str(each) for each in path.rglob(METAFILES)]
    if _WILDCARDS.search(str(path)) and not path.exists():
        return [each for each in glob.glob(str(path), recursive=True) if Path(each).is_file()]  # noqa: PTH207
    return [str(path)]


def z_rule(z_from: str) -> ZRule:
    """How z follows from a metafile.

    Parameters
    ----------
    z_from : str
        `order`; a `.csv` or `.tsv` with rows of path and z; else a regular expression on the path, whose
        group `z`, or first group, is the number.

    Raises
    ------
    ParameterError
        The table or the expression cannot be used; by the rule: it gives no z.
    """
    if z_from == ORDER:
        return lambda metafile: None
    if z_from.lower().endswith(_TABLES):
        return partial(_z_of_table, _read_table(z_from), z_from)
    try:
        pattern = re.compile(z_from)
    except re.error as error:
        raise _refused(f"{z_from!r} is not a regular expression: {error}") from error
    if not pattern.groups:
        raise _refused(
            rf"{z_from!r} has no group for the number; (\d+) is one, as in 'section_(\d+)'. "
            f"There are also {ORDER!r}, and a table of path,z as .csv"
        )
    return partial(_z_of_path, pattern)


def _z_of_table(table: Mapping[str, float], name: str, metafile: str) -> float:
    for key in (storage.as_uri(metafile), metafile.rpartition("/")[2]):
        if key in table:
            return table[key]
    raise _refused(f"{name} has no row for {metafile}")


def _z_of_path(pattern: re.Pattern[str], metafile: str) -> float:
    match = pattern.search(metafile)
    text = None if match is None else match["z" if "z" in pattern.groupindex else 1]
    if text is None:
        raise _refused(f"{pattern.pattern!r} does not match {metafile}")
    return _number(text, f"{pattern.pattern!r} finds {text!r} in {metafile}")


def _read_table(path: str) -> dict[str, float]:
    """z by URI of the metafile, and by file names that are unique; paths are relative to the table."""
    try:
        text = storage.read_bytes(path).decode("utf-8-sig")
        has_tabs = path.lower().endswith(".tsv") or ("\t" in text and "," not in text)
        reader = csv.reader(io.StringIO(text), delimiter="\t" if has_tabs else ",")
        rows = [(reader.line_num, cells) for cells in reader if any(map(str.strip, cells))]
    except (AsapIngestError, UnicodeDecodeError, csv.Error) as error:
        raise _refused(f"{path}: cannot be read: {error}") from error
    if rows and [cell.strip().lower() for cell in rows[0][1][:2]] == ["path", "z"]:
        rows = rows[1:]
    by_uri: dict[str, float] = {}
    by_name: dict[str, set[str]] = {}
    for line, cells in rows:
        if len(cells) < 2:
            raise _refused(f"{path}: line {line} has one column; each row is path,z")
        name, z = cells[0].strip(), _number(cells[1], f"{path}: line {line}")
        is_whole = "://" in name or name.startswith(("/", "file:"))
        uri = storage.as_uri(name if is_whole else storage.join(storage.parent(path), name))
        if by_uri.setdefault(uri, z) != z:
            raise _refused(
                f"{path}: line {line} gives z {z:g} for {name}, which has z {by_uri[uri]:g} above; keep one"
            )
        by_name.setdefault(name.rpartition("/")[2], set()).add(uri)
    unique = {name: by_uri[uris.pop()] for name, uris in by_name.items() if len(uris) == 1}
    return unique | by_uri


def _number(text: str, where: str) -> float:
    try:
        z = float(text)
    except ValueError as error:
        raise _refused(f"{where}: z must be a number, not {text.strip()!r}") from error
    if not math.isfinite(z):
        raise _refused(f"{where}: z must be a finite number")
    return z


def _refused(problem: str) -> ParameterError:
    return ParameterError("z_from", problem)
