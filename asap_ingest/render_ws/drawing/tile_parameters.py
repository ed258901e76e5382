"""Render parameters of single tiles, also of their source and mask images, and the box around a tile.

Rules for leaving out transforms, and for matching: those of render-ws 4.0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from asap_ingest.render_ws.drawing.channels import tile_channels
from asap_ingest.render_ws.drawing.render_parameters import Box, JsonObject, RenderParameters, box_parameters
from asap_ingest.render_ws.transforms.bounds import derive_boxes
from asap_ingest.render_ws.transforms.specs import labels_of
from asap_ingest.render_ws.wire.java_numbers import truncate_to_int
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS, DEFAULT_MESH_CELL_SIZE, in_field_order

#: For matching, tiles are drawn by the transforms up to the last that has this label; if none has it, by this
#: many, and never by the last.
LENS_LABEL, TRANSFORMS_FOR_MATCHING = "lens", 2
NEIGHBOR_FACTOR = 0.3


def tile_parameters(
    query: Mapping[str, Any], tile: JsonObject, version: Mapping[str, Any]
) -> RenderParameters:
    """Parameters of one tile.

    Parameters
    ----------
    query : mapping
        Fields of a `TileQuery`; absent parameters may be None.
    tile : dict
        Flattened tile spec.
    version : mapping
        Stack version, as for `box_parameters`.

    Raises
    ------
    IllegalArgumentError
        As `box_parameters`; also for transforms that cannot be built, where the box is derived again.
    IllegalStateError
        For a tile without width or height whose box is derived again.
    """
    normalize = bool(query.get("normalize_for_matching"))
    tile = _with_fewer_transforms(query, tile, normalize)
    min_x, min_y, max_x, max_y = (float(tile.get(name) or 0.0) for name in BOX_FIELDS)
    box = Box(
        (0.0 if normalize else min_x) + (query.get("x") or 0),
        (0.0 if normalize else min_y) + (query.get("y") or 0),
        truncate_to_int(max_x - min_x) if query.get("width") is None else query["width"],
        truncate_to_int(max_y - min_y) if query.get("height") is None else query["height"],
    )
    return box_parameters(query, [tile], box, version)


def _with_fewer_transforms(query: Mapping[str, Any], tile: JsonObject, normalize: bool) -> JsonObject:
    specs = tile["transforms"]["specList"]
    after_last = query.get("exclude_transforms_after_last") or []
    first_and_after = query.get("exclude_first_transform_and_all_after") or []
    exclude_all = query.get("exclude_all_transforms")
    if exclude_all is not None or after_last or first_and_after:
        rest = [] if exclude_all else _without_labelled(specs, after_last, first_and_after)
    elif normalize:
        lens = [index for index, spec in enumerate(specs) if LENS_LABEL in labels_of(spec)]
        rest = specs[: lens[-1] + 1] if lens else specs[:-1][:TRANSFORMS_FOR_MATCHING]
    else:
        return tile
    frame = (tile.get("width"), tile.get("height"), float(tile["meshCellSize"]), rest)
    box = dict(zip(BOX_FIELDS, derive_boxes([frame])[0].tolist(), strict=True))
    return in_field_order({**tile, **box, "transforms": {**tile["transforms"], "specList": rest}})


def _without_labelled(
    specs: list[JsonObject], after_last: Sequence[str], first_and_after: Sequence[str]
) -> list[JsonObject]:
    last = [index for index, spec in enumerate(specs) if set(after_last) & set(labels_of(spec))]
    rest = specs[: last[-1] + 1] if last else specs
    first = [index for index, spec in enumerate(rest) if set(first_and_after) & set(labels_of(spec))]
    return rest[: first[0]] if first else rest


def source_parameters(
    query: Mapping[str, Any], tile: JsonObject, kind: str, scale: float = 1.0
) -> RenderParameters:
    """Parameters of the first image of a tile (`kind` source), or of its mask as an image (`kind` mask).

    Parameters
    ----------
    query : mapping
        Fields of a `DrawingQuery`; its scale, if given, overrides `scale`.

    Raises
    ------
    IllegalArgumentError
        For a tile without images.
    IllegalStateError
        For a tile without width or height, and what `box_parameters` refuses in the query.
    """
    width, height = map(truncate_to_int, _size(tile))
    channel = tile_channels(tile)[0]
    if not channel.images:
        raise IllegalArgumentError(f"tile {tile.get('tileId')!r} has no images")
    level, image = next(iter(channel.images.items()))
    url = image.get("imageUrl" if kind == "source" else "maskUrl")
    shown = {
        "minIntensity": 0.0,
        "maxIntensity": 255.0,
        "mipmapLevels": {str(level): {} if url is None else {"imageUrl": url}},
    }
    spec = {
        "mipmapLevels": {},
        "channels": [shown],
        "transforms": {"type": "list", "specList": []},
        "meshCellSize": DEFAULT_MESH_CELL_SIZE,
    }
    try:
        parameters = box_parameters(query, [spec], Box(0.0, 0.0, width, height, scale), {})
    except IllegalArgumentError as error:
        raise IllegalStateError(str(error)) from error
    return replace(parameters, skip_interpolation=True)


def neighbors_box(tile: JsonObject, width_factor: float | None, height_factor: float | None) -> Box:
    """The box of a tile with a margin on each side of its size times a factor, by default 0.3.

    Raises
    ------
    IllegalStateError
        For a tile without width or height.
    """
    width, height = _size(tile)
    around_x = NEIGHBOR_FACTOR if width_factor is None else width_factor
    around_y = NEIGHBOR_FACTOR if height_factor is None else height_factor
    return Box(
        float(tile.get("minX") or 0.0) - around_x * width,
        float(tile.get("minY") or 0.0) - around_y * height,
        truncate_to_int((1 + 2 * around_x) * width),
        truncate_to_int((1 + 2 * around_y) * height),
    )


def _size(tile: JsonObject) -> tuple[float, float]:
    if tile.get("width") is None or tile.get("height") is None:
        raise IllegalStateError(f"tile {tile.get('tileId')!r} has no width or height")
    return float(tile["width"]), float(tile["height"])
