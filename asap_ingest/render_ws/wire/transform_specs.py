"""Transform specs: leaves, lists, references to shared transforms, and interpolations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache, partial
from typing import Any

from asap_ingest.render_ws.wire.json_types import (
    Fields,
    MalformedBodyError,
    Reader,
    double,
    has_schema,
    labels,
    object_reader,
    reference,
    schema_of,
    text,
)
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

JsonObject = dict[str, Any]

#: Transforms nested in one another: each nests JSON by two, and orjson writes JSON nested no deeper than 254.
MAX_DEPTH = 50


@has_schema(reference("Transform"))
def read_transform(value: Any, depth: int = 0) -> JsonObject:
    """Read one transform spec; a missing or unknown `type` is a leaf.

    Parameters
    ----------
    depth : int
        Number of transforms that this one is nested in.

    Raises
    ------
    MalformedBodyError
        For values of the wrong type, and for transforms that are nested too deeply.
    IllegalArgumentError
        For a reference without an id, an interpolation without its two sides.
    IllegalStateError
        For a null where a spec is needed.
    """
    if type(value) is not dict:
        raise MalformedBodyError(f"a transform must be an object, not {str(value)[:80]!r}")
    if depth > MAX_DEPTH:
        raise MalformedBodyError(f"transforms are nested more than {MAX_DEPTH} levels deep")
    readers = _field_readers(depth + 1)
    kind = value.get("type")
    kind = kind if type(kind) is str and kind in readers else "leaf"
    if kind == "list" and value.get("specList", []) is None:
        raise IllegalStateError("specList is null")
    spec = {"type": kind, **readers[kind](value)}
    if kind == "list":
        spec.setdefault("specList", [])
    missing = [name for name in _NEEDED.get(kind, ()) if name not in spec]
    if missing:
        raise IllegalArgumentError(f"a transform of type {kind} lacks {', '.join(missing)}")
    return spec


def _read_specs(value: Any, depth: int) -> list[JsonObject]:
    if type(value) is not list:
        raise MalformedBodyError(f"expected a list, got {str(value)[:80]!r}")
    if None in value:
        raise IllegalStateError("specList holds a null transform")
    return [read_transform(spec, depth) for spec in value]


_COMMON: Fields = (("id", text), ("metaData", object_reader((("labels", labels),))))
#: Fields without which a transform has no meaning.
_NEEDED = {"ref": ("refId",), "interpolated": ("a", "b")}


@cache
def _field_readers(depth: int) -> dict[str, Reader]:
    """Readers of the fields of a transform by its type; `depth` is that of the transforms inside it."""
    inner = partial(read_transform, depth=depth)
    fields: dict[str, Fields] = {
        "leaf": (("className", text), ("dataString", text)),
        "list": (("specList", partial(_read_specs, depth=depth)),),
        "ref": (("refId", text),),
        "interpolated": (("a", inner), ("b", inner), ("lambda", double)),
    }
    return {kind: object_reader((*_COMMON, *fields[kind])) for kind in fields}


def transform_schemas(class_names: Sequence[str]) -> JsonObject:
    """Schemas of transform specs by their names in the OpenAPI document; any class name is allowed."""
    string = schema_of(text)
    six_numbers = {"type": "string", "pattern": r"^-?\d{1,4}( -?\d{1,4}(\.\d)?){5}$"}
    kinds: dict[str, JsonObject] = {
        "Leaf": {
            "type": {"const": "leaf"},
            "className": {"anyOf": [{"enum": [*class_names]}, string]},
            "dataString": {"anyOf": [six_numbers, string]},
        },
        "TransformList": {
            "type": {"const": "list"},
            "specList": {"type": "array", "items": reference("Transform")},
        },
        "Reference": {"type": {"const": "ref"}, "refId": string},
        "Interpolated": {"type": {"const": "interpolated"}, "a": reference("Leaf"), "b": reference("Leaf")},
    }
    optional = {name: schema_of(reader) for name, reader in (*_COMMON, ("lambda", double))}
    schemas: JsonObject = {
        name: {"type": "object", "required": [*fields], "properties": {**optional, **fields}}
        for name, fields in kinds.items()
    }
    return {**schemas, "Transform": {"anyOf": [reference(name) for name in kinds]}}


@has_schema(reference("TransformList"))
def read_transform_list(value: Any) -> JsonObject:
    """Read the transforms of a tile spec, which must be a list; errors as `read_transform`."""
    if type(value) is not dict or value.get("type") != "list":
        raise MalformedBodyError('transforms must be an object with "type": "list"')
    return read_transform(value)


def children(spec: JsonObject) -> Sequence[JsonObject]:
    """The specs that a list or an interpolated transform consists of; none for others."""
    if spec.get("type") == "list":
        return spec.get("specList") or []
    if spec.get("type") == "interpolated":
        return [spec["a"], spec["b"]]
    return []


def references(spec: JsonObject) -> Iterator[str]:
    """Ids of the references within a transform spec, repeated ones too; their targets are not looked into."""
    if spec.get("type") == "ref":
        yield str(spec.get("refId"))
    for child in children(spec):
        yield from references(child)
