"""The jobs of apply_mipmaps_to_render: each handles one section. Verification has a job for each tile."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, NamedTuple

from asap_ingest.execution import Executor
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.path_builder import require_expressible
from asap_ingest.mipmaps.registration import (
    Pyramids,
    new_pyramids,
    register_levels,
    tile_change,
    usable_levels,
)
from asap_ingest.mipmaps.tile_images import Failure, Shape, TileSpec
from asap_ingest.mipmaps.verify import Fault, faults_of
from asap_ingest.render.stack import Stack
from asap_ingest.storage.folder_listings import FolderListings

Tiles = dict[str, TileSpec]


@dataclass(frozen=True)
class SectionJob:
    """One section: source, target and levels.

    Attributes
    ----------
    overwrite : bool
        The target's section is removed first.
    with_builder : bool
        The levels are registered by the stack's path builder, not in the tiles.
    faults : tuple of Failure
        Faults that verification found: these tiles get no levels.
    run : str
        Names the run: its jobs in one process share folder listings. Another run needs new ones.
    """

    source: Stack
    target: Stack
    z: float
    levels: Levels
    overwrite: bool = False
    with_builder: bool = False
    faults: tuple[Failure, ...] = ()
    run: str = ""

    @property
    def in_place(self) -> bool:
        return self.target == self.source


@dataclass(frozen=True)
class SectionReport:
    """What a job did, or would do, in a section; only `examine_section` lists changes."""

    tiles: int
    tiles_with_levels: int
    failures: list[Failure]
    changes: list[dict[str, Any]] = field(default_factory=list)


def apply_section(job: SectionJob) -> SectionReport:
    """Read the tiles, list the files of their levels, write the tiles in one request."""
    with _collector_paused():
        resolved = job.source.resolved_tiles(job.z)
        tiles = resolved["tileIdToSpecMap"]
        pyramids, failures = _pyramids(job, tiles)
        for levels in pyramids.values():
            register_levels(levels)
        if pyramids or not job.in_place:
            _write(job, resolved)
        return SectionReport(len(tiles), len(pyramids), failures)


def copy_section(job: SectionJob) -> SectionReport:
    """Write the tiles to the target as they are."""
    resolved = job.source.resolved_tiles(job.z)
    _write(job, resolved)
    return SectionReport(len(resolved["tileIdToSpecMap"]), 0, [])


def check_section(job: SectionJob) -> SectionReport:
    """Find the tiles that can get their levels; nothing is written."""
    tiles = job.source.tiles(job.z)
    pyramids, failures = _pyramids(job, tiles)
    return SectionReport(len(tiles), len(pyramids), failures)


def examine_section(job: SectionJob) -> SectionReport:
    """List what `apply_section` or, with a builder, `copy_section` would change; nothing is written."""
    tiles = job.source.tiles(job.z)
    pyramids, failures = _pyramids(job, tiles)
    registered = tiles if job.in_place else job.target.tiles(job.z)
    in_tiles: Pyramids = {} if job.with_builder else pyramids
    changes = [
        tile_change(tile, in_tiles.get(tile_id, []), registered.get(tile_id))
        for tile_id, tile in tiles.items()
    ]
    removed = sorted(registered.keys() - tiles.keys()) if job.overwrite else []
    changes += [{"tileId": tile_id, "remove": True} for tile_id in removed]
    return SectionReport(len(tiles), len(pyramids), failures, [change for change in changes if change])


def _pyramids(job: SectionJob, tiles: Tiles) -> tuple[Pyramids, list[Failure]]:
    """New levels of the tiles whose files all exist, and the failures of the others.

    Raises
    ------
    ParameterError
        The path builder cannot name these levels.
    """
    listings = _listings(job.run)
    listings.start_section()
    faulty: dict[str, set[str]] = {}
    for failure in job.faults:
        faulty.setdefault(failure.tileId, set()).add(failure.image)
    usable, failures = usable_levels(tiles, job.levels, listings, faulty)
    if job.with_builder:
        for tile_id, tile in tiles.items():
            require_expressible(tile_id, new_pyramids(tile, job.levels), job.levels)
    return usable, [*job.faults, *failures]


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause garbage collection: JSON has no cycles, and the search for them would double the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@lru_cache(maxsize=1)
def _listings(run: str) -> FolderListings:
    return FolderListings(names_only=True)


def _write(job: SectionJob, resolved: dict[str, Any]) -> None:
    if job.overwrite:
        job.target.delete_section(job.z)
    # new levels do not change bounds, so the service derives them only if a tile was stored without
    have_bounds = all("minX" in tile and "maxY" in tile for tile in resolved["tileIdToSpecMap"].values())
    job.target.put_resolved_tiles(resolved, derive_data=not have_bounds)


class TileCheck(NamedTuple):
    """A tile to verify; `images` are the arguments of `faults_of` for each of its images and masks."""

    z: float
    tile_id: str
    images: list[tuple[list[str], Shape, str | None]]


def verified(jobs: Sequence[SectionJob], executor: Executor) -> list[SectionJob]:
    """Copies of the jobs with the faults of their levels: all files are read and decoded."""
    faults: dict[float, list[Failure]] = {job.z: [] for job in jobs}
    for outcome in executor.run(_verify_tile, _tile_checks(jobs)):
        check, result = outcome.item, outcome.value
        if result is None:
            result = [Fault("", outcome.reason)]
        faults[check.z] += [Failure(check.tile_id, *fault) for fault in result]
    return [replace(job, faults=tuple(faults[job.z])) for job in jobs]


def _tile_checks(jobs: Iterable[SectionJob]) -> Iterator[TileCheck]:
    """One check for each tile; a section's tiles are read when its first check is needed."""
    for job in jobs:
        for tile_id, tile in job.source.tiles(job.z).items():
            images = [
                (uris, new.present.shape_yx, sample_type)
                for new in new_pyramids(tile, job.levels)
                for uris, sample_type in ((new.images, None), (new.mask_files, "uint8"))
            ]
            yield TileCheck(job.z, tile_id, images)


def _verify_tile(check: TileCheck) -> list[Fault]:
    return [fault for image in check.images for fault in faults_of(*image)]
