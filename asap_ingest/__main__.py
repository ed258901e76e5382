"""`asap-ingest`: lists the commands and runs them. Also `python -m asap_ingest`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from asap_ingest import __version__
from asap_ingest.commands.command_help import listing
from asap_ingest.commands.command_line import without_values
from asap_ingest.commands.command_table import COMMANDS, GROUPS
from asap_ingest.commands.program import program, program_name
from asap_ingest.errors import EXIT_BAD_INPUT, did_you_mean
from asap_ingest.secrets import masked


@program
def main(args: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; its exit code."""
    arguments = list(sys.argv[1:] if args is None else args)
    if arguments[:1] == ["help"]:
        arguments = [*arguments[1:2], "--help"]
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0
    if arguments[0] == "--version":
        sys.stdout.write(f"asap_ingest {__version__}\n")
        return 0
    name, *rest = arguments
    command = {known.lower(): known for known in COMMANDS}.get(name.lower().replace("-", "_"))
    if command is None:
        sys.stderr.write(f"{program_name()}: error: {_refusal(name)}\n")
        return EXIT_BAD_INPUT
    return int(import_module(f"asap_ingest.{command}").main(rest))


def _refusal(name: str) -> str:
    if name.startswith("-"):
        return f"{without_values(f'unrecognized arguments: {name}')}; a command comes first, see --help"
    near = did_you_mean(name, COMMANDS)
    shown = masked(name.partition("=")[0])
    return f"no command {shown!r}{near or '; there are ' + ', '.join(COMMANDS)}"


def usage() -> str:
    """The list of commands."""
    name = program_name()
    note = (
        "`-` and `_` are alike in names of commands and fields. Fields may also stand in a JSON file "
        "(--input_json FILE), and defaults for all commands in a TOML file (--config FILE, or the "
        "environment variable ASAP_INGEST_CONFIG). --version shows the version."
    )
    return (
        f"usage: {name} COMMAND [--field value ...]\n       {name} COMMAND --help\n\n{listing(GROUPS, note)}"
    )


if __name__ == "__main__":
    sys.exit(main())
