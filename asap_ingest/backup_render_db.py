"""Copy the database of a render service, which may be running.

The copy is the database at one moment, in one file; the service goes on reading and writing. The file TO must
not exist yet.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.program import command_line, program, say_next
from asap_ingest.errors import EXIT_DONE
from asap_ingest.render_ws.store import back_up


@program
def main(args: Sequence[str] | None = None) -> int:
    """Run as a program; returns the exit code."""
    given = build_parser().parse_args(args)
    size = back_up(given.database, given.backup)
    sys.stdout.write(f"{given.backup}: {size / 1e6:.1f} MB\n")
    say_next(command_line("serve_render", database=given.backup))
    return EXIT_DONE


def build_parser() -> CommandParser:
    parser = CommandParser("backup_render_db", __doc__)
    parser.add_argument("database", metavar="FROM", type=Path, help="database file of a render service")
    parser.add_argument("backup", metavar="TO", type=Path, help="file to be made")
    return parser


if __name__ == "__main__":
    sys.exit(main())
