"""Register pyramids in a stack: every tile gets the URIs of its levels.

python -m asap_ingest.apply_mipmaps_to_render --input_json in.json --output_json out.json
"""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from asap_ingest import storage
from asap_ingest.commands.render_step import RenderStep
from asap_ingest.commands.step import run_as_program
from asap_ingest.errors import ParameterError
from asap_ingest.execution import Executor, PoolExecutor, SerialExecutor
from asap_ingest.execution.progress import Progress
from asap_ingest.execution.work_shards import Shard
from asap_ingest.mipmaps.apply_sections import (
    SectionJob,
    SectionReport,
    apply_section,
    check_section,
    copy_section,
    examine_section,
    verified,
)
from asap_ingest.mipmaps.levels import EXTENSIONS, Levels
from asap_ingest.mipmaps.path_builder import (
    names_same_files,
    path_builder,
    with_most_levels,
)
from asap_ingest.mipmaps.tile_images import Failure
from asap_ingest.render.stack import Stack
from asap_ingest.schemas import AddMipMapsToStackOutput, AddMipMapsToStackParameters

#: The path builder of a stack `before` (None for none) and `after` a run.
Builders = dict[str, Any]


@dataclass
class ApplyReport:
    """Results of a run: tiles read, how many of them have the levels now, failures.

    Attributes
    ----------
    changes : list, optional
        In a dry run, the change of each tile, as `registration.tile_change` returns it.
    path_builder : dict, optional
        The stack's path builder `before` and `after`, if levels are registered by one.
    """

    tiles: int = 0
    tiles_with_levels: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)
    changes: list[dict[str, Any]] | None = None
    path_builder: Builders | None = None
    shard: str | None = None


def apply_mipmaps(*, jobs: Sequence[SectionJob], executor: Executor) -> ApplyReport:
    """Register levels section by section; the target stack must be LOADING.

    A tile of which files are missing keeps the levels that it has, and is listed in the report.

    Raises
    ------
    AsapIngestError
        A section could not be read or written; those done before it stay written.
    """
    return _over_sections(apply_section, jobs, executor)


def _over_sections(
    work: Callable[[SectionJob], SectionReport], jobs: Sequence[SectionJob], executor: Executor
) -> ApplyReport:
    """Run `work` for each section; the report of all."""
    start = time.perf_counter()
    report = ApplyReport()
    changes: list[dict[str, Any]] = []
    if len(jobs) == 1 and isinstance(executor, PoolExecutor):
        executor = SerialExecutor()  # starting a process would take longer than the section
    with Progress(noun="section") as progress:
        progress.expect(len(jobs))
        for number, outcome in enumerate(executor.run(work, jobs), start=1):
            section, job = outcome.result(), outcome.item
            report.tiles += section.tiles
            report.tiles_with_levels += section.tiles_with_levels
            report.failures += section.failures
            changes += section.changes
            progress.at(number, len(jobs), job.target.name, job.z)
            progress.advance(failures=len(section.failures))
    report.failures.sort(key=lambda failure: (failure.tileId, failure.image))
    report.changes = sorted(changes, key=lambda change: change["tileId"]) if work is examine_section else None
    report.seconds = time.perf_counter() - start
    return report


