"""Tiles with the boxes that follow from their transforms, as clients send them to the service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import orjson

from asap_ingest.errors import AsapIngestError
from asap_ingest.render_ws.client_scripts.web import send
from asap_ingest.render_ws.store.resolved_tiles import accept
from asap_ingest.render_ws.wire.json_types import dump
from asap_ingest.render_ws.wire.tile_rows import TileRow
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS, ResolvedTiles, read_tile
from asap_ingest.render_ws.wire.transform_specs import read_transform

Spec = dict[str, Any]


class TileListError(AsapIngestError):
    """A list of specs that cannot be used, or an entry of one."""


def transforms_by_id(specs: Iterable[Any]) -> dict[str, Spec]:
    """Shared transforms by their id, the last of several with one id."""
    return {_required(spec, "id"): spec for spec in map(read_transform, specs)}


def tiles_by_id(specs: Iterable[Any]) -> dict[str, Spec]:
    """Complete tile specs by tile id, the last of several with one id."""
    return {_required(spec, "tileId"): spec for spec in map(read_tile, specs)}


def _required(spec: Spec, name: str) -> str:
    if name not in spec:
        raise TileListError(f"a spec without {name}: {str(spec)[:200]}")
    return str(spec[name])


def with_boxes(shared: Mapping[str, Spec], tiles: Iterable[Spec]) -> list[TileRow]:
    """Derive the boxes of complete tile specs; one row per tile, in their order.

    Raises
    ------
    RequestError
        For a reference to what is not in `shared`, a transform that cannot be built, a tile without size.
    """
    return accept(ResolvedTiles(dict(shared), list(tiles)), derive=True, z=None)


def box_of(row: TileRow) -> dict[str, float]:
    """The box of a tile by the names it has in a tile spec."""
    return dict(zip(BOX_FIELDS, (row.min_x, row.min_y, row.max_x, row.max_y), strict=True))


def referenced(shared: Mapping[str, Spec], rows: Iterable[TileRow]) -> dict[str, Spec]:
    """Those shared transforms that the tiles refer to."""
    wanted = {name for refs in {row.refs for row in rows} if refs is not None for name in orjson.loads(refs)}
    return {name: spec for name, spec in shared.items() if name in wanted}


def put_tiles(url: str, shared: Mapping[str, Spec], rows: Sequence[TileRow]) -> None:
    """Send a resolved-tile collection."""
    transforms = _members((name, dump(spec)) for name, spec in shared.items())
    tiles = _members((str(row.tile_id), row.spec) for row in rows)
    send("PUT", url, b'{"transformIdToSpecMap":{%b},"tileIdToSpecMap":{%b}}' % (transforms, tiles))


def _members(entries: Iterable[tuple[str, bytes]]) -> bytes:
    return b",".join(dump(key) + b":" + value for key, value in entries)
