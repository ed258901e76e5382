"""The tables, as numbered changes, and the check that a file is a database of this package."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path

from asap_ingest.render_ws.store.database_file import BUSY_SECONDS, DatabaseError

APPLICATION_ID = 0x41535049
#: Larger files are not checked for damage when they are opened.
CHECKED_BYTES = 64 * 2**20

#: One script per schema version; released ones are never edited, changes are appended.
MIGRATIONS = (
    """
    CREATE TABLE stack (
        key INTEGER PRIMARY KEY, owner TEXT NOT NULL, project TEXT NOT NULL, stack TEXT NOT NULL,
        state TEXT NOT NULL, modified INTEGER NOT NULL, version_number INTEGER NOT NULL,
        version BLOB NOT NULL, stats BLOB, sections BLOB, UNIQUE (owner, project, stack));
    CREATE TABLE tile (
        stack INTEGER NOT NULL REFERENCES stack (key) ON DELETE CASCADE, tile_id NOT NULL, z REAL,
        section_id TEXT, group_id TEXT, min_x REAL, min_y REAL, max_x REAL, max_y REAL,
        channels TEXT, refs TEXT, flat INTEGER NOT NULL, spec BLOB NOT NULL, UNIQUE (stack, tile_id));
    CREATE INDEX tile_in_layer ON tile (stack, z, tile_id, min_x, min_y, max_x, max_y, section_id);
    CREATE INDEX tile_in_section ON tile (stack, section_id);
    CREATE TABLE transform (
        stack INTEGER NOT NULL REFERENCES stack (key) ON DELETE CASCADE, transform_id NOT NULL,
        spec BLOB NOT NULL, PRIMARY KEY (stack, transform_id)) WITHOUT ROWID;
    """,
    """
    CREATE TABLE match_collection (
        key INTEGER PRIMARY KEY, owner TEXT NOT NULL, name TEXT NOT NULL, UNIQUE (owner, name));
    CREATE TABLE match_pair (
        collection INTEGER NOT NULL REFERENCES match_collection (key) ON DELETE CASCADE,
        p_group TEXT NOT NULL, q_group TEXT NOT NULL, p_id TEXT NOT NULL, q_id TEXT NOT NULL,
        has_consensus INTEGER NOT NULL, summary BLOB NOT NULL, content BLOB NOT NULL,
        UNIQUE (collection, p_group, q_group, p_id, q_id));
    CREATE INDEX match_pair_by_q ON match_pair (collection, q_group, p_group, p_id, q_id);
    CREATE INDEX match_pair_with_consensus ON match_pair (collection, p_group, q_group) WHERE has_consensus;
    """,
)


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the tables of the file up to date, all changes in one transaction.

    Raises
    ------
    DatabaseError
        When the file is not a database of this package, is newer, or damaged.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        application, version, tables = (
            connection.execute(statement).fetchone()[0]
            for statement in (
                "PRAGMA application_id",
                "PRAGMA user_version",
                "SELECT count(*) FROM sqlite_schema",
            )
        )
        if application != APPLICATION_ID and (tables or version):
            raise DatabaseError(path, "belongs to another program")
        if version > len(MIGRATIONS):
            raise DatabaseError(
                path,
                f"has schema version {version}, this program knows only up to {len(MIGRATIONS)}",
            )
        for script in MIGRATIONS[version:]:
            for statement in filter(str.strip, script.split(";")):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        checked = path.stat().st_size <= CHECKED_BYTES
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0] if checked else "ok"
        if damage != "ok":
            raise DatabaseError(path, f"is damaged: {damage.splitlines()[0]}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    _use_write_ahead_log(connection)


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    # SQLite does not wait here while another process holds the new file exclusively
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(0.01)
