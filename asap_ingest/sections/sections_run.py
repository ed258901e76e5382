"""A run over many sections: from the records of its state to the stacks, and the results back into it."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from asap_ingest.errors import AsapIngestError
from asap_ingest.execution import Executor
from asap_ingest.execution.image_warnings import ImageWarning, add_warning, print_warnings
from asap_ingest.execution.progress import Progress
from asap_ingest.mipmaps.mipmap_run import MipmapRun, pyramid_settings
from asap_ingest.render.stack import Stack
from asap_ingest.render.tilespecs import stack_version, tilespec_settings
from asap_ingest.sections.occupied_z import OccupiedZ
from asap_ingest.sections.section_pipeline import SectionPipeline, ingest
from asap_ingest.sections.section_state import BEGUN, DONE, FAILED, PLANNED, RunState, SectionRecord
from asap_ingest.sections.section_work import IngestedSection, Section
from asap_ingest.temca.metafile import read_metafile

logger = logging.getLogger(__name__)


@dataclass
class SectionsRun:
    """What is the same for all sections.

    Attributes
    ----------
    parameters : mapping
        Of the command.
    source, target : Stack
        The first gets the tiles, the second gets them with levels; may be the same.
    warnings : list of ImageWarning
        Those printed so far.
    """

    parameters: Mapping[str, Any]
    source: Stack
    target: Stack
    state: RunState
    executor: Executor
    workers: int
    warnings: list[ImageWarning] = field(default_factory=list)

    def run(self, records: Sequence[SectionRecord], of: int) -> None:
        """Ingest sections while the stacks are LOADING.

        Parameters
        ----------
        of : int
            Number of all sections of the run, as progress shows it; these are the last ones.

        Raises
        ------
        ServiceUnreachableError, StackStateError
            Results of the sections that ended before are in the state.
        """
        version = self._version(records)
        loading = stacks_loading(self.parameters, self.source, self.target, version)
        with loading, Progress(noun="tile") as progress:
            progress.expect(sum(record.tiles for record in records))
            by_metafile = {record.metafile: record for record in records}
            first = of - len(records) + 1
            pipeline = SectionPipeline(self._sections(records), self.workers, progress, first, of)
            for ended in ingest(pipeline, self.executor):
                self._record_result(by_metafile[ended.section.metafile], ended)

    def require_service(self) -> None:
        """Raise before the work if the service is down, or the stacks cannot be written."""
        for stack in (self.source, self.target):
            stack.writable_state()

    def replan_missing(self, records: Sequence[SectionRecord]) -> int:
        """Plan done sections again if they are no longer in the stack; return their number."""
        present = set() if self.target.state() is None else set(self.target.z_values())
        missing = [record for record in records if record.status == DONE and float(record.z) not in present]
        for record in missing:
            record.status = PLANNED
        return len(missing)

    def _version(self, records: Sequence[SectionRecord]) -> dict[str, Any]:
        """Version of stacks that are created: with the resolution of the first metafile that can be read."""
        for record in records:
            with suppress(AsapIngestError):
                return stack_version(self.parameters, read_metafile(record.metafile).pixel_size_nm)
        return dict(self.parameters.get("output_stackVersion", {}))

    def _sections(self, records: Sequence[SectionRecord]) -> Iterator[Section]:
        for record in records:
            resumed = record.status in (BEGUN, FAILED) and not self.parameters["force_redo"]
            section = section_of(self.parameters, self.source, self.target, record.metafile, float(record.z))
            run = replace(section.run, force_redo=not resumed, since=record.begun_at)
            self.state.begin(record)
            yield replace(section, run=run, tiles=record.tiles)

    def _record_result(self, record: SectionRecord, ended: IngestedSection) -> None:
        """Write the results of a section into the state, print its warnings, log its first failure."""
        record.failures = [asdict(failure) for failure in ended.failures]
        record.error = None if ended.error is None else str(ended.error) or type(ended.error).__name__
        record.status = FAILED if record.failures or record.error else DONE
        record.report = report_of(ended)
        record.warnings = [asdict(warning) for warning in ended.all_warnings]
        self.state.write()
        # copies, as the counts of those in the list grow
        print_warnings([new for new in ended.all_warnings if add_warning(self.warnings, replace(new))])
        if record.error is not None:
            logger.error("section z %g: %s", record.z, record.error)
        elif record.failures:
            first = record.failures[0]
            logger.error(
                "section z %g: %d failed; the first: tile %s: %s: %s",
                *(record.z, len(record.failures), first["tileId"], first["image"], first["reason"]),
            )


def section_of(
    parameters: Mapping[str, Any], source: Stack, target: Stack, metafile: str, z: float
) -> Section:
    """A section as the parameters of a command describe it."""
    return Section(
        metafile=metafile,
        tilespecs=tilespec_settings(parameters, metafile, z),
        occupied=OccupiedZ(parameters["overwrite_zlayer"], parameters["append"]),
        run=MipmapRun(
            stack=source,
            z_values=[z],
            settings=pyramid_settings(parameters),
            render_draws=parameters["method"] == "render",
            force_redo=parameters["force_redo"],
            verify=parameters["verify"],
        ),
        target=target,
        report_dir=parameters.get("report_dir"),
    )


@contextmanager
def stacks_loading(
    parameters: Mapping[str, Any], source: Stack, target: Stack, version: dict[str, Any]
) -> Iterator[None]:
    """Have both stacks LOADING inside; with `close_stack` the target is COMPLETE afterwards."""
    close = parameters["close_stack"]
    with ExitStack() as writing:
        writing.enter_context(source.writing(version, close and target == source))
        if target != source:
            given = parameters.get("output_stackVersion", {})
            writing.enter_context(target.writing(source.version() | given, close))
        yield


def report_of(ended: IngestedSection) -> dict[str, Any]:
    """Counts, bytes and seconds of a section's steps."""
    upload, mipmaps = ended.upload, ended.mipmaps
    return {
        **{name: getattr(upload, name, 0) for name in ("added", "replaced", "removed")},
        "tiles_with_levels": 0 if ended.applied is None else ended.applied.tiles_with_levels,
        **{
            name: getattr(mipmaps, name)
            for name in ("files_written", "files_skipped", "bytes_read", "bytes_written")
        },
        "stage_seconds": mipmaps.stage_seconds,
        "step_seconds": ended.seconds,
    }
