"""The base of the steps that make a volume: grid, memory, plan, run and report."""

from __future__ import annotations

import sys
from argparse import SUPPRESS, ArgumentTypeError
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from marshmallow import Schema

from asap_ingest.commands.parser import SchemaParser
from asap_ingest.commands.program import command_line
from asap_ingest.commands.step import Step
from asap_ingest.commands.volume_schemas import VolumeOutput, VolumeParameters
from asap_ingest.errors import ParameterError, describe_bytes
from asap_ingest.execution.machine_resources import usable_memory
from asap_ingest.execution.progress import Progress
from asap_ingest.volumes.axes import Lengths, Triple
from asap_ingest.volumes.grid import Box, GridSettings, Scale, aligned, numbered, scales_of
from asap_ingest.volumes.tensorstore_extra import require_tensorstore
from asap_ingest.volumes.writing.unit import Unit, VolumeSettings
from asap_ingest.volumes.writing.volume_run import VolumeReport, VolumeRun, build_volume
from asap_ingest.volumes.writing.write_plan import Budget, VolumePlan, plan_volume

#: Longest side of a voxel over its shortest, at most.
_PLAUSIBLE_ANISOTROPY = 100
#: Sides of voxels in nm that microscopes produce.
_PLAUSIBLE_NM = (0.05, 100_000)


