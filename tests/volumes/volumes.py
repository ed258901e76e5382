"""Small volumes from arrays, made by the package's own writer."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.execution import SerialExecutor
from asap_ingest.execution.progress import Progress
from asap_ingest.volumes.axes import Triple
from asap_ingest.volumes.grid import GridSettings, Scale, scales_of
from asap_ingest.volumes.writing.unit import VolumeSettings
from asap_ingest.volumes.writing.volume_run import VolumeReport, VolumeRun, build_volume
from asap_ingest.volumes.writing.write_plan import Budget, VolumePlan, plan_volume, whole_source

VOXEL_SIZE = (4.0, 4.0, 40.0)


@dataclass(frozen=True)
class ArrayPlanes:
    """A source of planes: an array (z, y, x)."""

    array: NDArray[Any]

    @property
    def size(self) -> Triple:
        depth, height, width = self.array.shape
        return width, height, depth

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.array.dtype

    def read(self, z: int, rows: slice, columns: slice) -> NDArray[Any]:
        return self.array[z, rows, columns]

    def part(self, first: int, end: int) -> ArrayPlanes:
        return self


def random_array(shape_zyx: tuple[int, int, int], dtype: str = "uint8", seed: int = 0) -> NDArray[Any]:
    """Noise without structure: no two voxels can be mistaken for each other for long."""
    random = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return random.normal(size=shape_zyx).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape_zyx, dtype, endpoint=True)


def chunk_names(scale: Scale) -> list[str]:
    """Names of all chunks, z slowest."""
    return [scale.chunk_name(chunk) for chunk in scale.chunks_in(scale.box)]


def plan_of(
    folder: Path,
    array: NDArray[Any],
    chunk_format: str = "raw",
    *,
    levels: int = 2,
    chunk_size: Triple = (16, 16, 16),
    factor: Triple | str = (2, 2, 2),
    kind: str = "image",
    offset: Triple = (0, 0, 0),
) -> VolumePlan:
    """How `make_volume` makes a volume."""
    source = ArrayPlanes(array)
    scales = scales_of(source.size, VOXEL_SIZE, GridSettings(levels, chunk_size, factor), offset)
    settings = VolumeSettings(str(folder), chunk_format, kind)
    return plan_volume(whole_source(source, scales, settings), Budget(2**30, 1))


def make_volume(
    folder: Path, array: NDArray[Any], chunk_format: str = "raw", **settings: Any
) -> VolumeReport:
    """Write an array (z, y, x) as a volume; `settings` of `plan_of`."""
    run = VolumeRun(plan_of(folder, array, chunk_format, **settings), {"sources": ["array"]})
    report = build_volume(run, SerialExecutor(), Progress("unit", io.StringIO()))
    assert report.failures == []
    return report
