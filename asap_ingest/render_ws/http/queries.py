"""Queries of requests: a dataclass that declares the parameters, by which they are read and documented."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Self
from urllib.parse import parse_qs

from asap_ingest.render_ws.wire.java_numbers import double_or_none, int32_or_none
from asap_ingest.render_ws.wire.json_types import Schema
from asap_ingest.render_ws.wire.problems import NotFoundError


class IllTypedError(NotFoundError):
    """A value in path or query has the wrong type: answered with 404 and no body."""


@dataclass(frozen=True)
class ValueType:
    """Type of a parameter: how its text is read, and its JSON schema."""

    read: Callable[[str], Any]
    schema: Schema
    is_list: bool = False

    def read_all(self, texts: Sequence[str]) -> Any:
        """The value of a parameter from its texts in the query, one or more."""
        values = tuple(map(self.read, texts))
        return values if self.is_list else values[0]


def read_double(text: str) -> float:
    """Read a number; IllTypedError for anything else."""
    value = double_or_none(text)
    if value is None:
        raise IllTypedError(f"{text!r} is not a number")
    return value


def read_int32(text: str) -> int:
    """Read a 32-bit integer; IllTypedError for anything else."""
    value = int32_or_none(text)
    if value is None:
        raise IllTypedError(f"{text!r} is not a 32-bit integer")
    return value


def _read_flag(text: str) -> bool:
    # any other text is false in render-ws
    return text.lower() == "true"


_TEXT: Schema = {"type": "string"}
_DOUBLE: Schema = {"type": "number", "format": "double"}
#: By the annotation of a field. Of several values of one parameter the first counts, unless it is a list.
TYPES = {
    "bool | None": ValueType(_read_flag, {"type": "boolean"}),
    "float | None": ValueType(read_double, _DOUBLE),
    "int | None": ValueType(read_int32, {"type": "integer", "format": "int32"}),
    "str | None": ValueType(str, _TEXT),
    "tuple[float, ...]": ValueType(read_double, {"type": "array", "items": _DOUBLE}, True),
    "tuple[str, ...]": ValueType(str, {"type": "array", "items": _TEXT}, True),
}


@dataclass(frozen=True)
class Query:
    """A query without parameters; subclasses declare theirs as fields that have a default.

    The field `min_z` is the parameter `minZ`. Parameters that are not declared are ignored.
    """

    @classmethod
    def read(cls, text: str) -> Self:
        """The query of a request; IllTypedError for a value of the wrong type."""
        texts = parse_qs(text, keep_blank_values=True) if text else {}
        given = {name: known for name, known in _declared(cls).items() if name in texts}
        return cls(**{field: kind.read_all(texts[name]) for name, (field, kind) in given.items()})

    @classmethod
    def parameters(cls) -> dict[str, ValueType]:
        """Types of the parameters by their names in a request."""
        return {name: kind for name, (_, kind) in _declared(cls).items()}

    def by_parameter(self) -> dict[str, Any]:
        """The values by their names in a request."""
        return {name: getattr(self, field) for name, (field, _) in _declared(type(self)).items()}


#: Results of `_declared`, which takes longer than reading a query: every image request does that.
_DECLARED: dict[type[Query], dict[str, tuple[str, ValueType]]] = {}


def _declared(query: type[Query]) -> dict[str, tuple[str, ValueType]]:
    """Fields and types of the parameters by their names in a request."""
    if query not in _DECLARED:
        _DECLARED[query] = {
            _camel_case(field.name): (field.name, TYPES[str(field.type)]) for field in fields(query)
        }
    return _DECLARED[query]


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))


@dataclass(frozen=True)
class ZRange(Query):
    """Limits of z, both included."""

    min_z: float | None = None
    max_z: float | None = None

    def holds(self, z: float) -> bool:
        """Whether a z is within the limits."""
        return (self.min_z is None or z >= self.min_z) and (self.max_z is None or z <= self.max_z)
