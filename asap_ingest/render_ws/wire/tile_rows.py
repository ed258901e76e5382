"""Tiles and shared transforms between their specs and the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import orjson

from asap_ingest.render_ws.wire.json_types import dump
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS, in_field_order, is_flat
from asap_ingest.render_ws.wire.transform_specs import references

#: A missing tile or transform id: equal to itself, different from every text, sorted after them.
NO_ID = b""


class TileRow(NamedTuple):
    """One tile as stored: the columns that queries need, and the JSON that is sent (`spec`).

    `channels` and `refs` are sorted JSON lists of channel names and of ids of shared transforms, None when
    empty. `flat`: all transforms are leaves, so that the JSON is also that of the flattened spec.
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
    """The same rows; `count` is called with the size of each in bytes, and may raise."""
    for row in rows:
        count(len(row.spec))
        yield row


def tile_row(spec: dict[str, Any]) -> TileRow:
    """The row of a complete tile spec, box included; its fields may be in any order."""
    flat = is_flat(spec)
    z = spec.get("z")
    min_x, min_y, max_x, max_y = (float(spec[name]) for name in BOX_FIELDS)
    channels = (channel["name"] for channel in spec.get("channels", ()) if channel and "name" in channel)
    return TileRow(
        spec.get("tileId", NO_ID),
        None if z is None else float(z),
        spec.get("layout", {}).get("sectionId"),
        spec.get("groupId"),
        min_x,
        min_y,
        max_x,
        max_y,
        _sorted_list(channels),
        None if flat else _sorted_list(references(spec["transforms"])),
        flat,
        dump(in_field_order(spec)),
    )


def _sorted_list(names: Iterable[str]) -> str | None:
    result = sorted(set(names))
    return dump(result).decode() if result else None
