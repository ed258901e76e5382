"""JSON files of the clients: plain or compressed, as their extension says."""

from __future__ import annotations

import gzip
import io
import zipfile
from pathlib import Path
from typing import Any

import orjson

from asap_ingest.errors import AsapIngestError


class JsonFileError(AsapIngestError):
    """A file that cannot be read, or does not hold what it should."""

    def __init__(self, path: str | Path, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = str(path)
        self.problem = problem


def read_json(path: str | Path) -> Any:
    """Parsed content of a `.json` or `.json.gz` file; JsonFileError if it is missing or no JSON."""
    try:
        content = Path(path).read_bytes()
        return orjson.loads(gzip.decompress(content) if str(path).endswith(".gz") else content)
    except FileNotFoundError as error:
        raise JsonFileError(path, "no such file") from error
    except (OSError, EOFError, orjson.JSONDecodeError) as error:
        raise JsonFileError(path, f"cannot be read as JSON: {error}") from error


def read_list(path: str | Path) -> list[Any]:
    """Parsed content of a file that must hold a list."""
    value = read_json(path)
    if not isinstance(value, list):
        raise JsonFileError(path, f"must hold a list, not {str(value)[:80]!r}")
    return value


def write_json(path: str | Path, value: Any) -> None:
    """Write indented JSON as a whole; `.gz` and `.zip` are compressed, the same value to the same bytes.

    Raises
    ------
    JsonFileError
        When the folder is missing, or nothing can be written in it.
    """
    from asap_ingest.storage.local import write_bytes

    path = Path(path)
    if not path.parent.is_dir():
        raise JsonFileError(path, f"cannot be written: there is no folder {path.parent}")
    content = orjson.dumps(value, option=orjson.OPT_INDENT_2)
    if path.suffix == ".gz":
        content = gzip.compress(content, mtime=0)
    elif path.suffix == ".zip":
        content = _zipped(path.stem, content)
    try:
        write_bytes(path, content)
    except OSError as error:
        raise JsonFileError(path, f"cannot be written: {error}") from error


def _zipped(member: str, content: bytes) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(zipfile.ZipInfo(member), content, zipfile.ZIP_DEFLATED)
    return archive.getvalue()
