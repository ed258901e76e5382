"""The database's file as the file system knows it: which one it is, and what is wrong with it."""

from __future__ import annotations

import errno
import sqlite3
import tempfile
from pathlib import Path

from asap_ingest.errors import AsapIngestError


class DatabaseError(AsapIngestError):
    """A file that cannot serve as database: names the file and what is wrong with it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"database {path}: {problem}")


class DiskFullError(DatabaseError):
    """There is no room for what a request writes; nothing of it was kept."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "the disk is full; nothing of this was stored; make room and try again")


#: What the disk must have room for, to be called well: a large request.
PROBE_BYTES = 2**20

#: What SQLite says of the file or its disk, not of a statement.
_FILE_FAULTS = (
    *(sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOTADB),
    *(sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM),
)
#: Where a limit for files, a quota or a network disk refuses more bytes without saying that it is full.
_NO_MORE_BYTES = (
    *(sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE, sqlite3.SQLITE_IOERR_TRUNCATE),
    *(sqlite3.SQLITE_IOERR_FSYNC,),
)


def named(path: Path, error: sqlite3.Error) -> Exception:
    """SQLite's error as one that names the file, where the file or its disk is at fault."""
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF == sqlite3.SQLITE_FULL or code in _NO_MORE_BYTES:
        return DiskFullError(path)
    return DatabaseError(path, str(error)) if code & 0xFF in _FILE_FAULTS else error


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
    """Write some bytes beside the database, as its log does, into a file without a name.

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


class DatabaseFile:
    """The file that was opened, whatever its name stands for later."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened = self._found()

    def check(self) -> None:
        """Refuse to work on a file that its name does not lead to any more.

        Raises
        ------
        DatabaseError
            The file was removed, or another lies in its place.
        """
        found = self._found()
        if found == self._opened:
            return
        what = "was removed" if found is None else "was replaced by another file"
        raise DatabaseError(
            self._path,
            f"{what} while the service runs; nothing is read or stored until it is "
            "back, or the service started again",
        )

    def _found(self) -> tuple[int, int] | None:
        try:
            facts = self._path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DatabaseError(self._path, error.strerror or str(error)) from error
        return facts.st_dev, facts.st_ino
