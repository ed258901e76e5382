"""Serve a volume to Neuroglancer: `precomputed-webserver --port 9000 --directory FOLDER`.

The first line on standard output is the base URL, written once the server answers; the source to paste into
Neuroglancer follows, and, where the viewer extra is installed, an address that opens the volume in a
Neuroglancer of our own. SIGTERM and SIGINT end it after the requests under way.
"""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from asap_ingest.errors import EXIT_BAD_INPUT, EXIT_DONE, AsapIngestError
from asap_ingest.http_server import LOG_LEVELS, EndSignals, listen, serve
from asap_ingest.neuroglancer_client import client_folder
from asap_ingest.precomputed.serving.app import build_app
from asap_ingest.precomputed.serving.display_range import display_range
from asap_ingest.precomputed.serving.served_volume import SERVED_FORMATS, ServedVolume, open_volume
from asap_ingest.precomputed.serving.viewer_link import source_url, viewer_url


def main(argv: list[str] | None = None) -> int:
    """Serve until told to end; returns the exit code: 0, or 2 when it could not start."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(level=arguments.log_level, format="%(levelname)s: %(message)s")
    try:
        volume = open_volume(arguments.directory, arguments.format)
        shown = display_range(volume)
        with EndSignals() as signals, listen(arguments.bind, arguments.port) as listening:
            serve(
                build_app(volume, shown),
                listening,
                arguments.log_level,
                signals,
                lambda url: addresses(volume, url, shown),
            )
    except AsapIngestError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_BAD_INPUT
    return EXIT_DONE


def addresses(volume: ServedVolume, base_url: str, shown: tuple[float, float] | None) -> list[str]:
    """Where the volume is to be found: the source, and the viewer if it is installed."""
    lines = [source_url(volume, base_url)]
    if client_folder() is not None:
        lines.append(viewer_url(volume, base_url, shown))
    return lines


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="precomputed-webserver", description=__doc__)
    parser.add_argument("--port", type=int, default=9000, help="port to listen on, 0 takes a free one")
    parser.add_argument("--bind", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--directory", type=Path, required=True, help="folder of the volume")
    parser.add_argument(
        "--format", choices=sorted(SERVED_FORMATS), help="format of the volume (default: found out)"
    )
    parser.add_argument("--log_level", choices=LOG_LEVELS, default="WARNING", type=str.upper)
    return parser


if __name__ == "__main__":
    sys.exit(main())
