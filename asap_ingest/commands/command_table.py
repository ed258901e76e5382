"""The commands: each is a module of this package with a `main(args)`, and a parser of its command line."""

from __future__ import annotations

from importlib import import_module

from asap_ingest.commands.command_line import CommandParser

#: heading -> command -> what it does
GROUPS = {
    "try it": {
        "demo": "simulate a section, ingest it, draw it: tests the installation",
    },
    "sections": {
        "ingest_section": "the three steps for one pyTEMCA metafile in one run",
        "ingest_sections": "the same for many sections, also as the microscope writes them",
        "generate_EM_tilespecs_from_metafile": "pyTEMCA metafile -> tilespecs in a stack",
        "generate_tilespecs_from_table": "table of tiles, or names of their files -> tilespecs in a stack",
        "generate_mipmaps": "stack -> image pyramid files for every tile",
        "apply_mipmaps_to_render": "pyramid files -> stack whose tiles have them registered",
        "merge_reports": "outputs of the shards of a run -> one output, for the next step",
    },
    "volumes": {
        "precomputed_tif": "z-stack of images -> volume for Neuroglancer",
        "export_to_precomputed": "stack -> volume for Neuroglancer",
        "check_precomputed": "reads a volume back and lists its faults",
        "serve_precomputed": "a folder of chunks -> a web server for Neuroglancer",
    },
    "a lab": {
        "serve": "stacks, volumes and Neuroglancer at one address, with a start page",
    },
    "the embedded render service": {
        "serve_render": "the service itself: no Java, no MongoDB",
        "backup_render_db": "its database -> a copy, while it runs",
        "vacuum_render_db": "returns the space of deleted stacks to the disk",
    },
    "the shell": {
        "completion": "a script that completes commands, flags and files: bash, zsh, fish",
    },
}
#: command -> what it does
COMMANDS = {name: what for commands in GROUPS.values() for name, what in commands.items()}


def parser_of(command: str) -> CommandParser:
    """The parser of a command, imported with the command's module."""
    module = import_module(f"asap_ingest.{command}")
    step = getattr(module.main, "__self__", None)  # of a step, `main` is a method of its class
    parser: CommandParser = module.build_parser() if step is None else step.build_parser()
    return parser
