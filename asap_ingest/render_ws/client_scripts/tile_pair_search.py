"""Pairs of neighbouring tiles, searched by their bounding boxes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from asap_ingest.render_ws.client_scripts.client_options import ClientError, option, truth

#: Where the first tile of a pair lies; pairs are sorted in this order, those across layers last.
POSITIONS = ("TOP", "BOTTOM", "LEFT", "RIGHT")
OPPOSITE = {"TOP": "BOTTOM", "BOTTOM": "TOP", "LEFT": "RIGHT", "RIGHT": "LEFT"}
NO_POSITION = len(POSITIONS)


class TileBox(NamedTuple):
    """The box of a tile in world coordinates."""

    tile_id: str
    section_id: str | None
    z: float
    min_x: float
    min_y: float
    max_x: float
    max_y: float

    @property
    def center(self) -> tuple[float, float]:
        """Middle of the box as (x, y)."""
        return (self.min_x + self.max_x) / 2, (self.min_y + self.max_y) / 2

    @property
    def longer_side(self) -> float:
        """Width or height, whichever is greater."""
        return max(self.max_x - self.min_x, self.max_y - self.min_y)


class Pair(NamedTuple):
    """Two tiles, the lesser (group, id) first; `rank` is the index of p's position in `POSITIONS`.

    Files list pairs in this sort order.
    """

    p_group: str
    p_id: str
    rank: int
    q_group: str
    q_id: str
    delta_z: float


@dataclass(frozen=True, kw_only=True)
class PairRules:
    """Which neighbours make a pair: options of the client."""

    radius_factor: float = option(
        "xyNeighborFactor", "radius around a tile: times its longer side", float, 0.9
    )
    radius: float | None = option("explicitRadius", "radius around each tile in pixels instead", float)
    exclude_corners: bool = option(
        "excludeCornerNeighbors", "leave out tiles that touch at a corner", truth, True
    )
    exclude_same_layer: bool = option("excludeSameLayerNeighbors", "only pairs between layers", truth, False)
    exclude_same_section: bool = option(
        "excludeSameSectionNeighbors", "only pairs between sections", truth, False
    )
    excluded_position: str | None = option(
        "excludeSameLayerPairsWithPosition", "leave out pairs in a layer", str.upper, choices=POSITIONS
    )


class BoxIndex:
    """Spatial index of boxes: sorted by their left edges, compared by NumPy."""

    def __init__(self, tiles: Sequence[TileBox]) -> None:
        self.tiles = sorted(tiles, key=lambda tile: tile.min_x)
        boxes = np.array([tile[3:] for tile in self.tiles], np.float64).reshape(-1, 4)
        self._min_x, self._min_y, self._max_x, self._max_y = np.ascontiguousarray(boxes.T)
        self._widest = float((self._max_x - self._min_x).max(initial=0))

    def in_box(self, min_x: float, min_y: float, max_x: float, max_y: float) -> list[TileBox]:
        """Tiles whose box meets this one, edges included."""
        # a rounding error in the difference must not lose a tile: one more pixel on the left
        first, last = self._min_x.searchsorted((min_x - self._widest - 1, max_x), "right").tolist()
        near = slice(first, last)
        meets = (self._max_x[near] >= min_x) & (self._min_y[near] <= max_y) & (self._max_y[near] >= min_y)
        return [self.tiles[first + position] for position in np.flatnonzero(meets).tolist()]

    def in_circle(self, center: tuple[float, float], radius: float) -> list[TileBox]:
        """Tiles whose box meets the circle, edges included."""
        x, y = center
        near = self.in_box(x - radius, y - radius, x + radius, y + radius)
        return [tile for tile in near if _distance(tile, x, y) <= radius]


def _distance(tile: TileBox, x: float, y: float) -> float:
    """From a point to the nearest point of a box; 0 inside."""
    return math.hypot(max(tile.min_x - x, 0.0, x - tile.max_x), max(tile.min_y - y, 0.0, y - tile.max_y))


def layer_pairs(sources: Iterable[TileBox], layers: Sequence[BoxIndex], rules: PairRules) -> set[Pair]:
    """Pairs of the source tiles of a layer with their neighbours.

    Parameters
    ----------
    sources : iterable of TileBox
        Tiles of one layer.
    layers : sequence of BoxIndex
        Where neighbours are searched: the layer itself and those after it.

    Raises
    ------
    ClientError
        For a tile with a neighbour, or a neighbour, that belongs to no section.
    """
    return {
        pair
        for source in sources
        for layer in layers
        for neighbor in _neighbors(source, layer, rules)
        if (pair := make_pair(source, neighbor)) and not _is_excluded(pair, rules)
    }


def _neighbors(source: TileBox, layer: BoxIndex, rules: PairRules) -> Iterator[TileBox]:
    radius = source.longer_side * rules.radius_factor if rules.radius is None else rules.radius
    for tile in layer.in_circle(source.center, radius):
        if tile.tile_id == source.tile_id or (rules.exclude_same_layer and tile.z == source.z):
            continue
        if rules.exclude_same_section and tile.section_id == source.section_id:
            continue
        if not (rules.exclude_corners and _is_at_corner(source, tile)):
            yield tile


def _is_at_corner(source: TileBox, neighbor: TileBox) -> bool:
    x, y = neighbor.center
    return not (source.min_x <= x <= source.max_x or source.min_y <= y <= source.max_y)


def _is_excluded(pair: Pair, rules: PairRules) -> bool:
    if not rules.excluded_position or pair.rank == NO_POSITION:
        return False
    position = POSITIONS[pair.rank]
    return rules.excluded_position in (position, OPPOSITE[position])


def make_pair(one: TileBox, other: TileBox) -> Pair:
    """The pair of two tiles, in whichever order they are given."""
    (p_group, p_id, p), (q_group, q_id, q) = sorted(
        ((_section_of(tile), tile.tile_id, tile) for tile in (one, other)), key=lambda entry: entry[:2]
    )
    rank = _rank(p, q) if p.z == q.z else NO_POSITION
    return Pair(p_group, p_id, rank, q_group, q_id, abs(p.z - q.z))


def _section_of(tile: TileBox) -> str:
    if tile.section_id is None:
        raise ClientError(f"tile {tile.tile_id} has no layout.sectionId, which pairs are grouped by; add it")
    return tile.section_id


def _rank(p: TileBox, q: TileBox) -> int:
    dx, dy = p.min_x - q.min_x, p.min_y - q.min_y
    if abs(dx) > abs(dy):
        return POSITIONS.index("LEFT" if dx < 0 else "RIGHT")
    return POSITIONS.index("BOTTOM" if dy > 0 else "TOP")


def visible_tiles(tiles: Sequence[TileBox]) -> list[TileBox]:
    """Tiles without those that tiles of greater ids, drawn later, cover completely."""
    index = BoxIndex(tiles)
    return [tile for tile in tiles if not _is_covered(tile, index)]


def _is_covered(tile: TileBox, index: BoxIndex) -> bool:
    above = [
        other
        for other in index.in_box(tile.min_x, tile.min_y, tile.max_x, tile.max_y)
        if other.tile_id > tile.tile_id
    ]
    columns = sorted({tile.min_x, tile.max_x, *_inside(above, tile, "x")})
    rows = sorted({tile.min_y, tile.max_y, *_inside(above, tile, "y")})
    # between two neighbouring edges a box covers all or nothing; a tile without extent is a point or line
    middles_x = [(a + b) / 2 for a, b in pairwise(columns)] or columns
    middles_y = [(a + b) / 2 for a, b in pairwise(rows)] or rows
    return all(any(_distance(other, x, y) == 0 for other in above) for x in middles_x for y in middles_y)


def _inside(boxes: Iterable[TileBox], tile: TileBox, axis: str) -> Iterator[float]:
    least, greatest = getattr(tile, f"min_{axis}"), getattr(tile, f"max_{axis}")
    for box in boxes:
        for edge in (getattr(box, f"min_{axis}"), getattr(box, f"max_{axis}")):
            if least < edge < greatest:
                yield edge
