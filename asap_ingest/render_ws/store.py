"""The database: one SQLite file, and all SQL of the package.

Tiles and transforms are kept as the JSON bytes that are sent, beside the columns that queries need. The
file is in WAL mode with synchronous=NORMAL: a commit is in the hands of the operating system before it
is answered, so killing the process loses nothing; FULL would only add safety against a loss of power,
where NORMAL may lose the last commits but never damages the file, at several times the price per commit.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from asap_ingest.errors import AsapIngestError
from asap_ingest.render_ws.names import StackId
from asap_ingest.render_ws.records.stack_records import StackRecord
from asap_ingest.render_ws.records.tile_rows import TileRow

APPLICATION_ID = 0x41535049
BUSY_SECONDS = 120
#: Larger files are not checked page by page when they are opened.
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
)


class DatabaseError(AsapIngestError):
    """A file that cannot serve as database: names the file and what is wrong with it."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"database {path}: {problem}")


TILE_COLUMNS = "tile_id, z, section_id, group_id, min_x, min_y, max_x, max_y, channels, refs, flat, spec"
_UPSERT_TILE = (
    f"INSERT INTO tile (stack, {TILE_COLUMNS}) VALUES (?{', ?' * 12}) ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in TILE_COLUMNS.split(", ")[1:])
)
_STATS = """
    SELECT min(min_x), min(min_y), min(z), max(max_x), max(max_y), max(z), count(DISTINCT z),
        count(DISTINCT CASE WHEN z > CAST(z AS INTEGER) THEN z END), count(*),
        min(CAST(max_x - min_x AS INTEGER)), max(CAST(max_x - min_x AS INTEGER)),
        min(CAST(max_y - min_y AS INTEGER)), max(CAST(max_y - min_y AS INTEGER))
    FROM tile WHERE stack = ?"""
# each step jumps to the next z in the index: thousands of layers of thousands of tiles stay cheap
_Z_VALUES = """
    WITH RECURSIVE layer (z) AS (
        SELECT min(z) FROM tile WHERE stack = :stack
        UNION ALL SELECT (SELECT min(z) FROM tile WHERE stack = :stack AND z > layer.z)
        FROM layer WHERE layer.z IS NOT NULL)
    SELECT z FROM layer WHERE z IS NOT NULL"""
_SECTIONS = """
    SELECT section_id, z, count(*), min(min_x), max(max_x), min(min_y), max(max_y) FROM tile
    WHERE stack = ?1 AND section_id IS NOT NULL AND z IS NOT NULL {filter}
    GROUP BY section_id, z ORDER BY section_id, z"""


@dataclass(frozen=True)
class TileFilter:
    """Which tiles of a stack; None means any. The box is inclusive on all sides."""

    z: float | None = None
    min_z: float | None = None
    max_z: float | None = None
    min_x: float | None = None
    max_x: float | None = None
    min_y: float | None = None
    max_y: float | None = None
    section_id: str | None = None
    group_id: str | None = None
    tile_id: str | None = None

    #: field -> what it demands of a row
    CONDITIONS = {
        "z": "z = ?",
        "min_z": "z >= ?",
        "max_z": "z <= ?",
        "min_x": "max_x >= ?",
        "max_x": "min_x <= ?",
        "min_y": "max_y >= ?",
        "max_y": "min_y <= ?",
        "section_id": "section_id = ?",
        "group_id": "group_id = ?",
        "tile_id": "tile_id = ?",
    }

    def where(self) -> tuple[str, list[Any]]:
        """SQL conditions to follow `WHERE stack = ?`, and their values."""
        asked = {name: getattr(self, name) for name in self.CONDITIONS}
        asked = {name: value for name, value in asked.items() if value is not None}
        return "".join(f" AND {self.CONDITIONS[name]}" for name in asked), list(asked.values())


