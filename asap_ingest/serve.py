"""One address for a lab: stacks, volumes and Neuroglancer.

The embedded render service, the volumes of a folder below /volumes/, and a start page that links and opens
both. Volumes that are written meanwhile appear by themselves. The first line on standard
output is the base URL, written once the server answers; with a token, an address that has it follows. SIGTERM
and SIGINT end it after the requests under way.
"""

from __future__ import annotations

import logging
import sys
from contextlib import closing
from pathlib import Path

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.http_server import Announcement, EndSignals, chosen_token, listen, serve
from asap_ingest.commands.program import program
from asap_ingest.errors import EXIT_BAD_INPUT, EXIT_DONE, AsapIngestError
from asap_ingest.serve_render import (
    COMMON,
    add_service_arguments,
    check_exposure,
    chosen_limits,
    chosen_policy,
)


@program
def main(argv: list[str] | None = None) -> int:
    """Serve until a signal ends it; returns the exit code: 0, or 2 when it could not start."""
    arguments = build_parser().parse_args(argv)
    # the service loads the image libraries: --help does not need them
    from asap_ingest.lab.lab_app import VolumeFolder, build_lab_app
    from asap_ingest.render_ws.http.calls import Service
    from asap_ingest.render_ws.store import Store

    logging.basicConfig(level=arguments.log_level, format="%(levelname)s: %(message)s")
    logging.getLogger("asap_ingest").setLevel(arguments.log_level)
    try:
        token, policy = chosen_token(arguments.token), chosen_policy(arguments)
        check_exposure(arguments.bind, arguments.image_roots)
        volumes = VolumeFolder(arguments.volumes)
        with (
            EndSignals() as signals,
            listen(arguments.bind, arguments.port) as listening,
            closing(Store(arguments.database)) as store,
        ):
            service = Service(store, arguments.image_roots, limits=chosen_limits(arguments))
            app = build_lab_app(service, volumes, policy, token)
            serve(app, listening, arguments.log_level, signals, Announcement(token, what_next))
    except AsapIngestError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    return EXIT_DONE


def what_next(url: str) -> list[str]:
    """What to look at."""
    return [f"open {url}/"]


def build_parser() -> CommandParser:
    parser = CommandParser("serve", __doc__, common=COMMON)
    parser.add_argument("--volumes", type=Path, required=True, help="folder of a volume, or of several")
    add_service_arguments(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
