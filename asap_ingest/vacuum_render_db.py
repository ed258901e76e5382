"""Make the database of a render service smaller after large deletions: `asap-ingest vacuum_render_db FILE`.

A deletion leaves room in the file, which later tiles fill; this gives it back to the disk. A service may be
running: its readers go on, its writers wait. The disk needs room for a second copy meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from asap_ingest.command_line import CommandParser
from asap_ingest.errors import EXIT_DONE, AsapIngestError
from asap_ingest.program import program
from asap_ingest.render_ws.store import give_back_space


@program
def main(args: Sequence[str] | None = None) -> int:
    """Run as a program; the exit code."""
    parser = CommandParser(prog="asap-ingest vacuum_render_db", description=__doc__)
    parser.add_argument("database", metavar="FILE", type=Path, help="database file of a render service")
    given = parser.parse_args(args)
    try:
        before, after = give_back_space(given.database)
    except AsapIngestError as error:
        sys.stderr.write(f"asap_ingest.vacuum_render_db: error: {error}\n")
        return error.exit_code
    sys.stdout.write(f"{given.database}: {before / 1e6:.1f} MB, now {after / 1e6:.1f} MB\n")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(main())