class Session:
    """The statements, on one connection inside one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def owners(self) -> list[str]:
        """Owners of stacks, ascending."""
        return [row[0] for row in self._connection.execute("SELECT DISTINCT owner FROM stack ORDER BY owner")]

    def stacks(self, owner: str | None = None, project: str | None = None) -> list[StackRecord]:
        """Records of all stacks, of an owner, or of one of his projects."""
        rows = self._connection.execute(
            "SELECT * FROM stack WHERE owner = ifnull(?, owner) AND project = ifnull(?, project)",
            (owner, project),
        )
        return [StackRecord.from_row(row) for row in rows]

    def stack(self, stack_id: StackId) -> StackRecord | None:
        """Record of one stack, None if there is none of that name."""
        row = self._connection.execute(
            "SELECT * FROM stack WHERE owner = ? AND project = ? AND stack = ?",
            (stack_id.owner, stack_id.project, stack_id.stack),
        ).fetchone()
        return None if row is None else StackRecord.from_row(row)

    def save_stack(self, record: StackRecord) -> None:
        """Insert the record (key 0) or replace the one with its key, names included."""
        columns = "owner, project, stack, state, modified, version_number, version, stats, sections"
        values = record.to_row()
        if record.key == 0:
            statement = f"INSERT INTO stack ({columns}) VALUES (?{', ?' * 8})"
        else:
            assignments = ", ".join(f"{name} = ?" for name in columns.split(", "))
            statement = f"UPDATE stack SET {assignments} WHERE key = ?"
            values.append(record.key)
        self._connection.execute(statement, values)

    def delete_stack(self, key: int) -> None:
        """Remove the stack with its tiles and transforms."""
        self._connection.execute("DELETE FROM stack WHERE key = ?", (key,))

    def delete_data(self, key: int) -> None:
        """Remove tiles and transforms of the stack."""
        self._connection.execute("DELETE FROM tile WHERE stack = ?", (key,))
        self._connection.execute("DELETE FROM transform WHERE stack = ?", (key,))

    def put_transforms(self, key: int, specs: Iterable[tuple[str | bytes, bytes]]) -> None:
        """Insert or replace shared transforms, given as (id, JSON)."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO transform (stack, transform_id, spec) VALUES (?, ?, ?)",
            [(key, transform_id, spec) for transform_id, spec in specs],
        )

    def put_tiles(self, key: int, tiles: Iterable[TileRow]) -> None:
        """Insert or replace tiles by their id."""
        # vars() instead of astuple(): the latter copies every spec
        self._connection.executemany(_UPSERT_TILE, [(key, *vars(tile).values()) for tile in tiles])

    def delete_tiles(self, key: int, which: TileFilter) -> None:
        """Remove tiles; shared transforms stay."""
        condition, values = which.where()
        self._connection.execute(f"DELETE FROM tile WHERE stack = ?{condition}", [key, *values])

    def copy_transforms(self, source: int, target: int) -> None:
        """Copy the shared transforms whose ids the target lacks."""
        self._connection.execute(
            "INSERT OR IGNORE INTO transform SELECT ?, transform_id, spec FROM transform WHERE stack = ?",
            (target, source),
        )

    def copy_tiles(self, source: int, target: int, z_values: Sequence[float] | None) -> None:
        """Copy the tiles (at these z, None: all) whose ids the target lacks."""
        condition = "" if z_values is None else " AND z IN (SELECT value FROM json_each(?))"
        self._connection.execute(
            f"INSERT OR IGNORE INTO tile (stack, {TILE_COLUMNS}) SELECT ?, {TILE_COLUMNS} FROM tile "
            f"WHERE stack = ?{condition} ORDER BY rowid",
            [target, source, *([] if z_values is None else [orjson.dumps(z_values).decode()])],
        )

    def transform(self, key: int, transform_id: str) -> bytes | None:
        """JSON of a shared transform, None if missing."""
        row = self._connection.execute(
            "SELECT spec FROM transform WHERE stack = ? AND transform_id = ?", (key, transform_id)
        ).fetchone()
        return None if row is None else row[0]

    def tiles(self, key: int, which: TileFilter, limit: int = -1) -> list[TileRow]:
        """Tiles, by tile id ascending (by code unit, which is the drawing order)."""
        condition, values = which.where()
        rows = self._connection.execute(
            f"SELECT {TILE_COLUMNS} FROM tile WHERE stack = ?{condition} ORDER BY tile_id LIMIT ?",
            [key, *values, limit],
        )
        return [TileRow(*row) for row in rows]

    def tiles_with_ids(self, key: int, tile_ids: Sequence[str]) -> list[TileRow]:
        """Tiles with one of these ids, by tile id ascending; unknown ids are left out."""
        rows = self._connection.execute(
            f"SELECT {TILE_COLUMNS} FROM tile WHERE stack = ? AND tile_id IN "
            "(SELECT value FROM json_each(?)) ORDER BY tile_id",
            (key, orjson.dumps(list(tile_ids)).decode()),
        )
        return [TileRow(*row) for row in rows]

    def tile_count(self, key: int, which: TileFilter) -> int:
        """Number of tiles."""
        condition, values = which.where()
        row = self._connection.execute(
            f"SELECT count(*) FROM tile WHERE stack = ?{condition}", [key, *values]
        )
        return int(row.fetchone()[0])

    def tile_ids(self, key: int, which: TileFilter) -> list[str]:
        """Tile ids ascending, those that have one."""
        condition, values = which.where()
        rows = self._connection.execute(
            "SELECT tile_id FROM tile WHERE stack = ? AND typeof(tile_id) = 'text' AND tile_id <> ''"
            f"{condition} ORDER BY tile_id",
            [key, *values],
        )
        return [row[0] for row in rows]

    def tile_bounds(self, key: int, which: TileFilter) -> list[tuple[Any, ...]]:
        """Rows of min_x, min_y, max_x, max_y, tile id, section id, z, by tile id."""
        condition, values = which.where()
        return self._connection.execute(
            "SELECT min_x, min_y, max_x, max_y, tile_id, section_id, z FROM tile "
            f"WHERE stack = ?{condition} ORDER BY tile_id",
            [key, *values],
        ).fetchall()

    def box(self, key: int, which: TileFilter) -> tuple[float, float, float, float] | None:
        """Common box min_x, min_y, max_x, max_y of the tiles, None without tiles."""
        condition, values = which.where()
        row = self._connection.execute(
            "SELECT min(min_x), min(min_y), max(max_x), max(max_y), count(*) FROM tile "
            f"WHERE stack = ?{condition}",
            [key, *values],
        ).fetchone()
        return None if row[4] == 0 else row[:4]

    def z_values(self, key: int) -> list[float]:
        """Distinct z, ascending."""
        return [row[0] for row in self._connection.execute(_Z_VALUES, {"stack": key})]

    def z_of_section(self, key: int, section_id: str) -> float | None:
        """The z of the tile of the section that was stored first, None if it has no tile."""
        row = self._connection.execute(
            "SELECT z FROM tile WHERE stack = ? AND section_id = ? ORDER BY rowid LIMIT 1", (key, section_id)
        ).fetchone()
        return None if row is None else row[0]

    def sections(self, key: int, z: float | None = None) -> list[tuple[Any, ...]]:
        """Rows of section id, z, tile count, min_x, max_x, min_y, max_y, by section id and z."""
        statement = _SECTIONS.format(filter="" if z is None else "AND z = ?2")
        return self._connection.execute(statement, (key,) if z is None else (key, z)).fetchall()

    def stats(self, key: int) -> tuple[Any, ...]:
        """Bounds (x, y, z), sections, those between integers, tiles, transforms, sizes, channel names."""
        row = self._connection.execute(_STATS, (key,)).fetchone()
        count = self._connection.execute("SELECT count(*) FROM transform WHERE stack = ?", (key,)).fetchone()[
            0
        ]
        lists = self._connection.execute("SELECT DISTINCT channels FROM tile WHERE stack = ?", (key,))
        names = {name for (channels,) in lists if channels for name in orjson.loads(channels)}
        return (*row[:9], count, *row[9:], sorted(names))


