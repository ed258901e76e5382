"""Flattened tile specs that many requests ask for, each parsed once."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar

import orjson

from asap_ingest.render_ws.records.tile_rows import TileRow

#: Tiles kept: some ten thousand bytes each.
MOST_KEPT = 4096
#: Longer specs hold data of their own, and would take the room of many.
LONGEST_KEPT = 2048

_Value = TypeVar("_Value")


class KeptTile(dict[str, Any]):
    """A tile spec shared by requests, not to be changed; `known` is what was derived from it."""

    __slots__ = ("known",)

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__(spec)
        self.known: dict[str, tuple[Any, Any]] = {}


def kept_tile(row: TileRow) -> dict[str, Any] | None:
    """The parsed spec of a row, None where it is too long to be kept or holds references."""
    return _parsed(row.spec) if row.flat and len(row.spec) <= LONGEST_KEPT else None


# by content, not by name: a tile that was changed is another one, whoever changed it
@lru_cache(maxsize=MOST_KEPT)
def _parsed(spec: bytes) -> KeptTile:
    return KeptTile(orjson.loads(spec))


def derived(tile: dict[str, Any], name: str, question: Any, derive: Callable[[], _Value]) -> _Value:
    """What `derive` gives for a tile; a kept tile remembers the answer to the latest question of a name."""
    if type(tile) is not KeptTile:
        return derive()
    found = tile.known.get(name)
    if found is None or found[0] != question:
        found = tile.known[name] = (question, derive())
    value: _Value = found[1]
    return value
