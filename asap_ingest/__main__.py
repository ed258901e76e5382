"""`asap-ingest`: lists the commands and runs them. Also `python -m asap_ingest`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from asap_ingest.errors import EXIT_BAD_INPUT
from asap_ingest.program import program
from asap_ingest.secrets import masked

#: command -> what it does; the command is a module of this package with a `main(args)`.
COMMANDS = {
    "demo": "simulate a section, ingest it, draw it: sees that everything works",
    "ingest_section": "the three steps below in one run",
    "generate_EM_tilespecs_from_metafile": "pyTEMCA metafile -> tilespecs in a stack",
    "generate_tilespecs_from_table": "table of tiles, or their file names -> tilespecs in a stack",
    "generate_mipmaps": "stack -> image pyramid files for every tile",
    "apply_mipmaps_to_render": "pyramid files -> stack whose tiles know them",
    "precomputed_tif": "z-stack of images -> volume for Neuroglancer",
    "export_to_precomputed": "stack -> volume for Neuroglancer",
    "merge_reports": "outputs of the shards of a run -> one output, for the next step",
    "serve": "stacks, volumes and Neuroglancer at one address, with a start page",
    "serve_render": "the embedded render service: no Java, no MongoDB",
    "backup_render_db": "the service's database -> a copy, while it runs",
    "vacuum_render_db": "gives the room of deleted stacks back to the disk",
    "check_precomputed": "reads a volume back and lists its faults",
    "serve_precomputed": "a folder of chunks -> a web server for Neuroglancer",
}


@program
def main(args: Sequence[str] | None = None) -> int:
    """Run the command that the first argument names; its exit code."""
    arguments = list(sys.argv[1:] if args is None else args)
    if not arguments or arguments[0] in ("-h", "--help"):
        sys.stdout.write(usage())
        return 0
    command, *rest = arguments
    if command not in COMMANDS:
        shown = masked(command.partition("=")[0])
        sys.stderr.write(f"asap-ingest: error: no command {shown!r}; there are {', '.join(COMMANDS)}\n")
        return EXIT_BAD_INPUT
    return int(import_module(f"asap_ingest.{command}").main(rest))


def usage() -> str:
    """The list of commands."""
    width = max(map(len, COMMANDS))
    rows = "".join(f"  {name:<{width}}  {what}\n" for name, what in COMMANDS.items())
    return (
        "usage: asap-ingest COMMAND [--input_json in.json] [--field value ...]\n\n"
        f"{rows}\nasap-ingest COMMAND --help lists a command's fields.\n"
    )


if __name__ == "__main__":
    sys.exit(main())
