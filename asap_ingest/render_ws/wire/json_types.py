"""JSON as render-ws reads and writes it: what is accepted for which type, what comes out.

A reader takes one parsed JSON value (never null) and gives the value to store, or None for "absent".
Numbers that are not finite travel as texts (`"NaN"`, `"Infinity"`, `"-Infinity"`), as JSON has none.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from asap_ingest.render_ws.wire.problems import IllegalArgumentError

Reader = Callable[[Any], Any]
Fields = Sequence[tuple[str, Reader]]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
INT32 = range(-(2**31), 2**31)
#: Digits are taken once and for all (`++`): that thousands of them are no number shows at once.
DOUBLE_PATTERN = (
    r"[+-]?(?:NaN|Infinity|0[xX](?:[0-9a-fA-F]++(?:\.[0-9a-fA-F]*+)?|\.[0-9a-fA-F]++)[pP][+-]?[0-9]++[fFdD]?"
    r"|(?:[0-9]++(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?[fFdD]?)"
)
_DOUBLE = re.compile(DOUBLE_PATTERN)
_INTEGER = re.compile("[+-]?[0-9]+")
_DATE = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)\.(\d{1,12})Z")
_BLANKS = "".join(map(chr, range(33)))
#: A longer body is JSON as orjson reads it, or none: another way takes seconds, with the lock held.
LENIENT_BYTES = 2**24
#: A list of a ninth of 2**30 entries ends the process when orjson writes it.
MOST_VALUES = 10**8


class MalformedBodyError(IllegalArgumentError):
    """The body is no JSON, or not JSON of the wanted type: 400 with an HTML text, as from render-ws."""


def parsed_bytes(body: bytes) -> int:
    """About how much memory the values of a JSON text take, judged by what begins and separates them.

    Of tile specs it is six times their text, and about a fifth more than they take; of text that was made to
    take much, like `[{},{},...`, up to ninety times.
    """
    return len(body) + _OBJECT * body.count(b"{") + _LIST * body.count(b"[") + _VALUE * body.count(b",")


#: An object with a first entry, a list, a value with its place in either: bytes.
_OBJECT, _LIST, _VALUE = 240, 88, 64


def parse(body: bytes) -> Any:
    """Parse a request body; an empty one is null, text after the value is ignored.

    Raises
    ------
    MalformedBodyError
        For text that is no JSON, bare NaN and invalid UTF-8; for more values than can be written again.
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
    # orjson refuses trailing text and numbers beyond double range, which render-ws takes
    decoder = json.JSONDecoder(parse_int=_big_integer, parse_constant=_refuse_constant)
    try:
        value, _ = decoder.raw_decode(body.decode("utf-8").lstrip())
        orjson.dumps(value)
    except (ValueError, TypeError, RecursionError) as error:
        raise MalformedBodyError(f"request body cannot be parsed as JSON: {error}") from error
    return value


def _big_integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 19 else float(digits)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"non-standard token {name}")


def parse_double(text: str) -> float | None:
    """Parse a number as Java's Double.parseDouble does; None for anything else."""
    trimmed = text.strip(_BLANKS)
    if not _DOUBLE.fullmatch(trimmed):
        return None
    if trimmed.lstrip("+-")[:2].lower() != "0x":
        return float(trimmed.rstrip("dDfF"))
    try:
        return float.fromhex(trimmed.rstrip("dDfF"))
    except OverflowError:
        return -math.inf if trimmed[0] == "-" else math.inf


def parse_integer(text: str) -> int | None:
    """Parse a 32-bit integer; None for anything else, also for one out of range."""
    value = int(text) if _INTEGER.fullmatch(text) and len(text) < 20 else None
    return value if value is not None and value in INT32 else None


