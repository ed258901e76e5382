"""Tiles and shared transforms between their specs and the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from asap_ingest.render_ws.wire.json_types import dump
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS, is_flat
from asap_ingest.render_ws.wire.transform_specs import references

#: A missing tile or transform id: equal to itself, different from every text, sorted after them.
NO_ID = b""


@dataclass(frozen=True)
class TileRow:
    """One tile as stored: the columns that queries need, and the JSON that is sent.

    `refs` and `channels` are sorted JSON lists of transform ids and channel names, None when empty;
    `flat`: the transforms are leaves only, so that the JSON can be sent as a flattened spec.
    """

    tile_id: str | bytes
    z: float | None
    section_id: str | None
    group_id: str | None
    min_x: float
    min_y: float
    max_x: float
    max_y: float
    channels: str | None
    refs: str | None
    flat: bool
    spec: bytes

    def parsed(self) -> dict[str, Any]:
        """The spec, parsed."""
        spec: dict[str, Any] = orjson.loads(self.spec)
        return spec


def counted(rows: Iterable[TileRow], count: Callable[[int], None]) -> Iterator[TileRow]:
    """The same rows; `count` is called with the bytes of each, and may raise."""
    for row in rows:
        count(len(row.spec))
        yield row


def tile_row(spec: dict[str, Any]) -> TileRow:
    """The row of a complete tile spec, box included."""
    flat = is_flat(spec)
    z = spec.get("z")
    min_x, min_y, max_x, max_y = (float(spec[name]) for name in BOX_FIELDS)
    return TileRow(
        spec.get("tileId", NO_ID),
        None if z is None else float(z),
        spec.get("layout", {}).get("sectionId"),
        spec.get("groupId"),
        min_x,
        min_y,
        max_x,
        max_y,
        _sorted_list(
            channel["name"] for channel in spec.get("channels", ()) if channel and "name" in channel
        ),
        None if flat else _sorted_list(references(spec["transforms"])),
        flat,
        dump(spec),
    )


def _sorted_list(names: Iterable[str]) -> str | None:
    result = sorted(set(names))
    return dump(result).decode() if result else None
