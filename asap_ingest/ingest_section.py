"""The three steps in one run: metafile to tilespecs to mipmaps to a stack that has them registered.

    python -m asap_ingest.ingest_section --input_json in.json

The section goes through one set of workers, as those of `ingest_sections` do. The input and output JSON that
each step would have as a program of its own is left in the run folder, so that it can be run again by hand.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from asap_ingest import storage
from asap_ingest.commands.render_step import RenderStep
from asap_ingest.commands.section_schemas import IngestSectionOutput, IngestSectionParameters
from asap_ingest.commands.step import run_as_program
from asap_ingest.execution import Executor
from asap_ingest.execution.image_warnings import print_warnings
from asap_ingest.execution.progress import Progress
from asap_ingest.generate_mipmaps import require_writable
from asap_ingest.render.tilespecs import stack_version
from asap_ingest.sections.section_pipeline import SectionPipeline, ingest
from asap_ingest.sections.section_work import IngestedSection, Section
from asap_ingest.sections.sections_run import section_of, stacks_loading
from asap_ingest.storage.json_documents import write_object
from asap_ingest.temca.metafile import read_metafile

#: Step -> parameters of this command that go into its input JSON, besides the output of the step before.
STEPS = {
    "generate_EM_tilespecs_from_metafile": (
        *("render", "metafile", "stack", "z_index", "image_directory", "sectionId", "minimum_intensity"),
        *("maximum_intensity", "overwrite_zlayer", "append", "maskUrl", "section_thickness"),
        *("storage_options", "log_level"),
    ),
    "generate_mipmaps": (
        *("output_dir", "method", "imgformat", "convert_to_8bit", "force_redo", "levels", "PIL_filter"),
        *("block_func", "compression", "verify", "report_dir", "metafile", "storage_options"),
        *("pool_size", "log_level"),
    ),
    "apply_mipmaps_to_render": ("output_stack", "close_stack", "storage_options", "pool_size", "log_level"),
}


@dataclass(frozen=True)
class StepSummary:
    """A row of the table at the end."""

    step: str
    tiles: int
    bytes: int
    seconds: float
    failures: int


def ingest_section(section: Section, workers: int, executor: Executor) -> IngestedSection:
    """Run the steps for one section, whose stacks are LOADING.

    Raises
    ------
    AsapIngestError
        The section could not be done; tiles that failed are in the reports.
    """
    with Progress(noun="tile") as progress:
        progress.expect(section.tiles)
        (ended,) = ingest(SectionPipeline(iter([section]), workers, progress), executor)
    if ended.error is not None:
        raise ended.error
    return ended


def step_outputs(ended: IngestedSection, parameters: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The output JSON of each step, as the step itself would have written it."""
    assert ended.upload is not None
    assert ended.applied is not None
    z, stack, output_dir = (parameters[name] for name in ("z_index", "stack", "output_dir"))
    common = {name: parameters[name] for name in ("render", "storage_options")}
    pyramids = common | {name: parameters[name] for name in ("levels", "imgformat")} | {"zValues": [float(z)]}
    warnings = list(map(asdict, ended.warnings))
    uploaded = asdict(ended.upload) | {"warnings": warnings}
    applied = asdict(ended.applied) | {"seconds": ended.seconds["apply"]}
    del applied["changes"]
    yield common | {"stack": stack, "metafile": parameters["metafile"], "z": z, "report": uploaded}
    yield pyramids | {"input_stack": stack, "output_dir": output_dir, "report": asdict(ended.mipmaps)}
    target = parameters["output_stack"] or stack
    yield pyramids | {"output_stack": target, "mipmap_dir": output_dir, "report": applied}


def write_hand_off(run_dir: str, outputs: Sequence[dict[str, Any]], parameters: Mapping[str, Any]) -> None:
    """Write input and output JSON of each step, so that it can be run again by hand."""
    # the stacks stay LOADING until the last step
    step_input: dict[str, Any] = {"close_stack": False}
    for number, ((step, names), output) in enumerate(zip(STEPS.items(), outputs, strict=True), start=1):
        name = storage.join(run_dir, f"{number}_{step}")
        given = {field: parameters[field] for field in names if field in parameters}
        write_object(f"{name}.input.json", given | step_input | {"output_json": f"{name}.output.json"})
        write_object(f"{name}.output.json", output)
        step_input = output


def summary_table(summaries: Sequence[StepSummary]) -> str:
    """The rows as text with aligned columns."""
    lines = ["{:36}{:>7}{:>10}{:>9}{:>9}{:>8}".format("step", "tiles", "MB", "seconds", "tiles/s", "failed")]
    for row in summaries:
        rate = row.tiles / row.seconds if row.seconds else 0.0
        lines.append(
            f"{row.step:36}{row.tiles:7}{row.bytes / 1e6:10.1f}{row.seconds:9.2f}{rate:9.1f}{row.failures:8}"
        )
    return "\n".join(lines)


def summarise(step: str, report: Mapping[str, Any], seconds: float) -> StepSummary:
    """The table's row of a step, from the report in its output JSON."""
    moved = report.get("bytes_read", 0) + report.get("bytes_written", 0)
    return StepSummary(step, report["tiles"], moved, seconds, len(report.get("failures", ())))


class IngestSection(RenderStep):
    """The run as a program."""

    default_schema = IngestSectionParameters
    default_output_schema = IngestSectionOutput

    def work(self) -> int:
        args = self.args
        metafile = read_metafile(args["metafile"])
        require_writable(args["output_dir"])
        source, target = self.stack(args["stack"]), self.stack(args["output_stack"] or args["stack"])
        section = section_of(args, source, target, args["metafile"], float(args["z_index"]))
        section = replace(section, tiles=len(metafile.tiles))
        default_dir = storage.join(args["output_dir"], "runs", f"{args['stack']}_z{args['z_index']}")
        output = {"stack": target.name, "run_dir": args.get("run_dir") or default_dir}
        executor = self.executor
        how_to_resume = "the same with force_redo false does what is missing"
        loading = stacks_loading(args, source, target, stack_version(args, metafile.pixel_size_nm))
        with loading, self.leaves_output(lambda: output, lambda: how_to_resume):
            ended = ingest_section(section, self.workers, executor)
        outputs = list(step_outputs(ended, args))
        write_hand_off(str(output["run_dir"]), outputs, args)
        laps = zip(STEPS, outputs, ended.seconds.values(), strict=True)
        rows = [summarise(step, each["report"], seconds) for step, each, seconds in laps]
        sys.stdout.write(summary_table(rows) + "\n")
        print_warnings(ended.all_warnings)
        self.report_failures(ended.failures)
        report = {
            "steps": [vars(row) for row in rows],
            "failures": list(map(asdict, ended.failures)),
            "warnings": list(map(asdict, ended.all_warnings)),
        }
        return self.finish(output | {"report": report}, ended.failures)

    def next_command(self) -> str:
        return self.export_command(self.args["output_stack"] or self.args["stack"])


main = IngestSection.main

if __name__ == "__main__":
    run_as_program("ingest_section")
