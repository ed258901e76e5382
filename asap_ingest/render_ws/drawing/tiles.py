"""Tiles on a canvas: each from its level, all that is affine placed together.

Rules: sections 7.3 to 7.7 of the description of the render-ws interface.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from asap_ingest.render_ws.drawing.affine_warp import place_patches, places, then
from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.channels import Channel
from asap_ingest.render_ws.drawing.intensity import (
    CONVERSIONS,
    LARGEST_8BIT,
    IntensityRange,
    Pixels,
    conversion,
    kind_of,
    range_for_canvas,
)
from asap_ingest.render_ws.drawing.mipmap_levels import LEVELS, LevelImages, best_level, choose_images
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.drawing.tile_geometry import TileGeometry, tile_geometry
from asap_ingest.render_ws.drawing.warp import Patch, sample
from asap_ingest.render_ws.problems import IllegalArgumentError
from asap_ingest.render_ws.records.kept_tiles import derived
from asap_ingest.render_ws.transforms.classes import Affine, Matrix

JsonObject = dict[str, Any]

#: How much is loaded before it is drawn.
GROUP_TILES = 512
GROUP_BYTES = 2**25


@dataclass(frozen=True)
class Job:
    """What stays the same for all tiles of a picture."""

    parameters: RenderParameters
    images: SourceImages
    to_canvas: Affine
    has_masks: bool


@dataclass(frozen=True)
class _View:
    """How a tile is drawn at a scale; `to_world` leads there from pixels of the level, if it is affine."""

    geometry: TileGeometry
    level: int
    chosen: LevelImages
    to_world: Matrix | None


class _Loaded(NamedTuple):
    """A tile's pixels, ready to be drawn."""

    view: _View
    image: Pixels
    mask: Pixels | None
    convert: Callable[[Pixels], Pixels] | None

    @property
    def source_yx(self) -> tuple[int, int]:
        return self.image.shape[0], self.image.shape[1]


def draw_tiles(job: Job, canvas: Canvas, tiles: Iterable[tuple[JsonObject, Channel]]) -> None:
    """Draw a channel of each of the tiles in their order; errors as `draw.draw`."""
    group: list[_Loaded] = []
    held = 0
    for tile, channel in tiles:
        loaded = _load(job, canvas, tile, channel)
        group.append(loaded)
        held += loaded.image.nbytes
        # errors keep the order of the tiles: one that may not be drawn does not wait for the next
        if loaded.view.to_world is None or len(group) == GROUP_TILES or held > GROUP_BYTES:
            _draw_group(job, canvas, group)
            group, held = [], 0
    _draw_group(job, canvas, group)


def _draw_group(job: Job, canvas: Canvas, group: Sequence[_Loaded]) -> None:
    canvas_yx = (canvas.height, canvas.width)
    affine = [(loaded, loaded.view.to_world) for loaded in group if loaded.view.to_world is not None]
    if affine:
        forward = then([matrix for _, matrix in affine], job.to_canvas)
        found = places(forward, [loaded.source_yx for loaded, _ in affine], canvas_yx)
        for (loaded, _), place in zip(affine, found, strict=True):
            if place is not None:
                _paste(job, canvas, loaded, place_patches(place, loaded.source_yx))
    for loaded in group[len(affine) :]:
        view = loaded.view
        patches = view.geometry.mesh_patches(view.level, loaded.source_yx, job.to_canvas, canvas_yx)
        _paste(job, canvas, loaded, patches)


def _paste(job: Job, canvas: Canvas, loaded: _Loaded, patches: Iterable[Patch]) -> None:
    nearest = job.parameters.skip_interpolation
    for patch in patches:
        drawn = sample(loaded.image, patch, nearest, loaded.convert)
        canvas.paste(patch, drawn, _sampled_mask(loaded.mask, patch, job.parameters))


def _load(job: Job, canvas: Canvas, tile: JsonObject, channel: Channel) -> _Loaded:
    view = _view(job, tile, channel)
    image = job.images.load(view.chosen.image, view.chosen.halvings)
    canvas.shown = _range(job.parameters, channel)
    convert = _conversion(job, canvas, image, channel)
    mask = _loaded_mask(job, view.chosen, image) if job.has_masks else None
    return _Loaded(view, image, mask, convert)


def _view(job: Job, tile: JsonObject, channel: Channel) -> _View:
    parameters = job.parameters
    choose = partial(_chosen_view, job, tile, channel)
    if (
        parameters.mipmap_path_builder
        or tile.get("channels")
        or not (tile.get("width") and tile.get("height"))
    ):
        # it depends on files
        return choose()
    return derived(tile, "view", (parameters.mesh_cell_size, parameters.scale), choose)


def _chosen_view(job: Job, tile: JsonObject, channel: Channel) -> _View:
    parameters = job.parameters
    width, height = _tile_size(job, tile, channel)
    geometry = tile_geometry(tile["transforms"]["specList"], width, height, parameters.mesh_cell_size)
    level = best_level(geometry.linear_part(), parameters.scale)
    chosen = choose_images(
        channel, level, parameters.mipmap_path_builder, job.images, str(tile.get("tileId"))
    )
    return _View(geometry, level, chosen, geometry.matrix_of(level))


_intensity_range = lru_cache(maxsize=64)(IntensityRange)


def _range(parameters: RenderParameters, channel: Channel) -> IntensityRange:
    return _intensity_range(
        channel.min_intensity if parameters.min_intensity is None else parameters.min_intensity,
        channel.max_intensity if parameters.max_intensity is None else parameters.max_intensity,
    )


def _tile_size(job: Job, tile: JsonObject, channel: Channel) -> tuple[float, float]:
    if tile.get("width") is not None and tile.get("height") is not None:
        return float(tile["width"]), float(tile["height"])
    tile_id = str(tile.get("tileId"))
    first = min(channel.images, default=0)
    if first not in LEVELS:
        raise IllegalArgumentError(f"tile {tile_id!r} starts at mipmap level {first}, not 0 to {LEVELS[-1]}")
    height, width = job.images.load(choose_images(channel, first, None, job.images, tile_id).image).shape[:2]
    return float(width << first), float(height << first)


def _conversion(
    job: Job, canvas: Canvas, image: Pixels, channel: Channel
) -> Callable[[Pixels], Pixels] | None:
    """How pixels of the image come to the kind of the canvas, which the first one drawn decides."""
    widened = channel.max_intensity > LARGEST_8BIT
    kind = kind_of(image)
    if canvas.values is None:
        first = "gray16" if widened and kind == "gray8" else kind
        canvas.start(first, job.has_masks, job.parameters.fill_with_noise)
    canvas.shown = range_for_canvas(canvas.shown, image, canvas.kind, widened)
    return conversion(kind, canvas.kind, canvas.shown, widened)


def _loaded_mask(job: Job, chosen: LevelImages, image: Pixels) -> Pixels:
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
