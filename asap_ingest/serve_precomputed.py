"""Serve volumes to Neuroglancer.

The folder is a volume, or has volumes below it: then the base URL opens a page that lists them. The first
line on standard output is the base URL, written once the server answers; for each volume the source to paste
into Neuroglancer follows, and for a single one, where the viewer extra is installed, an address that opens it
in a Neuroglancer that this server has. SIGTERM and SIGINT end it when all requests are answered.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.http_server import (
    add_server_arguments,
    chosen_token,
    prepared_server,
)
from asap_ingest.commands.program import command_line, program
from asap_ingest.errors import EXIT_DONE
from asap_ingest.neuroglancer_client import client_folder
from asap_ingest.volumes.serving.served_volume import ServedVolume
from asap_ingest.volumes.serving.viewer_link import source_url, viewer_url
from asap_ingest.volumes.serving.volume_app import build_app
from asap_ingest.volumes.serving.volume_list import SERVED_FORMATS, find_volumes
from asap_ingest.web.access_token import token_query
from asap_ingest.web.web_policy import WebPolicy, host_names

#: Where a volume's metadata say the size of a voxel, by the scheme of its source.
RESOLUTIONS = {
    "precomputed": "resolution in info",
    "zarr3": "scale and translation in zarr.json",
    "zarr2": "scale and translation in .zattrs",
}


@program
def main(argv: list[str] | None = None) -> int:
    """Serve until a signal; returns the exit code: 0, or 2 when the server could not start."""
    arguments = build_parser().parse_args(argv)
    token, policy = chosen_token(arguments), WebPolicy(host_names(arguments.host_names))
    with prepared_server(arguments) as run:
        volumes = find_volumes(arguments.directory.expanduser(), arguments.format)
        served = list(volumes.values())
        app = build_app(volumes, policy, token)
        run(app, token, lambda url: [*addresses(served, url, token), *what_next(served)])
    return EXIT_DONE


def addresses(volumes: Sequence[ServedVolume], base_url: str, token: str | None = None) -> list[str]:
    """Sources of the volumes for Neuroglancer; for a single volume also the viewer, if it is installed.

    The page at the base URL links the viewers of several volumes.
    """
    lines = [source_url(volume, base_url) for volume in volumes]
    if len(volumes) == 1 and client_folder() is not None:
        lines.append(viewer_url(volumes, base_url, token_query(token)))
    return [*lines, *(_how_to_set_voxel_size(volume) for volume in volumes if _is_size_unknown(volume))]


def what_next(volumes: Sequence[ServedVolume]) -> list[str]:
    """Lines for people: the next command for another terminal."""
    lines = [] if client_folder() else ["for Neuroglancer on this server: pip install 'asap_ingest[viewer]'"]
    checks = [command_line("check_precomputed", str(volume.root)) for volume in volumes[:1]]
    return [*lines, *(f"next: {check}" for check in checks)]


def _is_size_unknown(volume: ServedVolume) -> bool:
    """Whether voxels are 1 x 1 x 1 nm, the size that a volume is written with when none is given."""
    axes = volume.axes
    return bool(axes) and all(axis.unit and math.isclose(axis.length, 1e-9) for axis in axes)


def _how_to_set_voxel_size(volume: ServedVolume) -> str:
    return (
        f"{volume.root}: voxels of 1 x 1 x 1 nm, as written when their size is not known; to set it, write "
        f"the volume again with --voxel_size X,Y,Z in nm, or multiply every {RESOLUTIONS[volume.scheme]}"
    )


def build_parser() -> CommandParser:
    parser = CommandParser("serve_precomputed", __doc__, common=("port", "bind", "log_level"))
    add_server_arguments(parser, port=9000)
    parser.add_argument("--directory", type=Path, required=True, help="folder of a volume, or of several")
    parser.add_argument("--format", choices=SERVED_FORMATS, help="format of the volume (default: detected)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
