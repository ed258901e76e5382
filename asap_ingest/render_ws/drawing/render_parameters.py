"""Render parameters: what is to be drawn, from a query or from JSON, and back to JSON.

Fields, defaults and query parameters: sections 6.2 to 6.4 of the description of the render-ws interface.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from asap_ingest.render_ws.drawing.channels import parse_channels
from asap_ingest.render_ws.drawing.filter_lists import named_filters
from asap_ingest.render_ws.wire import json_types, tile_specs
from asap_ingest.render_ws.wire.java_numbers import json_double, truncate_to_int
from asap_ingest.render_ws.wire.json_types import MalformedBodyError, has_schema, schema_of

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Box:
    """A part of a layer: world coordinates, size in pixels of scale 1, target pixels per world pixel."""

    x: float
    y: float
    width: int
    height: int
    scale: float = 1.0


@has_schema({"type": "boolean"})
def _boolean(value: Any) -> bool:
    if type(value) is bool:
        return value
    if type(value) is int:
        return value != 0
    if type(value) is str and value.strip() in ("true", "false", "True", "False", "TRUE", "FALSE"):
        return value.strip().lower() == "true"
    raise MalformedBodyError(f"{value!r} is neither true nor false")


@has_schema(schema_of(json_types.double))
def _double(value: Any) -> float:
    return float(json_types.double(value) or 0.0)


def _json(name: str, reader: Callable[[Any], Any], always: bool = False) -> dict[str, Any]:
    """Name of a field in JSON, how its value is read, and whether it is a number or flag without null."""
    return {"name": name, "reader": reader, "always": always}


_FILTER: json_types.Fields = (
    ("className", json_types.text),
    ("parameters", json_types.map_reader(json_types.text)),
)
_filter_specs = json_types.full_list_reader("filterSpecs", json_types.object_reader(_FILTER))
_TILES = json_types.full_list_reader("tileSpecs", tile_specs.read_tile)


@dataclass(frozen=True)
class RenderParameters:
    """What is to be drawn: see `Box` for geometry; `tile_specs` are flattened and in drawing order.

    The fields stand in the order of the JSON form; the last three, `max_tile_specs`, `outlines_only` and
    `fill_seams`, are not in it.
    """

    tile_spec_url: str | None = field(default=None, metadata=_json("tileSpecUrl", json_types.text))
    mesh_cell_size: float = field(default=64.0, metadata=_json("meshCellSize", _double, always=True))
    min_mesh_cell_size: float = field(default=0.0, metadata=_json("minMeshCellSize", _double, always=True))
    in_path: str | None = field(default=None, metadata=_json("in", json_types.text))
    out_path: str | None = field(default=None, metadata=_json("out", json_types.text))
    x: float = field(default=0.0, metadata=_json("x", _double, always=True))
    y: float = field(default=0.0, metadata=_json("y", _double, always=True))
    width: int = field(default=256, metadata=_json("width", json_types.integer, always=True))
    height: int = field(default=256, metadata=_json("height", json_types.integer, always=True))
    scale: float = field(default=1.0, metadata=_json("scale", _double, always=True))
    area_offset: bool = field(default=False, metadata=_json("areaOffset", _boolean, always=True))
    min_intensity: float | None = field(default=None, metadata=_json("minIntensity", _double))
    max_intensity: float | None = field(default=None, metadata=_json("maxIntensity", _double))
    convert_to_gray: bool = field(default=False, metadata=_json("convertToGray", _boolean, always=True))
    quality: float = field(default=0.85, metadata=_json("quality", _double, always=True))
    number_of_threads: int = field(
        default=1, metadata=_json("numberOfThreads", json_types.integer, always=True)
    )
    skip_interpolation: bool = field(
        default=False, metadata=_json("skipInterpolation", _boolean, always=True)
    )
    binary_mask: bool = field(default=False, metadata=_json("binaryMask", _boolean, always=True))
    exclude_mask: bool = field(default=False, metadata=_json("excludeMask", _boolean, always=True))
    parameters_url: str | None = field(default=None, metadata=_json("parametersUrl", json_types.text))
    do_filter: bool = field(default=False, metadata=_json("doFilter", _boolean, always=True))
    add_warp_field_debug_overlay: bool = field(
        default=False, metadata=_json("addWarpFieldDebugOverlay", _boolean, always=True)
    )
    background_rgb_color: int | None = field(
        default=None, metadata=_json("backgroundRGBColor", json_types.integer)
    )
    fill_with_noise: bool = field(default=False, metadata=_json("fillWithNoise", _boolean, always=True))
    channels: str | None = field(default=None, metadata=_json("channels", json_types.text))
    mipmap_path_builder: JsonObject | None = field(
        default=None, metadata=_json("mipmapPathBuilder", tile_specs.read_path_builder)
    )
    filter_specs: list[JsonObject] | None = field(default=None, metadata=_json("filterSpecs", _filter_specs))
    tile_specs: Sequence[JsonObject] | None = field(default=None, metadata=_json("tileSpecs", _TILES))
    min_bounds_min_x: float | None = field(default=None, metadata=_json("minBoundsMinX", _double))
    min_bounds_min_y: float | None = field(default=None, metadata=_json("minBoundsMinY", _double))
    min_bounds_max_x: float | None = field(default=None, metadata=_json("minBoundsMaxX", _double))
    min_bounds_max_y: float | None = field(default=None, metadata=_json("minBoundsMaxY", _double))
    min_bounds_mesh_cell_size: float = field(
        default=64.0, metadata=_json("minBoundsMeshCellSize", _double, always=True)
    )
    max_tile_specs: int | None = None
    outlines_only: bool = False
    fill_seams: bool = False


_JSON_FIELDS = [entry for entry in fields(RenderParameters) if entry.metadata]


def to_json(parameters: RenderParameters) -> JsonObject:
    """The JSON form: fields in their order, those without a value left out."""
    found = {}
    for entry in _JSON_FIELDS:
        value = getattr(parameters, entry.name)
        if value is not None:
            found[entry.metadata["name"]] = json_double(value) if type(value) is float else value
    if parameters.tile_specs is not None:
        found["tileSpecs"] = [*parameters.tile_specs]
    return found


@has_schema(
    {
        "type": "object",
        "properties": {entry.metadata["name"]: schema_of(entry.metadata["reader"]) for entry in _JSON_FIELDS},
    }
)
def from_json(body: Any) -> RenderParameters:
    """Read the JSON form; what is absent takes its default, a number or flag sent as null is 0 or false.

    Raises
    ------
    MalformedBodyError
        When it is no object, or a field has the wrong type.
    """
    if type(body) is not dict:
        raise MalformedBodyError("render parameters must be an object")
    found = {}
    for entry in _JSON_FIELDS:
        name = entry.metadata["name"]
        value = None if body.get(name) is None else entry.metadata["reader"](body[name])
        if value is None and name in body and entry.metadata["always"]:
            value = entry.metadata["reader"](0)
        if value is not None:
            found[entry.name] = value
    return RenderParameters(**found)


def box_parameters(
    query: Mapping[str, Any], tiles: Sequence[JsonObject], box: Box, version: Mapping[str, Any]
) -> RenderParameters:
    """Parameters of a box.

    Parameters
    ----------
    query : mapping
        Values read according to `BOX_QUERY`; absent parameters are absent or None.
    tiles : sequence of dict
        Flattened tile specs in drawing order.
    box : Box
        `scale` of the query, if given, overrides that of the box.
    version : mapping
        Stack version: `defaultChannel` and `mipmapPathBuilder` of the stack, if any.

    Raises
    ------
    IllegalArgumentError
        For channel weights that are no numbers or above 1 together, an unknown filter list.
    """
    channels = version.get("defaultChannel") if query.get("channels") is None else query["channels"]
    parse_channels(channels)
    filters = query.get("filterListName")
    return RenderParameters(
        x=box.x,
        y=box.y,
        width=box.width,
        height=box.height,
        scale=box.scale if query.get("scale") is None else query["scale"],
        min_intensity=query.get("minIntensity"),
        max_intensity=query.get("maxIntensity"),
        convert_to_gray=bool(query.get("convertToGray")),
        binary_mask=bool(query.get("binaryMask")),
        exclude_mask=bool(query.get("excludeMask")),
        do_filter=bool(query.get("filter")),
        fill_with_noise=bool(query.get("fillWithNoise")),
        channels=channels,
        mipmap_path_builder=version.get("mipmapPathBuilder"),
        filter_specs=None if filters is None else named_filters(filters),
        tile_specs=tiles,
        max_tile_specs=query.get("maxTileSpecsToRender"),
    )


def layer_parameters(
    query: Mapping[str, Any],
    tiles: Sequence[JsonObject],
    bounds: Mapping[str, float],
    version: Mapping[str, Any],
    scale: float = 1.0,
) -> RenderParameters:
    """Parameters of a whole layer: its bounds, sizes cut to integers; else as `box_parameters`.

    `scale` is what counts without one in the query: 0.01 for images.
    """
    box = Box(
        float(bounds["minX"]),
        float(bounds["minY"]),
        truncate_to_int(float(bounds["maxX"]) - float(bounds["minX"])),
        truncate_to_int(float(bounds["maxY"]) - float(bounds["minY"])),
        scale,
    )
    return box_parameters(query, tiles, box, version)
