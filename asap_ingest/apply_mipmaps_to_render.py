"""Pyramids into the stack: every tile learns where its levels lie.

python -m asap_ingest.apply_mipmaps_to_render --input_json in.json --output_json out.json
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from asap_ingest import storage
from asap_ingest.errors import ParameterError
from asap_ingest.mipmaps.jobs import Failure, tiles_without_image
from asap_ingest.mipmaps.locations import EXTENSIONS
from asap_ingest.mipmaps.register import FolderListings, Registration, missing_levels, register_levels
from asap_ingest.parallel import Executor
from asap_ingest.render_module import RenderModule, run_as_program
from asap_ingest.schemas import AddMipMapsToStackOutput, AddMipMapsToStackParameters
from asap_ingest.stacks import Stack


@dataclass(frozen=True)
class SectionJob:
    """One section: from which stack, to which, with which levels."""

    source: Stack
    target: Stack
    z: float
    registration: Registration
    overwrite: bool = False


@dataclass
class ApplyReport:
    """What a run did: tiles written, how many of them with levels, failures."""

    tiles: int = 0
    tiles_with_levels: int = 0
    seconds: float = 0.0
    failures: list[Failure] = field(default_factory=list)


def apply_mipmaps(*, jobs: Sequence[SectionJob], executor: Executor) -> ApplyReport:
    """Register levels section by section; the target stack must be LOADING.

    A tile whose files are not all there keeps the levels it has, and is in the report.

    Raises
    ------
    AsapIngestError
        The first section that could not be read or written; sections before it stay written.
    """
    start = time.perf_counter()
    report = ApplyReport()
    for outcome in executor.run(apply_section, jobs):
        if outcome.error is not None or outcome.value is None:
            raise outcome.error or RuntimeError("a section gave neither report nor error")
        report.tiles += outcome.value.tiles
        report.tiles_with_levels += outcome.value.tiles_with_levels
        report.failures.extend(outcome.value.failures)
    report.failures.sort(key=lambda failure: failure.tileId)
    report.seconds = time.perf_counter() - start
    return report


def apply_section(job: SectionJob) -> ApplyReport:
    """One section: read its tiles, look for their files, write the tiles in one request."""
    resolved = job.source.resolved_tiles(job.z)
    tiles = resolved["tileIdToSpecMap"]
    failures = _failures(tiles.values(), job.registration)
    whole = tiles.keys() - {failure.tileId for failure in failures}
    for tile_id in whole:
        register_levels(tiles[tile_id], job.registration)
    if not whole and job.target == job.source:
        return ApplyReport(len(tiles), failures=failures)
    if job.overwrite:
        job.target.delete_section(job.z)
    # the boxes do not change with the pyramid; a tile that was stored without one needs it derived
    complete = all("minX" in tile and "maxY" in tile for tile in tiles.values())
    job.target.put_resolved_tiles(resolved, derive_data=not complete)
    return ApplyReport(len(tiles), len(whole), failures=failures)


def _failures(tiles: Any, registration: Registration) -> list[Failure]:
    listings = FolderListings()
    failures = tiles_without_image(tiles)
    for tile in tiles:
        missing = missing_levels(tile, registration, listings.has)
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            failures.append(
                Failure(tile["tileId"], missing[0], f"no such file{more}; run generate_mipmaps first")
            )
    return failures


class AddMipMapsToStack(RenderModule):
    """The step as a program."""

    default_schema = AddMipMapsToStackParameters
    default_output_schema = AddMipMapsToStackOutput

    def run(self) -> int:
        args = self.args
        source = self.stack(args["input_stack"])
        target = self.stack(args["output_stack"] or args["input_stack"])
        z_values = self.sections(source)
        if not storage.is_folder(args["mipmap_dir"]):
            raise ParameterError(
                "mipmap_dir", f"{args['mipmap_dir']!r}: no such folder; run generate_mipmaps first"
            )
        registration = Registration(args["mipmap_dir"], EXTENSIONS[args["imgformat"]], args["levels"])
        overwrite = args["overwrite_zlayer"] and target != source
        jobs = [SectionJob(source, target, z, registration, overwrite) for z in z_values]
        with target.writing(_version_of(source), args["close_stack"]):
            report = apply_mipmaps(jobs=jobs, executor=self.executor)
        self.report_failures(report.failures)
        output = {name: args[name] for name in ("mipmap_dir", "levels", "imgformat", "render")}
        output |= {"output_stack": target.name, "zValues": z_values, "report": asdict(report)}
        return self.finish(output, report.failures)


def _version_of(stack: Stack) -> dict[str, Any]:
    """What a new stack takes over: resolution, notes and the like, not the time of making."""
    version = dict(stack.require().get("currentVersion") or {})
    version.pop("createTimestamp", None)
    return version


main = AddMipMapsToStack.main

if __name__ == "__main__":
    run_as_program("apply_mipmaps_to_render")
