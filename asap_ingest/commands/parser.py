"""The parser of a step, made from its schema: a flag for each field, with its default and choices."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from marshmallow import Schema, fields, missing, validate

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.config_file import FieldNames
from asap_ingest.commands.connection_schema import RENDER_ENVIRONMENT
from asap_ingest.commands.fields import INT32_MAX, Flag, NotRead, Places, ZValues
from asap_ingest.execution.machine_resources import usable_cores

#: Longer choices are listed in the help text, not as metavar.
_LONGEST_METAVAR = 40
#: The default in a description, as documented ones have it: help shows it once.
_DEFAULT_WORDS = re.compile(r"(?:, default is |\s*\(default(?: is|:)? )([^()]+)\)?$")
_ENDINGS = {"_json": "FILE", "file": "FILE", "_dir": "FOLDER", "_directory": "FOLDER"}
_CONNECTION = "render"
_NEEDED_OF_CONNECTION = ("host", "port", "owner", "project")


class SchemaParser(CommandParser):
    """A parser of the fields of a schema; values stay texts, which the schema reads.

    A schema may name the fields that most users need in its attribute `common`.
    """

    def __init__(self, command: str, schema: Schema) -> None:
        super().__init__(command, type(schema).__doc__, common_fields(type(schema)))
        self.aliases: Mapping[str, str] = {
            old: new for old, new in getattr(schema, "aliases", {}).items() if old not in schema.fields
        }
        self._fields = dict(fields_by_path(schema))
        self._schema = schema
        unread = []
        for path, field in self._fields.items():
            if isinstance(field, NotRead):
                unread.append(f"--{path}")
            self._add_field(path, field)
        old = f" Accepted from older input and not read: {', '.join(unread)}." if unread else ""
        self.epilog = (
            "All fields may stand in the input JSON, over which the command line wins. `-` and `_` are "
            f"alike: --input-json is --input_json. true may be left out after a flag.{old}"
        )

    def _add_field(self, path: str, field: fields.Field) -> None:
        how: dict[str, Any] = {"nargs": "?", "const": "true"} if isinstance(field, Flag) else {}
        if isinstance(field, ZValues | Places):
            how["nargs"] = "+"
        words = argparse.SUPPRESS if isinstance(field, NotRead) else field_help(field, path)
        self.add_argument(
            f"--{path}", dest=path, metavar=metavar_of(field, path), help=words.replace("%", "%%"), **how
        )

    def flag_name(self, name: str) -> str:
        """Today's name for older ones too."""
        spelled = super().flag_name(name)
        return self.aliases.get(spelled, spelled)

    @property
    def field_names(self) -> FieldNames:
        nested = {
            name: tuple(field.schema.fields)
            for name, field in self._schema.fields.items()
            if isinstance(field, fields.Nested)
        }
        return dict.fromkeys([*self._schema.fields, *self.aliases], ()) | nested

    def take_defaults(self, arguments: Sequence[str]) -> None:
        """Do nothing: values of an input JSON replace those of a config file, so a step merges them."""

    def title_of(self, action: argparse.Action) -> str:
        field = self._fields.get(action.dest)
        if action.dest.startswith(f"{_CONNECTION}."):
            return "connection"
        if field is not None and field.required and field.dump_default is missing:
            return "required"
        return super().title_of(action)

    @property
    def notes(self) -> Mapping[str, str]:
        variables = ", ".join(RENDER_ENVIRONMENT[name][0] for name in _NEEDED_OF_CONNECTION)
        return {
            "connection": f"{', '.join(_NEEDED_OF_CONNECTION)} are required: here, in the input JSON, in "
            f"[render] of a config file, or in the environment ({variables})."
        }


def common_fields(schema: type[Schema]) -> list[str]:
    """The `common` fields of a schema and its bases, its own first."""
    return list(dict.fromkeys(name for kind in schema.__mro__ for name in vars(kind).get("common", ())))


def fields_by_path(schema: Schema, path: str = "") -> Iterator[tuple[str, fields.Field]]:
    """(name, field) of the fields on a command line; names of inner ones are like `render.host`."""
    for name, field in schema.fields.items():
        if isinstance(field, fields.Nested):
            yield from fields_by_path(field.schema, f"{path}{name}.")
        elif not isinstance(field, fields.Dict):
            yield f"{path}{name}", field


def metavar_of(field: fields.Field, path: str) -> str:
    """The metavar of a field: its choices, or its type."""
    if "metavar" in field.metadata:
        return str(field.metadata["metavar"])
    choices = "|".join(choices_of(field))
    if choices and len(choices) <= _LONGEST_METAVAR:
        return choices
    kind = getattr(field, "metavar", None)
    if kind is None:
        return "NUMBER" if isinstance(field, fields.Number) else "TEXT"
    if kind == "TEXT":
        if any(isinstance(validator, validate.Regexp) for validator in field.validators):
            return "NAME"
        return next((word for ending, word in _ENDINGS.items() if path.endswith(ending)), "TEXT")
    return str(kind)


def choices_of(field: fields.Field) -> list[str]:
    """The choices of a field; empty where it has none."""
    if isinstance(field, Flag):
        return ["true", "false"]
    listed = (validator for validator in field.validators if isinstance(validator, validate.OneOf))
    return next(([str(choice) for choice in validator.choices] for validator in listed), [])


def field_help(field: fields.Field, path: str) -> str:
    """Description, the note that corrects it, then range and default, each once."""
    words = " ".join(field.metadata.get("description", "").split())
    stated = _DEFAULT_WORDS.search(words)
    words = words[: stated.start()] if stated else words
    words = words if words.endswith("...") else words.removesuffix(".")
    note = field.metadata.get("note")
    facts = [*_allowed(field, path), *_default(field, stated[1] if stated else None)]
    return words + (f". {note}" if note else "") + (f" ({'; '.join(facts)})" if facts else "")


def _allowed(field: fields.Field, path: str) -> Iterator[str]:
    choices = choices_of(field)
    if choices and "|".join(choices) != metavar_of(field, path):
        yield f"one of {', '.join(choices)}"
    for validator in field.validators:
        if isinstance(validator, validate.Range) and (validator.min, validator.max) != (None, None):
            yield _range(validator)
    if path == "pool_size":
        yield f"never more than can be used here: {usable_cores()}"


def _range(allowed: validate.Range) -> str:
    if allowed.max in (None, INT32_MAX):
        return f"at least {allowed.min:g}" if allowed.min_inclusive else f"above {allowed.min:g}"
    return f"{allowed.min:g} to {allowed.max:g}"


def _default(field: fields.Field, stated: str | None) -> Iterator[str]:
    default = field.dump_default
    shown = "" if default in (missing, None, {}, ()) else _as_typed(default)
    if stated is not None and stated.lower() != shown.lower():
        yield f"default: {stated}"  # like `one per core`, which explains the number
    elif shown:
        yield f"default: {shown}"


def _as_typed(value: Any) -> str:
    """A value as it is typed on a command line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(_as_typed, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
