"""Statements about the tiles and shared transforms of a stack."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from asap_ingest.render_ws.store.database_file import Statements
from asap_ingest.render_ws.wire.tile_rows import TileRow

TILE_COLUMNS = "tile_id, z, section_id, group_id, min_x, min_y, max_x, max_y, channels, refs, flat, spec"
_UPSERT_TILE = (
    f"INSERT INTO tile (stack, {TILE_COLUMNS}) VALUES (?{', ?' * 12}) ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in TILE_COLUMNS.split(", ")[1:])
)
# each step jumps to the next z in the index: thousands of layers of thousands of tiles stay cheap
_Z_VALUES = """
    WITH RECURSIVE layer (z) AS (
        SELECT min(z) FROM tile WHERE stack = :stack
        UNION ALL SELECT (SELECT min(z) FROM tile WHERE stack = :stack AND z > layer.z)
        FROM layer WHERE layer.z IS NOT NULL)
    SELECT z FROM layer WHERE z IS NOT NULL"""
_SECTIONS = """
    SELECT section_id AS sectionId, z, count(*) AS tileCount,
        min(min_x) AS minX, max(max_x) AS maxX, min(min_y) AS minY, max(max_y) AS maxY FROM tile
    WHERE stack = ? AND section_id IS NOT NULL AND z IS NOT NULL {filter}
    GROUP BY section_id, z ORDER BY section_id, z"""


@dataclass(frozen=True)
class TileFilter:
    """Conditions on the tiles of a stack; None means any. A tile that only touches the box is in it."""

    z: float | None = None
    min_z: float | None = None
    max_z: float | None = None
    min_x: float | None = None
    max_x: float | None = None
    min_y: float | None = None
    max_y: float | None = None
    section_id: str | None = None
    group_id: str | None = None
    tile_id: str | bytes | None = None

    #: The condition on a row by field.
    CONDITIONS = {
        "z": "z = :z",
        "min_z": "z >= :min_z",
        "max_z": "z <= :max_z",
        "min_x": "max_x >= :min_x",
        "max_x": "min_x <= :max_x",
        "min_y": "max_y >= :min_y",
        "max_y": "min_y <= :max_y",
        "section_id": "section_id = :section_id",
        "group_id": "group_id = :group_id",
        "tile_id": "tile_id = :tile_id",
    }

    @property
    def rows(self) -> str:
        """SQL to follow FROM; its parameters are `values`."""
        given = (text for name, text in self.CONDITIONS.items() if getattr(self, name) is not None)
        return f"tile WHERE {' AND '.join(('stack = :stack', *given))}"

    def values(self, key: int) -> dict[str, Any]:
        """Values of the parameters of `rows`; `key` is that of the stack."""
        return {**vars(self), "stack": key}


class TileStatements(Statements):
    """Tiles and shared transforms; `key` is that of the stack."""

    def put_transforms(self, key: int, specs: Iterable[tuple[str | bytes, bytes]]) -> None:
        """Insert or replace shared transforms, given as (id, JSON)."""
        self._connection.executemany(
            "INSERT OR REPLACE INTO transform (stack, transform_id, spec) VALUES (?, ?, ?)",
            [(key, transform_id, spec) for transform_id, spec in specs],
        )

    def put_tiles(self, key: int, tiles: Iterable[TileRow]) -> None:
        """Insert or replace tiles by their id."""
        self._connection.executemany(_UPSERT_TILE, [(key, *tile) for tile in tiles])

    def delete_tiles(self, key: int, which: TileFilter) -> None:
        """Remove tiles; shared transforms stay."""
        self._connection.execute(f"DELETE FROM {which.rows}", which.values(key))

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
        statement = "SELECT spec FROM transform WHERE stack = ? AND transform_id = ?"
        content: bytes | None = self._value(statement, (key, transform_id))
        return content

    def tiles(self, key: int, which: TileFilter, limit: int = -1) -> list[TileRow]:
        """Tiles, by tile id ascending (by code unit, which is the drawing order)."""
        return [*self.each_tile(key, which, limit)]

    def each_tile(
        self, key: int, which: TileFilter, limit: int = -1, order: Sequence[str] = ("tile_id",)
    ) -> Iterator[TileRow]:
        """Tiles, ascending by the columns of `order`; each is read when the iterator reaches it."""
        rows = self._connection.execute(
            f"SELECT {TILE_COLUMNS} FROM {which.rows} ORDER BY {', '.join(order)} LIMIT :limit",
            {**which.values(key), "limit": limit},
        )
        return (TileRow(*row) for row in rows)

    def each_with_ids(self, key: int, tile_ids: Sequence[str]) -> Iterator[TileRow]:
        """Tiles with one of these ids, by tile id ascending; unknown ids are left out."""
        rows = self._connection.execute(
            f"SELECT {TILE_COLUMNS} FROM tile WHERE stack = ? AND tile_id IN "
            "(SELECT value FROM json_each(?)) ORDER BY tile_id",
            (key, orjson.dumps(list(tile_ids)).decode()),
        )
        return (TileRow(*row) for row in rows)

    def tile_count(self, key: int, which: TileFilter, most: int = -1) -> int:
        """Number of tiles; counting ends at `most`, unless that is negative."""
        counted = which.rows if most < 0 else f"(SELECT 1 FROM {which.rows} LIMIT {most})"
        return int(self._value(f"SELECT count(*) FROM {counted}", which.values(key)))

    def tile_ids(self, key: int, which: TileFilter) -> list[str]:
        """Tile ids ascending, those that have one."""
        named = "typeof(tile_id) = 'text' AND tile_id <> ''"
        statement = f"SELECT tile_id FROM {which.rows} AND {named} ORDER BY tile_id"
        return self._column(statement, which.values(key))

    def tile_bounds(self, key: int, which: TileFilter) -> list[sqlite3.Row]:
        """Rows of minX, minY, maxX, maxY, tileId, sectionId and z, by tile id."""
        return self._connection.execute(
            "SELECT min_x AS minX, min_y AS minY, max_x AS maxX, max_y AS maxY, tile_id AS tileId, "
            f"section_id AS sectionId, z FROM {which.rows} ORDER BY tile_id",
            which.values(key),
        ).fetchall()

    def box(self, key: int, which: TileFilter) -> dict[str, float] | None:
        """Common box minX, minY, maxX, maxY of the tiles, None without tiles."""
        row = self._connection.execute(
            "SELECT min(min_x) AS minX, min(min_y) AS minY, max(max_x) AS maxX, max(max_y) AS maxY, "
            f"count(*) AS count FROM {which.rows}",
            which.values(key),
        ).fetchone()
        box = dict(row)
        return box if box.pop("count") else None

    def z_values(self, key: int) -> list[float]:
        """Distinct z, ascending."""
        return self._column(_Z_VALUES, {"stack": key})

    def z_of_section(self, key: int, section_id: str) -> float | None:
        """The z of the tile of the section that was stored first, None if it has no tile."""
        statement = "SELECT z FROM tile WHERE stack = ? AND section_id = ? ORDER BY rowid LIMIT 1"
        z: float | None = self._value(statement, (key, section_id))
        return z

    def sections(self, key: int, z: float | None = None) -> list[sqlite3.Row]:
        """Rows of sectionId, z, tileCount, minX, maxX, minY, maxY, by section id and z."""
        statement = _SECTIONS.format(filter="" if z is None else "AND z = ?")
        return self._connection.execute(statement, (key,) if z is None else (key, z)).fetchall()