class AddMipMapsToStack(RenderStep):
    """The step as a program."""

    default_schema = AddMipMapsToStackParameters
    default_output_schema = AddMipMapsToStackOutput

    def work(self) -> int:
        args = self.args
        shard = Shard.parse(args["shard"]) if "shard" in args else None
        levels = Levels(args["mipmap_dir"], EXTENSIONS[args["imgformat"]], args["levels"])
        jobs = self._jobs(shard, levels)
        builders = self._builders(levels) if args["mipmap_path_builder"] else None
        if args["verify"]:
            jobs = verified(jobs, self.executor)
        report = self._report(jobs, builders)
        report.path_builder = builders
        report.shard = None if shard is None else str(shard)
        self.report_failures(report.failures)
        described = {name: value for name, value in asdict(report).items() if value is not None}
        names = ("mipmap_dir", "levels", "imgformat", "render", "storage_options")
        output = {name: args[name] for name in names} | {"output_stack": self._target.name}
        output |= {"zValues": [job.z for job in jobs], "report": described}
        return self.finish(output, report.failures)

    def next_command(self) -> str | None:
        return None if self.args["dry_run"] else self.export_command(self._target.name)

    @property
    def _source(self) -> Stack:
        return self.stack(self.args["input_stack"])

    @property
    def _target(self) -> Stack:
        return self.stack(self.args["output_stack"] or self.args["input_stack"])

    def _jobs(self, shard: Shard | None, levels: Levels) -> list[SectionJob]:
        args, source, target = self.args, self._source, self._target
        z_values = self.sections(source)
        if not storage.is_folder(levels.root):
            problem = f"{args['mipmap_dir']!r}: no such folder; run generate_mipmaps first"
            raise ParameterError("mipmap_dir", problem)
        common = {
            "levels": levels,
            "overwrite": args["overwrite_zlayer"] and target != source,
            "with_builder": args["mipmap_path_builder"],
            "run": uuid.uuid4().hex,
        }
        taken = [z for z in z_values if shard is None or shard.takes(f"{z}")]
        return [SectionJob(source, target, z, **common) for z in taken]

    def _builders(self, levels: Levels) -> Builders:
        """The target's path builder before and after; a new stack has at least the source's number of levels.

        Raises
        ------
        ParameterError
            The target has a builder for other files.
        StackStateError
            The target cannot be changed.
        """
        wanted, target = path_builder(levels), self._target
        if target.writable_state() is not None:
            before = target.path_builder()
            return {"before": before, "after": with_most_levels(wanted, before, target.name)}
        present = self._source.path_builder()
        same = present if present is not None and names_same_files(wanted, present) else None
        return {"before": None, "after": with_most_levels(wanted, same, target.name)}

    def _report(self, jobs: Sequence[SectionJob], builders: Builders | None) -> ApplyReport:
        close_stack, executor = self.args["close_stack"], self.executor
        if self.args["dry_run"]:
            self._target.writable_state()  # raises as the run would
            return _over_sections(examine_section, jobs, executor)
        if builders is not None:
            return self._with_path_builder(jobs, builders)
        if not jobs:
            return ApplyReport()  # a shard without sections
        self._note_loading(close_stack)
        version = self._source.version() | self.args.get("output_stackVersion", {})
        with self._target.writing(version, close_stack):
            return apply_mipmaps(jobs=jobs, executor=executor)

    def _with_path_builder(self, jobs: Sequence[SectionJob], builders: Builders) -> ApplyReport:
        """Register the levels of all tiles in one record, if all files of the sections are there.

        If one is missing, nothing is written: the failures are in the report. Tiles are written only where
        the target is another stack than the source.
        """
        source, target, close_stack = self._source, self._target, self.args["close_stack"]
        report = _over_sections(check_section, jobs, self.executor)
        if report.failures:
            report.tiles_with_levels = 0
        elif target != source:
            with target.writing(source.version(without=("mipmapPathBuilder",)), close_stack):
                _over_sections(copy_section, jobs, self.executor)
                target.put_path_builder(builders["after"])
        else:
            if builders["after"] != builders["before"]:
                target.put_path_builder(builders["after"])
            if close_stack and target.state() == "LOADING":
                target.set_state("COMPLETE")
        return report

    def _note_loading(self, close_stack: bool) -> None:
        """Print a note if the stack, which is its own source, was LOADING already and will stay so."""
        if self._target == self._source and not close_stack and self._target.state() == "LOADING":
            # not to the log, whose default level hides notes
            sys.stderr.write(
                f"note: stack {self._target.name} was LOADING before, as a run that is killed leaves it, and "
                "stays so; close_stack true makes it COMPLETE\n"
            )


main = AddMipMapsToStack.main

if __name__ == "__main__":
    run_as_program("apply_mipmaps_to_render")
