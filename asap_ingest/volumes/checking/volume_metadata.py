"""A volume as its own metadata describe it, and whether its scales fit together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from operator import mul, sub
from typing import Any

import numpy as np

from asap_ingest.volumes.axes import Lengths, Triple, ceil_div, per_axis
from asap_ingest.volumes.checking.faults import FaultError

_CLOSE = 1e-6
_UNREAD = "samples cannot be read here"
#: Scales with larger chunks are not compared: that would take 16 bytes per voxel.
_MOST_VOXELS = 10**9


@dataclass(frozen=True)
class CheckedScale:
    """One resolution of a volume that is checked; triples are along x, y and z.

    Attributes
    ----------
    corner_nm : triple of float
        Position of the lower corner of the first voxel.
    offset : triple of int
        Added to positions in the names of chunks.
    sharding : mapping or None
        `sharding` of `info`.
    zarr : mapping or None
        The metadata of the array; None in the precomputed format.
    lacks_chunks : bool
        Whether chunks of an array may have no file, which means that they hold its fill value.
    unread : str
        Why samples cannot be read, though they may be right; empty where they can.
    """

    key: str
    size: Triple
    chunk_size: Triple
    resolution_nm: Lengths
    corner_nm: Lengths
    dtype: np.dtype[Any]
    offset: Triple = (0, 0, 0)
    sharding: Mapping[str, Any] | None = None
    zarr: Mapping[str, Any] | None = None
    lacks_chunks: bool = False
    unread: str = ""

    @property
    def chunk_counts(self) -> Triple:
        """Chunks along each axis."""
        return per_axis(ceil_div, self.size, self.chunk_size)

    @property
    def chunk_count(self) -> int:
        return math.prod(self.chunk_counts)

    def indices(self) -> Iterator[Triple]:
        """The position of every chunk in the grid, z slowest."""
        return ((x, y, z) for z, y, x in product(*map(range, reversed(self.chunk_counts))))

    def has(self, index: Triple) -> bool:
        return all(0 <= position < count for position, count in zip(index, self.chunk_counts, strict=True))

    def begin(self, index: Triple) -> Triple:
        """First voxel of a chunk, counted from that of the scale."""
        return per_axis(mul, index, self.chunk_size)

    def shape_xyz(self, index: Triple) -> Triple:
        """Voxels of a chunk, fewer at the upper ends."""
        left = per_axis(sub, self.size, self.begin(index))
        return per_axis(min, self.chunk_size, left)


@dataclass(frozen=True)
class Description:
    """A volume as it describes itself.

    Attributes
    ----------
    is_segmentation : bool
        Coarser scales hold the most frequent label, not means.
    files : tuple of str
        Files that describe the volume.
    side_folders : tuple of str
        Folders of other things, like meshes.
    uncompared : str
        Why voxels of coarser scales cannot be compared; empty where they can.
    """

    is_segmentation: bool
    scales: tuple[CheckedScale, ...]
    files: tuple[str, ...]
    side_folders: tuple[str, ...] = ()
    uncompared: str = ""


def factor_of(scale: CheckedScale, finer: CheckedScale) -> Triple | None:
    """Voxels of a finer scale, along x, y and z, in one voxel of a scale; None if not whole numbers."""
    ratios = per_axis(lambda long, short: long / short, scale.resolution_nm, finer.resolution_nm)
    if math.inf in ratios:
        return None
    factor = per_axis(round, ratios)
    whole = (
        number >= 1 and abs(ratio - number) <= _CLOSE * number
        for ratio, number in zip(ratios, factor, strict=True)
    )
    return factor if all(whole) else None


def scale_faults(volume: Description) -> Iterator[FaultError]:
    """Defects of sizes, positions and resolutions in the description."""
    finest = volume.scales[0]
    for before, scale in zip((finest, *volume.scales), volume.scales, strict=False):
        place = f"scale {scale.key}"
        factor, factor_before = factor_of(scale, finest), factor_of(before, finest)
        if factor is None:
            yield FaultError(
                place,
                f"resolution is {scale.resolution_nm} nm, not a whole multiple of {finest.resolution_nm}, "
                f"that of the finest scale",
            )
            continue
        size = per_axis(ceil_div, finest.size, factor)
        if size != scale.size:
            yield FaultError(
                place, f"size is {scale.size}; {finest.size} over {factor}, rounded up, is {size}"
            )
        if not _same_corner(scale, finest):
            yield FaultError(place, f"begins at {scale.corner_nm} nm, the finest scale at {finest.corner_nm}")
        if factor_before and any(now < old for now, old in zip(factor, factor_before, strict=True)):
            yield FaultError(place, f"is finer than scale {before.key} before it")


def comparable(scales: tuple[CheckedScale, ...]) -> tuple[int, str]:
    """How many scales, from the finest on, can be compared, and why the next cannot; empty if all can."""
    finest = scales[0]
    for number, (finer, scale) in enumerate(zip((finest, *scales), scales, strict=False)):
        if scale.unread:
            return number, _UNREAD
        if math.prod(scale.shape_xyz((0, 0, 0))) > _MOST_VOXELS:
            return number, f"a chunk has more than {_MOST_VOXELS:,} voxels"
        if factor_of(scale, finer) is None:
            return number, f"its voxels are not whole blocks of those of scale {finer.key}"
        if scale.chunk_size != finer.chunk_size:
            return number, f"chunks are not as large as in scale {finer.key}"
        factor = factor_of(scale, finest)
        if factor is None or scale.size != per_axis(ceil_div, finest.size, factor):
            return number, "its size does not fit the finest scale"
    return len(scales), ""


def _same_corner(scale: CheckedScale, finest: CheckedScale) -> bool:
    return all(
        abs(here - there) <= _CLOSE * max(1, abs(there), side)
        for here, there, side in zip(scale.corner_nm, finest.corner_nm, scale.resolution_nm, strict=True)
    )
