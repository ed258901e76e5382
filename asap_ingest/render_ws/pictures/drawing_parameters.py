"""Render parameters: what an image request would draw, and the queries that say so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import Call, json_object
from asap_ingest.render_ws.http.query_parameters import (
    BOX_QUERY,
    DRAWING_QUERY,
    TILE_QUERY,
    read_query,
)
from asap_ingest.render_ws.stacks.data_requests import box_filter
from asap_ingest.render_ws.stacks.stack_states import require_data, require_stack
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.store.resolved_tiles import TransformLookup
from asap_ingest.render_ws.tiles.tile_requests import limited_tiles, require_tile, required
from asap_ingest.render_ws.wire.names import StackId
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.stack_records import StackRecord

if TYPE_CHECKING:
    from asap_ingest.render_ws.drawing.render_parameters import Box, RenderParameters

#: Flattened tile specs in drawing order, not to be changed.
Tiles = Sequence[dict[str, Any]]
Build = Callable[[Call, StackRecord, Tiles], "RenderParameters"]
Select = Callable[[Session, StackId, Call], tuple[StackRecord, Tiles]]


def box_tiles(session: Session, stack_id: StackId, call: Call) -> tuple[StackRecord, Tiles]:
    """Record of the stack and the tiles in the box of the path, if any."""
    record = require_stack(session, stack_id)
    return record, tiles_of(session, record, call, box_filter(call))


def layer_tiles(session: Session, stack_id: StackId, call: Call) -> tuple[StackRecord, Tiles]:
    """Record of the stack and all tiles of the layer; IllegalArgumentError without tiles."""
    record = require_data(session, stack_id)
    tiles = tiles_of(session, record, call, TileFilter(z=call.path["z"]))
    return record, required(record, call.path["z"], tiles)


def one_tile(session: Session, stack_id: StackId, call: Call) -> tuple[StackRecord, Tiles]:
    """Record of the stack and the tile named in the path."""
    record, row = require_tile(session, stack_id, call.path["tile"])
    return record, [TransformLookup(session, record.key, call.memory.count_read).flattened(row)]


def tiles_of(session: Session, record: StackRecord, call: Call, which: TileFilter) -> Tiles:
    """Some tiles of a stack; IllegalStateError for a dangling reference."""
    kept = call.service.layers.tiles(session, record, which)
    if kept is not None:
        return kept
    lookup = TransformLookup(session, record.key, call.memory.count_read)
    return [lookup.flattened(row) for row in limited_tiles(session, record, which, call.memory)]


def build_box(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    """Parameters of the box in the path."""
    from asap_ingest.render_ws.drawing.render_parameters import Box, box_parameters

    path = call.path
    box = Box(path["x"], path["y"], path["width"], path["height"], path.get("scale", 1.0))
    return box_parameters(read_query(call.query, BOX_QUERY), tiles, box, record.version)


def build_layer(call: Call, record: StackRecord, tiles: Tiles, scale: float = 1.0) -> RenderParameters:
    """Parameters of a whole layer; `scale` counts without one in the query."""
    from asap_ingest.render_ws.drawing.layers import bounds_of
    from asap_ingest.render_ws.drawing.render_parameters import layer_parameters

    query = read_query(call.query, BOX_QUERY)
    return layer_parameters(query, tiles, bounds_of(tiles), record.version, scale)


def build_tile(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    """Parameters of one tile."""
    from asap_ingest.render_ws.drawing.tile_parameters import tile_parameters

    return tile_parameters(read_query(call.query, TILE_QUERY), tiles[0], record.version)


def build_source(kind: str, call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    """Parameters of the image (`kind` source) or mask of a tile as it is on disk."""
    from asap_ingest.render_ws.drawing.tile_parameters import source_parameters

    return source_parameters(
        read_query(call.query, DRAWING_QUERY), tiles[0], kind, call.path.get("scale", 1.0)
    )


def neighborhood(session: Session, stack_id: StackId, call: Call) -> tuple[StackRecord, Tiles]:
    """Record of the stack, the tile named in the path and the tiles around it."""
    record, row = require_tile(session, stack_id, call.path["tile"])
    box = _neighbors_box(call, row.parsed())
    which = TileFilter(z=row.z, min_x=box.x, max_x=box.x + box.width, min_y=box.y, max_y=box.y + box.height)
    return record, tiles_of(session, record, call, which)


def build_neighborhood(call: Call, record: StackRecord, tiles: Tiles) -> RenderParameters:
    """Parameters of a tile and its surroundings; outlines only, if asked."""
    from asap_ingest.render_ws.drawing.render_parameters import box_parameters

    middle = next((tile for tile in tiles if tile.get("tileId") == call.path["tile"]), None)
    if middle is None:
        raise IllegalArgumentError(
            f"widthFactor and heightFactor leave nothing of tile '{call.path['tile']}'"
        )
    query = read_query(call.query, DRAWING_QUERY)
    parameters = box_parameters(query, tiles, _neighbors_box(call, middle), record.version)
    return replace(parameters, outlines_only=call.query.flag("boundingBoxesOnly") is True)


def _neighbors_box(call: Call, tile: dict[str, Any]) -> Box:
    from asap_ingest.render_ws.drawing.tile_parameters import neighbors_box

    return neighbors_box(tile, call.query.double("widthFactor"), call.query.double("heightFactor"))


def get_parameters(select: Select, build: Build, call: Call) -> Response:
    """The parameters as JSON."""
    from asap_ingest.render_ws.drawing.render_parameters import to_json

    with call.service.store.reading() as session:
        record, tiles = select(session, call.stack_id, call)
    # how many tiles an image may hold is no part of what is to be drawn
    return json_object(call, to_json(replace(build(call, record, tiles), max_tile_specs=None)))
