"""A z-stack of images as a volume for Neuroglancer: `precomputed-tif --source GLOB --dest DIR --levels N`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from asap_ingest import storage
from asap_ingest.errors import ParameterError
from asap_ingest.images.tiff_stacks import PlaneChoice
from asap_ingest.precomputed.plan import whole_source
from asap_ingest.precomputed.planes import ImagePlanes
from asap_ingest.precomputed.preflight import find_files, preflight
from asap_ingest.step_module import run_as_program
from asap_ingest.volume_module import VolumeModule, VoxelSize
from asap_ingest.volume_schemas import PrecomputedTifParameters

#: More files than this are printed by their first and last ones.
_PRINTED_FILES = 12


class PrecomputedTif(VolumeModule):
    """Planes in files to a volume."""

    default_schema = PrecomputedTifParameters

    def run(self) -> int:
        source = self.args["source"]
        files = find_files(source)
        self._refuse_own_chunks(files)
        for line in order_lines(files):
            sys.stdout.write(f"{line}\n")
        found = preflight(source, files, self._choice)
        for note in found.notes:
            sys.stderr.write(f"warning: {note}\n")
        planes = found.planes
        voxel_size_nm = self._voxel_size(found.voxel_size_nm, files[0])
        self.warn_of(voxel_size_nm, planes.size)
        scales = self.scales(planes.size, voxel_size_nm)
        part = replace(whole_source(planes, scales, self.settings), whole_planes=planes.whole_planes)
        return self.make([part], self._origin(planes))

    @property
    def _choice(self) -> PlaneChoice:
        return PlaneChoice(*(self.args.get(name) for name in ("channel", "time", "series")))

    def _refuse_own_chunks(self, files: Sequence[str]) -> None:
        folder = storage.local_path(self.args["dest"])
        inside = [file for file in files if folder and Path(file).resolve().is_relative_to(folder.resolve())]
        if inside:
            raise ParameterError("dest", f"{self.args['dest']!r}: the source {inside[0]} lies in it")

    def _voxel_size(self, said: VoxelSize | None, first: str) -> VoxelSize:
        found = self.args.get("voxel_size", said)
        if found is None:
            problem = f"is required, as {first} does not say it: x,y,z in nm, like --voxel_size 4,4,40"
            raise ParameterError("voxel_size", problem)
        return found

    def _origin(self, planes: ImagePlanes) -> dict[str, Any]:
        """What decides the voxels: a rerun knows by it whether the chunks it finds are its own."""
        # an OME-TIFF may name further files
        names = dict.fromkeys(plane.file for plane in planes.planes)
        described = [{"file": str(file), **_state(file)} for file in (Path(name).resolve() for name in names)]
        return {"sources": described, "step": "precomputed_tif", "samples": planes.sample_type}


def _state(file: Path) -> dict[str, float]:
    status = file.stat()
    return {"bytes": status.st_size, "modified": status.st_mtime}


def order_lines(files: Sequence[str]) -> list[str]:
    """The files in the order in which they become planes; many of them by the first and last."""
    numbered = [f"{number:6} {file}" for number, file in enumerate(files)]
    if len(files) <= _PRINTED_FILES:
        return numbered
    ends = _PRINTED_FILES // 2
    return [*numbered[:ends], f"   ... {len(files) - 2 * ends:,} more", *numbered[-ends:]]


main = PrecomputedTif.main

if __name__ == "__main__":
    run_as_program("precomputed_tif")
