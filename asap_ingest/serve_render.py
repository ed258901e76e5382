"""Run the embedded render service.

The first line on standard output is the base URL, written once the service answers; with a token, an address
that has it follows. SIGTERM and SIGINT end it after the requests under way.
"""

from __future__ import annotations

import argparse
import ipaddress
import logging
import sys
from contextlib import closing
from pathlib import Path

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.http_server import (
    LOG_LEVELS,
    Announcement,
    EndSignals,
    add_host_names,
    add_token,
    chosen_token,
    listen,
    serve,
)
from asap_ingest.commands.next_command import command_line
from asap_ingest.commands.program import program
from asap_ingest.errors import EXIT_BAD_INPUT, EXIT_DONE, AsapIngestError, ParameterError
from asap_ingest.render_ws.memory.limits import SETTINGS, Limits
from asap_ingest.web.web_policy import PUBLIC_VIEWER, WebPolicy, host_names, listed_origins


@program
def main(argv: list[str] | None = None) -> int:
    """Serve until a signal ends it; returns the exit code: 0, or 2 when it could not start."""
    arguments = build_parser().parse_args(argv)
    # the service loads the image libraries: --help does not need them
    from asap_ingest.render_ws.app import build_app
    from asap_ingest.render_ws.http.calls import Service
    from asap_ingest.render_ws.store import Store

    logging.getLogger("asap_ingest").setLevel(arguments.log_level)
    try:
        token, policy = chosen_token(arguments.token), chosen_policy(arguments)
        check_exposure(arguments.bind, arguments.image_roots)
        with (
            EndSignals() as signals,
            listen(arguments.bind, arguments.port) as listening,
            closing(Store(arguments.database)) as store,
        ):
            service = Service(store, arguments.image_roots, limits=chosen_limits(arguments))
            app = build_app(service, policy, token)
            serve(app, listening, arguments.log_level, signals, Announcement(token, what_next))
    except AsapIngestError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    return EXIT_DONE


def what_next(url: str) -> list[str]:
    """What to look at, and what to type in another terminal."""
    host, _, port = url.partition("://")[2].rpartition(":")
    where = {"render.host": host, "render.port": port, "render.owner": "lab", "render.project": "em"}
    line = command_line("ingest_section", **where, stack="raw", z_index=1, output_dir="mipmaps")
    return [f"open {url}/render-ws/view/stacks.html", f"next: {line} --metafile METAFILE"]


#: Arguments of a render service that many want to set.
COMMON = ("port", "bind", "image_roots", "log_level")


def build_parser() -> CommandParser:
    parser = CommandParser("serve_render", __doc__, common=COMMON)
    add_service_arguments(parser)
    return parser


def add_service_arguments(parser: CommandParser) -> None:
    """Arguments of a render service; `chosen_policy` and `chosen_limits` read some of them."""
    parser.add_argument("--port", type=int, default=8080, help="port to listen on, 0 takes a free one")
    parser.add_argument("--database", type=Path, required=True, help="SQLite file, created when missing")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
    parser.add_argument(
        "--image_roots", type=Path, nargs="+", help="folders that tile images may be read from (default: any)"
    )
    _add_web_arguments(parser)
    for limit in SETTINGS:
        parser.add_argument(
            f"--{limit.setting}",
            type=_positive,
            default=limit.default,
            help=f"{limit.what} (default: %(default)s)",
        )
    parser.add_argument(
        "--max_tile_specs_to_render",
        type=_positive,
        help="images of more tiles show outlines only, unless the request says otherwise (default: no limit)",
    )
    parser.add_argument(
        "--log_level", choices=LOG_LEVELS, default="WARNING", type=str.upper, help="what is logged, at least"
    )


def chosen_policy(arguments: argparse.Namespace) -> WebPolicy:
    """Who may do what; ParameterError for what is no host name or origin."""
    return WebPolicy(
        host_names(arguments.host_names),
        listed_origins(arguments.allow_origins),
        not arguments.no_public_viewer,
        arguments.cors == "any",
    )


def chosen_limits(arguments: argparse.Namespace) -> Limits:
    """The limits on memory and tiles."""
    sizes = {limit.field: getattr(arguments, limit.setting) * limit.unit for limit in SETTINGS}
    return Limits(**sizes, tile_specs=arguments.max_tile_specs_to_render)


def _add_web_arguments(parser: argparse.ArgumentParser) -> None:
    add_token(parser)
    add_host_names(parser)
    parser.add_argument(
        "--allow_origins",
        nargs="+",
        default=[],
        metavar="ORIGIN",
        help="further origins whose web pages may read and write, like http://viewer.lab:8000; pages from "
        f"the machine of the browser, and of {PUBLIC_VIEWER}, may read in any case",
    )
    parser.add_argument(
        "--no_public_viewer", action="store_true", help=f"pages of {PUBLIC_VIEWER} may not read either"
    )
    parser.add_argument(
        "--cors",
        choices=("listed", "any"),
        default="listed",
        help="any: every web page that is open anywhere may read and write, under any host name, as with the "
        "Java service",
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not above 0")
    return value


def check_exposure(bind: str, image_roots: list[Path] | None) -> None:
    """Refuse to serve any file of this machine to other machines.

    Raises
    ------
    ParameterError
        For an address that is not loopback, unless the folders to read images from are named; for one
        of them that is no folder.
    """
    if image_roots:
        missing = [str(root) for root in image_roots if not root.is_dir()]
        if missing:
            raise ParameterError("image_roots", f"there is no folder {', '.join(missing)}")
        return
    try:
        is_local = ipaddress.ip_address(bind).is_loopback
    except ValueError:
        is_local = bind == "localhost"
    if not is_local:
        raise ParameterError(
            "bind", f"{bind} can be reached from other machines: name with --image_roots what it may read"
        )


if __name__ == "__main__":
    sys.exit(main())
