"""Make the database of a render service smaller after large deletions.

A deletion leaves room in the file, which later tiles fill; this gives it back to the disk. A service may be
running: its readers go on, its writers wait. The disk needs room for a second copy meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.program import command_line, program, say_next
from asap_ingest.errors import EXIT_DONE
from asap_ingest.render_ws.store import give_back_space


@program
def main(args: Sequence[str] | None = None) -> int:
    """Run as a program; returns the exit code."""
    given = build_parser().parse_args(args)
    before, after = give_back_space(given.database)
    sys.stdout.write(f"{given.database}: {before / 1e6:.1f} MB, now {after / 1e6:.1f} MB\n")
    copy = given.database.with_suffix(f".backup{given.database.suffix}")
    say_next(command_line("backup_render_db", str(given.database), str(copy)))
    return EXIT_DONE


def build_parser() -> CommandParser:
    parser = CommandParser("vacuum_render_db", __doc__)
    parser.add_argument("database", metavar="FILE", type=Path, help="database file of a render service")
    return parser


if __name__ == "__main__":
    sys.exit(main())