class Store:
    """Connections to one database file; any number of threads and processes may use it."""

    def __init__(self, path: Path) -> None:
        """Open the file, or create it and its folder's entry; bring its tables up to date.

        Raises
        ------
        DatabaseError
            When the file is no database of this package, is damaged, newer, or cannot be written.
        """
        self._path = path
        self._idle: list[sqlite3.Connection] = []
        self._closed = False
        self._lock = threading.Lock()
        # writers of this process queue here; waiting inside SQLite means polling
        self._writer = threading.Lock()
        try:
            connection = self._connect()
            try:
                self._migrate(connection)
            except BaseException:
                connection.close()
                raise
            self._give_back(connection)
        except sqlite3.Error as error:
            raise DatabaseError(path, str(error)) from error

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
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
                raise DatabaseError(self._path, "belongs to another program")
            if version > len(MIGRATIONS):
                raise DatabaseError(
                    self._path,
                    f"has schema version {version}, this program knows only up to {len(MIGRATIONS)}",
                )
            for script in MIGRATIONS[version:]:
                for statement in filter(str.strip, script.split(";")):
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
            checked = self._path.stat().st_size <= CHECKED_BYTES
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0] if checked else "ok"
            if found != "ok":
                raise DatabaseError(self._path, f"is damaged: {found.splitlines()[0]}")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")

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
        connection = self._borrow()
        try:
            connection.execute(begin)
            try:
                yield Session(connection)
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        finally:
            self._give_back(connection)

    def reading(self) -> AbstractContextManager[Session]:
        """Context of one consistent view of the database."""
        return self._transaction("BEGIN")

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Context whose changes are all kept, or none when it is left by an exception."""
        with self._writer, self._transaction("BEGIN IMMEDIATE") as session:
            yield session

    def close(self) -> None:
        """Close the connections; a context still open keeps its own until it ends."""
        with self._lock:
            self._closed = True
            for connection in self._idle:
                connection.close()
            self._idle.clear()
