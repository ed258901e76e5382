"""One run of generate_mipmaps: the jobs that it has, and their results."""

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
from asap_ingest.mipmaps.levels import EXTENSIONS, Levels, levels_to_write
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidResult, PyramidSettings
from asap_ingest.mipmaps.tile_images import Failure, TileImage, TileSpec, images_of, unusable_sources
from asap_ingest.render.stack import Stack
from asap_ingest.storage.folder_listings import FolderListings


@dataclass(frozen=True)
class MipmapRun:
    """Parameters of a run.

    Attributes
    ----------
    render_draws : bool
        The render service draws the levels of images (not of masks).
    force_redo : bool
        False keeps levels that exist and are not older than their image, or than `since`.
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
    """Result of a run: tiles, files, bytes, seconds by stage (summed over workers), failures, warnings."""

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
        """Add the result of a job; return the bytes that it read and wrote."""
        result = outcome.value
        if result is None:
            self.failures.extend(_failures(outcome))
            return 0
        self.files_written += result.written
        self.bytes_read += result.bytes_read
        self.bytes_written += result.bytes_written
        for stage, seconds in result.seconds.items():
            self.spent(stage, seconds)
        if result.warning is not None:
            add_warning(self.warnings, ImageWarning(result.warning, 1, outcome.item.image.source.name))
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
    """Draws a tile's own image by the render service, without transforms, at 1 / 2**level."""

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
    """Jobs section by section, made when they are needed; counts the tiles that need none."""
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
        progress.skip(report.tiles - before - sum(job.image.tile_count for job in jobs))
        yield from jobs


def section_jobs(run: MipmapRun, tiles: Collection[TileSpec], report: MipmapReport) -> list[PyramidJob]:
    """The jobs of a section's tiles; the report counts tiles, existing levels and unusable tilespecs."""
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
        skipped = run.settings.levels.count - len(job.levels or ())
        report.tiles += image.tile_count
        report.files_skipped += skipped
        # existing levels may have been made for a tile of another size: then the job checks the size
        if skipped < run.settings.levels.count or run.verify or image.has_other_sizes:
            jobs.append(job)
    return jobs


def _job(run: MipmapRun, image: TileImage, listings: FolderListings) -> PyramidJob:
    job = PyramidJob(image, run.settings)
    if run.force_redo:
        levels = tuple(range(1, run.settings.levels.count + 1))
    else:
        levels = levels_to_write(image.source.uri, job.level_uris, listings, run.since)
    if image.is_mask or not run.render_draws:
        return replace(job, levels=levels)
    drawing = TileDrawing(run.stack, image.tile_ids[0], image.channel)
    # render widens 8-bit images to 16 bits where maxIntensity is above 255
    return replace(job, levels=levels, draw=drawing, drawn_wide=image.maximum_intensity > 255)


def _failures(outcome: Outcome[PyramidJob, PyramidResult]) -> list[Failure]:
    """A failure of each tile that uses the image."""
    image, error = outcome.item.image, outcome.error
    reason = outcome.reason
    if isinstance(error, StorageError) and error.uri == image.source.uri:
        reason = error.problem  # the failure has the URI; that of a level stays in the reason
    return [Failure(tile_id, image.source.name, reason) for tile_id in image.tile_ids]


def pyramid_settings(args: Mapping[str, Any]) -> PyramidSettings:
    """Settings of the pyramids, from the parameters of a step."""
    how: dict[str, Any] = {} if args["method"] == "render" else {"method": args["method"]}
    return PyramidSettings(
        Levels(args["output_dir"], EXTENSIONS[args["imgformat"]], args["levels"]),
        downsampling=Downsampling(**how, block_func=args["block_func"], pil_filter=args["PIL_filter"]),
        convert_to_8bit=args["convert_to_8bit"],
        compression=args["compression"],
    )
