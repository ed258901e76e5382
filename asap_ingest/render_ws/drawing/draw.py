"""Drawing of render parameters and source images on a canvas.

Rules: those of render-ws 4.0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.channels import parse_channels
from asap_ingest.render_ws.drawing.filter_lists import check_filters
from asap_ingest.render_ws.drawing.intensity import Pixels, mean_of_components, row_bands
from asap_ingest.render_ws.drawing.layer_files import MissingTiles, check_files
from asap_ingest.render_ws.drawing.layers import LayerTile, layer_of
from asap_ingest.render_ws.drawing.outlines import draw_outlines
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.drawing.tiles import DrawingContext, draw_tiles
from asap_ingest.render_ws.memory.limits import DEFAULT_LIMITS, TooLargeError
from asap_ingest.render_ws.transforms.classes import Affine
from asap_ingest.render_ws.wire.java_numbers import truncate_to_int
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

#: Bytes that a pixel of a picture takes until it is encoded, in each channel that is mixed.
PIXEL_BYTES = 10
#: Further bytes of a pixel while seams between tiles are filled.
SEAM_BYTES = 7


def draw(
    parameters: RenderParameters,
    images: SourceImages,
    max_pixels: int = DEFAULT_LIMITS.image_pixels,
    claim: Callable[[int], None] = lambda size: None,
    missing: MissingTiles | None = None,
) -> Canvas:
    """Draw the tiles of render parameters in their order.

    Parameters
    ----------
    claim : callable
        Called with the bytes that the picture will take, before they are allocated; may raise.
    missing : MissingTiles, optional
        Collects the tiles that cannot be drawn; the others are drawn. Without it, one such tile is an error.

    Raises
    ------
    IllegalArgumentError
        For a size of zero or less, an image file that is missing, empty or not an image, a tile without
        images, a transform that cannot be built.
    TooLargeError
        For a picture of more than `max_pixels` over all channels.
    IllegalStateError
        For a filter that is not available.
    """
    shape_yx = canvas_size(parameters)
    _check_pixels(shape_yx, 1, max_pixels)
    picture_bytes = (PIXEL_BYTES + SEAM_BYTES * parameters.fill_seams) * prod(shape_yx)
    claim(picture_bytes)
    specs = parameters.tile_specs or []
    limit = parameters.max_tile_specs
    # a limit below 0 is none
    if parameters.outlines_only or (limit is not None and 0 <= limit < len(specs)):
        return draw_outlines(shape_yx, parameters)
    check_filters(parameters.filter_specs or [])
    tiles = layer_of(specs, parameters.mesh_cell_size).tiles
    if missing is None:
        check_files(tiles, images.check)
    else:
        check_files(tiles, images.check, missing.leave_out)
        tiles = [tile for tile in tiles if tile not in missing.reasons]
    weights = parse_channels(parameters.channels)
    if not weights and tiles:
        weights = {tiles[0].channels[0].name: 1.0}
    _check_pixels(shape_yx, len(weights), max_pixels)
    claim(picture_bytes * max(0, len(weights) - 1))
    has_masks = not parameters.exclude_mask and any(tile.has_masks for tile in tiles)
    context = DrawingContext(parameters, images, _world_to_canvas(parameters), has_masks, missing)
    pictures = [
        (_draw_channel(context, tiles, name, len(weights) > 1), weight) for name, weight in weights.items()
    ]
    if not pictures:
        return Canvas(*shape_yx)
    return pictures[0][0] if len(pictures) == 1 else _mixed(pictures)


def canvas_size(parameters: RenderParameters) -> tuple[int, int]:
    """Height and width of the picture: the scaled size, cut to integers; IllegalArgumentError below 1."""
    width, height = (
        truncate_to_int(parameters.scale * size) for size in (parameters.width, parameters.height)
    )
    if width <= 0 or height <= 0:
        raise IllegalArgumentError(f"width ({width}) and height ({height}) of the picture must be above 0")
    return height, width


def _check_pixels(shape_yx: tuple[int, int], channels: int, limit: int) -> None:
    if prod(shape_yx) * channels > limit:
        size = f"has {shape_yx[1]} x {shape_yx[0]} pixels" + f" in {channels} channels" * (channels > 1)
        raise TooLargeError("the picture", size, f"{limit} pixels", "max_image_megapixels")


def _world_to_canvas(parameters: RenderParameters) -> Affine:
    # areaOffset changes nothing in the recorded answers
    scale = parameters.scale
    return Affine((scale, 0.0, -parameters.x * scale, 0.0, scale, -parameters.y * scale))


def _draw_channel(
    context: DrawingContext, tiles: Sequence[LayerTile], name: str | None, mixing: bool
) -> Canvas:
    """Draw one channel of all tiles that have it; if `mixing`, all must have it (IllegalStateError)."""
    canvas = Canvas(*canvas_size(context.parameters))
    drawn = [(tile, channel) for tile in tiles for channel in tile.channels if channel.name == name]
    if mixing and len({tile for tile, _ in drawn}) < len(tiles):
        raise IllegalStateError(f"channels cannot be mixed: a tile has no channel {name!r}")
    draw_tiles(context, canvas, drawn)
    return canvas


def _mixed(pictures: Sequence[tuple[Canvas, float]]) -> Canvas:
    """The weighted sum of the pictures of channels, of the kind and with the intensity range of the first.

    Values are also weighted by their opacity. As in the original, each product is cut to an integer, and sums
    beyond the range of the type wrap around. Negative weights count as 0.
    """
    first = pictures[0][0]
    if not first.is_drawn:
        return first
    values, opacity = np.empty_like(first.values), np.empty((first.height, first.width), np.uint8)
    for rows in row_bands(first.height, first.width):
        model = first.values[rows]
        total, alpha = np.zeros(model.shape, np.int64), np.zeros(model.shape[:2], np.int64)
        for picture, weight in pictures:
            share = max(0.0, weight)
            opaque = np.full(alpha.shape, 255) if picture.alpha is None else picture.alpha[rows]
            shown = opaque / 255.0 if model.ndim == 2 else opaque[:, :, None] / 255.0
            total += np.trunc(share * _like(picture, rows, model) * shown).astype(np.int64)
            alpha += np.trunc(share * opaque).astype(np.int64)
        values[rows] = total.astype(model.dtype)
        opacity[rows] = np.minimum(alpha, 255)
    return Canvas(first.height, first.width, values, opacity, first.intensity_range)


def _like(picture: Canvas, rows: slice, model: Pixels) -> Pixels:
    """Rows of a picture, to be added to the model: gray for all its components, or the mean of colours."""
    values = picture.values[rows]
    if model.ndim == 3 and values.ndim == 2:
        return values[:, :, None]
    return mean_of_components(values) if values.ndim > model.ndim else values
