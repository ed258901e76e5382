"""Tile specs: their fields, types and order, and the fields that are always written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.wire.java_numbers import int32_or_none
from asap_ingest.render_ws.wire.json_types import (
    Fields,
    MalformedBodyError,
    double,
    full_list_reader,
    has_schema,
    in_order,
    integer,
    labels,
    object_reader,
    schema_of,
    text,
)
from asap_ingest.render_ws.wire.problems import IllegalStateError
from asap_ingest.render_ws.wire.transform_specs import read_transform, read_transform_list

JsonObject = dict[str, Any]

DEFAULT_MESH_CELL_SIZE = 64.0
BOX_FIELDS = ("minX", "minY", "maxX", "maxY")

LOADERS = ("IMAGEJ_DEFAULT", "IMAGEJ_COMPOSITE", "IMAGEJ_TIFF_STACK", "H5_SLICE", "N5_SLICE", "DYNAMIC_MASK")


def _read_loader(value: Any) -> str:
    if value not in LOADERS:
        raise MalformedBodyError(f"{str(value)[:80]!r} is not one of {', '.join(LOADERS)}")
    return str(value)


read_image = object_reader(
    (
        ("imageUrl", text),
        ("imageLoaderType", _read_loader),
        ("imageSliceNumber", integer),
        ("maskUrl", text),
        ("maskLoaderType", _read_loader),
        ("maskSliceNumber", integer),
    )
)
read_path_builder = object_reader(
    (("rootPath", text), ("numberOfLevels", integer), ("extension", text), ("imageMipmapPatternString", text))
)
_read_layout = object_reader(
    (
        ("sectionId", text),
        ("temca", text),
        ("camera", text),
        ("imageRow", integer),
        ("imageCol", integer),
        ("stageX", double),
        ("stageY", double),
        ("rotation", double),
        ("pixelsize", double),
        ("distanceZ", double),
    )
)


@has_schema(
    {
        "type": "object",
        "patternProperties": {r"^\d{1,2}$": schema_of(read_image)},
        "additionalProperties": False,
    }
)
def _read_levels(value: Any) -> JsonObject:
    if type(value) is not dict:
        raise MalformedBodyError("mipmapLevels must be an object")
    levels = {}
    for key, image in value.items():
        level = int32_or_none(key)
        if level is None:
            raise MalformedBodyError(f"mipmap level {key!r} is not an integer")
        levels[level] = None if image is None else read_image(image)
    return {str(level): levels[level] for level in sorted(levels) if levels[level] is not None}


_CHANNEL_FIELDS: Fields = (
    ("name", text),
    ("minIntensity", double),
    ("maxIntensity", double),
    ("mipmapLevels", _read_levels),
    ("mipmapPathBuilder", read_path_builder),
)
_read_channel_fields = object_reader(_CHANNEL_FIELDS)


@has_schema(schema_of(_read_channel_fields))
def _read_channel(value: Any) -> JsonObject:
    always = {"minIntensity": 0.0, "maxIntensity": 255.0, "mipmapLevels": {}}
    return in_order(_CHANNEL_FIELDS, {**always, **_read_channel_fields(value)})


TILE_FIELDS: Fields = (
    ("tileId", text),
    ("layout", _read_layout),
    ("groupId", text),
    ("z", double),
    *((name, double) for name in BOX_FIELDS),
    ("width", double),
    ("height", double),
    ("minIntensity", double),
    ("maxIntensity", double),
    ("mipmapLevels", _read_levels),
    ("channels", full_list_reader("channels", _read_channel)),
    ("mipmapPathBuilder", read_path_builder),
    ("transforms", read_transform_list),
    ("meshCellSize", double),
    ("labels", labels),
)
_read_tile_fields = object_reader(TILE_FIELDS, required=("tileId", "z", "width", "height", "transforms"))


@has_schema(schema_of(_read_tile_fields))
def read_tile(value: Any) -> JsonObject:
    """Read one tile spec: known fields, and defaults of those that are always written.

    Raises
    ------
    MalformedBodyError
        For values of the wrong type.
    IllegalStateError
        For `"transforms": null`, and nulls inside it.
    """
    if type(value) is dict and value.get("transforms", {}) is None:
        raise IllegalStateError("transforms of a tile spec is null")
    spec: JsonObject = _read_tile_fields(value)
    # null counts as zero in render-ws, only an absent field as the default
    spec.setdefault("meshCellSize", 0.0 if "meshCellSize" in value else DEFAULT_MESH_CELL_SIZE)
    spec.setdefault("mipmapLevels", {})
    spec.setdefault("transforms", {"type": "list", "specList": []})
    return spec


@has_schema(schema_of(_read_tile_fields))
def read_tile_in_order(value: Any) -> JsonObject:
    """`read_tile`, with the fields in the order in which they are written."""
    return in_field_order(read_tile(value))


def in_field_order(spec: JsonObject) -> JsonObject:
    """The same tile spec with its fields in the order in which they are written."""
    return in_order(TILE_FIELDS, spec)


def is_flat(spec: JsonObject) -> bool:
    """Whether flattening would leave the transforms of this tile as they are."""
    transforms = spec["transforms"]
    return len(transforms) == 2 and all(transform["type"] == "leaf" for transform in transforms["specList"])


@dataclass(frozen=True)
class ResolvedTiles:
    """A resolved-tile collection as sent: shared transforms by map key, tile specs."""

    shared: dict[str, JsonObject]
    tiles: list[JsonObject]


@has_schema(
    {
        "type": "object",
        "required": ["tileIdToSpecMap"],
        "properties": {
            "transformIdToSpecMap": {"type": "object", "additionalProperties": schema_of(read_transform)},
            "tileIdToSpecMap": {"type": "object", "additionalProperties": schema_of(read_tile)},
        },
    }
)
def read_resolved_tiles(value: Any) -> ResolvedTiles:
    """Read a resolved-tile collection.

    Raises
    ------
    MalformedBodyError
        When it is not an object, or something in it has the wrong type.
    IllegalStateError
        For null as one of the maps, as a tile or as a transform.
    """
    if type(value) is not dict:
        raise MalformedBodyError("a resolved-tile collection must be an object")
    return ResolvedTiles(
        {key: read_transform(spec) for key, spec in _entries(value, "transformIdToSpecMap").items()},
        [read_tile(spec) for spec in _entries(value, "tileIdToSpecMap").values()],
    )


def _entries(value: Mapping[str, Any], name: str) -> dict[str, Any]:
    entries = value.get(name, {})
    if entries is None or (type(entries) is dict and None in entries.values()):
        raise IllegalStateError(f"{name} is null or holds a null")
    if type(entries) is not dict:
        raise MalformedBodyError(f"{name} must be an object")
    return entries
