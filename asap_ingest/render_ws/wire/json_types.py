"""JSON as render-ws reads and writes it: readers of values, and the JSON schema of each reader.

A reader takes one parsed JSON value (never null) and returns the value to store, or None for "absent".
Numbers that are not finite are stored as text (`"NaN"`, `"Infinity"`, `"-Infinity"`), as JSON has none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol, TypeVar

import orjson

from asap_ingest.render_ws.wire.java_numbers import (
    LARGEST_INT,
    SMALLEST_INT,
    double_or_none,
    int32_or_none,
    json_double,
)
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

Reader = Callable[[Any], Any]
Fields = Sequence[tuple[str, Reader]]
Schema = dict[str, Any]
AnyReader = TypeVar("AnyReader", bound=Reader)

#: Longer bodies are parsed by orjson only: the lenient parser takes seconds for them and holds the GIL.
LENIENT_BYTES = 2**24
#: orjson crashes the process when it writes a list of about 2**30 / 9 entries.
MOST_VALUES = 10**8
_SCHEMAS: dict[Reader, Schema] = {}


class Row(Protocol):
    """A row of the database, by the names of its columns."""

    def __getitem__(self, name: str, /) -> Any: ...

    def keys(self) -> Iterable[str]: ...


class MalformedBodyError(IllegalArgumentError):
    """The body is not JSON, or JSON of another type: 400 with an HTML text, as from render-ws."""


def has_schema(schema: Schema) -> Callable[[AnyReader], AnyReader]:
    """Decorator of a reader: the JSON schema of the values that it reads."""

    def register(reader: AnyReader) -> AnyReader:
        _SCHEMAS[reader] = schema
        return reader

    return register


def schema_of(reader: Reader) -> Schema:
    """The JSON schema of the values that a reader accepts; {}, any JSON, for a reader without one."""
    return _SCHEMAS.get(reader, {})


def reference(name: str) -> Schema:
    """A schema that refers to another by its name in the OpenAPI document."""
    return {"$ref": f"#/components/schemas/{name}"}


#: Bytes of memory that these take: an object with its first entry, a list, each further value of either.
_OBJECT, _LIST, _VALUE = 240, 88, 64


def parsed_bytes(body: bytes) -> int:
    """Estimate how much memory the values of a JSON text take, from the brackets and commas in it.

    The estimate for tile specs is six times their text, and about a fifth too high; for text that is made to
    take much memory, such as `[{},{},...`, up to ninety times.
    """
    return len(body) + _OBJECT * body.count(b"{") + _LIST * body.count(b"[") + _VALUE * body.count(b",")


def parse(body: bytes) -> Any:
    """Parse a request body; an empty one is null, text after the value is ignored.

    Raises
    ------
    MalformedBodyError
        For text that is not JSON, bare NaN, invalid UTF-8, and more values than can be written again.
    """
    if not body.strip():
        return None
    if body.count(b",") >= MOST_VALUES:
        raise MalformedBodyError(f"the request body holds more than {MOST_VALUES} values")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        if len(body) > LENIENT_BYTES:
            raise MalformedBodyError(f"request body cannot be parsed as JSON: {error}") from error
        return _parse_leniently(body)


def _parse_leniently(body: bytes) -> Any:
    # orjson refuses trailing text and numbers beyond double range, which render-ws accepts
    decoder = json.JSONDecoder(
        parse_int=lambda digits: int(digits) if len(digits) < 19 else float(digits),
        parse_constant=_refuse_constant,
    )
    try:
        value, _ = decoder.raw_decode(body.decode("utf-8").lstrip())
        orjson.dumps(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise MalformedBodyError(f"request body cannot be parsed as JSON: {error}") from error
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"non-standard token {name}")


@has_schema({"type": "number"})
def double(value: Any) -> float | str | None:
    """Read a floating point field: a number or a number as text; "" is absent."""
    kind = type(value)
    if kind is float:
        return value if math.isfinite(value) else json_double(value)
    if kind is int:
        return float(value)
    if kind is str:
        if not value.strip():
            return None
        number = double_or_none(value)
        if number is not None:
            return json_double(number)
    raise MalformedBodyError(f"{value!r} is not a valid number")


@has_schema({"type": "integer", "format": "int32", "minimum": SMALLEST_INT, "maximum": LARGEST_INT})
def integer(value: Any) -> int | None:
    """Read a 32-bit integer field: floats are truncated, "3.5" is refused, "" is absent."""
    if type(value) is str:
        if not value.strip():
            return None
        number = int32_or_none(value.strip())
    elif type(value) in (int, float) and math.isfinite(value):
        number = int(value)
    else:
        number = None
    if number is None or not SMALLEST_INT <= number <= LARGEST_INT:
        raise MalformedBodyError(f"{value!r} is not a valid 32-bit integer")
    return number


@has_schema({"type": "string"})
def text(value: Any) -> str:
    """Read a text field: numbers and booleans become text; a zero byte is refused."""
    if type(value) is str:
        if "\0" in value:
            raise MalformedBodyError(f"{value!r} holds a zero byte")
        return value
    if type(value) in (int, float, bool):
        return orjson.dumps(value).decode()
    raise MalformedBodyError(f"{value!r} is not text")


@has_schema({"type": "boolean"})
def boolean(value: Any) -> bool | None:
    """Read a flag: a boolean or its name as text; of integers, 0 is false. Blank text is absent."""
    if type(value) is str and value.strip() in ("", "true", "false", "True", "False", "TRUE", "FALSE"):
        return value.strip().lower() == "true" if value.strip() else None
    if type(value) not in (bool, int):
        raise MalformedBodyError(f"{str(value)[:80]!r} is neither true nor false")
    return bool(value)


def object_reader(
    fields: Fields, required: Sequence[str] = (), schemas: Mapping[str, Schema] = MappingProxyType({})
) -> Reader:
    """Reader of an object: fields in the given order, unknown ones and nulls left out.

    Parameters
    ----------
    required : sequence of str
        Fields that are required by the schema. The reader itself requires none.
    schemas : mapping
        Schemas of fields in place of those of their readers.
    """

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise MalformedBodyError(f"expected an object, got {str(value)[:80]!r}")
        get, result = value.get, {}
        for name, reader in fields:
            raw = get(name)
            if raw is not None:
                stored = reader(raw)
                if stored is not None:
                    result[name] = stored
        return result

    properties = {name: schemas.get(name, schema_of(reader)) for name, reader in fields}
    requirement = {"required": [*required]} if required else {}
    return has_schema({"type": "object", "properties": properties, **requirement})(read)


def in_order(fields: Fields, value: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an object that are not null, in the order in which they are written."""
    return {name: value[name] for name, _ in fields if value.get(name) is not None}


