"""Coarser scales of a volume, plane by plane. Arrays in, arrays out.

Planes are (height, width) arrays, stacked along z. A voxel of a coarser scale stands for a block of
the finest one; at the upper ends of the axes a block may be smaller. Only sums (or labels) of the planes in
progress are held, so depth costs no memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[Any]
Triple = tuple[int, int, int]

#: Sample types that a volume may have.
SAMPLE_TYPES = tuple(
    np.dtype(name) for name in ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "float32")
)


@dataclass(frozen=True)
class ReducedPlane:
    """A plane of a scale on its way to coarser ones.

    Attributes
    ----------
    plane : ndarray, shape (height, width)
        Sums over blocks of the finest scale, or labels.
    depth : int
        Number of planes of the finest scale that it stands for.
    """

    plane: Plane
    depth: int


@dataclass(frozen=True)
class Coarsening:
    """How the planes of one scale become those of the next.

    Attributes
    ----------
    factor : triple of int
        Voxels along z, y and x in one of the next scale.
    total : triple of int
        The same, counted in voxels of the finest scale.
    size_yx : pair of int
        Height and width of the finest scale.
    dtype : dtype of the samples, one of `SAMPLE_TYPES`
    """

    factor: Triple
    total: Triple
    size_yx: tuple[int, int]
    dtype: np.dtype[Any]


class MeanReduction:
    """Means over the voxels of a block, from exact sums, rounded once; halves round up.

    float32 samples are summed as float64; a block with a NaN in it, or with both infinities, is NaN.
    Integers are summed as float64 where sums could exceed 64 bits: then means are exact to 53 bits.
    """

    def __init__(self, coarsening: Coarsening) -> None:
        self._coarsening = coarsening
        self._sums: Plane | None = None
        self._planes = self._depth = 0
        self._sum_type = _sum_type(coarsening)

    def add(self, reduced: ReducedPlane) -> ReducedPlane | None:
        """Take the next plane; return a plane of the next scale when its block is complete."""
        with np.errstate(invalid="ignore"):  # infinities of both signs: NaN
            sums = _sums_of_blocks(reduced.plane, self._coarsening.factor[1:], self._sum_type)
            self._sums = sums if self._sums is None else np.add(self._sums, sums, out=self._sums)
        self._planes, self._depth = self._planes + 1, self._depth + reduced.depth
        return self.rest() if self._planes == self._coarsening.factor[0] else None

    def rest(self) -> ReducedPlane | None:
        """The plane of the block in progress; None if it has no plane yet."""
        done = None if self._sums is None else ReducedPlane(self._sums, self._depth)
        self._sums, self._planes, self._depth = None, 0, 0
        return done

    def values(self, reduced: ReducedPlane) -> Plane:
        """The samples of a plane of this scale."""
        values = np.empty(reduced.plane.shape, self._coarsening.dtype)
        for rows, columns, count in _blocks(self._coarsening, reduced.plane.shape):
            sums = reduced.plane[rows, columns]
            values[rows, columns] = _mean(sums, count * reduced.depth, values.dtype)
        return values

    @property
    def bytes_per_voxel(self) -> int:
        """Bytes in use at most, for each voxel of a plane of the next scale."""
        # sums, and those of the next plane or the two steps of their division
        return 3 * self._sum_type.itemsize + self._coarsening.dtype.itemsize


class ModeReduction:
    """The most frequent label of each block, of equally frequent ones the smallest.

    Labels are reduced from scale to scale: counts of all labels would take more memory than the volume.
    The methods are those of `MeanReduction`.
    """

    def __init__(self, coarsening: Coarsening) -> None:
        self._coarsening = coarsening
        self._planes: list[ReducedPlane] = []

    def add(self, reduced: ReducedPlane) -> ReducedPlane | None:
        self._planes.append(reduced)
        return self.rest() if len(self._planes) == self._coarsening.factor[0] else None

    def rest(self) -> ReducedPlane | None:
        planes, self._planes = self._planes, []
        if not planes:
            return None
        modes = _modes([reduced.plane for reduced in planes], self._coarsening.factor[1:])
        return ReducedPlane(modes, sum(reduced.depth for reduced in planes))

    def values(self, reduced: ReducedPlane) -> Plane:
        return reduced.plane

    @property
    def bytes_per_voxel(self) -> int:
        return (math.prod(self._coarsening.factor) + 1) * self._coarsening.dtype.itemsize


#: From planes of one scale to planes of the next.
Reduction = MeanReduction | ModeReduction
#: Reduction by type of the volume.
REDUCTIONS: dict[str, Callable[[Coarsening], Reduction]] = {
    "image": MeanReduction,
    "segmentation": ModeReduction,
}


def _sum_type(coarsening: Coarsening) -> np.dtype[Any]:
    if coarsening.dtype.kind == "f":
        return np.dtype(np.float64)
    # half a block more, for rounding
    largest = int(np.iinfo(coarsening.dtype).max) * math.prod(coarsening.total) * 3 // 2
    for name in ("int32", "int64") if coarsening.dtype.kind == "i" else ("uint32", "uint64"):
        if largest < np.iinfo(name).max:
            return np.dtype(name)
    return np.dtype(np.float64)


def _sums_of_blocks(plane: Plane, factor_yx: tuple[int, int], dtype: np.dtype[Any]) -> Plane:
    """Sums over blocks; those at the lower and right edge may be smaller."""
    height, width = factor_yx
    if factor_yx == (1, 1):
        return plane.astype(dtype)
    # sums of two types are slow: bytes are added up in 16 bits first, which hold 257 of them
    narrow = np.dtype(np.uint16) if plane.dtype == np.uint8 and height <= 257 else dtype
    rows = _sums_of_rows(plane, height, narrow)
    return _sums_of_rows(rows.T, width, dtype).T


def _sums_of_rows(plane: Plane, factor: int, dtype: np.dtype[Any]) -> Plane:
    if factor == 1:
        return plane.astype(dtype)
    whole = len(plane) // factor
    sums = np.empty((-(-len(plane) // factor), plane.shape[1]), dtype, order="F" if plane.flags.fnc else "C")
    full = plane[: whole * factor]
    if whole:
        np.add(full[0::factor], full[1::factor], out=sums[:whole], dtype=dtype)
        for row in range(2, factor):
            sums[:whole] += full[row::factor]
    if whole < len(sums):
        np.sum(plane[whole * factor :], axis=0, dtype=dtype, out=sums[whole])
    return sums


def _blocks(coarsening: Coarsening, shape_yx: tuple[int, int]) -> Iterator[tuple[slice, slice, int]]:
    """Regions (rows, columns) whose blocks have equally many pixels of the finest scale, with that number."""
    axes = [
        # blocks that are whole, and the last one if it is not
        [(slice(0, length // times), times), (slice(length // times, blocks), length % times)]
        for length, times, blocks in zip(coarsening.size_yx, coarsening.total[1:], shape_yx, strict=True)
    ]
    for (rows, height), (columns, width) in product(*axes):
        if rows.start < rows.stop and columns.start < columns.stop:
            yield rows, columns, height * width


def _mean(sums: Plane, count: int, dtype: np.dtype[Any]) -> Plane:
    if dtype.kind == "f":
        return sums / count
    if sums.dtype.kind == "f":
        # in float64 the largest values of 64 bits would round beyond them
        return np.minimum(np.floor(sums / count + 0.5), np.nextafter(2.0 ** (8 * dtype.itemsize), 0))
    half_more = sums + sums.dtype.type(count // 2)
    if count & (count - 1) == 0:
        return half_more >> sums.dtype.type(count.bit_length() - 1)
    return half_more // sums.dtype.type(count)


def _modes(planes: Sequence[Plane], factor_yx: tuple[int, int]) -> Plane:
    """Modes over blocks of all planes, each (height, width)."""
    from asap_ingest.images.kernels import modes_of_blocks

    shape = planes[0].shape
    modes = np.empty(
        [-(-length // times) for length, times in zip(shape, factor_yx, strict=True)], planes[0].dtype
    )
    modes_of_blocks(np.stack(planes), *factor_yx, modes)
    return modes
