"""Render parameters of boxes, layers and tiles: selection of the tiles, and how to draw them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asap_ingest.render_ws.drawing.layers import bounds_of
from asap_ingest.render_ws.drawing.render_parameters import (
    Box,
    RenderParameters,
    box_parameters,
    layer_parameters,
)
from asap_ingest.render_ws.drawing.tile_parameters import neighbors_box, source_parameters, tile_parameters
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.queries import Query
from asap_ingest.render_ws.stacks.section_requests import box_filter
from asap_ingest.render_ws.stacks.stack_states import require_data, require_stack
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.tiles.tile_requests import limited_tiles, require_tile, required, transforms_of
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.stack_records import StackRecord

#: Tile specs with references resolved, in drawing order; they must not be modified.
Tiles = Sequence[dict[str, Any]]
Select = Callable[[Session, Call], tuple[StackRecord, Tiles]]
Build = Callable[[Call, StackRecord, Tiles], RenderParameters]


@dataclass(frozen=True)
class DrawingQuery(Query):
    """Parameters of all images."""

    scale: float | None = None
    channels: str | None = None
    min_intensity: float | None = None
    max_intensity: float | None = None
    filter: bool | None = None
    filter_list_name: str | None = None
    binary_mask: bool | None = None
    exclude_mask: bool | None = None
    convert_to_gray: bool | None = None
    fill_with_noise: bool | None = None


@dataclass(frozen=True)
class BoxQuery(DrawingQuery):
    """Parameters of boxes and layers: images of more tiles show only outlines."""

    max_tile_specs_to_render: int | None = None


@dataclass(frozen=True)
class TileQuery(DrawingQuery):
    """Parameters of single tiles: a part of the tile, and a part of its transforms."""

    width: int | None = None
    height: int | None = None
    x: int | None = None
    y: int | None = None
    normalize_for_matching: bool | None = None
    exclude_all_transforms: bool | None = None
    exclude_transforms_after_last: tuple[str, ...] = ()
    exclude_first_transform_and_all_after: tuple[str, ...] = ()


@dataclass(frozen=True)
class NeighborsQuery(DrawingQuery):
    """Parameters of a tile with its surroundings."""

    width_factor: float | None = None
    height_factor: float | None = None
    bounding_boxes_only: bool | None = None


def tiles_of(session: Session, record: StackRecord, call: Call, which: TileFilter) -> Tiles:
    """Tiles of a stack; IllegalStateError for a reference to a missing transform."""
    cached = call.service.layers.tiles(session, record, which)
    if cached is not None:
        return cached
    lookup = transforms_of(session, record, call)
    return [lookup.flattened(row) for row in limited_tiles(session, record, which, call.memory)]


def tiles_in(session: Session, record: StackRecord, call: Call, z: float | None, box: Box) -> Tiles:
    """Tiles of a layer that meet a box; errors as `tiles_of`."""
    which = TileFilter(z=z, min_x=box.x, max_x=box.x + box.width, min_y=box.y, max_y=box.y + box.height)
    return tiles_of(session, record, call, which)


def box_tiles(session: Session, call: Call) -> tuple[StackRecord, Tiles]:
    """Record of the stack and the tiles in the box of the path, if any."""
    record = require_stack(session, call.stack_id)
    return record, tiles_of(session, record, call, box_filter(call))


def build_box(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    """Parameters of the box in the path."""
    path = call.path
    box = Box(path["x"], path["y"], path["width"], path["height"], path.get("scale", 1.0))
    return box_parameters(call.query.by_parameter(), tiles, box, record.version)


def layer_tiles(session: Session, call: Call) -> tuple[StackRecord, Tiles]:
    """Record of the stack and all tiles of the layer; IllegalArgumentError without tiles."""
    record = require_data(session, call.stack_id)
    tiles = tiles_of(session, record, call, TileFilter(z=call.path["z"]))
    return record, required(record, call.path["z"], tiles)


def build_layer(call: Call, record: StackRecord, tiles: Tiles, scale: float = 1.0) -> RenderParameters:
    """Parameters of a whole layer; `scale` applies if the query has none."""
    return layer_parameters(call.query.by_parameter(), tiles, bounds_of(tiles), record.version, scale)


def one_tile(session: Session, call: Call) -> tuple[StackRecord, Tiles]:
    """Record of the stack and the tile named in the path."""
    record, row = require_tile(session, call.stack_id, call.path["tile"])
    return record, [transforms_of(session, record, call).flattened(row)]


def build_tile(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    """Parameters of one tile."""
    return tile_parameters(call.query.by_parameter(), tiles[0], record.version)


def build_source(kind: str, call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    """Parameters of the image (`kind` source) or mask of a tile as it is on disk."""
    return source_parameters(call.query.by_parameter(), tiles[0], kind, call.path.get("scale", 1.0))


def neighborhood(session: Session, call: Call) -> tuple[StackRecord, Tiles]:
    """Record of the stack, the tile named in the path and the tiles around it."""
    record, row = require_tile(session, call.stack_id, call.path["tile"])
    return record, tiles_in(session, record, call, row.z, _neighbors_box(call, row.parsed()))


def build_neighborhood(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    """Parameters of a tile and its surroundings; on request only outlines."""
    middle = next((tile for tile in tiles if tile.get("tileId") == call.path["tile"]), None)
    if middle is None:
        raise IllegalArgumentError(
            f"widthFactor and heightFactor leave nothing of tile '{call.path['tile']}'"
        )
    box = _neighbors_box(call, middle)
    parameters = box_parameters(call.query.by_parameter(), tiles, box, record.version)
    return replace(parameters, outlines_only=call.query.bounding_boxes_only is True)


def _neighbors_box(call: Call, tile: dict[str, Any]) -> Box:
    return neighbors_box(tile, call.query.width_factor, call.query.height_factor)
