"""One address for a lab: stacks, volumes and Neuroglancer.

The embedded render service, the volumes of a folder below /volumes/, and a start page that links and opens
both. Volumes that are written while it runs appear by themselves. The first line on standard
output is the base URL, written once the server answers; with a token, an address that has it follows. SIGTERM
and SIGINT end it when all requests are answered.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.program import program
from asap_ingest.errors import EXIT_DONE
from asap_ingest.serve_render import COMMON, add_service_arguments, run_service
from asap_ingest.web.web_policy import WebPolicy

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from asap_ingest.render_ws.http.calls import Service


@program
def main(argv: list[str] | None = None) -> int:
    """Serve until a signal; returns the exit code: 0, or 2 when the server could not start."""
    arguments = build_parser().parse_args(argv)
    # the service loads the image libraries: --help does not need them
    from asap_ingest.lab.lab_app import VolumeFolder, build_lab_app

    volumes = VolumeFolder(arguments.volumes)

    def build(service: Service, policy: WebPolicy, token: str | None) -> ASGIApp:
        return build_lab_app(service, volumes, policy, token)

    run_service(arguments, build, what_next)
    return EXIT_DONE


def what_next(url: str) -> list[str]:
    """Line for people: the page to open."""
    return [f"open {url}/"]


def build_parser() -> CommandParser:
    parser = CommandParser("serve", __doc__, common=COMMON)
    parser.add_argument("--volumes", type=Path, required=True, help="folder of a volume, or of several")
    add_service_arguments(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
