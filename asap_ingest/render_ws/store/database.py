"""Connections to the database file, and transactions on them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from asap_ingest.render_ws.store.database_file import (
    DatabaseError,
    check_name,
    check_room,
    connect,
    database_error,
    identity,
)
from asap_ingest.render_ws.store.match_rows import MatchStatements
from asap_ingest.render_ws.store.migrations import migrate
from asap_ingest.render_ws.store.stack_rows import StackStatements
from asap_ingest.render_ws.store.stored_tiles import TileStatements


class Session(StackStatements, TileStatements, MatchStatements):
    """All statements, on one connection within one transaction."""


class Store:
    """Connections to one database file; any number of threads and processes may use it."""

    def __init__(self, path: Path) -> None:
        """Open or create the file; bring its tables up to date.

        Raises
        ------
        DatabaseError
            When the file is not a database of this package, is damaged, newer, or cannot be written.
        """
        check_name(path)
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()
        # writers of this process wait here: those of SQLite poll
        self._writer = threading.Lock()
        try:
            connection = self._connect("rwc")
            try:
                migrate(connection, path)
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)
        except sqlite3.Error as error:
            raise DatabaseError(path, str(error)) from error
        self._identity = identity(path)

    def _connect(self, mode: str = "rw") -> sqlite3.Connection:
        # only the first connection creates the file: it may have been removed since
        connection = connect(self._path, mode)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error:  # of a damaged file
            connection.close()
            raise
        return connection

    def _check_file(self) -> None:
        """Raise DatabaseError if the file was removed, or another lies in its place."""
        present = identity(self._path)
        if present != self._identity:
            what = "was removed" if present is None else "was replaced by another file"
            raise DatabaseError(
                self._path,
                f"{what} while the service runs; nothing is read or stored until it is "
                "back, or the service started again",
            )

    def _borrow(self) -> sqlite3.Connection:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return self._connect()

    def _give_back(self, connection: sqlite3.Connection) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(connection)
                return
        connection.close()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Session]:
        self._check_file()
        try:
            connection = self._borrow()
            try:
                connection.execute(begin)
                try:
                    yield Session(connection)
                    # a commit to a file that was removed or replaced would be lost
                    self._check_file()
                    connection.execute("COMMIT")
                except BaseException:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                    raise
            finally:
                self._give_back(connection)
        except sqlite3.Error as error:
            fault = database_error(self._path, error)
            if fault is None:
                raise
            raise fault from error

    def reading(self) -> AbstractContextManager[Session]:
        """Context of one consistent view of the database."""
        return self._transaction("BEGIN")

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Context of one transaction: committed at its end, rolled back on an exception."""
        with self._writer, self._transaction("BEGIN IMMEDIATE") as session:
            yield session

    def faults(self) -> dict[str, str]:
        """Reasons why the `store` cannot be read or the `disk` not be written; {} where all is well."""
        result = {}
        try:
            with self.reading() as session:
                session.owners()
        except (DatabaseError, sqlite3.Error) as error:
            result["store"] = str(error)
        try:
            check_room(self._path)
        except DatabaseError as error:
            result["disk"] = str(error)
        return result

    def close(self) -> None:
        """Close the connections; a context still open keeps its own until it ends."""
        with self._lock:
            self._closed = True
            for connection in self._idle:
                connection.close()
            self._idle.clear()
