"""What is done for a section besides its pyramids: tiles into the stack, then levels into the tiles."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from asap_ingest.execution import Executor, SerialExecutor
from asap_ingest.execution.image_warnings import ImageWarning
from asap_ingest.mipmaps.apply_sections import SectionJob, SectionReport, apply_section
from asap_ingest.mipmaps.mipmap_run import MipmapReport, MipmapRun, section_jobs
from asap_ingest.mipmaps.pyramid import PyramidJob
from asap_ingest.mipmaps.tile_images import Failure
from asap_ingest.render.stack import Stack
from asap_ingest.render.tilespecs import TileSpecSettings
from asap_ingest.report.section_pages import write_section_pages
from asap_ingest.sections.occupied_z import Occupancy, OccupiedZ
from asap_ingest.temca.metafile import read_metafile
from asap_ingest.temca.metafile_tilespecs import build_tilespecs, intensity_warnings

_TILES_PER_REQUEST = 1000


@dataclass(frozen=True)
class UploadReport:
    """Tiles that one upload added, replaced and removed."""

    tiles: int
    added: int
    replaced: int
    removed: int
    seconds: float


@dataclass(frozen=True)
class Section:
    """A section to ingest: source, settings and target. Small and picklable.

    Attributes
    ----------
    tilespecs : TileSpecSettings
        Its z among them.
    run : MipmapRun
        Its stack gets the tiles without levels; its only z is that of the section.
    target : Stack
        Gets the tiles with levels; may be the same stack.
    tiles : int
        Their number as planned; 0 if unknown.
    """

    metafile: str
    tilespecs: TileSpecSettings
    occupied: OccupiedZ
    run: MipmapRun
    target: Stack
    report_dir: str | None = None
    tiles: int = 0

    @property
    def z(self) -> float:
        return self.tilespecs.z


@dataclass
class IngestedSection:
    """The results of a section so far: a report for each step, or the error that ended it.

    Attributes
    ----------
    stale : frozenset of str
        Ids of tiles to remove from the target, if that is another stack.
    clear_target : bool
        They are all tiles of the target at this z, so one request removes them.
    """

    section: Section
    upload: UploadReport | None = None
    mipmaps: MipmapReport = field(default_factory=MipmapReport)
    applied: SectionReport | None = None
    warnings: list[ImageWarning] = field(default_factory=list)
    stale: frozenset[str] = frozenset()
    clear_target: bool = False
    error: Exception | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def all_warnings(self) -> list[ImageWarning]:
        return [*self.warnings, *self.mipmaps.warnings]

    @property
    def failures(self) -> list[Failure]:
        """Failures of both steps: a tile that lacks levels because its pyramid failed is listed once."""
        failed = {failure.tileId for failure in self.mipmaps.failures}
        further = [] if self.applied is None else self.applied.failures
        return [*self.mipmaps.failures, *(failure for failure in further if failure.tileId not in failed)]


def place_section(section: Section) -> tuple[IngestedSection, list[PyramidJob]]:
    """Read the metafile, put its tiles into the stack, which must be LOADING; list the pyramids to be made.

    Where the z holds tiles of other metafiles too, their missing levels are made with the others.

    Raises
    ------
    MetafileError, StorageError, OccupiedError
    ServiceError, ServiceUnreachableError
    """
    metafile = read_metafile(section.metafile)
    tilespecs = build_tilespecs(metafile, section.tilespecs)
    tile_ids = {tilespec.tileId for tilespec in tilespecs}
    source, target = section.run.stack, section.target
    occupancy = section.occupied.apply(source, section.z, metafile, tile_ids)
    placed = IngestedSection(
        section, warnings=intensity_warnings(metafile, section.tilespecs.maximum_intensity)
    )
    if target != source:
        at_target = section.occupied.apply(target, section.z, metafile, tile_ids)
        placed.stale = frozenset(at_target.removed)
        placed.clear_target = bool(placed.stale) and not at_target.keeps_others(tile_ids)
    placed.upload = upload_section(source, section.z, tilespecs, occupancy, SerialExecutor())
    tiles: list[Any] = [tilespec.to_dict() for tilespec in tilespecs]
    jobs = section_jobs(section.run, tiles, placed.mipmaps)
    if occupancy.keeps_others(tile_ids):
        others = source.tiles(section.z)
        further = [tile for tile_id, tile in others.items() if tile_id not in tile_ids]
        resumed = replace(section.run, force_redo=False, since=0.0)
        jobs += section_jobs(resumed, further, placed.mipmaps)
    return placed, jobs


def finish_section(ingested: IngestedSection) -> SectionReport:
    """Give the tiles their levels; write the section's page, if one is requested."""
    section = ingested.section
    settings, target = section.run.settings, section.target
    job = SectionJob(
        section.run.stack,
        target,
        section.z,
        settings.levels,
        overwrite=ingested.clear_target,
        # folder listings that were cached for another section may be older than this one's levels
        run=uuid.uuid4().hex,
    )
    report = apply_section(job)
    if not ingested.clear_target:
        target.delete_tiles(ingested.stale)
    if section.report_dir is not None:
        write_section_pages(section.report_dir, section.run, ingested.mipmaps, section.metafile)
    return report


def upload_section(
    stack: Stack, z: float, tilespecs: Sequence[Any], occupancy: Occupancy, executor: Executor
) -> UploadReport:
    """Put tilespecs into a stack that is LOADING, and remove those that `occupancy` names.

    Raises
    ------
    ServiceError, ServiceUnreachableError
        Batches that are stored stay: an upload can be repeated.
    """
    start = time.perf_counter()
    before, after = occupancy.before, {tilespec.tileId for tilespec in tilespecs}
    keeps_others = occupancy.keeps_others(after)
    if occupancy.removed and not keeps_others:
        stack.delete_section(z)
    batches = [
        (stack, tuple(tilespecs[first : first + _TILES_PER_REQUEST]))
        for first in range(0, len(tilespecs), _TILES_PER_REQUEST)
    ]
    for outcome in executor.run(_put_batch, batches):
        outcome.result()
    if keeps_others:
        stack.delete_tiles(occupancy.removed)
    return UploadReport(
        tiles=len(tilespecs),
        added=len(after - before),
        replaced=len(after & before),
        removed=len(occupancy.removed),
        seconds=time.perf_counter() - start,
    )


def _put_batch(batch: tuple[Stack, tuple[Any, ...]]) -> None:
    stack, tilespecs = batch
    stack.put_tilespecs(list(tilespecs))
