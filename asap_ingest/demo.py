"""A section from the microscope to a picture, with nothing but this package: tests an installation.

Simulates an acquisition, starts the embedded render service, runs the three steps as a user would, with every
level of every tile read back, and has the service draw the section from them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from asap_ingest import storage
from asap_ingest.commands.command_line import CommandParser
from asap_ingest.commands.http_server import listen
from asap_ingest.commands.program import command_line, program
from asap_ingest.errors import EXIT_DONE, EXIT_FAILURES, AsapIngestError, ParameterError
from asap_ingest.execution.end_signals import end_signals, exit_on_signal
from asap_ingest.execution.progress import Progress
from asap_ingest.ingest_section import StepSummary, summarise, summary_table
from asap_ingest.render.service_process import running_service
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.render_ws import CLIENT_SCRIPTS
from asap_ingest.simulation.acquisition import Acquisition, find_section, simulate_section
from asap_ingest.storage.json_documents import read_object, write_object
from asap_ingest.web.access_token import token_of_environment, token_query

LEVELS = 6
_USUAL_PORT = 8080
_PICTURE_PIXELS = 1200  # longest side of the picture


class DemoFailedError(AsapIngestError):
    """A step did not do what it should."""

    def __init__(self, step: str, problem: str, exit_code: int = EXIT_FAILURES) -> None:
        super().__init__(f"{step}: {problem}")
        self.exit_code = exit_code


def run_demo(folder: Path, acquisition: Acquisition, serve: bool) -> None:
    """Run the whole demo, with progress on standard output.

    Raises
    ------
    DemoFailedError
    """
    metafile = acquired_section(folder / "acquisition", acquisition)
    with running_service(folder / "render.db") as service:
        say(f"render service at {service.address}")
        host, _, port = service.address.rpartition(":")
        render: dict[str, Any] = {"host": host, "port": int(port), "owner": "demo", "project": "em"}
        render["client_scripts"] = CLIENT_SCRIPTS
        summaries = [_run(step, given, folder) for step, given in _steps(render, metafile, folder)]
        tiles = summaries[-1].tiles
        say(f"checked {tiles * LEVELS} level files of {tiles} tiles")
        picture = _draw(Stack(RenderConnection(**render), "section_with_mipmaps"), folder / "section.png")
        say(f"\n{summary_table(summaries)}\n\npicture of the section: {picture}")
        say(f"report on the section:  {folder / 'section_0.html'}")
        page = f"{service.address}/render-ws/view/stacks.html{token_query(token_of_environment())}"
        with suppress(SystemExit):  # a signal may arrive as soon as the line is printed
            say(f"open {page}  (Ctrl-C ends)" if serve else what_next(folder / "render.db"))
            while serve:
                time.sleep(1)


def acquired_section(folder: Path, acquisition: Acquisition) -> Path:
    """The metafile of the simulated section, which is made unless an earlier demo has left it."""
    rows, columns = acquisition.grid_shape
    metafile = find_section(folder, acquisition)
    if metafile is not None:
        say(f"{rows} x {columns} tiles of an earlier run: {metafile}")
        return metafile
    say(f"simulating {rows} x {columns} tiles, which takes the longest; the next demo uses them again")
    start = time.perf_counter()
    with Progress("part") as progress:
        metafile = simulate_section(folder, acquisition, progress=progress)
    say(f"  {metafile} ({time.perf_counter() - start:.1f} s)")
    return metafile


def what_next(database: Path) -> str:
    """The command that serves what the demo made, and the address to open then."""
    port = _free_port()
    command = command_line("serve_render", port=port, database=database)
    page = f"http://localhost:{port}/render-ws/view/stacks.html{token_query(token_of_environment())}"
    return f"\nnext: {command}\nthen open {page}"


def _free_port() -> int:
    """The usual port of a render service, or another if something listens there."""
    for port in (_USUAL_PORT, 0):
        with suppress(ParameterError), closing(listen("127.0.0.1", port)) as listening:
            return int(listening.getsockname()[1])
    return _USUAL_PORT


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _steps(render: Mapping[str, Any], metafile: Path, folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """(step, input): what a user would write."""
    mipmaps, source = str(folder / "mipmaps"), str(metafile)
    tilespecs = {"metafile": source, "stack": "section", "z_index": 0, "overwrite_zlayer": True}
    tilespecs |= {"maximum_intensity": 65535, "close_stack": True}
    pyramids = {"input_stack": "section", "levels": LEVELS, "pool_size": 2}
    made = {"method": "block_reduce", "output_dir": mipmaps, "report_dir": str(folder), "metafile": source}
    applied: dict[str, Any] = {"mipmap_dir": mipmaps, "output_stack": "section_with_mipmaps"}
    applied |= {"close_stack": True, "verify": True}
    return [
        ("generate_EM_tilespecs_from_metafile", {"render": render, **tilespecs}),
        ("generate_mipmaps", {"render": render, **pyramids, **made}),
        ("apply_mipmaps_to_render", {"render": render, **pyramids, **applied}),
    ]


def _run(step: str, given: Mapping[str, Any], folder: Path) -> StepSummary:
    input_json, output_json = folder / f"{step}.input.json", folder / f"{step}.output.json"
    write_object(str(input_json), given)
    files = ["--input_json", str(input_json), "--output_json", str(output_json)]
    command = ["-m", f"asap_ingest.{step}", *files]
    say(f"python {' '.join(command)}")
    start = time.perf_counter()
    # the next step, which a step prints at its end, follows here
    ran = subprocess.run([sys.executable, *command], stdout=subprocess.DEVNULL, check=False)
    if ran.returncode:
        raise DemoFailedError(step, f"ended with exit code {ran.returncode}", ran.returncode)
    return summarise(step, read_object(str(output_json))["report"], time.perf_counter() - start)


def _draw(stack: Stack, picture: Path) -> Path:
    bounds = stack.require()["stats"]["stackBounds"]
    longest = max(bounds["maxX"] - bounds["minX"], bounds["maxY"] - bounds["minY"])
    scale = min(1.0, _PICTURE_PIXELS / longest)
    storage.write_bytes(str(picture), stack.section_image(bounds["minZ"], "png", scale))
    return picture


@program
def main(args: Sequence[str] | None = None) -> int:
    """Run as a program; the exit code."""
    given = build_parser().parse_args(args)
    acquisition = Acquisition((given.grid, given.grid), (given.tile_size, given.tile_size))
    storage.ensure_writable_folder(str(given.output_dir))
    with end_signals(exit_on_signal):
        run_demo(given.output_dir, acquisition, given.serve)
    return EXIT_DONE


def build_parser() -> CommandParser:
    parser = CommandParser("demo", __doc__, common=("serve", "output_dir"))
    parser.add_argument(
        "--output_dir", type=Path, default=Path("demo_output"), metavar="FOLDER", help="folder for all files"
    )
    parser.add_argument("--serve", action="store_true", help="keep the render service running")
    parser.add_argument("--grid", type=int, default=4, help="tiles in a row and in a column")
    parser.add_argument("--tile_size", type=int, default=3840, help="pixels in a row of a tile")
    return parser


if __name__ == "__main__":
    sys.exit(main())