def map_reader(reader: Reader) -> Reader:
    """Reader of an object with any names; null entries are left out."""

    @has_schema({"type": "object", "additionalProperties": schema_of(reader)})
    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise MalformedBodyError(f"expected an object, got {str(value)[:80]!r}")
        return {text(name): reader(entry) for name, entry in value.items() if entry is not None}

    return read


def list_reader(reader: Reader) -> Reader:
    """Reader of a list; null entries stay null."""

    @has_schema({"type": "array", "items": schema_of(reader)})
    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise MalformedBodyError(f"expected a list, got {str(value)[:80]!r}")
        return [None if entry is None else reader(entry) for entry in value]

    return read


def full_list_reader(name: str, reader: Reader) -> Reader:
    """Reader of a list without nulls; `name` is used in the message."""
    read_list = list_reader(reader)

    @has_schema(schema_of(read_list))
    def read(value: Any) -> list[Any]:
        entries: list[Any] = read_list(value)
        if None in entries:
            raise MalformedBodyError(f"{name} holds a null")
        return entries

    return read


@has_schema({"type": "array", "items": schema_of(double)})
def numbers(value: Any) -> list[float | str]:
    """Read a list of numbers, of which none can be absent: null and "" are zero."""
    if type(value) is not list:
        raise MalformedBodyError(f"expected a list of numbers, got {str(value)[:80]!r}")
    if {*map(type, value)} <= {float} and all(map(math.isfinite, value)):
        return value
    return [0.0 if entry is None else double(entry) or 0.0 for entry in value]


_read_texts = list_reader(text)


@has_schema(schema_of(_read_texts))
def labels(value: Any) -> list[str]:
    """Read a set of texts; repeated ones are dropped."""
    return list(dict.fromkeys(_read_texts(value)))


def json_values(row: Row) -> dict[str, Any]:
    """A row of the database as JSON object: numbers that are not finite become text."""
    values = ((name, row[name]) for name in row.keys())  # noqa: SIM118
    return {name: json_double(value) if isinstance(value, float) else value for name, value in values}


def dump(value: Any) -> bytes:
    """Compact JSON; floats keep their fraction (`3407.0`)."""
    return orjson.dumps(value)
