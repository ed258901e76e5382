"""What the service knows of the tiles of a layer: boxes, layouts, and matches that are there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from asap_ingest.errors import AsapIngestError
from asap_ingest.render_ws.client_scripts.tile_pair_search import BoxIndex, TileBox, visible_tiles
from asap_ingest.render_ws.client_scripts.web import WebStack, get_json
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS

#: Side of the boxes that stand for rows and columns.
CELL = 10.0
LAYOUT_FIELDS = ("imageCol", "imageRow")


class IncompleteTileError(AsapIngestError):
    """A tile lacks what its place is known by."""

    def __init__(self, tile_id: object, missing: Sequence[str]) -> None:
        super().__init__(f"tile {tile_id} has no {', '.join(missing)}, so it cannot be placed")
        self.tile_id = tile_id
        self.missing = list(missing)


@dataclass(frozen=True)
class LayerSource:
    """Where tiles come from and which of them count.

    Attributes
    ----------
    include : WebStack or None
        Only tiles that are also in that stack.
    box : tuple of four floats or None
        minX, minY, maxX, maxY: only tiles that meet it.
    by_row_and_column : bool
        Places are those of the layout, in units of `CELL`.
    """

    stack: WebStack
    include: WebStack | None = None
    box: tuple[float, ...] | None = None
    drop_obscured: bool = True
    by_row_and_column: bool = False

    def tiles(self, z: float) -> list[TileBox]:
        """The tiles of a layer that count."""
        found = self._placed(z)
        if self.include is not None:
            others = get_json(self.include.layer_url(z, "/tileBounds"))
            ids = {tile["tileId"] for tile in others}
            found = [tile for tile in found if tile.tile_id in ids]
        if self.box is not None:
            found = BoxIndex(found).in_box(*self.box)
        return visible_tiles(found) if self.drop_obscured else found

    def _placed(self, z: float) -> list[TileBox]:
        if not self.by_row_and_column:
            return [box_of(tile) for tile in get_json(self.stack.layer_url(z, "/tileBounds"))]
        resolved = get_json(self.stack.layer_url(z, "/resolvedTiles"))
        return [layout_box(tile) for tile in resolved["tileIdToSpecMap"].values()]


def box_of(bounds: dict[str, Any]) -> TileBox:
    """The box in the tile bounds of the service."""
    _require(bounds.get("tileId"), bounds, BOX_FIELDS)
    numbers = (float(bounds[name]) for name in BOX_FIELDS)
    return TileBox(bounds["tileId"], bounds.get("sectionId"), float(bounds["z"]), *numbers)


def layout_box(tile: dict[str, Any]) -> TileBox:
    """A box of `CELL` by `CELL` at the row and column of a tile spec."""
    layout = tile.get("layout") or {}
    _require(tile.get("tileId"), layout, LAYOUT_FIELDS)
    x, y = (CELL * layout[name] for name in LAYOUT_FIELDS)
    return TileBox(tile["tileId"], layout.get("sectionId"), float(tile["z"]), x, y, x + CELL, y + CELL)


def _require(tile_id: object, record: dict[str, Any], names: Sequence[str]) -> None:
    missing = [name for name in names if record.get(name) is None]
    if missing:
        raise IncompleteTileError(tile_id, missing)


class Layers:
    """Layers with their index; asks for each layer once and forgets those that are passed."""

    def __init__(self, source: LayerSource) -> None:
        self._source = source
        self._indexed: dict[float, BoxIndex] = {}

    def window(self, z_values: Sequence[float]) -> list[BoxIndex]:
        """The layers at these z values; others are forgotten."""
        self._indexed = {z: self._indexed.get(z) or BoxIndex(self._source.tiles(z)) for z in z_values}
        return list(self._indexed.values())


def section_ids(stack: WebStack, z_values: Sequence[float]) -> list[str]:
    """Ids of the sections from the first to the last of these layers."""
    limits = f"minZ={min(z_values)}&maxZ={max(z_values)}"
    return sorted({section["sectionId"] for section in get_json(stack.url(f"/sectionData?{limits}"))})


def known_matches(
    place: WebStack, collection: str, groups: Sequence[str], least: int
) -> set[tuple[str, str, str, str]]:
    """Pairs (p group, p id, q group, q id) with at least so many matches in a collection of `place.owner`.

    A collection that is not there has none.
    """
    collections = get_json(f"{place.owner_url}/matchCollections")
    if collection not in [entry["collectionId"]["name"] for entry in collections]:
        return set()
    base = f"{place.owner_url}/matchCollection/{quote(collection, safe='')}/pGroup"
    return {
        (match["pGroupId"], match["pId"], match["qGroupId"], match["qId"])
        for group in groups
        for match in get_json(f"{base}/{quote(group, safe='')}/matches?excludeMatchDetails=true")
        if match.get("matchCount", 0) >= least
    }
