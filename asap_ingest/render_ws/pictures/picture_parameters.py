"""Render parameters of the part of a stack that a request names: its tiles, and how to draw them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from asap_ingest.render_ws.drawing.layers import bounds_of
from asap_ingest.render_ws.drawing.render_parameters import (
    Box,
    JsonObject,
    RenderParameters,
    box_parameters,
    layer_box,
)
from asap_ingest.render_ws.drawing.tile_parameters import neighbors_box, source_parameters, tile_parameters
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.queries import Query
from asap_ingest.render_ws.stacks.stack_states import require_data
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.tiles.tile_requests import (
    limited_tiles,
    require_tile,
    require_tiles,
    transforms_of,
)
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.wire.stack_records import StackRecord

#: Default scale of pictures of whole layers.
LAYER_SCALE = 0.01


@dataclass(frozen=True)
class DrawingQuery(Query):
    """Parameters that all requests for images have."""

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
    """Parameters of boxes and layers: an image of more tiles than the limit shows only outlines."""

    max_tile_specs_to_render: int | None = None


@dataclass(frozen=True)
class TileQuery(DrawingQuery):
    """Parameters of single tiles: which part of the tile is drawn, and by which of its transforms."""

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


@dataclass(frozen=True)
class PictureRequest:
    """A request for a picture of part of a stack, or for its render parameters.

    Attributes
    ----------
    drawn : bool
        Whether the parameters are to be drawn, or sent as JSON.
    """

    session: Session
    record: StackRecord
    call: Call
    drawn: bool

    def tile(self) -> JsonObject:
        """The spec of the tile named in the path, with references resolved."""
        _, row = require_tile(self.session, self.record.stack_id, self.call.path["tile"])
        return transforms_of(self.session, self.record, self.call).flattened(row)

    def tiles(self, which: TileFilter) -> Sequence[JsonObject]:
        """Specs of tiles of the stack in drawing order, with references resolved; not to be modified."""
        cached = self.call.service.layers.tiles(self.session, self.record, which)
        if cached is not None:
            return cached
        lookup = transforms_of(self.session, self.record, self.call)
        rows = limited_tiles(self.session, self.record, which, self.call.memory)
        return [lookup.flattened(row) for row in rows]

    def in_box(self, z: float | None, box: Box, strict: bool) -> RenderParameters:
        """Parameters of a box of a layer; only of the tiles of the group in the path, if it names one.

        With `strict`, a wrong query is an IllegalStateError: images of boxes answer 500, as in render-ws.
        """
        which = TileFilter(
            z=z,
            min_x=box.x,
            max_x=box.x + box.width,
            min_y=box.y,
            max_y=box.y + box.height,
            group_id=self.call.path.get("group"),
        )
        try:
            return box_parameters(vars(self.call.query), self.tiles(which), box, self.record.version)
        except IllegalArgumentError as error:
            if not strict:
                raise
            raise IllegalStateError(str(error)) from error


#: Makes render parameters. Errors: as of reading tiles, and of the functions of `drawing` that it calls.
Build = Callable[[PictureRequest], RenderParameters]


def build_box(request: PictureRequest) -> RenderParameters:
    """Parameters of the box in the path."""
    path = request.call.path
    box = Box(path["x"], path["y"], path["width"], path["height"], path.get("scale", 1.0))
    return request.in_box(path["z"], box, strict=request.drawn)


def build_layer(request: PictureRequest) -> RenderParameters:
    """Parameters of a whole layer; IllegalArgumentError for one without tiles."""
    record, z = request.record, request.call.path["z"]
    require_data(request.session, record.stack_id)
    tiles = require_tiles(record, z, request.tiles(TileFilter(z=z)))
    box = layer_box(bounds_of(tiles), LAYER_SCALE if request.drawn else 1.0)
    return box_parameters(vars(request.call.query), tiles, box, record.version)


def build_tile(request: PictureRequest) -> RenderParameters:
    """Parameters of one tile."""
    return tile_parameters(vars(request.call.query), request.tile(), request.record.version)


def build_source(kind: str, request: PictureRequest) -> RenderParameters:
    """Parameters of the image (`kind` source) or the mask (`kind` mask) of a tile as it is in its file."""
    tile, call = request.tile(), request.call
    if request.drawn and call.query.channels is not None:
        raise IllegalStateError(f"the {kind} of a tile has no channels")
    return source_parameters(vars(call.query), tile, kind, call.path.get("scale", 1.0))


def build_neighborhood(request: PictureRequest) -> RenderParameters:
    """Parameters of a tile and the tiles around it, or of their outlines if the query asks for them."""
    tile_id, query = request.call.path["tile"], request.call.query
    _, row = require_tile(request.session, request.record.stack_id, tile_id)
    box = neighbors_box(row.parsed(), query.width_factor, query.height_factor)
    around = request.in_box(row.z, box, strict=False)
    if not any(tile.get("tileId") == tile_id for tile in around.tile_specs or ()):
        raise IllegalArgumentError(f"widthFactor and heightFactor leave nothing of tile '{tile_id}'")
    return replace(around, outlines_only=query.bounding_boxes_only is True)
