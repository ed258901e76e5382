"""The parser of a step, made from its schema: a flag for each field, with its default and choices."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from typing import Any

from marshmallow import Schema, fields, missing, validate

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.common_schemas import AliasedSchema
from asap_ingest.commands.connection_schema import RENDER_ENVIRONMENT
from asap_ingest.commands.fields import INT32_MAX, FileNames, Flag, NotRead, ZValues

#: Longer choices are listed in the help text, not as metavar.
_LONGEST_METAVAR = 40
#: How documented descriptions state a default, which help must not repeat.
_DEFAULT_WORDS = re.compile(r"(?:, default is |\s*\(default(?: is|:)? )([^()]+)\)?$")
_ENDINGS = {"_json": "FILE", "file": "FILE", "_dir": "FOLDER", "_directory": "FOLDER"}
_CONNECTION = "render"
_NEEDED_OF_CONNECTION = ("host", "port", "owner", "project")


class SchemaParser(CommandParser):
    """A parser with a flag for each field of a schema; values stay text, which the schema converts."""

    def __init__(self, command: str, schema: AliasedSchema) -> None:
        older = {old: new for old, new in schema.aliases.items() if old not in schema.fields}
        super().__init__(command, type(schema).__doc__, schema.common, older)
        self._schema = schema
        for path, field in fields_by_path(schema):
            self._add_field(path, field)
        if self.groups["connection"]._group_actions:
            variables = ", ".join(RENDER_ENVIRONMENT[name][0] for name in _NEEDED_OF_CONNECTION)
            self.groups["connection"].description = (
                f"{', '.join(_NEEDED_OF_CONNECTION)} are required: here, in the input JSON, in [render] of a "
                f"config file, or in the environment ({variables})."
            )
        unread = [f"--{path}" for path, field in fields_by_path(schema) if isinstance(field, NotRead)]
        old = f" Accepted from older input and not read: {', '.join(unread)}." if unread else ""
        self.epilog = (
            "All fields may stand in the input JSON, over which the command line wins. `-` and `_` are "
            f"alike: --input-json is --input_json. true may be left out after a flag.{old}"
        )

    def _add_field(self, path: str, field: fields.Field) -> None:
        how: dict[str, Any] = {"nargs": "?", "const": "true"} if isinstance(field, Flag) else {}
        if isinstance(field, ZValues | FileNames):
            how["nargs"] = "+"
        words = argparse.SUPPRESS if isinstance(field, NotRead) else field_help(field, path)
        group: argparse._ActionsContainer = self
        if path.startswith(f"{_CONNECTION}."):
            group = self.groups["connection"]
        elif field.required and field.dump_default is missing:
            group = self.groups["required"]
        group.add_argument(
            f"--{path}", dest=path, metavar=metavar_of(field, path), help=words.replace("%", "%%"), **how
        )

    def take_defaults(self, arguments: Sequence[str]) -> None:
        """Do nothing: a step merges the config file itself, as input JSON comes before it."""


def fields_by_path(schema: Schema, path: str = "") -> Iterator[tuple[str, fields.Field]]:
    """(path, field) of the fields that have a flag; paths of nested ones are like `render.host`."""
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
    facts, default = list(_allowed(field, path)), _as_typed(field.dump_default)
    if stated and stated[1].lower() != default.lower():
        default = stated[1]  # like `one per core`, which explains the number
    if default:
        facts.append(f"default: {default}")
    return words + (f". {note}" if note else "") + (f" ({'; '.join(facts)})" if facts else "")


def _allowed(field: fields.Field, path: str) -> Iterator[str]:
    """Choices and range of a field, in words."""
    choices = choices_of(field)
    if choices and "|".join(choices) != metavar_of(field, path):
        yield f"one of {', '.join(choices)}"
    for allowed in field.validators:
        if isinstance(allowed, validate.Range) and allowed.max not in (None, INT32_MAX):
            yield f"{allowed.min:g} to {allowed.max:g}"
        elif isinstance(allowed, validate.Range) and allowed.min is not None:
            yield f"at least {allowed.min:g}" if allowed.min_inclusive else f"above {allowed.min:g}"
    if path == "pool_size":
        yield "never more than the cores that can be used"


def _as_typed(value: Any) -> str:
    """A value as it is typed on a command line; empty if there is none."""
    if value in (missing, None, {}):
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(_as_typed, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