class VolumeStep(Step):
    """A step that makes a volume."""

    default_schema = VolumeParameters
    default_output_schema: type[Schema] | None = VolumeOutput

    @classmethod
    def build_parser(cls) -> SchemaParser:
        parser = super().build_parser()
        # flags of older programs
        parser.add_argument("--voxel-size", dest="voxel_size", type=_older_voxel_size, help=SUPPRESS)
        parser.add_argument(
            "--segmentation", dest="type", nargs="?", const="true", type=_older_segmentation, help=SUPPRESS
        )
        return parser

    def next_command(self) -> str | None:
        if self.args["dry_run"]:
            return None
        return command_line("serve_precomputed", directory=self.args["dest"])

    def grid(self, extent: Box, voxel_size_nm: Lengths) -> tuple[Box, list[Scale]]:
        """The extent and the scales of the volume.

        It begins earlier than the extent that is given if that does not begin at a voxel of every scale.
        """
        arguments = self.args
        levels = arguments.get("levels", levels_until_small(extent.size, arguments["chunk_size"]))
        grid = GridSettings(levels, arguments["chunk_size"], arguments["factor"])
        while True:
            larger = aligned(extent, scales_of(extent.size, voxel_size_nm, grid)[-1].factor)
            if larger == extent:
                break
            extent = larger  # a larger extent may have more scales
        scales = scales_of(extent.size, voxel_size_nm, grid, extent.begin)
        return extent, numbered(scales) if arguments["format"] == "zarr" else scales

    @property
    def settings(self) -> VolumeSettings:
        arguments = self.args
        is_zarr_2 = arguments["format"] == "zarr" and arguments["zarr_format"] == 2
        chunk_format = "zarr2" if is_zarr_2 else arguments["format"]
        return VolumeSettings(arguments["dest"], chunk_format, arguments["type"])

    @property
    def budget(self) -> Budget:
        memory = self.args.get("memory", usable_memory() // 2)
        return Budget(memory, self.workers)

    def make(self, whole: Unit, origin: Mapping[str, Any], planes: Sequence[str] = ()) -> int:
        """Print the plan of a volume, make it, write the output; returns the exit code.

        Parameters
        ----------
        whole : the volume as one unit, which the plan divides
        origin : what `provenance` records of the sources
        planes : a fingerprint of each plane, for sources whose planes can be replaced
        """
        dtype = whole.source.dtype
        if self.args["type"] == "segmentation" and dtype.kind == "f":
            raise ParameterError(
                "type", "labels of a segmentation are whole numbers; these samples are float32"
            )
        if self.settings.format.is_sharded:
            require_tensorstore("format", "sharded")
        plan = plan_volume(whole, self.budget)
        for line in plan_lines(plan):
            sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        report = VolumeReport()
        if not self.args["dry_run"]:
            run = VolumeRun(plan, origin, self.args["force_redo"], planes)
            with Progress("part") as progress:
                report = build_volume(run, self.executor, progress)
        if report.failures:
            first = report.failures[0]
            self.logger.error(
                "%d parts failed; the first: %s: %s", len(report.failures), first.box, first.reason
            )
        output: dict[str, Any] = {name: self.args[name] for name in ("dest", "format")}
        output["report"] = {"scales": [asdict(scale) for scale in plan.scales], **asdict(report)}
        return self.finish(output, report.failures)

    def print_size(self, voxel_size_nm: Lengths, size: Triple) -> None:
        """Print the size of voxels and volume; warn if a voxel has a size that suggests another unit."""
        lengths = (length * count / 1000 for length, count in zip(voxel_size_nm, size, strict=True))
        extent = " x ".join(f"{length:,.4g}" for length in lengths)
        sides = " x ".join(f"{length:g}" for length in voxel_size_nm)
        sys.stdout.write(f"voxels of {sides} nm, in all {extent} um\n")
        low, high = _PLAUSIBLE_NM
        if max(voxel_size_nm) > _PLAUSIBLE_ANISOTROPY * min(voxel_size_nm):
            problem = f"one side is over {_PLAUSIBLE_ANISOTROPY} times another"
        elif not low <= min(voxel_size_nm) <= max(voxel_size_nm) <= high:
            problem = "no microscope produces that"
        else:
            return
        # not to the log, which by default shows errors only
        sys.stderr.write(f"warning: voxel_size: {sides} nm: {problem}; is it in nm?\n")


def _older_voxel_size(text: str) -> str:
    """The value of `--voxel-size`, which was in micrometres in older programs, so that it must have units."""
    sides = text.split(",")
    try:
        nm = ",".join(f"{float(side) * 1000:.9g}" for side in sides)
    except ValueError:  # it has units, or it is not a number, which the field `voxel_size` reports
        return text
    raise ArgumentTypeError(
        f"{text}: was in micrometres in older programs, and --voxel_size is in nm; write --voxel_size {nm}, "
        f"or the unit, like --voxel-size {'um,'.join(sides)}um"
    )


def _older_segmentation(text: str) -> str | None:
    """The `type` that the value of `--segmentation`, true or false, means."""
    if text.lower() not in ("true", "false"):
        raise ArgumentTypeError(f"{text!r}: takes no value, or true or false")
    return "segmentation" if text.lower() == "true" else None


def levels_until_small(size: Triple, chunk_size: Triple) -> int:
    """Number of scales, until halving has made the volume at most two chunks long along each axis."""
    levels = 1
    while any(length > 2 * chunk << (levels - 1) for length, chunk in zip(size, chunk_size, strict=True)):
        levels += 1
    return levels


def plan_lines(plan: VolumePlan) -> Iterator[str]:
    """Lines about the volume that will be made."""
    for scale in plan.scales:
        sizes = " x ".join(str(length) for length in scale.size)
        sides = " x ".join(f"{length:g}" for length in scale.resolution_nm)
        yield f"scale {scale.key}: {sizes} voxels of {sides} nm, {scale.chunk_count:,} chunks"
    settings = plan.settings
    yield (
        f"{settings.chunk_format} volume in {settings.root}: {plan.chunk_count:,} chunks, "
        f"{describe_bytes(plan.bytes)} of samples; {len(plan.units):,} parts of "
        f"at most {describe_bytes(plan.memory_bytes)} of memory"
    )
    if plan.shards:
        largest = max(plan.shards, key=lambda shard: shard.sample_bytes)
        yield (
            f"{len(plan.shards):,} shards of at most {describe_bytes(largest.sample_bytes)} of samples; "
            f"making one takes {describe_bytes(largest.memory_bytes)} of memory"
        )
    readings = sum(units[0].finest is None for units in plan.passes)
    if readings > 1:
        yield f"the sources are read {readings} times, as the memory does not hold all scales at once"
    if readings < len(plan.passes):
        times = len(plan.passes) - readings
        yield f"coarse scales are made of the chunks of the finest one, which are read {times} times"
