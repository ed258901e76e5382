"""Statements about match collections: pairs of tiles and the points that match in them.

A pair is stored once, with its smaller side as p, but requests name its sides in either order: most
conditions have one form for each order.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from itertools import chain

from asap_ingest.render_ws.store.database_file import Statements
from asap_ingest.render_ws.wire.match_pairs import PairRow
from asap_ingest.render_ws.wire.names import CollectionId

PAIR_COLUMNS = "p_group, q_group, p_id, q_id, has_consensus, summary, content"
_UPSERT_PAIR = (
    f"INSERT INTO match_pair (collection, {PAIR_COLUMNS}) VALUES (?{', ?' * 7}) ON CONFLICT DO UPDATE SET "
    "has_consensus = excluded.has_consensus, summary = excluded.summary, content = excluded.content"
)
# each step jumps to the next group in the index: groups are few, pairs are many
_GROUPS = """
    WITH RECURSIVE side (name) AS (
        SELECT min({side}) FROM match_pair WHERE collection = :key
        UNION ALL SELECT (SELECT min({side}) FROM match_pair WHERE collection = :key AND {side} > side.name)
        FROM side WHERE side.name IS NOT NULL)
    SELECT name FROM side WHERE name IS NOT NULL"""
_CONSENSUS_GROUPS = "SELECT DISTINCT {side} FROM match_pair WHERE collection = :key AND has_consensus"


class PairKind(Enum):
    """A selection of pairs: one condition, or two of which one must hold.

    Statements take the names that occur in the conditions as parameters: `group`, and some of `tile`,
    `other_group` and `other_tile`.
    """

    OF_P_GROUP = ("p_group = :group",)
    WITHIN_GROUP = ("p_group = :group AND q_group = :group",)
    OUTSIDE_GROUP = (
        "p_group = :group AND q_group <> :group",
        "q_group = :group AND p_group <> :group",
    )
    BETWEEN_GROUPS = (
        "p_group = :group AND q_group = :other_group",
        "q_group = :group AND p_group = :other_group",
    )
    OF_TILE = ("p_group = :group AND p_id = :tile", "q_group = :group AND q_id = :tile")
    TILE_AND_GROUP = (
        "p_group = :group AND p_id = :tile AND q_group = :other_group",
        "q_group = :group AND q_id = :tile AND p_group = :other_group",
    )
    TWO_TILES = (
        "p_group = :group AND p_id = :tile AND q_group = :other_group AND q_id = :other_tile",
        "q_group = :group AND q_id = :tile AND p_group = :other_group AND p_id = :other_tile",
    )

    def selection(self, column: str) -> str:
        """Statement that gives the four names of each pair, in their order, and one column as `json`.

        Each condition walks an index that has this order: no list of points passes through a sorter.
        """
        first, *others = self.value
        names = "p_group, q_group, p_id, q_id"
        select = f"SELECT {names}, {column} AS json FROM match_pair WHERE collection = :key AND "
        # a pair for which both conditions hold is selected once
        further = "".join(f" UNION ALL {select}{condition} AND NOT ({first})" for condition in others)
        return f"{select}{first}{further} ORDER BY {names}"

    def deletions(self) -> list[str]:
        """Statements that remove the pairs: one with OR would scan the whole collection."""
        return [f"DELETE FROM match_pair WHERE collection = :key AND {condition}" for condition in self.value]


class MatchStatements(Statements):
    """Match collections and their pairs; `key` is that of the collection."""

    def match_owners(self) -> list[str]:
        """Owners of match collections, ascending."""
        return self._column("SELECT DISTINCT owner FROM match_collection ORDER BY owner")

    def match_collections(self, owner: str) -> list[sqlite3.Row]:
        """Rows of name and pair_count of each collection of an owner, the oldest first."""
        return self._connection.execute(
            "SELECT name, (SELECT count(*) FROM match_pair WHERE collection = match_collection.key) "
            "AS pair_count FROM match_collection WHERE owner = ? ORDER BY key",
            (owner,),
        ).fetchall()

    def match_collection(self, names: CollectionId) -> int | None:
        """Key of a collection, None if there is none of that name."""
        statement = "SELECT key FROM match_collection WHERE owner = ? AND name = ?"
        key: int | None = self._value(statement, (names.owner, names.name))
        return key

    def add_match_collection(self, names: CollectionId) -> int:
        """Make an empty collection; returns its key."""
        statement = "INSERT INTO match_collection (owner, name) VALUES (?, ?) RETURNING key"
        return int(self._value(statement, (names.owner, names.name)))

    def rename_match_collection(self, key: int, names: CollectionId) -> None:
        """Give a collection other names; its pairs stay."""
        self._connection.execute(
            "UPDATE match_collection SET owner = ?, name = ? WHERE key = ?", (names.owner, names.name, key)
        )

    def delete_match_collection(self, key: int) -> None:
        """Remove the collection with its pairs."""
        self._connection.execute("DELETE FROM match_collection WHERE key = ?", (key,))

    def put_pairs(self, key: int, pairs: Iterable[PairRow]) -> None:
        """Insert pairs or replace those between the same tiles."""
        self._connection.executemany(_UPSERT_PAIR, [(key, *vars(pair).values()) for pair in pairs])

    def pairs(
        self, key: int, kind: PairKind, names: Mapping[str, str], details: bool = True
    ) -> Iterator[sqlite3.Row]:
        """Rows of the four names, in their order, and json; without details that has no points."""
        statement = kind.selection("content" if details else "summary")
        return iter(self._connection.execute(statement, {**names, "key": key}))

    def delete_pairs(self, key: int, kind: PairKind, names: Mapping[str, str]) -> None:
        """Remove pairs; the collection stays."""
        for statement in kind.deletions():
            self._connection.execute(statement, {**names, "key": key})

    def groups(self, key: int, sides: Iterable[str], with_consensus: bool) -> list[str]:
        """Groups on the sides `p_group`, `q_group`, ascending; all, or those of pairs with consensus sets."""
        statement = _CONSENSUS_GROUPS if with_consensus else _GROUPS
        names = (self._column(statement.format(side=side), {"key": key}) for side in sides)
        return sorted({*chain.from_iterable(names)})
