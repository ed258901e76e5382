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
from pathlib import Path
from typing import Any

from asap_ingest.errors import ParameterError, did_you_mean

VARIABLE = "ASAP_INGEST_CONFIG"


def config_defaults(path: str | None, command: str, names: Collection[str]) -> tuple[str, dict[str, Any]]:
    """(name of the config file for error messages, its values for a command by path, like `render.host`).

    Values in the command's own table replace those for all commands. Without a file, both are empty.

    Parameters
    ----------
    path : of the file; None: the one that the environment names, if any
    names : the parameters of the command, by path

    Raises
    ------
    ParameterError
        The file cannot be read, or is not TOML; a name in it is unknown: in the command's own table to the
        command, elsewhere to all of them.
    """
    from asap_ingest.commands.command_table import COMMANDS, parser_of

    given = path or os.environ.get(VARIABLE)
    if not given:
        return "", {}
    file = given if path else f"{given} (of {VARIABLE})"
    content = _read(given, file)
    table = content.get(command, {})
    if not isinstance(table, Mapping):
        raise ParameterError(file, f"{command}: must be a table, [{command}]")
    own = _parameters(table)
    for name in own:
        if name not in names:
            raise ParameterError(file, f"[{command}] {name}: is not a parameter{did_you_mean(name, names)}")
    shared = _parameters({name: value for name, value in content.items() if name not in COMMANDS})
    for name in shared:
        # commands are imported until one has it
        if name not in names and not any(name in parser_of(other).field_names for other in COMMANDS):
            near = did_you_mean(name, (*names, *COMMANDS))
            raise ParameterError(file, f"{name}: is not a parameter{near}")
    return file, {name: value for name, value in shared.items() if name in names} | own


def _read(path: str, file: str) -> dict[str, Any]:
    try:
        content = tomllib.loads(Path(path).expanduser().read_text(encoding="utf-8"))
    except OSError as error:
        raise ParameterError("config", f"{file}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ParameterError("config", f"{file}: is not TOML: {error}") from error
    return {key.replace("-", "_"): value for key, value in content.items()}


def _parameters(table: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a table by path, with `_` for `-`."""
    return {path.replace("-", "_"): value for path, value in by_path(table).items()}


def by_path(content: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a file by path: those in the object of the connection are like `render.host`."""
    connection = content.get("render")
    if not isinstance(connection, Mapping):
        return dict(content)
    others = {name: value for name, value in content.items() if name != "render"}
    return others | {f"render.{name}": value for name, value in connection.items()}


def nested(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `by_path`: parameters as an input JSON has them, `render.host` in an object."""
    content: dict[str, Any] = {}
    for path, value in parameters.items():
        name, _, inner = path.partition(".")
        if not inner:
            content[name] = value
        elif isinstance(content.get(name), dict):
            content[name][inner] = value
        else:
            content[name] = {inner: value}
    return content
