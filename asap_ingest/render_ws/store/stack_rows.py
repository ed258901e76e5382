"""Statements about stacks: their records and what follows from all of their tiles."""

from __future__ import annotations

from typing import Any

import orjson

from asap_ingest.render_ws.store.statements import Statements
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.stack_records import StackRecord

_STATS = """
    SELECT min(min_x), min(min_y), min(z), max(max_x), max(max_y), max(z), count(DISTINCT z),
        count(DISTINCT CASE WHEN z > CAST(z AS INTEGER) THEN z END), count(*),
        min(CAST(max_x - min_x AS INTEGER)), max(CAST(max_x - min_x AS INTEGER)),
        min(CAST(max_y - min_y AS INTEGER)), max(CAST(max_y - min_y AS INTEGER))
    FROM tile WHERE stack = ?"""


class StackStatements(Statements):
    """Stacks."""

    def owners(self) -> list[str]:
        """Owners of stacks, ascending."""
        return [row[0] for row in self._connection.execute("SELECT DISTINCT owner FROM stack ORDER BY owner")]

    def stacks(self, owner: str | None = None, project: str | None = None) -> list[StackRecord]:
        """Records of all stacks, of an owner, or of one of his projects; without their section data."""
        rows = self._connection.execute(
            "SELECT key, owner, project, stack, state, modified, version_number, version, stats, NULL "
            "FROM stack WHERE owner = ifnull(?, owner) AND project = ifnull(?, project)",
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

    def stats(self, key: int) -> tuple[Any, ...]:
        """Bounds (x, y, z), sections, those between integers, tiles, transforms, sizes, channel names."""
        row = self._connection.execute(_STATS, (key,)).fetchone()
        count = self._connection.execute("SELECT count(*) FROM transform WHERE stack = ?", (key,)).fetchone()[
            0
        ]
        lists = self._connection.execute("SELECT DISTINCT channels FROM tile WHERE stack = ?", (key,))
        names = {name for (channels,) in lists if channels for name in orjson.loads(channels)}
        return (*row[:9], count, *row[9:], sorted(names))
