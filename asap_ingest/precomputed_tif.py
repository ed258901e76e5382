"""A z-stack of images as a volume for Neuroglancer: `precomputed-tif --source GLOB --dest DIR --levels N`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from operator import add, sub
from pathlib import Path

from asap_ingest import storage
from asap_ingest.commands.step import run_as_program
from asap_ingest.commands.volume_schemas import PrecomputedTifParameters
from asap_ingest.commands.volume_step import VolumeStep
from asap_ingest.errors import ParameterError
from asap_ingest.images.tiff_stacks import PlaneChoice
from asap_ingest.volumes.axes import Lengths, per_axis
from asap_ingest.volumes.grid import Box
from asap_ingest.volumes.sources.missing_planes import (
    STAND_INS,
    damaged_planes,
    with_repeats,
    without_damaged,
)
from asap_ingest.volumes.sources.plane_files import ImagePlanes
from asap_ingest.volumes.sources.preflight import FaultyFile, find_files, missing_notes, preflight
from asap_ingest.volumes.writing.write_plan import whole_source

#: Of more files than this, only the first and last ones are printed.
_PRINTED_FILES = 12


class PrecomputedTif(VolumeStep):
    """Planes in files to a volume."""

    default_schema = PrecomputedTifParameters

    def work(self) -> int:
        files = find_files(*self.args["source"])
        self._refuse_own_chunks(files)
        for line in order_lines(files):
            sys.stdout.write(f"{line}\n")
        (source, *others), rule = self.args["source"], self.args.get("on_missing")
        choice = PlaneChoice(*(self.args.get(name) for name in ("channel", "time", "series")))
        shown = f"{source} and {len(others)} more" if others else source
        checked = preflight(shown, files, choice, rule)
        _warn(checked.notes)
        planes = checked.planes if rule is None else self._with_stand_ins(checked.planes, rule)
        voxel_size_nm = self._voxel_size(checked.voxel_size_nm, files[0])
        begin = self.args["voxel_offset"]
        extent, scales = self.grid(Box(begin, per_axis(add, begin, planes.size)), voxel_size_nm)
        planes = planes.with_margin(per_axis(sub, begin, extent.begin))
        self.print_size(voxel_size_nm, extent.size)
        whole = replace(whole_source(planes, scales, self.settings), whole_planes=planes.whole_planes)
        origin = {"sources": planes.files, "step": "precomputed_tif", "samples": planes.sample_type}
        return self.make(whole, origin, planes.fingerprints())

    def _with_stand_ins(self, planes: ImagePlanes, rule: str) -> ImagePlanes:
        """The planes with stand-ins for those that are missing or cannot be decoded."""
        if rule not in STAND_INS:
            return planes
        damaged = dict(damaged_planes(planes, self.executor))
        faults = [FaultyFile(f"plane {z}:", reason) for z, reason in sorted(damaged.items())]
        _warn(missing_notes(rule, faults))
        left = without_damaged(planes, list(damaged))
        if not any(left.planes):
            raise ParameterError("source", f"no plane can be decoded: {faults[0].reason}")
        return with_repeats(left) if rule == "repeat" else left

    def _refuse_own_chunks(self, files: Sequence[str]) -> None:
        """Raise ParameterError if a source file lies in the folder of the volume."""
        folder = storage.local_path(self.args["dest"])
        inside = [file for file in files if folder and Path(file).resolve().is_relative_to(folder.resolve())]
        if inside:
            raise ParameterError("dest", f"{self.args['dest']!r}: the source {inside[0]} lies in it")

    def _voxel_size(self, stored: Lengths | None, first: str) -> Lengths:
        """The given voxel size, else the one stored in the files, else 1 nm with a warning."""
        size = self.args.get("voxel_size", stored)
        if size is None:
            problem = f"voxel_size: {first} has none, so 1,1,1 nm is assumed; to set it, run this again"
            _warn([f"{problem} with --voxel_size x,y,z in nm, like 4,4,40: the chunks stay as they are"])
        return size or (1.0, 1.0, 1.0)


def _warn(notes: Iterable[str]) -> None:
    for note in notes:
        # not to the log, which by default shows errors only
        sys.stderr.write(f"warning: {note}\n")


def order_lines(files: Sequence[str]) -> list[str]:
    """Lines with the files in the order of planes; of many files only the first and last ones."""
    numbered = [f"{number:6} {file}" for number, file in enumerate(files)]
    if len(files) <= _PRINTED_FILES:
        return numbered
    ends = _PRINTED_FILES // 2
    return [*numbered[:ends], f"   ... {len(files) - 2 * ends:,} more", *numbered[-ends:]]


main = PrecomputedTif.main

if __name__ == "__main__":
    run_as_program("precomputed_tif")
