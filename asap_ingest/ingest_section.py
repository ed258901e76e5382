"""The three steps in one run: metafile to tilespecs to mipmaps to a stack that knows them.

    python -m asap_ingest.ingest_section --input_json in.json

The section goes through one set of workers, as those of `ingest_sections` do. What each step would get and
leave as a program of its own stays in the run folder, so that it can be done again by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import orjson

from asap_ingest import storage
from asap_ingest.apply_mipmaps_to_render import AddMipMapsToStack
from asap_ingest.commands.render_step import RenderModule
from asap_ingest.commands.section_schemas import IngestSectionOutput, IngestSectionParameters
from asap_ingest.commands.step import run_as_program
from asap_ingest.execution import Executor
from asap_ingest.execution.machine_resources import usable_cores
from asap_ingest.execution.progress import Progress
from asap_ingest.execution.remarks import tell
from asap_ingest.generate_EM_tilespecs_from_metafile import GenerateEMTileSpecsModule
from asap_ingest.generate_mipmaps import GenerateMipMaps, require_writable
from asap_ingest.secrets import without_secrets
from asap_ingest.sections.section_pipeline import IngestedSection, SectionPipeline, ingest
from asap_ingest.sections.section_work import Section, tile_failures
from asap_ingest.sections.sections_run import section_of, stack_version, stacks_loading
from asap_ingest.temca.metafile import read_metafile


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


#: Row of the table, and output JSON.
StepResult = tuple[StepSummary, dict[str, Any]]

STEPS = (
    Step(
        GenerateEMTileSpecsModule,
        (
            *("render", "metafile", "stack", "z_index", "image_directory", "sectionId", "minimum_intensity"),
            *("maximum_intensity", "overwrite_zlayer", "append", "maskUrl", "section_thickness"),
            *("storage_options", "log_level"),
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


def ingest_section(section: Section, workers: int, executor: Executor) -> IngestedSection:
    """Run the steps for one section, whose stacks are LOADING.

    Raises
    ------
    AsapIngestError
        The section could not be done; tiles that failed are in the reports.
    """
    with Progress(unit="tile") as progress:
        progress.expect(section.tiles)
        (ended,) = ingest(SectionPipeline(iter([section]), workers, progress), executor)
    if ended.error is not None:
        raise ended.error
    return ended


def hand_off(ended: IngestedSection, parameters: Mapping[str, Any]) -> list[StepResult]:
    """Row of the table and output of each step, as the step itself would have left it."""
    assert ended.upload is not None
    assert ended.applied is not None
    z, target = parameters["z_index"], parameters["output_stack"] or parameters["stack"]
    common = {name: parameters[name] for name in ("levels", "imgformat", "render", "storage_options")}
    pyramids = common | {"zValues": [float(z)]}
    warnings = [asdict(remark) for remark in ended.remarks]
    seconds = ended.seconds
    applied: dict[str, Any] = {
        "tiles": ended.applied.tiles,
        "tiles_with_levels": ended.applied.tiles_with_levels,
    }
    applied |= {"seconds": seconds["apply"], "failures": list(map(asdict, ended.applied.failures))}
    tilespecs = {name: parameters[name] for name in ("stack", "metafile", "render", "storage_options")}
    outputs = [
        tilespecs | {"z": z, "report": asdict(ended.upload) | {"warnings": warnings}},
        pyramids
        | {"input_stack": parameters["stack"], "output_dir": parameters["output_dir"]}
        | {"report": asdict(ended.mipmaps)},
        pyramids | {"output_stack": target, "mipmap_dir": parameters["output_dir"], "report": applied},
    ]
    return [
        (summarise(step.name, output["report"], seconds[lap]), output)
        for step, output, lap in zip(STEPS, outputs, ("tilespecs", "mipmaps", "apply"), strict=True)
    ]


def write_hand_off(run_dir: str, steps: Sequence[StepResult], parameters: Mapping[str, Any]) -> None:
    """Input and output JSON of each step, so that it can be done again by hand."""
    handed_on: dict[str, Any] = {}
    for number, (step, (_, output)) in enumerate(zip(STEPS, steps, strict=True), start=1):
        given = {name: parameters[name] for name in step.takes if name in parameters}
        name = storage.join(run_dir, f"{number}_{step.name}")
        step_input = {**handed_on, **given, **step.fixed, "output_json": f"{name}.output.json"}
        _write_json(f"{name}.input.json", without_secrets(step_input))
        _write_json(f"{name}.output.json", without_secrets(output))
        handed_on = output


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
        args = self.args = {"pool_size": usable_cores()} | self.args
        metafile = read_metafile(args["metafile"])
        require_writable(args["output_dir"])
        source, target = self.stack(args["stack"]), self.stack(args["output_stack"] or args["stack"])
        section = section_of(args, source, target, args["metafile"], float(args["z_index"]))
        section = replace(section, tiles=len(metafile.tiles))
        default_dir = storage.join(args["output_dir"], "runs", f"{args['stack']}_z{args['z_index']}")
        output = {"stack": target.name, "run_dir": args.get("run_dir") or default_dir}
        executor, workers = self.executor, min(args["pool_size"], usable_cores())
        goes_on = "the same with force_redo false does what is missing"
        loading = stacks_loading(args, source, target, stack_version(args, metafile))
        with loading, self.leaves_output(lambda: output, goes_on):
            ended = ingest_section(section, workers, executor)
        steps = hand_off(ended, args)
        write_hand_off(str(output["run_dir"]), steps, args)
        sys.stdout.write(summary_table([row for row, _ in steps]) + "\n")
        remarks = [*ended.remarks, *ended.mipmaps.warnings]
        tell(remarks)
        failures = tile_failures(ended.mipmaps, ended.applied)
        self.report_failures(failures)
        report = {"steps": [vars(row) for row, _ in steps]}
        report |= {"failures": list(map(asdict, failures)), "warnings": list(map(asdict, remarks))}
        return self.finish(output | {"report": report}, failures)

    def next_command(self) -> str:
        return self.exported(self.args["output_stack"] or self.args["stack"])


main = IngestSection.main

if __name__ == "__main__":
    run_as_program("ingest_section")
