"""Read a volume back and list its faults."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

import orjson

from asap_ingest import storage
from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.program import program
from asap_ingest.errors import EXIT_DONE, EXIT_FAILURES
from asap_ingest.execution.progress import Progress
from asap_ingest.volumes.checking.volume_check import DEPTHS, Check, check_volume
from asap_ingest.volumes.checking.volume_files import open_files


def check_precomputed(volume: str, depth: str = "voxels") -> Check:
    """Find the faults of a volume in a folder or at a URL; `depth` is a name in `DEPTHS`.

    Raises
    ------
    ParameterError, VolumeError, StorageError
        There is no volume, it cannot be reached, or it is zarr and tensorstore is not installed.
    """
    files = open_files(volume)
    with Progress("chunk") as progress:
        return check_volume(files, depth, progress, volume)


@program
def main(args: Sequence[str] | None = None) -> int:
    """Run as a program; the exit code: 0 without faults, 1 with faults, 2 if there is no volume.

    Parts that are `not known here` are not faults.
    """
    arguments = build_parser().parse_args(args)
    check = check_precomputed(arguments.volume, arguments.depth)
    if arguments.json:
        content = orjson.dumps(
            output_of(arguments.volume, arguments.depth, check), option=orjson.OPT_INDENT_2
        )
        storage.write_bytes(arguments.json, content + b"\n")
    for line in _lines(check, arguments.depth):
        sys.stdout.write(f"{line}\n")
    return EXIT_FAILURES if check.findings.count else EXIT_DONE


def build_parser() -> CommandParser:
    parser = CommandParser("check_precomputed", __doc__, common=("no_voxels", "levels_only", "json"))
    parser.add_argument("volume", metavar="DIR|URL", help="folder, or http(s) URL of one")
    how_deep = parser.add_mutually_exclusive_group()
    for option, depth in (("--no_voxels", "chunks"), ("--levels_only", "levels")):
        how_deep.add_argument(option, dest="depth", action="store_const", const=depth, help=DEPTHS[depth])
    parser.set_defaults(depth="voxels")
    parser.add_argument("--json", metavar="FILE", help="file for the list of faults")
    return parser


def output_of(volume: str, depth: str, check: Check) -> dict[str, Any]:
    """A check as JSON."""
    findings = check.findings
    scales = [scale.key for scale in check.description.scales] if check.description else []
    return {
        "volume": volume,
        "depth": depth,
        "scales": scales,
        "chunks": check.chunks,
        "notes": findings.notes,
        "not_known": findings.not_known,
        "fault_count": findings.count,
        "fault_groups": [
            {"where": group.where, "count": group.count, "first": next(iter(group.examples))}
            for group in findings.groups
        ],
        "faults": [{"place": fault.place, "problem": fault.problem} for fault in findings.faults],
    }


def _lines(check: Check, depth: str) -> list[str]:
    findings, volume = check.findings, check.description
    scales = len(volume.scales) if volume else 0
    looked = f"{scales} scales, {check.chunks:,} chunks; {DEPTHS[depth]}"
    end = f"{findings.count:,} fault{'' if findings.count == 1 else 's'}" if findings.count else "no faults"
    if findings.not_known:
        end += f", {len(findings.not_known)} not known here and not checked"
    return [
        *(line for group in findings.groups for line in group.lines()),
        *findings.notes,
        *(f"not known here: {what}" for what in findings.not_known),
        f"{end} ({looked})",
    ]


if __name__ == "__main__":
    sys.exit(main())
