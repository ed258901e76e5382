"""The file of the database: connections, checks and errors; the base of all statements."""

from __future__ import annotations

import errno
import sqlite3
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asap_ingest.errors import AsapIngestError

Parameters = Sequence[Any] | Mapping[str, Any]
#: How long a statement waits for other users of the file.
BUSY_SECONDS = 120


def connect(path: Path, mode: str) -> sqlite3.Connection:
    """A connection for any thread, without implicit transactions; rows have the names of their columns.

    `mode` is `rw`, or `rwc` to create the file if it does not exist.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={mode}",
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        uri=True,
    )
    connection.row_factory = sqlite3.Row
    return connection


class DatabaseError(AsapIngestError):
    """A file that cannot be used as database; the message names the file."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"database {path}: {problem}")


class DiskFullError(DatabaseError):
    """The disk is too full for a request; nothing of it was stored."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the disk is full; nothing of this was stored; make room and try again")


#: Disk space that must be free for a service to count as healthy: that of a large request.
PROBE_BYTES = 2**20

#: Primary result codes of SQLite that are about the file or its disk, not about a statement.
_FILE_CODES = {
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_PERM,
}
#: Extended result codes for a limit of file sizes, a quota or a network disk that is full.
_NO_SPACE_CODES = {
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_FSYNC,
}


def database_error(path: Path, error: sqlite3.Error) -> DatabaseError | None:
    """The error to raise in place of one of SQLite that the file or its disk causes; None for others."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF == sqlite3.SQLITE_FULL or code in _NO_SPACE_CODES:
        return DiskFullError(path)
    return DatabaseError(path, str(error)) if code & 0xFF in _FILE_CODES else None


def check_name(path: Path) -> None:
    """Refuse names that mean something else to SQLite than a file.

    Raises
    ------
    DatabaseError
    """
    if path.name == ":memory:":
        raise DatabaseError(path, "a service keeps its data in a file; name one, like render.db")
    if str(path).lower().startswith("file:"):
        raise DatabaseError(path, f"is a URI; name the file itself, like {str(path)[5:] or 'render.db'}")


def check_room(path: Path) -> None:
    """Check that `PROBE_BYTES` can be written to an unnamed file beside the database.

    Raises
    ------
    DatabaseError
    """
    try:
        with tempfile.TemporaryFile(dir=path.parent) as probe:
            probe.write(bytes(PROBE_BYTES))
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskFullError(path) from error
        raise DatabaseError(path, f"its folder cannot be written: {error.strerror or error}") from error


class Statements:
    """Base of groups of statements, on one connection within one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def _column(self, statement: str, values: Parameters = ()) -> list[Any]:
        """All values of a statement that gives one column."""
        return [value for (value,) in self._connection.execute(statement, values)]

    def _value(self, statement: str, values: Parameters = ()) -> Any:
        """The first value of a statement that gives one column; None without a row."""
        row = self._connection.execute(statement, values).fetchone()
        return None if row is None else row[0]


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode, which tell a file from another that takes its place; None where there is none."""
    try:
        facts = path.stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DatabaseError(path, error.strerror or str(error)) from error
    return facts.st_dev, facts.st_ino
