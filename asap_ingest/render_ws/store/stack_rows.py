"""Statements about stacks: their records and statistics."""

from __future__ import annotations

from typing import Any

import orjson

from asap_ingest.render_ws.store.database_file import Statements
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.stack_records import StackRecord

_STATS = """
    SELECT min(min_x) AS minX, min(min_y) AS minY, min(z) AS minZ,
        max(max_x) AS maxX, max(max_y) AS maxY, max(z) AS maxZ, count(DISTINCT z) AS sectionCount,
        count(DISTINCT CASE WHEN z > CAST(z AS INTEGER) THEN z END) AS nonIntegralSectionCount,
        count(*) AS tileCount, (SELECT count(*) FROM transform WHERE stack = :stack) AS transformCount,
        min(CAST(max_x - min_x AS INTEGER)) AS minTileWidth,
        max(CAST(max_x - min_x AS INTEGER)) AS maxTileWidth,
        min(CAST(max_y - min_y AS INTEGER)) AS minTileHeight,
        max(CAST(max_y - min_y AS INTEGER)) AS maxTileHeight
    FROM tile WHERE stack = :stack"""


class StackStatements(Statements):
    """Stacks."""

    def owners(self) -> list[str]:
        """Owners of stacks, ascending."""
        return self._column("SELECT DISTINCT owner FROM stack ORDER BY owner")

    def stacks(self, owner: str | None = None, project: str | None = None) -> list[StackRecord]:
        """Records of all stacks, or those of an owner or a project; without their section data."""
        rows = self._connection.execute(
            "SELECT key, owner, project, stack, state, modified, version_number, version, stats, "
            "NULL AS sections FROM stack WHERE owner = ifnull(?, owner) AND project = ifnull(?, project)",
            (owner, project),
        )
        return [StackRecord.from_row(row) for row in rows]

    def stack(self, stack_id: StackId) -> StackRecord | None:
        """Record of one stack, None if it does not exist."""
        row = self._connection.execute(
            "SELECT * FROM stack WHERE owner = :owner AND project = :project AND stack = :stack",
            stack_id.to_json(),
        ).fetchone()
        return None if row is None else StackRecord.from_row(row)

    def save_stack(self, record: StackRecord) -> None:
        """Insert the record (key 0) or replace the one with its key, names included."""
        values = record.to_row()
        if record.key == 0:
            names = ", ".join(f":{name}" for name in values)
            statement = f"INSERT INTO stack ({', '.join(values)}) VALUES ({names})"
        else:
            assignments = ", ".join(f"{name} = :{name}" for name in values)
            statement = f"UPDATE stack SET {assignments} WHERE key = :key"
        self._connection.execute(statement, {**values, "key": record.key})

    def delete_stack(self, key: int) -> None:
        """Remove the stack with its tiles and transforms."""
        self._connection.execute("DELETE FROM stack WHERE key = ?", (key,))

    def delete_data(self, key: int) -> None:
        """Remove tiles and transforms of the stack."""
        self._connection.execute("DELETE FROM tile WHERE stack = ?", (key,))
        self._connection.execute("DELETE FROM transform WHERE stack = ?", (key,))

    def stats(self, key: int) -> dict[str, Any]:
        """Bounds, counts, sizes and channel names of the tiles, by their names in stack metadata."""
        row = self._connection.execute(_STATS, {"stack": key}).fetchone()
        lists = self._column("SELECT DISTINCT channels FROM tile WHERE stack = ?", (key,))
        names = {name for text in filter(None, lists) for name in orjson.loads(text)}
        return {**dict(row), "channelNames": sorted(names)}
