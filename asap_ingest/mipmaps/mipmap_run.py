"""One run of generate_mipmaps: which images it does, and what became of them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from asap_ingest.errors import StorageError
from asap_ingest.execution import Outcome
from asap_ingest.execution.image_warnings import ImageWarning, add_warning
from asap_ingest.execution.progress import Progress
from asap_ingest.execution.work_shards import Shard
from asap_ingest.images.downsample import Downsampling
from asap_ingest.mipmaps.locations import EXTENSIONS
from asap_ingest.mipmaps.missing_levels import levels_to_write
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidResult, PyramidSettings
from asap_ingest.mipmaps.tile_images import Failure, TileImage, TileSpec, images_of, unusable_sources
from asap_ingest.render.stack import Stack
from asap_ingest.storage.folder_listings import FolderListings


@dataclass(frozen=True)
class MipmapRun:
    """What is to be done.

    Attributes
    ----------
    render_draws : bool
        The render service makes the levels of images (not of masks).
    force_redo : bool
        False leaves levels that are there and not older than their image, or than `since`.
    verify : bool
        Every level is read again after it was written.
    shard : Shard, optional
        Only this part of the images.
    only : frozenset of str, optional
        Only what these tiles use, by their ids.
    """

    stack: Stack
    z_values: Sequence[float]
    settings: PyramidSettings
    render_draws: bool = False
    force_redo: bool = True
    since: float = 0.0
    verify: bool = False
    shard: Shard | None = None
    only: frozenset[str] | None = None

    def takes(self, key: str, tile_ids: Iterable[str]) -> bool:
        """Whether an image, by its name and the tiles that use it, is part of this run."""
        in_shard = self.shard is None or self.shard.takes(key)
        return in_shard and (self.only is None or not self.only.isdisjoint(tile_ids))


@dataclass
class MipmapReport:
    """What a run did: tiles, files, bytes, seconds by stage (summed over workers), failures, warnings."""

    tiles: int = 0
    files_written: int = 0
    files_skipped: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    slowest_stage: str | None = None
    failures: list[Failure] = field(default_factory=list)
    warnings: list[ImageWarning] = field(default_factory=list)
    shard: str | None = None

    def count(self, outcome: Outcome[PyramidJob, PyramidResult]) -> int:
        """Take in what became of a job; the bytes that it moved."""
        result = outcome.value
        if result is None:
            self.failures.extend(_failures(outcome))
            return 0
        self.files_written += result.written
        self.bytes_read += result.bytes_read
        self.bytes_written += result.bytes_written
        for stage, seconds in result.seconds.items():
            self.spent(stage, seconds)
        if result.remark is not None:
            add_warning(self.warnings, ImageWarning(result.remark, 1, outcome.item.source.name))
        return result.bytes_read + result.bytes_written

    def spent(self, stage: str, seconds: float) -> None:
        self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds

    def close(self, seconds: float) -> None:
        self.seconds = seconds
        self.failures.sort(key=lambda failure: (failure.tileId, failure.image))
        self.warnings.sort(key=lambda warning: warning.text)
        self.slowest_stage = max(self.stage_seconds, key=self.stage_seconds.__getitem__, default=None)


@dataclass(frozen=True)
class TileDrawing:
    """Has the render service draw a tile's own image, without its transforms, at 1 / 2**level."""

    stack: Stack
    tile_id: str
    channel: str | None

    def __call__(self, level: int, shape_yx: tuple[int, int]) -> bytes:
        query = {"excludeAllTransforms": "true", "excludeMask": "true", "scale": 0.5**level}
        # render cannot draw less than a pixel: a smaller image is drawn on a canvas of that size
        query |= {"height": max(shape_yx[0], 2**level), "width": max(shape_yx[1], 2**level)}
        if self.channel is not None:
            query["channels"] = self.channel
        return self.stack.tile_image(self.tile_id, "tiff16", query)


def jobs_of(run: MipmapRun, report: MipmapReport, progress: Progress) -> Iterator[PyramidJob]:
    """Jobs section by section, read when they are needed; counts what needs none."""
    counts = run.stack.tile_counts() if run.shard is None and run.only is None else {}
    progress.expect(sum(counts.get(z, 0) for z in run.z_values))
    for number, z in enumerate(run.z_values, start=1):
        start = time.perf_counter()
        tiles = run.stack.resolved_tiles(z)["tileIdToSpecMap"].values()
        report.spent("fetch", time.perf_counter() - start)
        before = report.tiles
        jobs = section_jobs(run, tiles, report)
        progress.at(number, len(run.z_values), run.stack.name, z)
        progress.expect(report.tiles - before - counts.get(z, 0))
        progress.skip(report.tiles - before - sum(job.first_of for job in jobs))
        yield from jobs


def section_jobs(run: MipmapRun, tiles: Collection[TileSpec], report: MipmapReport) -> list[PyramidJob]:
    """The jobs of a section's tiles; the report counts tiles, levels that are there, unusable tilespecs."""
    report.failures.extend(
        failure
        for failure in unusable_sources(tiles)
        if run.takes(failure.image or failure.tileId, (failure.tileId,))
    )
    jobs = []
    listings = FolderListings()
    for image in images_of(tiles):
        if not run.takes(image.source.name, image.tile_ids):
            continue
        job = _job(run, image, listings)
        skipped = run.settings.levels - len(job.levels or ())
        report.tiles += image.first_of
        report.files_skipped += skipped
        # levels that are there may be those of a tile of another size: then the size is to be looked at
        if skipped < run.settings.levels or run.verify or image.has_other_sizes:
            jobs.append(job)
    return jobs


def _job(run: MipmapRun, image: TileImage, listings: FolderListings) -> PyramidJob:
    job = PyramidJob(
        image.source.uri,
        image.tile_ids,
        run.settings,
        image.is_mask,
        first_of=image.first_of,
        slice_number=image.source.slice_number,
        shape_yx=image.shape_yx,
        ranges=image.ranges,
    )
    if run.force_redo:
        levels = tuple(range(1, run.settings.levels + 1))
    else:
        levels = levels_to_write(job.image_uri, job.level_uris, listings, run.since)
    if image.is_mask or not run.render_draws:
        return replace(job, levels=levels)
    drawing = TileDrawing(run.stack, image.tile_ids[0], image.channel)
    # render widens 8-bit images to 16 bits where maxIntensity is above 255
    return replace(job, levels=levels, draw=drawing, drawn_wide=image.maximum_intensity > 255)


def _failures(outcome: Outcome[PyramidJob, PyramidResult]) -> list[Failure]:
    job, error = outcome.item, outcome.error
    reason = error.problem if isinstance(error, StorageError) else str(error) or type(error).__name__
    # a level's error names the level, which is not the image
    named = (
        reason
        if not isinstance(error, StorageError) or error.uri == job.image_uri
        else f"{error.uri}: {reason}"
    )
    return [Failure(tile_id, job.source.name, named) for tile_id in job.tile_ids]


def pyramid_settings(args: Mapping[str, Any]) -> PyramidSettings:
    """How levels are made, of the parameters of a step."""
    how: dict[str, Any] = {} if args["method"] == "render" else {"method": args["method"]}
    return PyramidSettings(
        root=args["output_dir"],
        extension=EXTENSIONS[args["imgformat"]],
        levels=args["levels"],
        downsampling=Downsampling(**how, block_func=args["block_func"], pil_filter=args["PIL_filter"]),
        convert_to_8bit=args["convert_to_8bit"],
        compression=args["compression"],
    )
