"""Which chunks share a shard."""

import numpy as np
import pytest
import tensorstore
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ingest.volumes.grid import GridSettings, scales_of
from asap_ingest.volumes.shard_grid import (
    chunk_number,
    shard_boxes,
    shard_name,
    sharding_json,
    sharding_of,
)
from tests.examples import examples


def scale_of(size, chunk_size):
    (scale,) = scales_of(size, (4.0, 4.0, 40.0), GridSettings(1, chunk_size))
    return scale


@settings(deadline=None, max_examples=examples(60))
@given(
    size=st.tuples(*[st.integers(1, 70)] * 3),
    chunk_size=st.tuples(*[st.integers(1, 20)] * 3),
    limit=st.integers(1, 2**15),
)
def test_every_chunk_lies_in_one_shard_that_tensorstore_would_write_at_once(size, chunk_size, limit):
    scale = scale_of(size, chunk_size)
    sharding = sharding_of(scale, 1, "raw", limit)
    boxes = list(shard_boxes(scale, sharding))
    names = [shard_name(scale, sharding, box) for box in boxes]
    assert len(set(names)) == len(names)
    chunks = [chunk for box in boxes for chunk in scale.chunks_in(box)]
    assert sorted(chunks, key=str) == sorted(scale.chunks_in(scale.box), key=str)
    for box, name in zip(boxes, names, strict=True):
        assert {shard_name(scale, sharding, chunk) for chunk in scale.chunks_in(box)} == {name}
        assert box.voxels <= max(limit, np.prod(chunk_size))
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": "memory://",
        "multiscale_metadata": {"data_type": "uint8", "num_channels": 1, "type": "image"},
        "scale_metadata": {
            "size": size,
            "encoding": "raw",
            "chunk_size": chunk_size,
            "resolution": (4, 4, 40),
            "sharding": sharding_json(sharding),
        },
    }
    along = tensorstore.open(spec, create=True).result().chunk_layout.write_chunk.shape[:3]
    cut = tuple(min(length, end) for length, end in zip(along, size, strict=True))
    assert boxes[0].size == cut


@pytest.mark.parametrize(
    ("chunk_size", "itemsize", "limit", "chunk_bits"),
    [
        ((64, 64, 64), 1, 2**40, 9),  # 128 MB
        ((64, 64, 64), 4, 2**40, 9),
        ((32, 32, 32), 1, 2**40, 12),
        ((64, 64, 16), 1, 2**40, 11),
        ((64, 64, 64), 1, 2**25, 7),  # what 32 MB hold
        ((64, 64, 64), 1, 5, 0),
    ],
)
def test_shards_are_as_large_as_sense_and_memory_allow(chunk_size, itemsize, limit, chunk_bits):
    scale = scale_of((10**5, 10**5, 10**4), chunk_size)
    sharding = sharding_of(scale, itemsize, "raw", limit)
    assert sharding.chunk_bits == chunk_bits
    assert sharding.preshift_bits <= 9


def test_numbers_are_compressed_morton_codes():
    scale = scale_of((3, 1, 2), (1, 1, 1))
    numbers = [chunk_number(scale, chunk) for chunk in scale.chunks_in(scale.box)]
    # x: bits 0 and 2, z: bit 1
    assert numbers == [0, 1, 4, 2, 3, 6]
