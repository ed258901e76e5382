"""The grid of a volume: which scales it has, how large they are, and which chunks they are made of.

Everything that needs a size, a position or a name of a chunk asks here. Axes are x, y, z; a box is
half-open: `begin` lies in it, `end` does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from asap_ingest.errors import ParameterError

Triple = tuple[int, int, int]

#: `factor` that halves z only where voxels are at least nearly as long in z as in x and y.
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
        return _triple(end - begin for begin, end in zip(self.begin, self.end, strict=True))

    @property
    def voxels(self) -> int:
        return math.prod(self.size)


@dataclass(frozen=True)
class Sharding:
    """How the chunks of a scale are grouped into files, by the bits of their numbers.

    Attributes
    ----------
    preshift_bits : int
        Lowest ones, of chunks that share a minishard.
    minishard_bits, shard_bits : int
        Number of the minishard in its shard, and of the shard.
    data_encoding : str
        `raw` or `gzip`.
    """

    preshift_bits: int
    minishard_bits: int
    shard_bits: int
    data_encoding: str = "raw"

    @property
    def chunk_bits(self) -> int:
        """A shard has two to the power of this places for chunks."""
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
    resolution_nm: tuple[float, float, float]
    sharding: Sharding | None = None

    @property
    def chunk_counts(self) -> Triple:
        """Chunks along x, y and z."""
        return _triple(-(-size // chunk) for size, chunk in zip(self.size, self.chunk_size, strict=True))

    @property
    def chunks(self) -> int:
        return math.prod(self.chunk_counts)

    @property
    def box(self) -> Box:
        """All voxels of the scale, counted from its own first one."""
        return Box((0, 0, 0), self.size)

    def chunks_in(self, box: Box) -> Iterator[Box]:
        """Boxes of the chunks that begin in a box, z slowest; both counted from the first voxel."""
        ranges = [
            range(-(-begin // chunk) * chunk, end, chunk)
            for begin, end, chunk in zip(box.begin, box.end, self.chunk_size, strict=True)
        ]
        for z, y, x in product(*reversed(ranges)):
            begin = (x, y, z)
            yield Box(begin, self._end(begin))

    def _end(self, begin: Triple) -> Triple:
        return _triple(
            min(start + chunk, size)
            for start, chunk, size in zip(begin, self.chunk_size, self.size, strict=True)
        )

    def chunk_name(self, chunk: Box) -> str:
        """File name that the precomputed format gives a chunk: `x0-x1_y0-y1_z0-z1`, with the offset."""
        return "_".join(
            f"{begin + offset}-{end + offset}"
            for begin, end, offset in zip(chunk.begin, chunk.end, self.offset, strict=True)
        )

    def names(self) -> Iterator[str]:
        """Names of all chunks."""
        return (self.chunk_name(chunk) for chunk in self.chunks_in(self.box))


@dataclass(frozen=True)
class GridSettings:
    """What decides the grid besides the extent.

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
    voxel_size_nm: tuple[float, float, float],
    settings: GridSettings,
    offset: Triple = (0, 0, 0),
) -> list[Scale]:
    """The scales of a volume, finest first.

    An axis that has come down to one voxel is halved no further, and a scale that would be like the
    one before is left out: a volume may have fewer scales than `levels`.

    Raises
    ------
    ParameterError
        `offset` is not a whole number of voxels at every scale.
    """
    scales: list[Scale] = []
    factor: Triple = (1, 1, 1)
    while len(scales) < settings.levels:
        scales.append(_scale(size, voxel_size_nm, settings.chunk_size, offset, factor))
        step = _step(scales[-1], settings.factor)
        if step == (1, 1, 1):
            break
        factor = _triple(old * new for old, new in zip(factor, step, strict=True))
    return scales


def numbered(scales: Sequence[Scale]) -> list[Scale]:
    """The scales in folders `0`, `1`, ...: where readers of OME-Zarr look for them."""
    return [replace(scale, key=str(number)) for number, scale in enumerate(scales)]


def aligned(extent: Box, factor: Triple) -> Box:
    """The extent, begun earlier so that it begins at multiples of a factor."""
    x, y, z = (begin // times * times for begin, times in zip(extent.begin, factor, strict=True))
    return Box((x, y, z), extent.end)


def _scale(
    size: Triple,
    voxel_size_nm: tuple[float, float, float],
    chunk_size: Triple,
    offset: Triple,
    factor: Triple,
) -> Scale:
    if any(start % times for start, times in zip(offset, factor, strict=True)):
        raise ParameterError("offset", f"{offset} is not a multiple of {factor}, the factor of a scale")
    x, y, z = (length * times for length, times in zip(voxel_size_nm, factor, strict=True))
    return Scale(
        key="_".join(str(times) for times in factor),
        factor=factor,
        size=_triple(-(-length // times) for length, times in zip(size, factor, strict=True)),
        offset=_triple(start // times for start, times in zip(offset, factor, strict=True)),
        chunk_size=chunk_size,
        resolution_nm=(x, y, z),
    )


def _step(scale: Scale, factor: Triple | str) -> Triple:
    """Factor from a scale to the next; 1 along axes that have one voxel left."""
    wanted = _auto_step(scale) if isinstance(factor, str) else factor
    return _triple(times if size > 1 else 1 for times, size in zip(wanted, scale.size, strict=True))


def _auto_step(scale: Scale) -> Triple:
    """Halve every axis along which voxels are not yet clearly longer than along the shortest.

    Axes of one voxel do not count: nothing can be halved there.
    """
    lengths = zip(scale.resolution_nm, scale.size, strict=True)
    shortest = min((length for length, size in lengths if size > 1), default=min(scale.resolution_nm))
    return _triple(2 if length < shortest * 2 / _NEAR_ISOTROPIC else 1 for length in scale.resolution_nm)


def _triple(values: Iterator[int] | list[int]) -> Triple:
    x, y, z = values
    return x, y, z
