"""Print a script by which a shell completes commands, flags, their choices, and files.

For bash, then for zsh (in a folder of $fpath) and fish:

  asap-ingest completion bash > ~/.local/share/bash-completion/completions/asap-ingest
  asap-ingest completion zsh > ~/.zfunc/_asap-ingest
  asap-ingest completion fish > ~/.config/fish/completions/asap-ingest.fish
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.program import program
from asap_ingest.errors import EXIT_DONE

SHELLS = ("bash", "zsh", "fish")
#: What stands for a value of which all choices are known, like `tif|png`.
_CHOICES = "|"


@program
def main(args: Sequence[str] | None = None) -> int:
    """Run as a program; the exit code."""
    arguments = build_parser().parse_args(args)
    sys.stdout.write(f"{script(arguments.shell)}\n")
    return EXIT_DONE


def build_parser() -> CommandParser:
    parser = CommandParser("completion", __doc__)
    parser.add_argument(
        "shell", choices=SHELLS, metavar="bash|zsh|fish", help="the shell that is to complete"
    )
    return parser


def script(shell: str) -> str:
    """The script for one of `SHELLS`."""
    import shtab

    from asap_ingest.commands.command_table import COMMANDS, parser_of

    def parser(prog: str) -> CommandParser:
        """The parser that argparse uses for `asap-ingest COMMAND`."""
        made = parser_of(prog.rpartition(" ")[2])
        made.prog = prog
        for action in made._actions:
            _set_completion(action)
        return made

    # it is completed, and never parses anything
    whole = CommandParser("", None)
    whole.prog = "asap-ingest"
    commands = whole.add_subparsers(parser_class=parser)  # type: ignore[call-overload]
    for command, what in COMMANDS.items():
        commands.add_parser(command, help=what)
    return str(shtab.complete(whole, shell))


def _set_completion(action: argparse.Action) -> None:
    """Have an argument complete files, folders or its choices, depending on its metavar."""
    import shtab

    kinds = {"FILE": shtab.FILE, "PATH": shtab.FILE, "PATTERN": shtab.FILE}
    kinds |= {"FOLDER": shtab.DIRECTORY, "DIR|URL": shtab.DIRECTORY}
    metavar = str(action.metavar or "")
    if metavar in kinds or getattr(action.type, "__name__", "") == "Path":
        action.complete = kinds.get(metavar, shtab.FILE)  # type: ignore[attr-defined]
    elif _CHOICES in metavar and action.choices is None:
        action.choices = metavar.split(_CHOICES)
