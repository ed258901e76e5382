"""Many sections, from their metafiles to a stack with their mipmaps, through one set of workers.

    python -m asap_ingest.ingest_sections --input_json in.json --output_json out.json

The state of each section is kept in a file: the same command resumes an interrupted run, and retries what
failed.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any

from asap_ingest import storage
from asap_ingest.commands.render_step import RenderStep
from asap_ingest.commands.section_schemas import IngestSectionsOutput, IngestSectionsParameters
from asap_ingest.commands.step import run_as_program
from asap_ingest.errors import EXIT_DONE, ParameterError
from asap_ingest.execution.end_signals import end_signals, exit_on_signal
from asap_ingest.execution.image_warnings import ImageWarning, add_warning
from asap_ingest.execution.work_shards import Shard
from asap_ingest.generate_mipmaps import require_writable
from asap_ingest.mipmaps.mipmap_run import pyramid_settings
from asap_ingest.sections.section_list import METAFILES, ZRule, find_metafiles, z_rule
from asap_ingest.sections.section_plan import estimate, plan, refuse_shared_z
from asap_ingest.sections.section_state import (
    DONE,
    FAILED,
    SUPERSEDED,
    RunState,
    SectionRecord,
    StateInUseError,
)
from asap_ingest.sections.section_watch import Watch, say
from asap_ingest.sections.sections_run import SectionsRun

#: Parameters that determine tiles and levels; they must be the same in all runs with one state file.
_SETTINGS = (
    *("stack", "output_stack", "output_dir", "levels", "imgformat", "method", "convert_to_8bit"),
    *("PIL_filter", "block_func", "compression", "minimum_intensity", "maximum_intensity"),
    *("image_directory", "maskUrl"),
)
_COUNTS = (
    *("added", "replaced", "removed", "tiles_with_levels", "files_written", "files_skipped"),
    *("bytes_read", "bytes_written"),
)
#: Sections with failures that the summary lists.
_MOST_LISTED = 10
Records = Sequence[SectionRecord]


class IngestSections(RenderStep):
    """The run as a program."""

    default_schema = IngestSectionsParameters
    default_output_schema = IngestSectionsOutput
    #: Clock and sleep of a watch, which tests replace.
    clock = staticmethod(time.monotonic)
    wait = staticmethod(time.sleep)

    def work(self) -> int:
        args = self.args
        rule = z_rule(args["z_from"])
        state = RunState(self._state_file, {name: args.get(name) for name in _SETTINGS})
        if args["dry_run"]:
            return self._dry_run(state, rule)
        require_writable(args["output_dir"])
        try:
            with state.held():
                self._read(state)
                return self._watch(state, rule) if args["watch"] or args["once"] else self._all(state, rule)
        except StateInUseError as error:
            if not args["once"]:
                raise
            # normal for runs that cron starts: an earlier one is still at work, and writes the output
            sys.stderr.write(f"note: {error}\n")
            self.output = {}
            return EXIT_DONE

    def next_command(self) -> str | None:
        args = self.args
        if args["dry_run"] or args["watch"] or args["once"]:
            return None
        return self.export_command(args["output_stack"] or args["stack"])

    def _planned(self, state: RunState, rule: ZRule) -> list[SectionRecord]:
        """The sections of this run."""
        args = self.args
        metafiles = find_metafiles(args["metafiles"])
        if not metafiles:
            raise ParameterError("metafiles", f"{', '.join(args['metafiles'])}: no {METAFILES} there")
        records = plan(metafiles, state, rule, args["z_start"])
        if not args["append"]:
            refuse_shared_z(state)
        return [record for record in records if self._takes(record.metafile)]

    def _all(self, state: RunState, rule: ZRule) -> int:
        """Ingest all sections of this run that are not done."""
        mine = self._planned(state, rule)
        run = self._run(state)
        run.require_service()
        missing = run.replan_missing(mine)
        if missing:
            sys.stderr.write(f"note: {missing} sections that were done are not in the stack; done again\n")
        state.write()
        return self._ingest(run, [record for record in mine if not record.is_finished], mine)

    def _watch(self, state: RunState, rule: ZRule) -> int:
        """Ingest sections as they are written, until a signal ends the watch."""
        args = self.args
        run = self._run(state)
        state.write()

        def ingest(records: Records) -> None:
            run.require_service()
            self._ingest(run, records, list(state))

        watch = Watch(args["metafiles"], state, rule, args["z_start"], ingest, args.get("image_directory"))
        watch.settle_seconds, watch.poll_seconds = args["settle_seconds"], args["poll_seconds"]
        watch.clock, watch.wait = self.clock, self.wait
        if args["once"]:
            watch.once()
        else:
            with end_signals(exit_on_signal), suppress(SystemExit):
                watch.forever()
            say("stopped by a signal; the same command goes on")
        failed = [record for record in state if record.status == FAILED]
        return self.finish(output_of(args, state.uri, list(state), {}), failed)

    def _read(self, state: RunState) -> None:
        """Read the results of earlier runs, unless all sections are ingested anew."""
        if not self.args["force_redo"]:
            state.read()

    def _dry_run(self, state: RunState, rule: ZRule) -> int:
        self._read(state)
        records = self._planned(state, rule)
        left = estimate(records, pyramid_settings(self.args), self.args.get("image_directory"), self.workers)
        lines = left.lines(len(records), self.workers)
        for record in records:
            lines.append(f"z {record.z:g}: {record.status}, {record.tiles} tiles, {record.metafile}")
        sys.stdout.write("\n".join(lines) + "\n")
        return self.finish(output_of(self.args, self._state_file, records, asdict(left)))

    def _run(self, state: RunState) -> SectionsRun:
        source = self.stack(self.args["stack"])
        target = self.stack(self.args["output_stack"] or self.args["stack"])
        return SectionsRun(self.args, source, target, state, self.executor, self.workers)

    def _ingest(self, run: SectionsRun, left: Records, records: Records) -> int:
        """Ingest the sections that are left, and write the output for all `records`, also if interrupted."""
        start = time.perf_counter()

        def output() -> dict[str, Any]:
            return output_of(self.args, run.state.uri, records, {"seconds": time.perf_counter() - start})

        def how_to_resume() -> str:
            done = sum(record.status in (DONE, FAILED, SUPERSEDED) for record in records)
            where = f"the same command goes on (state: {run.state.uri})"
            return f"{done} of {len(records)} sections were done; {where}"

        with self.leaves_output(output, how_to_resume):
            run.run(left, len(records))
        sys.stdout.write("\n".join(summary(records, time.perf_counter() - start)) + "\n")
        return self.finish(output(), [record for record in records if record.status == FAILED])

    def _takes(self, metafile: str) -> bool:
        return "shard" not in self.args or Shard.parse(self.args["shard"]).takes(storage.as_uri(metafile))

    @property
    def _state_file(self) -> str:
        args = self.args
        if "state_file" in args:
            return str(args["state_file"])
        shard = f"_{args['shard'].replace('/', 'of')}" if "shard" in args else ""
        return storage.join(args["output_dir"], "runs", f"{args['stack']}_sections{shard}.json")


def output_of(
    args: Mapping[str, Any], state_file: str, records: Records, more: Mapping[str, Any]
) -> dict[str, Any]:
    """The output JSON: results of each section, and totals of all."""
    names = ("output_dir", "levels", "imgformat", "render", "storage_options")
    failures, warnings = [], list[ImageWarning]()
    for record in records:
        where = {"metafile": record.metafile, "z": record.z}
        failures += [where | failure for failure in record.failures]
        if record.error is not None:
            failures.append(where | {"tileId": "", "image": "", "reason": record.error})
        for warning in record.warnings:
            add_warning(warnings, ImageWarning(**warning))
    counts = {name: sum(record.report.get(name, 0) for record in records) for name in _COUNTS}
    return {
        **{name: args[name] for name in names},
        "stack": args["output_stack"] or args["stack"],
        "state_file": state_file,
        "sections": [
            {
                **{name: getattr(record, name) for name in ("metafile", "z", "status", "tiles", "error")},
                "failures": len(record.failures),
                **record.report,
            }
            for record in records
        ],
        "report": {
            "sections": len(records),
            "tiles": sum(record.tiles for record in records if record.status in (DONE, FAILED)),
            **counts,
            **{name: args[name] for name in ("shard",) if name in args},
            **more,
            "failures": failures,
            "warnings": list(map(asdict, warnings)),
        },
    }


def summary(records: Records, seconds: float) -> list[str]:
    """Lines for people: totals of all sections, and up to ten sections with failures."""
    done = [record for record in records if record.status == DONE]
    failed = [record for record in records if record.status == FAILED]
    superseded = sum(record.status == SUPERSEDED for record in records)
    tiles = sum(record.tiles for record in (*done, *failed))
    moved = sum(record.report.get(name, 0) for record in records for name in ("bytes_read", "bytes_written"))
    lines = [
        f"{len(done)} of {len(records)} sections done"
        + (f", {len(failed)} with failures" if failed else "")
        + (f", {superseded} imaged again since" if superseded else ""),
        f"{tiles:,} tiles, {moved / 1e6:,.1f} MB, {seconds:.1f} s",
    ]
    for record in failed[:_MOST_LISTED]:
        what = record.error or f"{len(record.failures)} tiles failed, like {record.failures[0]['tileId']}"
        lines.append(f"  z {record.z:g}: {what}")
    if len(failed) > _MOST_LISTED:
        lines.append(
            f"  and {len(failed) - _MOST_LISTED} more: all are in the output JSON and the state file"
        )
    return lines


main = IngestSections.main

if __name__ == "__main__":
    run_as_program("ingest_sections")
