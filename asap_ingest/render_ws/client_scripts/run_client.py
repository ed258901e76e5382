"""Runs one client by the name of its Java class: `python -m ...run_client <class> <arguments>`.

A client is a module with a dataclass `Options` of its arguments and a function `run`. Only the module of the
chosen client is imported: the start of a client takes longer than most of its work.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from importlib import import_module

from asap_ingest.errors import EXIT_DONE, AsapIngestError
from asap_ingest.render_ws.client_scripts.client_options import OptionError, parse, usage

#: Java class -> module of this package.
CLIENTS = {
    "org.janelia.render.client.ImportJsonClient": "import_json",
    "org.janelia.render.client.ImportTransformChangesClient": "import_transform_changes",
    "org.janelia.render.client.TransformSectionClient": "transform_section",
    "org.janelia.render.client.ValidateTilesClient": "validate_tiles",
    "org.janelia.render.client.StackClient": "stack_client",
    "org.janelia.render.client.TilePairClient": "tile_pair_client",
    "org.janelia.render.client.CoordinateClient": "coordinate_client",
    "org.janelia.render.client.RenderSectionClient": "render_section",
    "org.janelia.alignment.Render": "render_file",
}
POINT_MATCHES = "org.janelia.render.client.PointMatchClient"
#: Java's exit code for any failure.
EXIT_FAILED = 1

logger = logging.getLogger(__name__)


def run_client(class_name: str, arguments: Sequence[str]) -> int:
    """Run a client; gives its exit code, 0 or 1."""
    logger.info("%s %s", class_name, " ".join(arguments))
    if class_name not in CLIENTS:
        logger.error("client class %s does not exist; there are %s", class_name, ", ".join(sorted(CLIENTS)))
        if class_name == POINT_MATCHES:
            logger.error(
                "finding point matches by SIFT is not part of this package: run the Java client for them, "
                "against this service if wanted, which stores match collections"
            )
        return EXIT_FAILED
    client = import_module(f"asap_ingest.render_ws.client_scripts.{CLIENTS[class_name]}")
    if "--help" in arguments:
        logger.info("%s", usage(client.Options))
        return int(getattr(client.Options, "help_exit_code", EXIT_FAILED))
    try:
        client.run(parse(client.Options, arguments))
    except OptionError as error:
        logger.error("%s: %s\n%s", class_name, error, usage(client.Options))
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
