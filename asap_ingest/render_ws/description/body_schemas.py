"""JSON schemas of request bodies and of path values that are not just any text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asap_ingest.render_ws.wire import json_types, tile_specs
from asap_ingest.render_ws.wire.json_types import Fields
from asap_ingest.render_ws.wire.stack_records import VERSION_FIELDS, State

Schema = dict[str, Any]

RENDER_PARAMETERS = "RenderParameters"
TRANSFORM_CLASS = "TransformClass"
NAME_PATTERN = "^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$"
NAME: Schema = {"type": "string", "pattern": NAME_PATTERN, "maxLength": 30}
#: What path values are beyond their type, by the name of the placeholder.
PATH_VALUES: dict[str, Schema] = {
    **dict.fromkeys(("owner", "project", "stack", "target"), NAME),
    "state": {"enum": [str(state) for state in State]},
}
TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
WHOLE: Schema = {"type": "integer", "format": "int32", "minimum": -(2**31), "maximum": 2**31 - 1}
#: Schema by the reader that takes the value.
READER_SCHEMAS: dict[Callable[[Any], Any], Schema] = {
    json_types.text: TEXT,
    json_types.double: NUMBER,
    json_types.integer: WHOLE,
    json_types.date: {"type": "string", "format": "date-time"},
    json_types.labels: {"type": "array", "items": TEXT},
    tile_specs.read_path_builder: {"$ref": "#/components/schemas/mipmapPathBuilder"},
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(known_fields: Fields, **others: Schema) -> Schema:
    """An object of known fields; `others` describes those whose reader tells nothing."""
    known = {name: READER_SCHEMAS.get(reader, {}) for name, reader in known_fields}
    return {"type": "object", "properties": {**known, **others}}


def _list(entry: Schema) -> Schema:
    return {"type": "array", "items": entry}


def _map(entry: Schema) -> Schema:
    return {"type": "object", "additionalProperties": entry}


_POINTS = _list(_list(NUMBER))
_LEAF = {
    "type": "object",
    "required": ["type", "className", "dataString"],
    "properties": {
        "type": {"const": "leaf"},
        "id": TEXT,
        "className": _ref(TRANSFORM_CLASS),
        "dataString": {"anyOf": [{"type": "string", "pattern": r"^-?\d{1,4}( -?\d{1,4}(\.\d)?){5}$"}, TEXT]},
        "metaData": {"type": "object", "properties": {"labels": _list(TEXT)}},
    },
}
_TRANSFORM_LIST = {
    "type": "object",
    "required": ["type", "specList"],
    "properties": {"type": {"const": "list"}, "specList": _list(_ref("Transform"))},
}
_REFERENCE = {
    "type": "object",
    "required": ["type", "refId"],
    "properties": {"type": {"const": "ref"}, "refId": TEXT},
}
_INTERPOLATED = {
    "type": "object",
    "required": ["type", "a", "b"],
    "properties": {
        "type": {"const": "interpolated"},
        "a": _ref("Leaf"),
        "b": _ref("Leaf"),
        "lambda": NUMBER,
    },
}
_LEVELS: Schema = {
    "type": "object",
    "patternProperties": {r"^\d{1,2}$": _ref("Image")},
    "additionalProperties": False,
}
_CHANNEL = {
    "type": "object",
    "properties": {
        "name": TEXT,
        "minIntensity": NUMBER,
        "maxIntensity": NUMBER,
        "mipmapLevels": _LEVELS,
        "mipmapPathBuilder": _ref("mipmapPathBuilder"),
    },
}
_TILE = {
    **_object(
        tile_specs.TILE_FIELDS,
        layout=_object(tile_specs.LAYOUT_FIELDS),
        mipmapLevels=_LEVELS,
        channels=_list(_CHANNEL),
        transforms=_TRANSFORM_LIST,
    ),
    "required": ["tileId", "z", "width", "height", "transforms"],
}
_MATCH = {
    "type": "object",
    "required": ["pGroupId", "pId", "qGroupId", "qId", "matches"],
    "properties": {
        **dict.fromkeys(("pGroupId", "pId", "qGroupId", "qId"), TEXT),
        "matches": {
            "type": "object",
            "required": ["p", "q", "w"],
            "properties": {"p": _POINTS, "q": _POINTS, "w": _list(NUMBER)},
        },
    },
}
_COORDINATE = {
    "type": "object",
    "properties": {
        "tileId": TEXT,
        "visible": {"type": "boolean"},
        "local": _list(NUMBER),
        "world": _list(NUMBER),
    },
}

#: Schema of a request body, or of a part of one, by the name that operations give.
BODIES: dict[str, Schema] = {
    "Coordinates": _list(_COORDINATE),
    "Image": _object(tile_specs.IMAGE_FIELDS),
    "Leaf": _LEAF,
    "Matches": _list(_MATCH),
    "MatchCollectionId": {"type": "object", "properties": {"owner": TEXT, "name": TEXT}},
    "Number": NUMBER,
    "ResolvedTiles": {
        "type": "object",
        "required": ["tileIdToSpecMap"],
        "properties": {"transformIdToSpecMap": _map(_ref("Transform")), "tileIdToSpecMap": _map(_TILE)},
    },
    "StackId": {"type": "object", "properties": dict.fromkeys(("owner", "project", "stack"), NAME)},
    "StackVersion": _object(VERSION_FIELDS),
    "Tile": _TILE,
    "TileIds": _list(TEXT),
    "Tiles": _list(_TILE),
    "Transform": {"anyOf": [_ref("Leaf"), _TRANSFORM_LIST, _REFERENCE, _INTERPOLATED]},
    "Transforms": _list(_ref("Transform")),
    "cycle": {"type": "object", "properties": {"number": WHOLE, "stepNumber": WHOLE}},
    "defaultChannel": TEXT,
    "materializedBoxRootPath": TEXT,
    "mipmapPathBuilder": _object(tile_specs.PATH_BUILDER_FIELDS),
    "resolutionValues": _list(NUMBER),
}


#: Schema by the Python type of a field.
_PYTHON_TYPES = {"str": TEXT, "float": NUMBER, "int": WHOLE, "bool": {"type": "boolean"}}


def components() -> dict[str, Schema]:
    """All schemas; those that follow from the drawing code load it."""
    from asap_ingest.render_ws.drawing.render_parameters import JSON_FIELDS
    from asap_ingest.render_ws.transforms.classes import TRANSFORM_CLASSES

    parameters = {
        name: _PYTHON_TYPES.get(str(field.type).partition(" ")[0], {}) for name, field in JSON_FIELDS.items()
    }
    parameters |= {"mipmapPathBuilder": _ref("mipmapPathBuilder"), "tileSpecs": _list(_TILE)}
    return {
        **BODIES,
        RENDER_PARAMETERS: {"type": "object", "properties": parameters},
        TRANSFORM_CLASS: {"anyOf": [{"enum": sorted(TRANSFORM_CLASSES)}, TEXT]},
    }
