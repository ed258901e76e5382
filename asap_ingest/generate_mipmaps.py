"""Image pyramids for the tiles of a stack: every tile's levels 1 to n as files.

python -m asap_ingest.generate_mipmaps --input_json in.json --output_json out.json
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from asap_ingest import storage
from asap_ingest.commands.program import command_line
from asap_ingest.commands.render_step import RenderStep
from asap_ingest.commands.step import run_as_program
from asap_ingest.errors import AsapIngestError, ParameterError, StorageError, describe_z_values
from asap_ingest.execution import Executor
from asap_ingest.execution.image_warnings import print_warnings
from asap_ingest.execution.progress import Progress
from asap_ingest.execution.work_shards import Shard
from asap_ingest.mipmaps.mipmap_run import MipmapReport, MipmapRun, jobs_of, pyramid_settings
from asap_ingest.mipmaps.pyramid import (
    PyramidJob,
    PyramidResult,
    build_and_verify,
    build_pyramid,
)
from asap_ingest.report.section_pages import write_section_pages
from asap_ingest.schemas import GenerateMipMapsOutput, GenerateMipMapsParameters
from asap_ingest.storage.json_documents import read_object

_HANDED_ON = ("input_stack", "output_dir", "levels", "imgformat", "render", "storage_options")


def generate_mipmaps(run: MipmapRun, executor: Executor, report: MipmapReport | None = None) -> MipmapReport:
    """Write levels 1 to n of every image and mask of the sections.

    A tile that fails does not stop the others: it is listed in the report. A `report` that is given is filled
    as the run goes on, so that the caller has it if the run is interrupted.

    Raises
    ------
    ServiceError, ServiceUnreachableError
        A section's tiles could not be read.
    """
    start = time.perf_counter()
    report = MipmapReport() if report is None else report
    report.shard = None if run.shard is None else str(run.shard)
    job: Callable[[PyramidJob], PyramidResult] = build_and_verify if run.verify else build_pyramid
    with Progress(noun="tile") as progress:
        for outcome in executor.run(job, jobs_of(run, report, progress)):
            moved = report.count(outcome)
            progress.advance(outcome.item.image.tile_count, moved, failures=outcome.error is not None)
    report.close(time.perf_counter() - start)
    return report


def require_writable(output_dir: str) -> None:
    """Raise an error now, not after the work, if levels cannot be written.

    Raises
    ------
    ParameterError
    """
    try:
        storage.ensure_writable_folder(output_dir)
    except StorageError as error:
        raise ParameterError("output_dir", str(error)) from error


def failed_tiles(output_json: str) -> tuple[frozenset[str], list[float]]:
    """Ids of the tiles that failed in the run that left this output JSON, and its z values.

    It goes by tiles, not by images, as a tilespec that was corrected since then names other images.

    Raises
    ------
    ParameterError
        There is no such file, or it is not the output of a run.
    """
    try:
        output = read_object(output_json)
        # only the output of this step has input_stack: the next step lists failures too, of other files
        failures, _ = output["report"]["failures"], output["input_stack"]
        return frozenset(failure["tileId"] for failure in failures), output["zValues"]
    except (AsapIngestError, ValueError, KeyError, TypeError) as error:
        problem = f"{output_json!r} is not the output JSON of generate_mipmaps ({error})"
        raise ParameterError("retry_failed", problem) from error


class GenerateMipMaps(RenderStep):
    """The step as a program."""

    default_schema = GenerateMipMapsParameters
    default_output_schema = GenerateMipMapsOutput

    def work(self) -> int:
        args = self.args
        run, executor = self._run(), self.executor
        require_writable(args["output_dir"])
        report = MipmapReport()
        how_to_resume = "force_redo false does what is missing"
        with self.leaves_output(lambda: self._output(run, report), lambda: how_to_resume):
            generate_mipmaps(run, executor, report)
        self._check_retry(run, report)
        if "report_dir" in args:
            write_section_pages(args["report_dir"], run, report, args.get("metafile"))
        print_warnings(report.warnings)
        self.report_failures(report.failures)
        return self.finish(self._output(run, report), report.failures)

    def _output(self, run: MipmapRun, report: MipmapReport) -> dict[str, Any]:
        output = {name: self.args[name] for name in _HANDED_ON}
        return output | {"zValues": run.z_values, "report": asdict(report)}

    def next_command(self) -> str:
        args = self.args
        if "shard" in args:
            merging = command_line("merge_reports", output_json="merged.json")
            return f"{merging} --inputs OUTPUT_JSON_OF_EVERY_SHARD"
        names = ("input_stack", "levels", "imgformat", "z")
        handed_on: dict[str, Any] = {name: args[name] for name in names if name in args}
        new_stack = {"output_stack": f"{args['input_stack']}_with_mipmaps", "close_stack": "true"}
        return self.followed_by(
            "apply_mipmaps_to_render", {**handed_on, "mipmap_dir": args["output_dir"]}, **new_stack
        )

    def retry_command(self) -> str | None:
        output_json = self.args.get("output_json")
        # what is typed in storage_options may be secret
        if output_json is None or any("storage" in word for word in self.typed):
            return None
        return command_line("generate_mipmaps", *self.typed, retry_failed=output_json)

    def _run(self) -> MipmapRun:
        args = self.args
        only = None
        if "retry_failed" in args:
            only, z_values = failed_tiles(args["retry_failed"])
            if not {"z", "zValues", "zstart", "zend"} & args.keys():
                args["zValues"] = z_values
        return MipmapRun(
            stack=(stack := self.stack(args["input_stack"])),
            z_values=self.sections(stack),
            settings=pyramid_settings(args),
            render_draws=args["method"] == "render",
            force_redo=args["force_redo"],
            verify=args["verify"],
            shard=Shard.parse(args["shard"]) if "shard" in args else None,
            only=only,
        )

    def _check_retry(self, run: MipmapRun, report: MipmapReport) -> None:
        """Raise an error if a retry found none of its tiles: it would look like a success."""
        if run.only and run.shard is None and not report.tiles and not report.failures:
            where = f"stack {run.stack.name!r} at {describe_z_values(run.z_values)}"
            problem = (
                f"none of the {len(run.only)} tiles that failed there, like {min(run.only)}, is in {where}"
            )
            raise ParameterError("retry_failed", problem)


main = GenerateMipMaps.main

if __name__ == "__main__":
    run_as_program("generate_mipmaps")
