"""Tile and transform specs: which fields there are, their types and order, and what is always written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from asap_ingest.render_ws.wire.json_types import (
    Fields,
    MalformedBodyError,
    Reader,
    double,
    full_list_reader,
    integer,
    labels,
    list_reader,
    object_reader,
    one_of,
    parse_integer,
    text,
)
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

JsonObject = dict[str, Any]

DEFAULT_MESH_CELL_SIZE = 64.0
BOX_FIELDS = ("minX", "minY", "maxX", "maxY")
TRANSFORM_KINDS = ("leaf", "list", "ref", "interpolated")
#: Each is two levels of JSON, of which no more than 254 can be written.
MOST_LEVELS = 50


def _read_levels(value: Any) -> JsonObject:
    if type(value) is not dict:
        raise MalformedBodyError("mipmapLevels must be an object")
    levels = {}
    for key, image in value.items():
        level = parse_integer(key)
        if level is None:
            raise MalformedBodyError(f"mipmap level {key!r} is not an integer")
        levels[level] = None if image is None else read_image(image)
    return {str(level): levels[level] for level in sorted(levels) if levels[level] is not None}


def _read_channel(value: Any) -> JsonObject:
    channel = _read_channel_fields(value)
    return {
        **({"name": channel["name"]} if "name" in channel else {}),
        "minIntensity": channel.get("minIntensity", 0.0),
        "maxIntensity": channel.get("maxIntensity", 255.0),
        "mipmapLevels": channel.get("mipmapLevels", {}),
        **({"mipmapPathBuilder": channel["mipmapPathBuilder"]} if "mipmapPathBuilder" in channel else {}),
    }


def _read_transform_list(value: Any) -> JsonObject:
    if type(value) is not dict or value.get("type") != "list":
        raise MalformedBodyError('transforms must be an object with "type": "list"')
    return read_transform(value)


def _read_specs(value: Any, level: int) -> list[JsonObject]:
    specs = list_reader(partial(read_transform, level=level))(value)
    if None in specs:
        raise IllegalStateError("specList holds a null transform")
    return specs


def read_transform(value: Any, level: int = 0) -> JsonObject:
    """Read one transform spec; a missing or unknown `type` is a leaf.

    Parameters
    ----------
    level : int
        In how many others it lies.

    Raises
    ------
    MalformedBodyError
        For values of the wrong type, and for transforms that lie too deeply in one another.
    IllegalArgumentError
        For a reference to nothing, an interpolation without its two sides.
    IllegalStateError
        For a null where a spec is needed.
    """
    if type(value) is not dict:
        raise MalformedBodyError(f"a transform must be an object, not {str(value)[:80]!r}")
    if level > MOST_LEVELS:
        raise MalformedBodyError(f"transforms lie more than {MOST_LEVELS} levels deep in one another")
    kind = value.get("type")
    kind = kind if type(kind) is str and kind in TRANSFORM_KINDS else "leaf"
    if kind == "list" and value.get("specList", []) is None:
        raise IllegalStateError("specList is null")
    spec = {"type": kind, **_transform_readers(level + 1)[kind](value)}
    if kind == "list":
        spec.setdefault("specList", [])
    missing = [name for name in _NEEDED.get(kind, ()) if name not in spec]
    if missing:
        raise IllegalArgumentError(f"a transform of type {kind} lacks {', '.join(missing)}")
    return spec


def read_tile(value: Any) -> JsonObject:
    """Read one tile spec: known fields only, in their order, those always written filled in.

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
    # a sent null makes it zero: it cannot be absent
    spec.setdefault("meshCellSize", 0.0 if "meshCellSize" in value else DEFAULT_MESH_CELL_SIZE)
    spec.setdefault("mipmapLevels", {})
    spec.setdefault("transforms", {"type": "list", "specList": []})
    return in_field_order(spec)


def in_field_order(spec: JsonObject) -> JsonObject:
    """The same tile spec with its fields in the order in which they are written."""
    return {name: spec[name] for name in _TILE_ORDER if name in spec}


def is_flat(spec: JsonObject) -> bool:
    """Whether flattening would leave the transforms of this tile as they are."""
    transforms = spec["transforms"]
    return len(transforms) == 2 and all(transform["type"] == "leaf" for transform in transforms["specList"])


@dataclass(frozen=True)
class ResolvedTiles:
    """A resolved-tile collection as sent: shared transforms by map key, tile specs."""

    shared: dict[str, JsonObject]
    tiles: list[JsonObject]


def read_resolved_tiles(value: Any) -> ResolvedTiles:
    """Read a resolved-tile collection.

    Raises
    ------
    MalformedBodyError
        When it is no object, or something in it has the wrong type.
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


_read_loader = one_of(
    "IMAGEJ_DEFAULT", "IMAGEJ_COMPOSITE", "IMAGEJ_TIFF_STACK", "H5_SLICE", "N5_SLICE", "DYNAMIC_MASK"
)
IMAGE_FIELDS: Fields = (
    ("imageUrl", text),
    ("imageLoaderType", _read_loader),
    ("imageSliceNumber", integer),
    ("maskUrl", text),
    ("maskLoaderType", _read_loader),
    ("maskSliceNumber", integer),
)
PATH_BUILDER_FIELDS: Fields = (
    ("rootPath", text),
    ("numberOfLevels", integer),
    ("extension", text),
    ("imageMipmapPatternString", text),
)
LAYOUT_FIELDS: Fields = (
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
read_image = object_reader(IMAGE_FIELDS)
read_path_builder = object_reader(PATH_BUILDER_FIELDS)
_read_channel_fields = object_reader(
    (
        ("name", text),
        ("minIntensity", double),
        ("maxIntensity", double),
        ("mipmapLevels", _read_levels),
        ("mipmapPathBuilder", read_path_builder),
    )
)
_COMMON: Fields = (("id", text), ("metaData", object_reader((("labels", labels),))))
#: Without these a transform means nothing.
_NEEDED = {"ref": ("refId",), "interpolated": ("a", "b")}


@cache
def _transform_readers(level: int) -> dict[str, Reader]:
    """Readers of the fields of a transform by its kind; transforms in it are on this level."""
    inner = partial(read_transform, level=level)
    fields: dict[str, Fields] = {
        "leaf": (("className", text), ("dataString", text)),
        "list": (("specList", partial(_read_specs, level=level)),),
        "ref": (("refId", text),),
        "interpolated": (("a", inner), ("b", inner), ("lambda", double)),
    }
    return {kind: object_reader((*_COMMON, *fields[kind])) for kind in TRANSFORM_KINDS}


TILE_FIELDS: Fields = (
    ("tileId", text),
    ("layout", object_reader(LAYOUT_FIELDS)),
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
    ("transforms", _read_transform_list),
    ("meshCellSize", double),
    ("labels", labels),
)
_read_tile_fields = object_reader(TILE_FIELDS)
_TILE_ORDER = tuple(name for name, _ in TILE_FIELDS)
