"""A TOML file of defaults: those of all commands, the connection in `[render]`, a table for each command.

    pool_size = 8                  # of every command that has it

    [render]
    host = "em1"
    owner = "lab"

    [generate_mipmaps]
    imgformat = "png"

`-` and `_` are alike in its names.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asap_ingest.errors import ParameterError, did_you_mean

VARIABLE = "ASAP_INGEST_CONFIG"

#: name of a field -> names of the fields inside it; empty for a value of any type.
FieldNames = Mapping[str, Collection[str]]


@dataclass(frozen=True)
class ConfigFile:
    """The content of a config file; `name` stands for it in errors."""

    name: str
    content: Mapping[str, Any]

    def defaults(self, command: str, names: FieldNames) -> dict[str, Any]:
        """The values for a command: those of its own table replace those for all commands.

        Parameters
        ----------
        names : the fields of the command

        Raises
        ------
        ParameterError
            Names the file and an unknown name in it: of any command, or of this one in its own table.
        """
        from asap_ingest.commands.command_table import COMMANDS

        own = self.content.get(command, {})
        if not isinstance(own, Mapping):
            raise ParameterError(self.name, f"{command}: must be a table, [{command}]")
        self._check_names(own, names, f"[{command}] ")
        shared = {name: value for name, value in self.content.items() if name not in COMMANDS}
        unknown = [name for name in shared if name not in names and not _is_known(name)]
        self._check_names(dict.fromkeys(unknown), dict.fromkeys((*names, *COMMANDS), ()), "")
        shared = {name: value for name, value in shared.items() if name in names}
        self._check_inner_names(shared, names)
        return _merged(shared, own)

    def _check_names(self, table: Mapping[str, Any], names: FieldNames, where: str) -> None:
        for name in table:
            if name not in names:
                near = did_you_mean(name, names)
                raise ParameterError(self.name, f"{where}{name}: is not a parameter{near}")
        self._check_inner_names(table, names, where)

    def _check_inner_names(self, table: Mapping[str, Any], names: FieldNames, where: str = "") -> None:
        for name, inner in names.items():
            value = table.get(name)
            if inner and isinstance(value, Mapping):
                self._check_names(value, dict.fromkeys(inner, ()), f"{where}[{name}] ")


def config_file(path: str | None) -> ConfigFile | None:
    """The config file at a path, or else the one that the environment names; None without either.

    Raises
    ------
    ParameterError
        It cannot be read, or is not TOML.
    """
    given = path or os.environ.get(VARIABLE)
    if not given:
        return None
    name = given if path else f"{given} (of {VARIABLE})"
    try:
        content = tomllib.loads(Path(given).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError("config", f"{name}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError("config", f"{name}: is not TOML: {error}") from error
    return ConfigFile(name, _with_underscores(content, depth=2))


def _with_underscores(table: Mapping[str, Any], depth: int) -> dict[str, Any]:
    """Replace hyphens in the names of fields, commands, and entries of their tables, not deeper."""
    return {
        name.replace("-", "_"): _with_underscores(value, depth - 1)
        if depth > 1 and isinstance(value, Mapping) and name != "storage_options"
        else value
        for name, value in table.items()
    }


def _is_known(name: str) -> bool:
    """Whether any command has a field of that name; imports commands until one has."""
    from asap_ingest.commands.command_table import COMMANDS, parser_of

    return any(name in parser_of(command).field_names for command in COMMANDS)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    for name in below.keys() & above.keys():
        if isinstance(below[name], Mapping) and isinstance(above[name], Mapping):
            merged[name] = _merged(below[name], above[name])
    return merged
