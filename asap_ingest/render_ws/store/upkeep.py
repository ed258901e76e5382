"""Maintenance of a database file, also while services use it: backup and vacuum."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from asap_ingest.render_ws.store.database_file import DatabaseError, check_name, connect, database_error
from asap_ingest.render_ws.store.migrations import APPLICATION_ID


def back_up(source: Path, target: Path) -> int:
    """Copy a consistent state of a database without blocking writers; returns the size of the copy in bytes.

    Copying the file itself would miss what is still in the write-ahead log, or mix two states.

    Raises
    ------
    DatabaseError
        `source` is not a database of this package; `target` exists or cannot be written, in which case no
        part of it is left.
    """
    check_name(target)
    if target.exists():
        raise DatabaseError(target, "is there already; name a new file for the backup")
    part = target.with_name(f".{target.name[:50]}.part")
    with _opened(source) as database:
        try:
            with closing(connect(part, "rwc")) as copy:
                database.backup(copy)
                # one file, without a log beside it
                copy.execute("PRAGMA journal_mode = DELETE")
            part.rename(target)
        except sqlite3.Error as error:
            raise database_error(target, error) or DatabaseError(target, str(error)) from error
        except OSError as error:
            raise DatabaseError(target, error.strerror or str(error)) from error
        finally:
            for leftover in (part, part.with_name(f"{part.name}-journal")):
                with suppress(OSError):
                    leftover.unlink(missing_ok=True)
    return target.stat().st_size


def give_back_space(path: Path) -> tuple[int, int]:
    """Rewrite the file without unused space (VACUUM); returns its size in bytes before and after.

    Writers wait meanwhile. The disk needs space for a second copy.

    Raises
    ------
    DatabaseError
    """
    with _opened(path) as database:
        before = path.stat().st_size
        database.execute("VACUUM")
        # the file shrinks when the log is written back into it
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return before, path.stat().st_size


@contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to an existing database of this package."""
    check_name(path)
    if not path.is_file():
        raise DatabaseError(path, "there is no such file")
    try:
        # read-write, so that the log is removed if this is the last connection to close
        with closing(connect(path, "rw")) as connection:
            if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise DatabaseError(path, "is not a database of a render service")
            yield connection
    except sqlite3.Error as error:
        raise database_error(path, error) or DatabaseError(path, str(error)) from error
