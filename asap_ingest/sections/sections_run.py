"""A run over many sections: from the records of its state to the stacks, and the results back into it."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from asap_ingest.errors import AsapIngestError
from asap_ingest.execution import Executor
from asap_ingest.execution.progress import Progress
from asap_ingest.execution.remarks import Remark, note, tell
from asap_ingest.mipmaps.apply_sections import SectionJob
from asap_ingest.mipmaps.mipmap_run import MipmapRun, pyramid_settings
from asap_ingest.render.stack import Stack
from asap_ingest.render.tilespecs import tilespec_settings
from asap_ingest.sections.occupied_z import OccupiedZ
from asap_ingest.sections.section_pipeline import IngestedSection, SectionPipeline, ingest
from asap_ingest.sections.section_state import BEGUN, DONE, FAILED, PLANNED, RunState, SectionRecord
from asap_ingest.sections.section_work import Section, tile_failures
from asap_ingest.temca.metafile import Metafile, read_metafile

logger = logging.getLogger(__name__)


@dataclass
class SectionsRun:
    """What is the same for all sections.

    Attributes
    ----------
    parameters : mapping
        Of the command.
    source, target : Stack
        That gets the tiles, and that gets them with levels; may be the same.
    remarks : list of Remark
        Told so far.
    """

    parameters: Mapping[str, Any]
    source: Stack
    target: Stack
    state: RunState
    executor: Executor
    workers: int
    remarks: list[Remark] = field(default_factory=list)

    def run(self, records: Sequence[SectionRecord], of: int) -> None:
        """Do sections, of which `of` are to be told; the stacks are LOADING meanwhile.

        Raises
        ------
        ServiceUnreachableError, StackStateError
            Those that are done are in the state.
        """
        with ExitStack() as writing, Progress(unit="tile") as progress:
            version = self._version(records)
            writing.enter_context(stacks_loading(self.parameters, self.source, self.target, version))
            progress.expect(sum(record.tiles for record in records))
            by_metafile = {record.metafile: record for record in records}
            pipeline = SectionPipeline(
                self._sections(records), self.workers, progress, of - len(records) + 1, of
            )
            for ended in ingest(pipeline, self.executor):
                self._take(by_metafile[ended.section.metafile], ended)

    def require_service(self) -> None:
        """Find out before the work that the service is away, or the stacks cannot be written."""
        for stack in (self.source, self.target):
            stack.writable_state()

    def do_again_what_is_not_there(self, records: Sequence[SectionRecord]) -> int:
        """Plan sections again that were done, and are no longer in the stack; their number."""
        there = set() if self.target.state() is None else set(self.target.z_values())
        lost = [record for record in records if record.status == DONE and float(record.z) not in there]
        for record in lost:
            record.status = PLANNED
        return len(lost)

    def _version(self, records: Sequence[SectionRecord]) -> dict[str, Any]:
        """Of stacks that are made: with the resolution of the first metafile that is sound."""
        for record in records:
            with suppress(AsapIngestError):
                return stack_version(self.parameters, read_metafile(record.metafile))
        return {}

    def _sections(self, records: Sequence[SectionRecord]) -> Iterator[Section]:
        for record in records:
            resumed = record.status in (BEGUN, FAILED) and not self.parameters["force_redo"]
            section = self._section(record, resumed)
            self.state.begin(record)
            yield section

    def _section(self, record: SectionRecord, resumed: bool) -> Section:
        section = section_of(self.parameters, self.source, self.target, record.metafile, float(record.z))
        run = replace(section.run, force_redo=not resumed, since=record.begun_at)
        return replace(section, run=run, tiles=record.tiles)

    def _take(self, record: SectionRecord, ended: IngestedSection) -> None:
        """What became of a section, into the state and to whoever looks on."""
        record.failures = [asdict(failure) for failure in tile_failures(ended.mipmaps, ended.applied)]
        record.error = None if ended.error is None else str(ended.error) or type(ended.error).__name__
        record.status = FAILED if record.failures or record.error else DONE
        record.report = report_of(ended)
        remarks = [*ended.remarks, *ended.mipmaps.warnings]
        record.warnings = [asdict(remark) for remark in remarks]
        self.state.write()
        tell([remark for remark in remarks if note(self.remarks, Remark(**asdict(remark)))])
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
    """A section as the parameters of a command say."""
    settings = pyramid_settings(parameters)
    return Section(
        metafile=metafile,
        tilespecs=tilespec_settings(parameters, metafile, z),
        occupied=OccupiedZ(parameters["overwrite_zlayer"], parameters["append"]),
        run=MipmapRun(
            stack=source,
            z_values=[z],
            settings=settings,
            render_draws=parameters["method"] == "render",
            force_redo=parameters["force_redo"],
            verify=parameters["verify"],
        ),
        apply=SectionJob(
            source,
            target,
            z,
            settings.levels,
            # listings of folders that were made for another section may be older than this one's levels
            run=uuid.uuid4().hex,
            storage_options=settings.storage_options,
        ),
        report_dir=parameters.get("report_dir"),
        storage_options=settings.storage_options,
    )


def stack_version(parameters: Mapping[str, Any], metafile: Metafile) -> dict[str, Any]:
    """Version of a stack that is made for a metafile: its resolution, in nm."""
    size = metafile.pixel_size_nm
    z_size = parameters["section_thickness"]
    return {"stackResolutionX": size, "stackResolutionY": size, "stackResolutionZ": z_size}


@contextmanager
def stacks_loading(
    parameters: Mapping[str, Any], source: Stack, target: Stack, version: Mapping[str, Any]
) -> Iterator[None]:
    """Have both stacks LOADING inside; with `close_stack` the target is COMPLETE afterwards."""
    close, given = parameters["close_stack"], parameters.get("output_stackVersion", {})
    with ExitStack() as writing:
        writing.enter_context(source.writing({**version, **given}, close and target == source))
        if target != source:
            writing.enter_context(target.writing(source.version() | given, close))
        yield


def report_of(ended: IngestedSection) -> dict[str, Any]:
    """Counts, bytes and seconds of a section's steps."""
    upload = {} if ended.upload is None else asdict(ended.upload)
    mipmaps = ended.mipmaps
    return {
        **{name: upload.get(name, 0) for name in ("added", "replaced", "removed")},
        "tiles_with_levels": 0 if ended.applied is None else ended.applied.tiles_with_levels,
        **{
            name: getattr(mipmaps, name)
            for name in ("files_written", "files_skipped", "bytes_read", "bytes_written")
        },
        "stage_seconds": mipmaps.stage_seconds,
        "step_seconds": ended.seconds,
    }
