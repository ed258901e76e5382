"""Drawing: render parameters and source images in, a canvas out.

Rules: sections 7.2 to 7.8 of the description of the render-ws interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.channels import Channel, parse_channels, tile_channels
from asap_ingest.render_ws.drawing.filter_lists import check_filters
from asap_ingest.render_ws.drawing.intensity import (
    CONVERSIONS,
    LARGEST_8BIT,
    IntensityRange,
    Pixels,
    conversion,
    kind_of,
    mean_of_components,
)
from asap_ingest.render_ws.drawing.mipmap_levels import LEVELS, LevelImages, best_level, choose_images
from asap_ingest.render_ws.drawing.outlines import draw_outlines
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.drawing.tile_geometry import tile_geometry
from asap_ingest.render_ws.drawing.warp import Patch, sample
from asap_ingest.render_ws.java_numbers import truncate_to_int
from asap_ingest.render_ws.limits import DEFAULT_LIMITS, TooLargeError
from asap_ingest.render_ws.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.transforms.classes import Affine

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class _Job:
    """What stays the same for all tiles of a picture."""

    parameters: RenderParameters
    images: SourceImages
    to_canvas: Affine
    channels: list[list[Channel]]


def draw(
    parameters: RenderParameters, images: SourceImages, max_pixels: int = DEFAULT_LIMITS.image_pixels
) -> Canvas:
    """Draw the tiles of render parameters in their order.

    Raises
    ------
    IllegalArgumentError
        For a size of zero or less, an image file that is missing, empty or no image, a tile without
        images, a transform that cannot be built.
    TooLargeError
        For a picture of more than `max_pixels` over all channels.
    IllegalStateError
        For a filter that is not available.
    """
    canvas = Canvas(*canvas_size(parameters))
    _check_pixels(canvas, 1, max_pixels)
    tiles = parameters.tile_specs or []
    limit = parameters.max_tile_specs
    if parameters.outlines_only or (limit is not None and 0 <= limit < len(tiles)):
        return draw_outlines(canvas, parameters)
    check_filters(parameters.filter_specs or [])
    channels = [tile_channels(tile) for tile in tiles]
    _check_files_of(channels, images)
    weights = parse_channels(parameters.channels)
    if not weights and tiles:
        weights = {channels[0][0].name: 1.0}
    _check_pixels(canvas, len(weights), max_pixels)
    job = _Job(parameters, images, _world_to_canvas(parameters), channels)
    pictures = [
        (_draw_channel(job, canvas, name, len(weights) > 1), weight) for name, weight in weights.items()
    ]
    if pictures:
        canvas = pictures[0][0] if len(pictures) == 1 else _mixed(canvas, pictures)
    return draw_outlines(canvas, parameters) if limit is not None and limit < 0 else canvas


def canvas_size(parameters: RenderParameters) -> tuple[int, int]:
    """Height and width of the picture: the scaled size, cut to integers."""
    width, height = (
        truncate_to_int(parameters.scale * size) for size in (parameters.width, parameters.height)
    )
    if width <= 0 or height <= 0:
        raise IllegalArgumentError(f"width ({width}) and height ({height}) of the picture must be above 0")
    return height, width


def _check_pixels(canvas: Canvas, channels: int, limit: int) -> None:
    if canvas.width * canvas.height * channels > limit:
        asked = f"has {canvas.width} x {canvas.height} pixels" + f" in {channels} channels" * (channels > 1)
        raise TooLargeError("the picture", asked, f"{limit} pixels", "max_image_megapixels")


def _world_to_canvas(parameters: RenderParameters) -> Affine:
    # areaOffset changes nothing in the recorded answers
    scale = parameters.scale
    return Affine((scale, 0.0, -parameters.x * scale, 0.0, scale, -parameters.y * scale))


def check_files(tiles: Sequence[JsonObject], images: SourceImages) -> None:
    """Look for all files of all levels and channels, also those that are not needed.

    Raises
    ------
    IllegalArgumentError
        Naming the first that is missing, empty or not to be read.
    """
    _check_files_of([tile_channels(tile) for tile in tiles], images)


def _check_files_of(channels: Sequence[Sequence[Channel]], images: SourceImages) -> None:
    for url in dict.fromkeys(_urls(channels)):
        images.check(url)


def _urls(channels: Sequence[Sequence[Channel]]) -> Iterator[str]:
    for channel in chain.from_iterable(channels):
        for image in channel.images.values():
            yield from (image[name] for name in ("imageUrl", "maskUrl") if image.get(name) is not None)


def _draw_channel(job: _Job, like: Canvas, name: str | None, mixing: bool) -> Canvas:
    """Draw one channel of all tiles that have it on a canvas of its own."""
    canvas = Canvas(like.height, like.width)
    tiles = job.parameters.tile_specs or []
    found = [
        (tile, channel)
        for tile, channels in zip(tiles, job.channels, strict=True)
        for channel in channels
        if channel.name == name
    ]
    if mixing and len({id(tile) for tile, _ in found}) < len(tiles):
        raise IllegalStateError(f"channels cannot be mixed: a tile has no channel {name!r}")
    has_masks = not job.parameters.exclude_mask and any(
        image.get("maskUrl") is not None
        for channel in chain.from_iterable(job.channels)
        for image in channel.images.values()
    )
    for tile, channel in found:
        _draw_tile(job, canvas, tile, channel, has_masks)
    return canvas


def _draw_tile(job: _Job, canvas: Canvas, tile: JsonObject, channel: Channel, has_masks: bool) -> None:
    parameters = job.parameters
    width, height = _tile_size(job, tile, channel)
    geometry = tile_geometry(tile["transforms"]["specList"], width, height, parameters.mesh_cell_size)
    level = best_level(geometry.linear_part(), parameters.scale)
    chosen = choose_images(
        channel, level, parameters.mipmap_path_builder, job.images, str(tile.get("tileId"))
    )
    image = job.images.load(chosen.image, chosen.halvings)
    canvas.shown = _range(parameters, channel)
    convert = _conversion(job, canvas, image, channel, has_masks)
    mask = _loaded_mask(job, chosen, image) if has_masks else None
    source_yx, canvas_yx = image.shape[:2], (canvas.height, canvas.width)
    for patch in geometry.patches(level, (source_yx[0], source_yx[1]), job.to_canvas, canvas_yx):
        drawn = sample(image, patch, parameters.skip_interpolation, convert)
        canvas.paste(patch, drawn, _sampled_mask(mask, patch, parameters))


def _range(parameters: RenderParameters, channel: Channel) -> IntensityRange:
    return IntensityRange(
        channel.min_intensity if parameters.min_intensity is None else parameters.min_intensity,
        channel.max_intensity if parameters.max_intensity is None else parameters.max_intensity,
    )


def _tile_size(job: _Job, tile: JsonObject, channel: Channel) -> tuple[float, float]:
    if tile.get("width") is not None and tile.get("height") is not None:
        return float(tile["width"]), float(tile["height"])
    tile_id = str(tile.get("tileId"))
    first = min(channel.images, default=0)
    if first not in LEVELS:
        raise IllegalArgumentError(f"tile {tile_id!r} starts at mipmap level {first}, not 0 to {LEVELS[-1]}")
    height, width = job.images.load(choose_images(channel, first, None, job.images, tile_id).image).shape[:2]
    return float(width << first), float(height << first)


def _conversion(
    job: _Job, canvas: Canvas, image: Pixels, channel: Channel, has_masks: bool
) -> Callable[[Pixels], Pixels] | None:
    """How pixels of the image come to the kind of the canvas, which the first one drawn decides."""
    widened = channel.max_intensity > LARGEST_8BIT
    kind = kind_of(image)
    if canvas.values is None:
        first = "gray16" if widened and kind == "gray8" else kind
        canvas.start(first, has_masks, job.parameters.fill_with_noise)
    return conversion(kind, canvas.kind, canvas.shown, widened)


def _loaded_mask(job: _Job, chosen: LevelImages, image: Pixels) -> Pixels:
    """The mask as 8-bit gray, opaque without one, or where its size differs from that of the image."""
    mask = None if chosen.mask is None else job.images.load(chosen.mask, chosen.halvings)
    if mask is None or mask.shape[:2] != image.shape[:2]:
        return np.broadcast_to(np.uint8(255), image.shape[:2])
    kind = kind_of(mask)
    return mask if kind == "gray8" else CONVERSIONS[kind, "gray8"](mask, _FULL_RANGE[kind])


_FULL_RANGE = {
    "gray16": IntensityRange(0.0, 65535.0),
    "color": IntensityRange(),
    "float": IntensityRange(),
}


def _sampled_mask(mask: Pixels | None, patch: Patch, parameters: RenderParameters) -> Pixels | None:
    if mask is None:
        return None
    sampled = sample(mask, patch, parameters.skip_interpolation)
    return np.where(sampled > 0, 255, 0).astype(np.uint8) if parameters.binary_mask else sampled


def _mixed(like: Canvas, pictures: Sequence[tuple[Canvas, float]]) -> Canvas:
    """The weighted sum of the pictures of several channels: values, kind and range as of the first.

    Each share is cut to an integer and sums beyond the kind wrap around, as in the original; negative
    weights count as 0.
    """
    first = pictures[0][0]
    mixed = Canvas(like.height, like.width, shown=first.shown)
    if first.values is None:
        return mixed
    total, alpha = np.zeros(first.values.shape, np.int64), np.zeros((like.height, like.width), np.int64)
    for picture, weight in pictures:
        share = max(0.0, weight)
        total += np.trunc(share * _like(picture, first.values)).astype(np.int64)
        alpha += np.trunc(share * (255.0 if picture.alpha is None else picture.alpha)).astype(np.int64)
    mixed.values = total.astype(first.values.dtype)
    mixed.alpha = np.minimum(alpha, 255).astype(np.uint8)
    return mixed


def _like(picture: Canvas, model: Pixels) -> Pixels:
    """Values of a picture, gray ones repeated where the model is in colour, and colour ones averaged."""
    if picture.values is None:
        return np.zeros(model.shape, model.dtype)
    if model.ndim == 3 and picture.values.ndim == 2:
        return picture.values[:, :, None]
    return mean_of_components(picture.values) if picture.values.ndim > model.ndim else picture.values
