"""Render parameters: what to draw, from a query or from JSON, and as JSON.

Fields, defaults and query parameters: those of render-ws 4.0.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from asap_ingest.render_ws.drawing.channels import parse_channels
from asap_ingest.render_ws.drawing.filter_lists import named_filters
from asap_ingest.render_ws.wire import json_types, tile_specs
from asap_ingest.render_ws.wire.java_numbers import json_double, truncate_to_int
from asap_ingest.render_ws.wire.json_types import MalformedBodyError, has_schema, schema_of
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS, DEFAULT_MESH_CELL_SIZE

JsonObject = dict[str, Any]


@dataclass(frozen=True)
class Box:
    """A part of a layer: world coordinates, size in pixels at scale 1, target pixels per world pixel."""

    x: float
    y: float
    width: int
    height: int
    scale: float = 1.0


@has_schema(schema_of(json_types.double))
def _double(value: Any) -> float:
    return float(json_types.double(value) or 0.0)


_FILTER: json_types.Fields = (
    ("className", json_types.text),
    ("parameters", json_types.map_reader(json_types.text)),
)
_filter_specs = json_types.full_list_reader("filterSpecs", json_types.object_reader(_FILTER))
_TILES = json_types.full_list_reader("tileSpecs", tile_specs.read_tile_in_order)


@dataclass(frozen=True)
class RenderParameters:
    """What to draw. The fields are in the order of the JSON form, which lacks the last three.

    Attributes
    ----------
    x, y, width, height, scale
        As of `Box`.
    tile_specs : sequence of dict or None
        Flattened tile specs in drawing order.
    max_tile_specs : int or None
        Outlines are drawn instead of more tiles than this; None and numbers below 0 are no limit.
    """

    tile_spec_url: str | None = None
    mesh_cell_size: float = DEFAULT_MESH_CELL_SIZE
    min_mesh_cell_size: float = 0.0
    in_path: str | None = None
    out_path: str | None = None
    x: float = 0.0
    y: float = 0.0
    width: int = 256
    height: int = 256
    scale: float = 1.0
    area_offset: bool = False
    min_intensity: float | None = None
    max_intensity: float | None = None
    convert_to_gray: bool = False
    quality: float = 0.85
    number_of_threads: int = 1
    skip_interpolation: bool = False
    binary_mask: bool = False
    exclude_mask: bool = False
    parameters_url: str | None = None
    do_filter: bool = False
    add_warp_field_debug_overlay: bool = False
    background_rgb_color: int | None = None
    fill_with_noise: bool = False
    channels: str | None = None
    mipmap_path_builder: JsonObject | None = None
    filter_specs: list[JsonObject] | None = None
    tile_specs: Sequence[JsonObject] | None = None
    min_bounds_min_x: float | None = None
    min_bounds_min_y: float | None = None
    min_bounds_max_x: float | None = None
    min_bounds_max_y: float | None = None
    min_bounds_mesh_cell_size: float = DEFAULT_MESH_CELL_SIZE
    max_tile_specs: int | None = None
    outlines_only: bool = False
    fill_seams: bool = False


#: Annotation of a field -> reader of its JSON; without `None` in the annotation, null is read as 0 or false.
_READERS: dict[str, Callable[[Any], Any]] = {
    "str | None": json_types.text,
    "float": _double,
    "float | None": _double,
    "int": json_types.integer,
    "int | None": json_types.integer,
    "bool": json_types.boolean,
    "JsonObject | None": tile_specs.read_path_builder,
    "list[JsonObject] | None": _filter_specs,
    "Sequence[JsonObject] | None": _TILES,
}
_ODD_NAMES = {"in_path": "in", "out_path": "out", "background_rgb_color": "backgroundRGBColor"}


def _json_name(name: str) -> str:
    head, *rest = name.split("_")
    return _ODD_NAMES.get(name) or head + "".join(map(str.title, rest))


#: Name in JSON -> field, in the order of the JSON form.
JSON_FIELDS = {_json_name(field.name): field for field in fields(RenderParameters)[:-3]}
#: Fields that a query may have too.
_OF_QUERIES = (
    "scale",
    "min_intensity",
    "max_intensity",
    "convert_to_gray",
    "binary_mask",
    "exclude_mask",
    "fill_with_noise",
)


def to_json(parameters: RenderParameters) -> JsonObject:
    """The JSON form: the fields that have a value, in their order."""
    values = ((name, getattr(parameters, field.name)) for name, field in JSON_FIELDS.items())
    result = {
        name: json_double(value) if type(value) is float else value
        for name, value in values
        if value is not None
    }
    if parameters.tile_specs is not None:
        result["tileSpecs"] = [*parameters.tile_specs]
    return result


@has_schema(
    {
        "type": "object",
        "properties": {name: schema_of(_READERS[str(field.type)]) for name, field in JSON_FIELDS.items()},
    }
)
def from_json(body: Any) -> RenderParameters:
    """Read the JSON form; absent fields take their defaults, null is 0 or false for numbers and flags.

    Raises
    ------
    MalformedBodyError
        If it is not an object, or a field has the wrong type.
    """
    if type(body) is not dict:
        raise MalformedBodyError("render parameters must be an object")
    values = {}
    for name, field in JSON_FIELDS.items():
        kind = str(field.type)
        value = None if body.get(name) is None else _READERS[kind](body[name])
        if value is None and name in body and not kind.endswith("None"):
            value = _READERS[kind](0)
        if value is not None:
            values[field.name] = value
    return RenderParameters(**values)


def box_parameters(
    query: Mapping[str, Any], tiles: Sequence[JsonObject], box: Box, version: Mapping[str, Any]
) -> RenderParameters:
    """Parameters of a box.

    Parameters
    ----------
    query : mapping
        Fields of a `BoxQuery`; absent parameters may be None.
    tiles : sequence of dict
        Flattened tile specs in drawing order.
    box : Box
        `scale` of the query, if given, overrides that of the box.
    version : mapping
        Stack version: `defaultChannel` and `mipmapPathBuilder` of the stack, if any.

    Raises
    ------
    IllegalArgumentError
        For channel weights that are not numbers or above 1 together, an unknown filter list.
    """
    channels = version.get("defaultChannel") if query.get("channels") is None else query["channels"]
    parse_channels(channels)
    filters = query.get("filter_list_name")
    given = {name: query[name] for name in _OF_QUERIES if query.get(name) is not None}
    return RenderParameters(
        **{**vars(box), **given},
        do_filter=bool(query.get("filter")),
        channels=channels,
        mipmap_path_builder=version.get("mipmapPathBuilder"),
        filter_specs=None if filters is None else named_filters(filters),
        tile_specs=tiles,
        max_tile_specs=query.get("max_tile_specs_to_render"),
    )


def layer_box(bounds: Mapping[str, float], scale: float) -> Box:
    """The box of a whole layer, from its `minX`, `minY`, `maxX`, `maxY`; the size is cut to integers."""
    min_x, min_y, max_x, max_y = (float(bounds[name]) for name in BOX_FIELDS)
    return Box(min_x, min_y, truncate_to_int(max_x - min_x), truncate_to_int(max_y - min_y), scale)
