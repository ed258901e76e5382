"""Tiles on a canvas: each from its mipmap level, neighbours in drawing order together.

Rules: those of render-ws 4.0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asap_ingest.render_ws.drawing import seams, tile_kernels
from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.channels import Channel
from asap_ingest.render_ws.drawing.intensity import (
    LARGEST_8BIT,
    LARGEST_16BIT,
    IntensityRange,
    Pixels,
    converted,
    is_converted,
    kind_of,
    range_for_canvas,
)
from asap_ingest.render_ws.drawing.layer_files import MissingTiles
from asap_ingest.render_ws.drawing.layers import Geometry, LayerTile
from asap_ingest.render_ws.drawing.mipmap_levels import (
    LEVELS,
    LevelImages,
    best_level,
    choose_images,
)
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.drawing.warps import InverseMap, from_level
from asap_ingest.render_ws.transforms.classes import Affine, Matrix
from asap_ingest.render_ws.transforms.triangle_mesh import Mesh
from asap_ingest.render_ws.transforms.warp_classes import Points
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

#: Bytes of the images of tiles that are loaded before they are drawn together: each return from compiled code
#: may wait for the GIL.
GROUP_BYTES = 2**25
#: Tiles whose triangles would be narrower than this on the canvas are drawn by the inverse map.
LEAST_TRIANGLE = 10.0
_NO_NODES = np.zeros((0, 0, 2), np.float32)


@dataclass(frozen=True)
class DrawingContext:
    """What stays the same for all tiles of a picture."""

    parameters: RenderParameters
    images: SourceImages
    to_canvas: Affine
    has_masks: bool
    missing: MissingTiles | None = None


class _Loaded(NamedTuple):
    """A tile's pixels, ready to be drawn.

    Attributes
    ----------
    inverse_map : InverseMap or None
    mesh : pair of Mesh and Points, or None
        As of `Warp.mesh`. A tile with a warp is drawn by one of these two; an affine one has neither.
    source_range : IntensityRange or None
        Range for converting pixels to the kind of the canvas; None where they need no conversion.
    widened : bool
        Their channel has values of 16 bits.
    """

    geometry: Geometry
    level: int
    inverse_map: InverseMap | None
    mesh: tuple[Mesh, Points] | None
    image: Pixels
    mask: Pixels | None
    source_range: IntensityRange | None
    widened: bool


def draw_tiles(context: DrawingContext, canvas: Canvas, tiles: Sequence[tuple[LayerTile, Channel]]) -> None:
    """Draw a channel of each of some tiles of the layer in their order; errors as `draw.draw`."""
    for group in _groups(_all_loaded(context, canvas, tiles)):
        _draw_group(context, canvas, group)
    if context.parameters.fill_seams and canvas.is_drawn:
        _fill_seams(context, canvas, tiles)


def _fill_seams(context: DrawingContext, canvas: Canvas, tiles: Sequence[tuple[LayerTile, Channel]]) -> None:
    empty = seams.empty_pixels(canvas)
    parameters = context.parameters
    corner = np.array([parameters.x, parameters.y] * 2)
    boxes = (np.array([tile.bounds for tile, _ in tiles]) - corner) * parameters.scale
    near = seams.near_empty(empty, boxes)
    below = Canvas(canvas.height, canvas.width)
    below.start(canvas.kind, has_masks=True, noise=False)
    beside = [entry for entry, is_near in zip(tiles, near, strict=True) if is_near]
    for group in _groups(_all_loaded(context, below, beside)):
        _draw_group(context, below, [_with_margin(loaded) for loaded in group])
    seams.fill(canvas, below, empty)


def _all_loaded(
    context: DrawingContext, canvas: Canvas, tiles: Sequence[tuple[LayerTile, Channel]]
) -> Iterator[_Loaded]:
    for tile, channel in tiles:
        try:
            loaded = _load(context, canvas, tile, channel)
        except IllegalArgumentError as error:
            if context.missing is None:
                raise
            context.missing.leave_out(tile, error)
        else:
            yield loaded


def _groups(tiles: Iterable[_Loaded]) -> Iterator[list[_Loaded]]:
    """Neighbours in drawing order that can be drawn together."""
    group: list[_Loaded] = []
    held = 0
    for loaded in tiles:
        if group and (
            held + loaded.image.nbytes > GROUP_BYTES
            or loaded.inverse_map is not group[-1].inverse_map
            or loaded.mesh is not None
            or group[-1].mesh is not None
        ):
            yield group
            group, held = [], 0
        group.append(loaded)
        held += loaded.image.nbytes
    if group:
        yield group


def _with_margin(loaded: _Loaded) -> _Loaded:
    mask = None if loaded.mask is None else seams.with_margin(loaded.mask)
    return loaded._replace(image=seams.with_margin(loaded.image), mask=mask)


def _draw_group(context: DrawingContext, canvas: Canvas, group: Sequence[_Loaded]) -> None:
    """Draw tiles that share an inverse map, or have none; a tile with a mesh is alone."""
    inverse_map, mesh = group[0].inverse_map, group[0].mesh
    drawn = [_prepared(context, canvas, loaded) for loaded in group]
    sources = np.array([source for source, _, _ in drawn], tile_kernels.SOURCE)
    forward = np.array([matrix for _, matrix, _ in drawn])
    target = canvas.target()
    sampling = context.parameters.skip_interpolation, context.parameters.binary_mask
    if mesh is None:
        nodes = _NO_NODES if inverse_map is None else inverse_map.nodes
        tile_kernels.draw_tiles(target, sources, forward, nodes, sampling)
    else:
        points, triangles = mesh[0].points, mesh[0].triangles
        tile_kernels.draw_mesh(target, sources, forward, (points, mesh[1], triangles), sampling)


def _to_canvas(context: DrawingContext, loaded: _Loaded) -> Affine:
    """To the canvas from pixels of the level, nodes of the inverse map, or warped points of the mesh."""
    to_world = loaded.geometry.affine
    if loaded.inverse_map is not None:
        to_world = loaded.inverse_map.to_warped.then(to_world)
    elif loaded.mesh is None:
        to_world = from_level(loaded.level).then(to_world)
    return to_world.then(context.to_canvas)


def _prepared(
    context: DrawingContext, canvas: Canvas, loaded: _Loaded
) -> tuple[tuple[int, ...], Matrix, tuple[Pixels, Pixels | None]]:
    """A record of `tile_kernels.SOURCE`, its matrix to the canvas, and the arrays that it points to."""
    image, mask, to_canvas = loaded.image, loaded.mask, _to_canvas(context, loaded)
    if loaded.source_range is not None:
        if loaded.geometry.warp is None:  # otherwise the visible part is not known
            rows, columns = _visible_part(to_canvas, image.shape[:2], canvas)
            image, mask = image[rows, columns], None if mask is None else mask[rows, columns]
            to_canvas = Affine((1.0, 0.0, columns.start, 0.0, 1.0, rows.start)).then(to_canvas)
        image = converted(image, canvas.kind, loaded.source_range, loaded.widened)
    # the compiled loops get addresses alone: of rows without gaps, and the types that they were compiled for
    image = np.ascontiguousarray(image, canvas.values.dtype)
    mask = None if mask is None else np.ascontiguousarray(mask, np.uint8)
    addresses = _address(image), 0 if mask is None else _address(mask)
    return (*addresses, *image.shape[:2], loaded.level), to_canvas.matrix, (image, mask)


def _address(samples: Pixels) -> int:
    address: int = samples.__array_interface__["data"][0]
    return address


def _visible_part(to_canvas: Affine, source_yx: tuple[int, ...], canvas: Canvas) -> tuple[slice, slice]:
    """Rows and columns of a source that pixels of the canvas may come from, at least one of each.

    There is one more on each side, so that no pixel of the canvas comes from the border of the part.
    """
    back = to_canvas.inverse()
    if back is None:
        return slice(0, 1), slice(0, 1)
    corners = [(x, y) for x in (0.0, canvas.width) for y in (0.0, canvas.height)]
    parts = []
    for positions, size in zip(back(np.array(corners)).T[::-1], source_yx, strict=True):
        first = min(max(0, math.floor(max(-1.0, positions.min())) - 1), size - 1)
        last = max(first, math.floor(min(float(size), positions.max())) + 2)
        parts.append(slice(first, min(last, size - 1) + 1))
    return parts[0], parts[1]


def _load(context: DrawingContext, canvas: Canvas, tile: LayerTile, channel: Channel) -> _Loaded:
    parameters, tile_id = context.parameters, tile.tile_id
    geometry = tile.geometry(lambda: _size_by_image(context, channel, tile_id))
    level = best_level(geometry.linear, parameters.scale)
    chosen = choose_images(channel, level, parameters.mipmap_path_builder, context.images.is_usable, tile_id)
    image = context.images.load(chosen.image, chosen.halvings)
    mask = _loaded_mask(context, chosen, image) if context.has_masks else None
    inverse_map = _inverse_map(context, geometry)
    mesh = None
    if geometry.warp is not None and inverse_map is None:
        mesh = geometry.warp.mesh(level, (image.shape[0], image.shape[1]))
    # after all that may fail: a tile that is left out does not change the canvas
    widened = channel.max_intensity > LARGEST_8BIT
    kind = kind_of(image)
    if not canvas.is_drawn:  # the first tile decides the kind
        first = "gray16" if widened and kind == "gray8" else kind
        canvas.start(first, context.has_masks, parameters.fill_with_noise)
    requested = IntensityRange(
        channel.min_intensity if parameters.min_intensity is None else parameters.min_intensity,
        channel.max_intensity if parameters.max_intensity is None else parameters.max_intensity,
    )
    # the range of the last tile is that of the finished picture, as in render-ws
    canvas.intensity_range = range_for_canvas(requested, image, canvas.kind, widened)
    source_range = canvas.intensity_range if is_converted(kind, canvas.kind, widened) else None
    return _Loaded(geometry, level, inverse_map, mesh, image, mask, source_range, widened)


def _inverse_map(context: DrawingContext, geometry: Geometry) -> InverseMap | None:
    """The inverse map, of a tile with a warp whose triangles are small on the canvas."""
    if geometry.warp is None:
        return None
    cell = context.parameters.scale * context.parameters.mesh_cell_size
    return geometry.warp.inverse_map() if geometry.pixel_size * cell < LEAST_TRIANGLE else None


def _size_by_image(context: DrawingContext, channel: Channel, tile_id: str) -> tuple[float, float]:
    """Width and height of a tile whose spec lacks them."""
    first = min(channel.images, default=0)
    if first not in LEVELS:
        raise IllegalArgumentError(f"tile {tile_id!r} starts at mipmap level {first}, not 0 to {LEVELS[-1]}")
    chosen = choose_images(channel, first, None, context.images.is_usable, tile_id)
    height, width = context.images.load(chosen.image).shape[:2]
    return float(width << first), float(height << first)


def _loaded_mask(context: DrawingContext, chosen: LevelImages, image: Pixels) -> Pixels | None:
    """The mask as 8-bit gray; None (opaque) without one, or where its size differs from that of the image."""
    mask = None if chosen.mask is None else context.images.load(chosen.mask, chosen.halvings)
    if mask is None or mask.shape[:2] != image.shape[:2]:
        return None
    full = IntensityRange(0.0, LARGEST_16BIT if kind_of(mask) == "gray16" else LARGEST_8BIT)
    return converted(mask, "gray8", full, widened=False)
