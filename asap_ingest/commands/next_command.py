"""The last line that a successful command prints: the command to type next."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from asap_ingest.commands.program import typed_name
from asap_ingest.secrets import masked

_CONNECTION = ("host", "port", "owner", "project")


def command_line(command: str, *arguments: str, **options: Any) -> str:
    """A command with its values quoted for a shell; options that are None are left out."""
    given = [shlex.quote(masked(argument)) for argument in arguments]
    given += [
        f"--{name} {shlex.quote(masked(str(value)))}" for name, value in options.items() if value is not None
    ]
    return " ".join([typed_name(command), *given])


def say_next(line: str | None) -> None:
    """Print the next command, if there is one; a closed standard output is not an error."""
    if line and sys.stdout is not None:
        with suppress(OSError):
            sys.stdout.write(f"next: {line}\n")
            sys.stdout.flush()


def connection_options(render: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a connection that are not set by a config file, whose values are given by path, or by
    the environment."""
    # servers print a next command too, and start without the libraries of schemas and images
    from asap_ingest.commands.connection_schema import RENDER_ENVIRONMENT

    options: dict[str, Any] = {}
    for name in _CONNECTION:
        variables = (os.environ.get(variable) for variable in RENDER_ENVIRONMENT[name])
        of_environment = next((value for value in variables if value is not None), None)
        known = config.get(f"render.{name}", of_environment)
        if str(known) != str(render.get(name)):
            options[f"render.{name}"] = render.get(name)
    return options
