"""The sharded layout of the precomputed format, with identity hash: the chunks that share a file.

https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md. Chunks are
numbered by the compressed Morton code of their position, so that a run of numbers is a box of chunks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from operator import floordiv, mul
from typing import Any

from asap_ingest.volumes.axes import Triple, ceil_div, per_axis
from asap_ingest.volumes.grid import Box, Scale, Sharding, grid_boxes

#: log2 of the least and most chunks in a shard.
_LEAST_CHUNK_BITS, _MOST_CHUNK_BITS = 9, 12
#: A shard gets no more chunks than it needs to hold this many bytes of samples.
_LEAST_BYTES = 2**27
#: log2 of the most chunks in a minishard: readers fetch its index before its first chunk.
_MOST_PRESHIFT_BITS = 9


def sharding_of(scale: Scale, itemsize: int, data_encoding: str, limit_bytes: int) -> Sharding:
    """The distribution of a scale's chunks over shards of at most `limit_bytes` of samples.

    Shards have 512 to 4096 chunks: the fewest that hold 128 MiB. They have fewer, but at least one, if the
    limit or the scale is smaller.
    """
    chunk_bytes = itemsize * math.prod(scale.chunk_size)
    bits = _LEAST_CHUNK_BITS
    while bits < _MOST_CHUNK_BITS and chunk_bytes << bits < _LEAST_BYTES:
        bits += 1
    while bits > 0 and chunk_bytes << bits > limit_bytes:
        bits -= 1
    total = len(_axes_of_bits(scale.chunk_counts))
    bits = min(bits, total)
    preshift = min(bits, _MOST_PRESHIFT_BITS)
    return Sharding(preshift, bits - preshift, total - bits, data_encoding)


def sharding_json(sharding: Sharding) -> dict[str, Any]:
    """`sharding` of `info`."""
    return {
        "@type": "neuroglancer_uint64_sharded_v1",
        "preshift_bits": sharding.preshift_bits,
        "hash": "identity",
        "minishard_bits": sharding.minishard_bits,
        "shard_bits": sharding.shard_bits,
        "minishard_index_encoding": "gzip",
        "data_encoding": sharding.data_encoding,
    }


def shard_boxes(scale: Scale, sharding: Sharding) -> Iterator[Box]:
    """The box of voxels of each shard, cut to the scale; no shard is empty."""
    axes = _axes_of_bits(scale.chunk_counts)[: sharding.chunk_bits]
    chunks = per_axis(lambda axis: 1 << axes.count(axis), (0, 1, 2))
    return grid_boxes(scale.box, per_axis(mul, chunks, scale.chunk_size), scale.size)


def shard_name(scale: Scale, sharding: Sharding, box: Box) -> str:
    """File name of the shard that holds the chunk at the beginning of a box."""
    number = chunk_number(scale, box) >> sharding.chunk_bits
    digits = ceil_div(sharding.shard_bits, 4)
    return f"{number:0{max(digits, 1)}x}.shard"


def chunk_number(scale: Scale, chunk: Box) -> int:
    """Compressed Morton code: bits of the index along x, y, z in turn, without those that are always 0."""
    index = list(per_axis(floordiv, chunk.begin, scale.chunk_size))
    number = 0
    for position, axis in enumerate(_axes_of_bits(scale.chunk_counts)):
        number |= (index[axis] & 1) << position
        index[axis] >>= 1
    return number


def _axes_of_bits(counts: Triple) -> list[int]:
    """The axis of each bit of a chunk's number, lowest bit first."""
    bits = [(count - 1).bit_length() for count in counts]
    return [axis for bit in range(max(bits)) for axis in range(3) if bit < bits[axis]]
