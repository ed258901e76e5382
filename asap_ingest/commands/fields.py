"""The types of fields that the schemas are made of, with their error messages."""

from __future__ import annotations

import ast
import math
import os
from typing import Any, ClassVar

from argschema.fields import LogLevel
from marshmallow import fields, missing, validate

from asap_ingest.storage.json_documents import parse_json

INT32_MAX = 2**31 - 1


class WholeNumber(fields.Integer):
    """A whole number, also as text or as a float like 2.0; 1.5 and true are refused, not truncated."""

    metavar = "N"

    default_error_messages = {
        "invalid": "must be a whole number",
        "required": "is required",
    }

    def _validated(self, value: Any) -> int:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class ZValue(WholeNumber):
    """The z of a section: documented as a whole number; fractions are accepted too."""

    metavar = "Z"

    default_error_messages = {"invalid": "must be a number"}

    def _validated(self, value: Any) -> Any:
        try:
            z = float(value)
        except (TypeError, ValueError) as error:
            raise self.make_error("invalid", input=value) from error
        if isinstance(value, bool) or not math.isfinite(z):
            raise self.make_error("invalid", input=value)
        return int(z) if z.is_integer() else z


class LogLevelName(LogLevel):
    """A level of Python's logging, in any case."""

    metavar = "DEBUG|INFO|WARNING|ERROR|CRITICAL"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return super()._deserialize(value.upper() if isinstance(value, str) else value, attr, data, **kwargs)


class Flag(fields.Boolean):
    """true or false; argschema would take only Python's spelling on the command line."""

    metavar = "true|false"

    default_error_messages = {"invalid": "must be true or false"}


class Text(fields.String):
    """Any text."""

    metavar = "TEXT"

    default_error_messages = {"invalid": "must be text", "required": "is required"}


class ZValues(fields.List):
    """z values: a JSON list, one number, or text like `1,2,5`."""

    metavar = "Z,Z,..."

    default_error_messages = {"invalid": "must be a list of numbers"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(fields.Float(error_messages={"invalid": "must be a number"}), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, list) and value and all(isinstance(part, str) for part in value):
            value = ",".join(part.strip(",") for part in value)  # of a command line: 1 2, or 1,2
        if isinstance(value, str):
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError) as error:
                raise self.make_error("invalid") from error
        if isinstance(value, int | float | tuple):
            value = list(value) if isinstance(value, tuple) else [value]
        return super()._deserialize(value, attr, data, **kwargs)


class JsonObject(fields.Raw):
    """A JSON object; on the command line its text."""

    metavar = "JSON"

    default_error_messages = {"invalid": "must be a JSON object"}

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            try:
                value = parse_json(value)
            except ValueError as error:
                raise self.make_error("invalid") from error
        if not isinstance(value, dict):
            raise self.make_error("invalid")
        return value


class FileNames(fields.Field):
    """A pattern of file names, or a list of patterns and names."""

    metavar = "PATTERN"

    default_error_messages = {
        "invalid": "must be a file name or pattern, or a list of them",
        "required": "is required",
    }

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        values = value if isinstance(value, list) else [value]
        if not values or not all(isinstance(name, str) and name for name in values):
            raise self.make_error("invalid")
        return [os.path.expanduser(name) for name in values]  # noqa: PTH111


class FolderName(Text):
    """A path or URI; `~` is the home folder, also where no shell has replaced it."""

    metavar = "FOLDER"

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        return os.path.expanduser(super()._deserialize(value, attr, data, **kwargs))  # noqa: PTH111


class Triple(fields.List):
    """Three numbers x, y, z: a JSON list, or text like `4,4,40`; `allowed` validates each of them."""

    metavar = "X,Y,Z"
    number: ClassVar[type[fields.Field]] = WholeNumber

    default_error_messages = {"invalid": "must be three numbers, x,y,z"}

    def __init__(self, allowed: validate.Validator, **kwargs: Any) -> None:
        super().__init__(self.number(validate=allowed), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            value = [part.strip() for part in value.strip("[]()").split(",")]
        if not isinstance(value, list | tuple) or len(value) != 3:
            raise self.make_error("invalid")
        return tuple(super()._deserialize(list(value), attr, data, **kwargs))


class NotRead(fields.Raw):
    """A field that is accepted and ignored."""


def from_to(minimum: int, maximum: int) -> validate.Range:
    return validate.Range(minimum, maximum, error=f"must be from {minimum} to {maximum}")


def at_least(minimum: int) -> validate.Range:
    return from_to(minimum, INT32_MAX)


def one_of(choices: Any) -> validate.OneOf:
    return validate.OneOf(sorted(choices), error="must be one of {choices}")


#: render-ws refuses other names with 400.
RENDER_NAME = validate.Regexp(
    r"^[A-Za-z0-9]+(_[A-Za-z0-9]+)*$",
    error="must be letters and digits, in parts joined by single underscores",
)


def required(kind: type[fields.Field], description: str, **kwargs: Any) -> Any:
    """A field that must be given."""
    return optional(kind, description, required=True, **kwargs)


def optional(
    kind: type[fields.Field],
    description: str,
    *,
    note: str = "",
    metavar: str = "",
    default: Any = missing,
    **kwargs: Any,
) -> Any:
    """A field that may be left out, and then has the value `default`.

    `note` corrects a description that is outdated, but has to stay as it is documented. `metavar` replaces
    the one of the field's type.
    """
    words = {"description": description, "note": note, "metavar": metavar}
    if default is not missing:
        kwargs |= {"dump_default": default, "load_default": default}
    return kind(metadata={name: text for name, text in words.items() if text}, **kwargs)
