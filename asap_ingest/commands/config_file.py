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


@dataclass(frozen=True)
class ConfigFile:
    """The content of a config file; `name` stands for it in errors."""

    name: str
    content: Mapping[str, Any]

    def defaults(self, command: str, names: Collection[str]) -> dict[str, Any]:
        """The values for a command by path, like `render.host`: those of its own table replace the others.

        Parameters
        ----------
        names : the parameters of the command, by path

        Raises
        ------
        ParameterError
            Names the file and an unknown name in it: of any command, or of this one in its own table.
        """
        from asap_ingest.commands.command_table import COMMANDS, parser_of

        table = self.content.get(command, {})
        if not isinstance(table, Mapping):
            raise ParameterError(self.name, f"{command}: must be a table, [{command}]")
        own = _by_path(table)
        for path in own:
            if path not in names:
                raise self._unknown(f"[{command}] ", path, names)
        shared = _by_path({name: value for name, value in self.content.items() if name not in COMMANDS})
        for path in shared:
            # commands are imported until one has it
            if path not in names and not any(path in parser_of(other).field_names for other in COMMANDS):
                raise self._unknown("", path, (*names, *COMMANDS))
        return {path: value for path, value in shared.items() if path in names} | own

    def _unknown(self, where: str, path: str, known: Collection[str]) -> ParameterError:
        return ParameterError(self.name, f"{where}{path}: is not a parameter{did_you_mean(path, known)}")


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
    return ConfigFile(name, {key.replace("-", "_"): value for key, value in content.items()})


def _by_path(table: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a table with `_` in their names; those of the connection are like `render.host`."""
    values: dict[str, Any] = {}
    for key, value in table.items():
        name = key.replace("-", "_")
        if name == "render" and isinstance(value, Mapping):
            values |= {f"render.{inner.replace('-', '_')}": each for inner, each in value.items()}
        else:
            values[name] = value
    return values