def json_double(value: float) -> float | str:
    """The JSON form of a number: itself, or a text when it is not finite."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


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
        number = parse_double(value)
        if number is not None:
            return json_double(number)
    raise MalformedBodyError(f"{value!r} is not a valid number")


def integer(value: Any) -> int | None:
    """Read a 32-bit integer field: floats are truncated, "3.5" is refused, "" is absent."""
    if type(value) is str:
        if not value.strip():
            return None
        number = parse_integer(value.strip())
    elif type(value) in (int, float) and math.isfinite(value):
        number = int(value)
    else:
        number = None
    if number is None or number not in INT32:
        raise MalformedBodyError(f"{value!r} is not a valid 32-bit integer")
    return number


def text(value: Any) -> str:
    """Read a text field: numbers and booleans become text; a zero byte is refused."""
    if type(value) is str:
        if "\0" in value:
            raise MalformedBodyError(f"{value!r} holds a zero byte")
        return value
    if type(value) in (int, float, bool):
        return orjson.dumps(value).decode()
    raise MalformedBodyError(f"{value!r} is not a text")


def one_of(*names: str) -> Reader:
    """Reader of a text that must be one of the names."""

    def read(value: Any) -> str:
        if value not in names:
            raise MalformedBodyError(f"{str(value)[:80]!r} is none of {', '.join(names)}")
        return str(value)

    return read


def date(value: Any) -> str | None:
    """Read a time stamp: `2024-05-01T10:00:00.5Z` (fraction = milliseconds), or epoch milliseconds."""
    try:
        if type(value) is int:
            return format_date(value)
        if type(value) is str:
            return None if not value.strip() else format_date(_epoch_milliseconds(value))
    except (OverflowError, ValueError) as error:
        raise MalformedBodyError(f"{value!r} is not a valid date: {error}") from error
    raise MalformedBodyError(f"{value!r} is not a valid date")


def _epoch_milliseconds(value: str) -> int:
    match = _DATE.fullmatch(value)
    if match is None:
        raise ValueError("expected the form yyyy-MM-ddTHH:mm:ss.SSSZ")
    year, month, day, hour, minute, second, fraction = map(int, match.groups())
    # days, months and the rest roll over: February 30 is March 1
    first = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1, tzinfo=UTC)
    moment = first + timedelta(
        days=day - 1, hours=hour, minutes=minute, seconds=second, milliseconds=fraction
    )
    return (moment - EPOCH) // timedelta(milliseconds=1)


def format_date(milliseconds: int) -> str:
    """Epoch milliseconds as `yyyy-MM-ddTHH:mm:ss.SSSZ` in UTC."""
    moment = EPOCH + timedelta(milliseconds=milliseconds)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"


def object_reader(fields: Fields) -> Reader:
    """Reader of an object: fields in the given order, unknown ones and nulls left out."""

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise MalformedBodyError(f"an object is wanted where {str(value)[:80]!r} stands")
        found = {}
        for name, reader in fields:
            raw = value.get(name)
            if raw is not None and (stored := reader(raw)) is not None:
                found[name] = stored
        return found

    return read


def map_reader(reader: Reader) -> Reader:
    """Reader of an object with any names; null entries are left out."""

    def read(value: Any) -> dict[str, Any]:
        if type(value) is not dict:
            raise MalformedBodyError(f"an object is wanted where {str(value)[:80]!r} stands")
        return {text(name): reader(entry) for name, entry in value.items() if entry is not None}

    return read


def list_reader(reader: Reader) -> Reader:
    """Reader of a list; null entries stay null."""

    def read(value: Any) -> list[Any]:
        if type(value) is not list:
            raise MalformedBodyError(f"a list is wanted where {str(value)[:80]!r} stands")
        return [None if entry is None else reader(entry) for entry in value]

    return read


def full_list_reader(name: str, reader: Reader) -> Reader:
    """Reader of a list that may hold no null; `name` is that of the list."""
    read_list = list_reader(reader)

    def read(value: Any) -> list[Any]:
        entries: list[Any] = read_list(value)
        if None in entries:
            raise MalformedBodyError(f"{name} holds a null")
        return entries

    return read


def labels(value: Any) -> list[str]:
    """Reader of a set of texts; repeated ones are dropped."""
    return list(dict.fromkeys(list_reader(text)(value)))


def dump(value: Any) -> bytes:
    """Compact JSON; floats keep their fraction (`3407.0`)."""
    return orjson.dumps(value)
