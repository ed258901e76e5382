"""What workers do for a section besides its pyramids: tiles into the stack, then levels into the tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from asap_ingest import storage
from asap_ingest.execution import SerialExecutor
from asap_ingest.execution.remarks import Remark
from asap_ingest.mipmaps.apply_sections import SectionJob, SectionReport, apply_section
from asap_ingest.mipmaps.mipmap_run import MipmapReport, MipmapRun, section_jobs
from asap_ingest.mipmaps.pyramid import PyramidJob
from asap_ingest.mipmaps.tile_images import Failure
from asap_ingest.render.tilespecs import TileSpecSettings
from asap_ingest.report.section_pages import write_section_pages
from asap_ingest.sections.occupied_z import OccupiedZ, clear
from asap_ingest.sections.section_upload import UploadReport, upload_section
from asap_ingest.temca.metafile import read_metafile
from asap_ingest.temca.metafile_tilespecs import build_tilespecs, remark_on_intensity


@dataclass(frozen=True)
class Section:
    """One section of a run: what it is made of, and where it goes. Small and picklable.

    Attributes
    ----------
    tilespecs : TileSpecSettings
        Its z among them.
    run : MipmapRun
        Of the stack that gets the tiles without levels, and this z alone.
    apply : SectionJob
        From that stack to the one whose tiles know their levels; may be the same.
    tiles : int
        Their number, as far as it is known before.
    """

    metafile: str
    tilespecs: TileSpecSettings
    occupied: OccupiedZ
    run: MipmapRun
    apply: SectionJob
    report_dir: str | None = None
    storage_options: Mapping[str, Any] = field(default_factory=dict)
    tiles: int = 0

    @property
    def z(self) -> float:
        return self.tilespecs.z


@dataclass(frozen=True)
class Stale:
    """Tiles to remove from the stack that gets the levels, where it is a stack of its own.

    `alone` says that nothing else lies at that z: it can be cleared in one request.
    """

    tile_ids: frozenset[str] = frozenset()
    alone: bool = False


@dataclass(frozen=True)
class PlacedSection:
    """A section whose tiles are in the stack, and the jobs that make their levels."""

    upload: UploadReport
    mipmaps: MipmapReport
    jobs: list[PyramidJob]
    remarks: list[Remark]
    stale: Stale


def place_section(section: Section) -> PlacedSection:
    """Read the metafile, put its tiles into the stack, which must be LOADING; list the pyramids to be made.

    Where the z holds tiles of other metafiles too, their missing levels are made with the others.

    Raises
    ------
    MetafileError, StorageError, OccupiedError
    ServiceError, ServiceUnreachableError
    """
    with storage.options(section.storage_options):
        metafile = read_metafile(section.metafile)
        tilespecs = build_tilespecs(metafile, section.tilespecs)
        tile_ids = {tilespec.tileId for tilespec in tilespecs}
        source, target = section.run.stack, section.apply.target
        occupancy = section.occupied.settle(source, section.z, metafile, tile_ids)
        stale = Stale()
        if target != source:
            there = section.occupied.settle(target, section.z, metafile, tile_ids)
            stale = Stale(frozenset(there.removed), not there.keeps_others(tile_ids))
        upload = upload_section(
            stack=source, tilespecs=tilespecs, z=section.z, occupancy=occupancy, executor=SerialExecutor()
        )
        mipmaps = MipmapReport()
        tiles = [tilespec.to_dict() for tilespec in tilespecs]
        jobs = section_jobs(section.run, tiles, mipmaps)
        if occupancy.keeps_others(tile_ids):
            others = source.tiles(section.z)
            further = [tile for tile_id, tile in others.items() if tile_id not in tile_ids]
            resumed = replace(section.run, force_redo=False, since=0.0)
            jobs += section_jobs(resumed, further, mipmaps)
    remarks = remark_on_intensity(metafile, section.tilespecs.maximum_intensity)
    return PlacedSection(upload, mipmaps, jobs, remarks, stale)


@dataclass(frozen=True)
class Finish:
    """A section whose levels are made, as far as they could be."""

    section: Section
    mipmaps: MipmapReport
    stale: Stale


def finish_section(finish: Finish) -> SectionReport:
    """Give the tiles their levels; write the section's page, if one is asked for."""
    section, stale = finish.section, finish.stale
    report = apply_section(replace(section.apply, overwrite=bool(stale.tile_ids) and stale.alone))
    if not stale.alone:
        clear(section.apply.target, stale.tile_ids)
    if section.report_dir is not None:
        with storage.options(section.storage_options):
            write_section_pages(section.report_dir, section.run, finish.mipmaps, section.metafile)
    return report


def tile_failures(mipmaps: MipmapReport, applied: SectionReport | None) -> list[Failure]:
    """Failures of both steps; a level that is not there as its image could not be read is told once."""
    failed = {failure.tileId for failure in mipmaps.failures}
    further = () if applied is None else applied.failures
    return [*mipmaps.failures, *(failure for failure in further if failure.tileId not in failed)]
