"""Image pyramids for the tiles of a stack: every tile's levels 1 to n as files.

python -m asap_ingest.generate_mipmaps --input_json in.json --output_json out.json
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from asap_ingest import storage
from asap_ingest.errors import ParameterError, StorageError
from asap_ingest.images.downsample import Downsampling
from asap_ingest.mipmaps.build import PyramidJob, PyramidResult, PyramidSettings, build_pyramid
from asap_ingest.mipmaps.jobs import Failure, TileImage, images_of, tiles_without_image
from asap_ingest.mipmaps.locations import EXTENSIONS
from asap_ingest.parallel import Executor, Outcome
from asap_ingest.render_module import RenderModule, run_as_program
from asap_ingest.schemas import GenerateMipMapsOutput, GenerateMipMapsParameters
from asap_ingest.stacks import Stack


@dataclass
class MipmapReport:
    """What a run did: tiles, files, bytes, seconds by stage (summed over workers), failures."""

    tiles: int = 0
    files_written: int = 0
    files_skipped: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    stage_seconds: dict[str, float] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def count(self, result: PyramidResult) -> None:
        self.files_written += result.written
        self.files_skipped += result.skipped
        self.bytes_read += result.bytes_read
        self.bytes_written += result.bytes_written
        for stage, seconds in result.seconds.items():
            self.stage_seconds[stage] = self.stage_seconds.get(stage, 0.0) + seconds


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


def generate_mipmaps(
    *,
    stack: Stack,
    z_values: Sequence[float],
    settings: PyramidSettings,
    executor: Executor,
    render_draws: bool = False,
) -> MipmapReport:
    """Write levels 1 to n of every image and mask of the sections.

    A tile that fails does not stop the others: it is in the report. With `render_draws` the render
    service makes the levels of images (not of masks).

    Raises
    ------
    ServiceError, ServiceUnreachableError
        A section's tiles could not be read.
    """
    start = time.perf_counter()
    report = MipmapReport()
    jobs = _jobs(stack, z_values, settings, render_draws, report)
    for outcome in executor.run(build_pyramid, jobs):
        if outcome.value is not None:
            report.count(outcome.value)
        else:
            report.failures.extend(_failures(outcome))
    report.failures.sort(key=lambda failure: (failure.tileId, failure.image))
    report.seconds = time.perf_counter() - start
    return report


def _jobs(
    stack: Stack,
    z_values: Iterable[float],
    settings: PyramidSettings,
    render_draws: bool,
    report: MipmapReport,
) -> Iterator[PyramidJob]:
    """Jobs section by section, read when they are needed."""
    for z in z_values:
        tiles = stack.resolved_tiles(z)["tileIdToSpecMap"].values()
        report.tiles += len(tiles)
        report.failures.extend(tiles_without_image(tiles))
        for image in images_of(tiles):
            job = PyramidJob(image.uri, image.tile_ids, settings, image.is_mask)
            yield job if image.is_mask or not render_draws else _drawn_by(stack, job, image)


def _drawn_by(stack: Stack, job: PyramidJob, image: TileImage) -> PyramidJob:
    drawing = TileDrawing(stack, image.tile_ids[0], image.channel)
    # render widens 8-bit images to 16 bits where maxIntensity is above 255
    return replace(job, draw=drawing, drawn_wide=image.maximum_intensity > 255)


def _failures(outcome: Outcome[PyramidJob, PyramidResult]) -> list[Failure]:
    job, error = outcome.item, outcome.error
    reason = error.problem if isinstance(error, StorageError) else str(error) or type(error).__name__
    return [Failure(tile_id, job.image_uri, reason) for tile_id in job.tile_ids]


class GenerateMipMaps(RenderModule):
    """The step as a program."""

    default_schema = GenerateMipMapsParameters
    default_output_schema = GenerateMipMapsOutput

    def run(self) -> int:
        args = self.args
        stack = self.stack(args["input_stack"])
        z_values = self.sections(stack)
        try:
            storage.ensure_writable_folder(args["output_dir"])
        except StorageError as error:
            raise ParameterError("output_dir", str(error)) from error
        report = generate_mipmaps(
            stack=stack,
            z_values=z_values,
            settings=self._settings(),
            executor=self.executor,
            render_draws=args["method"] == "render",
        )
        self.report_failures(report.failures)
        output = {name: args[name] for name in ("input_stack", "output_dir", "levels", "imgformat", "render")}
        return self.finish(output | {"zValues": z_values, "report": asdict(report)}, report.failures)

    def _settings(self) -> PyramidSettings:
        args = self.args
        how: dict[str, Any] = {} if args["method"] == "render" else {"method": args["method"]}
        return PyramidSettings(
            root=args["output_dir"],
            extension=EXTENSIONS[args["imgformat"]],
            levels=args["levels"],
            downsampling=Downsampling(**how, block_func=args["block_func"], pil_filter=args["PIL_filter"]),
            convert_to_8bit=args["convert_to_8bit"],
            force_redo=args["force_redo"],
        )


main = GenerateMipMaps.main

if __name__ == "__main__":
    run_as_program("generate_mipmaps")
