"""The three steps in one run: metafile to tilespecs to mipmaps to a stack that knows them.

    python -m asap_ingest.ingest_section --input_json in.json

Each step gets its input from one JSON and from the output JSON of the step before; both stay in the
run folder, so that a step can be done again by hand.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from asap_ingest import storage
from asap_ingest.apply_mipmaps_to_render import AddMipMapsToStack
from asap_ingest.errors import EXIT_DONE, EXIT_FAILURES
from asap_ingest.generate_EM_tilespecs_from_metafile import GenerateEMTileSpecsModule
from asap_ingest.generate_mipmaps import GenerateMipMaps
from asap_ingest.parallel.resources import usable_cores
from asap_ingest.render_module import RenderModule
from asap_ingest.schemas import IngestSectionOutput, IngestSectionParameters
from asap_ingest.secrets import masked
from asap_ingest.step_module import run_as_program, without_secrets


@dataclass(frozen=True)
class Step:
    """A step, the fields that it takes from the one JSON, and those that are fixed here."""

    module: type[RenderModule]
    takes: tuple[str, ...]
    fixed: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.module.__module__.rpartition(".")[2]


@dataclass(frozen=True)
class StepSummary:
    """A row of the table at the end."""

    step: str
    tiles: int
    bytes: int
    seconds: float
    failures: int


STEPS = (
    Step(
        GenerateEMTileSpecsModule,
        (
            *("render", "metafile", "stack", "z_index", "image_directory", "sectionId", "minimum_intensity"),
            *("maximum_intensity", "overwrite_zlayer", "maskUrl", "section_thickness", "storage_options"),
            "log_level",
        ),
        {"close_stack": False},
    ),
    Step(
        GenerateMipMaps,
        (
            *("output_dir", "method", "imgformat", "convert_to_8bit", "force_redo", "levels", "PIL_filter"),
            *("block_func", "compression", "verify", "report_dir", "metafile", "storage_options"),
            *("pool_size", "log_level"),
        ),
        {},
    ),
    Step(AddMipMapsToStack, ("output_stack", "close_stack", "storage_options", "pool_size", "log_level"), {}),
)


def ingest_section(parameters: Mapping[str, Any], run_dir: str) -> tuple[list[StepSummary], int]:
    """Run the steps; the table's rows and the exit code.

    Raises
    ------
    AsapIngestError
        The first step that could not be done at all. A step with failures does not stop the next.
    """
    summaries: list[StepSummary] = []
    exit_code = EXIT_DONE
    handed_on: dict[str, Any] = {}
    for number, step in enumerate(STEPS, start=1):
        given = {name: parameters[name] for name in step.takes if name in parameters}
        output_json = storage.join(run_dir, f"{number}_{step.name}.output.json")
        step_input = {**handed_on, **given, **step.fixed, "output_json": output_json}
        _write_json(storage.join(run_dir, f"{number}_{step.name}.input.json"), without_secrets(step_input))
        start = time.perf_counter()
        exit_code = max(exit_code, step.module(input_data=step_input, args=[]).run())
        handed_on = _unmasked(orjson.loads(storage.read_bytes(output_json)), parameters)
        summaries.append(summarise(step.name, handed_on["report"], time.perf_counter() - start))
    return summaries, exit_code


def _unmasked(output: dict[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """An output for the next step of the same run: URIs with the user info that files do not keep."""
    texts = {masked(value): value for value in parameters.values() if isinstance(value, str)}
    return {
        name: texts.get(value, value) if isinstance(value, str) else value for name, value in output.items()
    }


def summary_table(summaries: Sequence[StepSummary]) -> str:
    """The rows as text with aligned columns."""
    rows = [("step", "tiles", "MB", "seconds", "tiles/s", "failed")]
    for row in summaries:
        rate = row.tiles / row.seconds if row.seconds else 0.0
        numbers = (f"{row.tiles}", f"{row.bytes / 1e6:.1f}", f"{row.seconds:.2f}", f"{rate:.1f}")
        rows.append((row.step, *numbers, f"{row.failures}"))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def summarise(step: str, report: Mapping[str, Any], seconds: float) -> StepSummary:
    """The table's row of a step, from the report in its output JSON."""
    handled = report.get("bytes_read", 0) + report.get("bytes_written", 0)
    return StepSummary(step, report["tiles"], handled, seconds, len(report.get("failures", ())))


def _write_json(uri: str, content: Mapping[str, Any]) -> None:
    storage.write_bytes(uri, orjson.dumps(content, option=orjson.OPT_INDENT_2) + b"\n")


class IngestSection(RenderModule):
    """The run as a program."""

    default_schema = IngestSectionParameters
    default_output_schema = IngestSectionOutput

    def work(self) -> int:
        args = self.args
        parameters = {"pool_size": usable_cores()} | args
        run_dir = args.get("run_dir") or storage.join(
            args["output_dir"], "runs", f"{args['stack']}_z{args['z_index']}"
        )
        summaries, exit_code = ingest_section(parameters, str(run_dir))
        sys.stdout.write(summary_table(summaries) + "\n")
        failures = [None] * (exit_code == EXIT_FAILURES)
        rows = [vars(row) for row in summaries]
        output = {
            "stack": args["output_stack"] or args["stack"],
            "run_dir": run_dir,
            "report": {"steps": rows},
        }
        return self.finish(output, failures)

    def next_command(self) -> str:
        return self.exported(self.args["output_stack"] or self.args["stack"])


main = IngestSection.main

if __name__ == "__main__":
    run_as_program("ingest_section")
