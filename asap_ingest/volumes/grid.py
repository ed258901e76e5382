"""The grid of a volume: its scales, their sizes, and the positions and names of their chunks.

Axes are x, y, z; a box is half-open: `begin` lies in it, `end` does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from operator import floordiv, mul, sub

from asap_ingest.errors import ParameterError
from asap_ingest.volumes.axes import Lengths, Triple, ceil_div, ceil_to, per_axis

#: `factor` that halves z only once voxels are nearly as long in x and y.
AUTO_FACTOR = "auto"
#: Voxels whose sides differ less than this are near isotropic: halving x and y again would make it worse.
_NEAR_ISOTROPIC = math.sqrt(2)


@dataclass(frozen=True)
class Box:
    """Voxels from `begin` up to, not including, `end`."""

    begin: Triple
    end: Triple

    @property
    def size(self) -> Triple:
        return per_axis(sub, self.end, self.begin)

    @property
    def voxels(self) -> int:
        return math.prod(self.size)


@dataclass(frozen=True)
class Sharding:
    """The distribution of a scale's chunks over files (shards) and their parts (minishards).

    The bits of a chunk's number say where it lies; see `shard_grid`.

    Attributes
    ----------
    preshift_bits : int
        Number of lowest bits, which may differ between chunks of one minishard.
    minishard_bits, shard_bits : int
        Number of bits above them that number the minishard in its shard, and of those that number the shard.
    data_encoding : str
        `raw` or `gzip`.
    """

    preshift_bits: int
    minishard_bits: int
    shard_bits: int
    data_encoding: str = "raw"

    @property
    def chunk_bits(self) -> int:
        """Number of bits that may differ between chunks of one shard."""
        return self.preshift_bits + self.minishard_bits


@dataclass(frozen=True)
class Scale:
    """One resolution of a volume.

    Attributes
    ----------
    key : str
        Folder of its chunks: the factor, like `2_2_1`, or a number.
    factor : triple of int
        Voxels of the finest scale along x, y and z in one voxel of this one.
    size : triple of int
        Voxels along x, y and z: those of the finest scale over the factor, rounded up, so that the
        last ones may stand for less than a whole block.
    offset : triple of int
        Position of the first voxel in the coordinates of this scale.
    chunk_size : triple of int
        Voxels of a chunk; chunks at the upper ends are cut to the size.
    resolution_nm : triple of float
        Sides of a voxel.
    sharding : Sharding or None
        None where each chunk is a file.
    """

    key: str
    factor: Triple
    size: Triple
    offset: Triple
    chunk_size: Triple
    resolution_nm: Lengths
    sharding: Sharding | None = None

    @property
    def chunk_counts(self) -> Triple:
        """Chunks along x, y and z."""
        return per_axis(ceil_div, self.size, self.chunk_size)

    @property
    def chunk_count(self) -> int:
        return math.prod(self.chunk_counts)

    @property
    def box(self) -> Box:
        """All voxels of the scale, counted from its own first one."""
        return Box((0, 0, 0), self.size)

    def chunks_in(self, box: Box) -> Iterator[Box]:
        """Boxes of the chunks that begin in a box, z slowest; both counted from the first voxel."""
        first = per_axis(ceil_to, box.begin, self.chunk_size)
        return grid_boxes(Box(first, box.end), self.chunk_size, self.size)

    def chunk_name(self, chunk: Box) -> str:
        """File name that the precomputed format gives a chunk: `x0-x1_y0-y1_z0-z1`, with the offset."""
        return "_".join(
            f"{begin + offset}-{end + offset}"
            for begin, end, offset in zip(chunk.begin, chunk.end, self.offset, strict=True)
        )


def grid_boxes(box: Box, step: Triple, end: Triple) -> Iterator[Box]:
    """The boxes of `step` voxels that begin in a box, z slowest; the last along an axis are cut to `end`."""
    for z, y, x in product(*reversed(per_axis(range, box.begin, box.end, step))):
        stop = per_axis(lambda start, length, most: min(start + length, most), (x, y, z), step, end)
        yield Box((x, y, z), stop)


@dataclass(frozen=True)
class GridSettings:
    """Parameters of the grid besides the extent.

    Attributes
    ----------
    levels : int
        Number of scales, the finest included.
    chunk_size : triple of int
    factor : triple of int or `AUTO_FACTOR`
        From one scale to the next.
    """

    levels: int
    chunk_size: Triple = (64, 64, 64)
    factor: Triple | str = (2, 2, 2)


def scales_of(
    size: Triple,
    voxel_size_nm: Lengths,
    settings: GridSettings,
    offset: Triple = (0, 0, 0),
) -> list[Scale]:
    """The scales of a volume, finest first.

    An axis with one voxel left is not divided further. If that is true of all axes, there are no coarser
    scales: a volume may have fewer than `levels`.

    Raises
    ------
    ParameterError
        `offset` is not a whole number of voxels at every scale.
    """
    scales: list[Scale] = []
    factor: Triple = (1, 1, 1)
    while len(scales) < settings.levels:
        if any(start % times for start, times in zip(offset, factor, strict=True)):
            raise ParameterError("offset", f"{offset} is not a multiple of {factor}, the factor of a scale")
        scale = Scale(
            key="_".join(map(str, factor)),
            factor=factor,
            size=per_axis(ceil_div, size, factor),
            offset=per_axis(floordiv, offset, factor),
            chunk_size=settings.chunk_size,
            resolution_nm=per_axis(mul, voxel_size_nm, factor),
        )
        scales.append(scale)
        step = _step(scale, settings.factor)
        if step == (1, 1, 1):
            break
        factor = per_axis(mul, factor, step)
    return scales


def numbered(scales: Sequence[Scale]) -> list[Scale]:
    """The scales with the keys `0`, `1`, ...: the folders in which readers of OME-Zarr look for them."""
    return [replace(scale, key=str(number)) for number, scale in enumerate(scales)]


def aligned(extent: Box, factor: Triple) -> Box:
    """The extent with its beginning moved down to multiples of a factor."""
    begin = per_axis(lambda start, times: start // times * times, extent.begin, factor)
    return Box(begin, extent.end)


def _step(scale: Scale, factor: Triple | str) -> Triple:
    """Factor from a scale to the next; 1 along axes that have one voxel left."""
    wanted = _auto_step(scale) if isinstance(factor, str) else factor
    return per_axis(lambda times, size: times if size > 1 else 1, wanted, scale.size)


def _auto_step(scale: Scale) -> Triple:
    """Halve every axis along which voxels are not clearly longer than along the shortest.

    Axes of one voxel do not count: they cannot be halved.
    """
    lengths = zip(scale.resolution_nm, scale.size, strict=True)
    shortest = min((length for length, size in lengths if size > 1), default=min(scale.resolution_nm))
    longest_to_halve = shortest * 2 / _NEAR_ISOTROPIC
    return per_axis(lambda length: 2 if length < longest_to_halve else 1, scale.resolution_nm)
