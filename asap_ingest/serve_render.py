"""Run the embedded render service.

The first line on standard output is the base URL, written once the service answers; with a token, an address
that has it follows. SIGTERM and SIGINT end it when all requests are answered.
"""

from __future__ import annotations

import argparse
import gc
import ipaddress
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.http_server import (
    add_server_arguments,
    chosen_token,
    prepared_server,
)
from asap_ingest.commands.program import command_line, program
from asap_ingest.errors import EXIT_DONE, ParameterError
from asap_ingest.render_ws.memory.limits import SETTINGS, Limits
from asap_ingest.web.web_policy import PUBLIC_VIEWER, WebPolicy, host_names, listed_origins

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from asap_ingest.render_ws.http.calls import Service


@program
def main(argv: list[str] | None = None) -> int:
    """Serve until a signal; returns the exit code: 0, or 2 when the service could not start."""
    arguments = build_parser().parse_args(argv)
    # the service loads the image libraries: --help does not need them
    from asap_ingest.render_ws.app import build_app

    run_service(arguments, build_app, what_next)
    return EXIT_DONE


def run_service(
    arguments: argparse.Namespace,
    build: Callable[[Service, WebPolicy, str | None], ASGIApp],
    further_lines: Callable[[str], Sequence[str]],
) -> None:
    """Run an application with a render service until a signal.

    Parameters
    ----------
    arguments : those of `add_service_arguments`
    build : makes the application from the service, the policy and the token
    further_lines : base URL -> lines to print after it

    Raises
    ------
    ParameterError
        For an invalid host name or origin, and as `check_exposure`.
    """
    from asap_ingest.render_ws.http.calls import Service
    from asap_ingest.render_ws.store import Store

    token = chosen_token(arguments)
    policy = WebPolicy(
        host_names(arguments.host_names),
        listed_origins(arguments.allow_origins),
        not arguments.no_public_viewer,
        arguments.cors == "any",
    )
    sizes = {
        limit.name: getattr(arguments, limit.metadata["setting"]) * limit.metadata["unit"]
        for limit in SETTINGS
    }
    limits = Limits(**sizes, tile_specs=arguments.max_tile_specs_to_render)
    check_exposure(arguments.bind, arguments.image_roots)
    with prepared_server(arguments) as run, closing(Store(arguments.database)) as store:
        service = Service(store, arguments.image_roots, limits=limits)
        app = build(service, policy, token)
        # these objects live as long as the service: without them, garbage collections in the middle of
        # requests are shorter (benchmarks/service.py, PUT of 5,000 tiles)
        gc.collect()
        gc.freeze()
        run(app, token, further_lines)


def what_next(url: str) -> list[str]:
    """Lines for people: a page to open, and the next command for another terminal."""
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
    """Arguments of a render service; `run_service` reads them."""
    add_server_arguments(parser, port=8080)
    parser.add_argument("--database", type=Path, required=True, help="SQLite file, created when missing")
    parser.add_argument(
        "--image_roots", type=Path, nargs="+", help="folders that tile images may be read from (default: any)"
    )
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
    for limit in SETTINGS:
        parser.add_argument(
            f"--{limit.metadata['setting']}",
            type=_positive,
            default=limit.default // limit.metadata["unit"],
            help=f"{limit.metadata['what']} (default: %(default)s)",
        )
    parser.add_argument(
        "--max_tile_specs_to_render",
        type=_positive,
        help="images of more tiles show outlines only, unless the request says otherwise (default: no limit)",
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
        `bind` is not a loopback address and no folders for images are given, or one of them does not exist.
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
