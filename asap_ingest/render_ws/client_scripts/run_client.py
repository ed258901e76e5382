"""Runs one client by the name of its Java class: `python -m ...run_client <class> <arguments>`.

A client is a dataclass of its arguments and a function that takes them. Only the module of the chosen client
is imported: the start of a client takes longer than most of its work.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from asap_ingest.errors import EXIT_DONE, AsapIngestError
from asap_ingest.render_ws.client_scripts.client_options import OptionError, parse, usage

_JAVA = "org.janelia.render.client."
#: Java class -> module of this package, and in it the dataclass and the function.
CLIENTS = {
    f"{_JAVA}ImportJsonClient": ("tile_clients", "ImportOptions", "import_tiles"),
    f"{_JAVA}ImportTransformChangesClient": ("tile_clients", "ChangeOptions", "change_tiles"),
    f"{_JAVA}TransformSectionClient": ("tile_clients", "TransformOptions", "transform_layers"),
    f"{_JAVA}ValidateTilesClient": ("tile_clients", "ValidateOptions", "validate_tiles"),
    f"{_JAVA}StackClient": ("stack_client", "Options", "run"),
    f"{_JAVA}TilePairClient": ("tile_pair_client", "Options", "run"),
    f"{_JAVA}CoordinateClient": ("coordinate_client", "Options", "run"),
    f"{_JAVA}RenderSectionClient": ("render_section", "Options", "run"),
    "org.janelia.alignment.Render": ("render_file", "Options", "run"),
}
POINT_MATCHES = f"{_JAVA}PointMatchClient"
#: Java's exit code for any failure.
EXIT_FAILED = 1

logger = logging.getLogger(__name__)


def run_client(class_name: str, arguments: Sequence[str]) -> int:
    """Run a client; returns its exit code, 0 or 1."""
    logger.info("%s %s", class_name, " ".join(arguments))
    if class_name not in CLIENTS:
        logger.error("client class %s does not exist; there are %s", class_name, ", ".join(sorted(CLIENTS)))
        if class_name == POINT_MATCHES:
            logger.error(
                "this package does not find point matches by SIFT: run the Java client for that; it can "
                "store its match collections in this service"
            )
        return EXIT_FAILED
    module, *names = CLIENTS[class_name]
    client = import_module(f"asap_ingest.render_ws.client_scripts.{module}")
    options, run = (getattr(client, name) for name in names)
    if "--help" in arguments:
        logger.info("%s", usage(options))
        return int(getattr(options, "help_exit_code", EXIT_FAILED))
    try:
        run(parse(options, arguments))
    except OptionError as error:
        logger.error("%s: %s\n%s", class_name, error, usage(options))
        return EXIT_FAILED
    except (AsapIngestError, OSError) as error:
        logger.error("%s: %s", class_name, error)
        return EXIT_FAILED
    return EXIT_DONE


def main(arguments: Sequence[str]) -> int:
    """Entry of `run_ws_client.sh`: class name, then the arguments of the client; log lines go to stdout."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(asctime)s %(levelname)s %(message)s")
    if not arguments:
        logger.error("usage: run_ws_client.sh <memory> <class> <argument>...")
        return EXIT_FAILED
    return run_client(arguments[0], arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
