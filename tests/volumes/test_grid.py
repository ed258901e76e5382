"""Sizes, positions and names of chunks, for any extent."""

import math
import re
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ingest.errors import ParameterError
from asap_ingest.volumes.grid import AUTO_FACTOR, Box, GridSettings, scales_of
from tests.examples import examples
from tests.volumes.volumes import chunk_names

SIZES = st.tuples(*[st.integers(1, 40)] * 3)
CHUNKS = st.tuples(*[st.integers(1, 17)] * 3)
FACTORS = st.one_of(st.just(AUTO_FACTOR), st.tuples(*[st.integers(1, 4)] * 3))
VOXELS = st.tuples(*[st.floats(0.5, 500)] * 3)
ISOTROPIC = (8.0, 8.0, 8.0)


@st.composite
def grids(draw):
    """(size, scales) of a volume at an offset that every scale can have."""
    size, factor = draw(SIZES), draw(FACTORS)
    grid = GridSettings(draw(st.integers(1, 6)), draw(CHUNKS), factor)
    voxel_size_nm = draw(VOXELS)
    coarsest = scales_of(size, voxel_size_nm, grid)[-1].factor
    steps = draw(st.tuples(*[st.integers(-3, 3)] * 3))
    offset = tuple(number * times for number, times in zip(steps, coarsest, strict=True))
    return size, offset, voxel_size_nm, scales_of(size, voxel_size_nm, grid, offset)


@settings(max_examples=examples(100), deadline=None)
@given(grids())
def test_chunks_tile_every_scale_exactly_once(grid):
    for scale in grid[3]:
        times_covered = np.zeros(scale.size, int)
        chunks = list(scale.chunks_in(scale.box))
        for chunk in chunks:
            place = tuple(map(slice, chunk.begin, chunk.end))
            assert times_covered[place].size == chunk.voxels > 0
            assert all(length <= most for length, most in zip(chunk.size, scale.chunk_size, strict=True))
            times_covered[place] += 1
        assert (times_covered == 1).all()
        assert len(chunks) == scale.chunk_count == math.prod(scale.chunk_counts)


@settings(max_examples=examples(100), deadline=None)
@given(grids())
def test_names_tell_where_chunks_lie(grid):
    for scale in grid[3]:
        names = chunk_names(scale)
        assert len(set(names)) == len(names) == scale.chunk_count
        for name, chunk in zip(names, scale.chunks_in(scale.box), strict=True):
            ranges = [re.fullmatch(r"(-?\d+)-(-?\d+)", part) for part in name.split("_")]
            for axis, found in enumerate(ranges):
                expected = (chunk.begin[axis], chunk.end[axis])
                assert tuple(int(number) - scale.offset[axis] for number in found.groups()) == expected


@settings(max_examples=examples(200), deadline=None)
@given(grids())
def test_scales_are_the_finest_one_over_their_factor(grid):
    size, offset, voxel_size_nm, scales = grid
    assert scales[0].factor == (1, 1, 1)
    assert len({scale.key for scale in scales}) == len(scales)
    for scale in scales:
        for axis in range(3):
            times = scale.factor[axis]
            assert scale.size[axis] == math.ceil(size[axis] / times)
            assert scale.offset[axis] * times == offset[axis]
            assert scale.resolution_nm[axis] == voxel_size_nm[axis] * times
    for finer, coarser in pairwise(scales):
        steps = [new / old for new, old in zip(coarser.factor, finer.factor, strict=True)]
        assert all(step == int(step) for step in steps)
        assert max(steps) > 1


@settings(max_examples=examples(50), deadline=None)
@given(grids(), st.data())
def test_a_chunk_is_in_the_boxes_that_it_begins_in(grid, data):
    """Boxes that cut a scale into parts have each chunk once."""
    scale = grid[3][0]
    cuts = [data.draw(st.integers(0, length)) for length in scale.size]
    halves = [((0, cut), (cut, length)) for cut, length in zip(cuts, scale.size, strict=True)]
    found = []
    for parts in product(*halves):
        box = Box(tuple(begin for begin, _ in parts), tuple(end for _, end in parts))
        found += scale.chunks_in(box)
    assert sorted(map(str, found)) == sorted(map(str, scale.chunks_in(scale.box)))


def test_a_small_volume_by_hand():
    scales = scales_of((65, 64, 3), (4, 4, 40), GridSettings(3))
    assert [(scale.key, scale.size, scale.resolution_nm) for scale in scales] == [
        ("1_1_1", (65, 64, 3), (4, 4, 40)),
        ("2_2_2", (33, 32, 2), (8, 8, 80)),
        ("4_4_4", (17, 16, 1), (16, 16, 160)),
    ]
    assert chunk_names(scales[0]) == ["0-64_0-64_0-3", "64-65_0-64_0-3"]


def test_names_have_the_offset_of_the_scale():
    scales = scales_of((10, 10, 2), ISOTROPIC, GridSettings(2, (8, 8, 8)), (-20, 6, 100))
    assert chunk_names(scales[1]) == ["-10--5_3-8_50-51"]
    assert chunk_names(scales[0])[-1] == "-12--10_14-16_100-102"


def test_an_offset_between_voxels_is_refused():
    with pytest.raises(ParameterError, match=r"offset: \(3, 0, 0\) is not a multiple of \(2, 2, 2\)"):
        scales_of((64, 64, 64), ISOTROPIC, GridSettings(2), (3, 0, 0))


def test_an_axis_of_one_voxel_stays():
    keys = [scale.key for scale in scales_of((1, 8, 2), ISOTROPIC, GridSettings(9))]
    assert keys == ["1_1_1", "1_2_2", "1_4_2", "1_8_2"]


def test_a_factor_of_one_ends_the_scales():
    assert len(scales_of((64, 64, 64), ISOTROPIC, GridSettings(5, factor=(1, 1, 1)))) == 1


@pytest.mark.parametrize(
    ("voxel_size_nm", "factors"),
    [
        ((4, 4, 40), ["1_1_1", "2_2_1", "4_4_1", "8_8_1", "16_16_2", "32_32_4"]),
        ((8, 8, 8), ["1_1_1", "2_2_2", "4_4_4", "8_8_8", "16_16_16", "32_32_32"]),
        ((40, 4, 4), ["1_1_1", "1_2_2", "1_4_4", "1_8_8", "2_16_16", "4_32_32"]),
        ((8, 8, 12), ["1_1_1", "2_2_1", "4_4_2", "8_8_4", "16_16_8", "32_32_16"]),
        ((8, 8, 11), ["1_1_1", "2_2_2", "4_4_4", "8_8_8", "16_16_16", "32_32_32"]),
    ],
)
def test_auto_brings_voxels_near_to_isotropic(voxel_size_nm, factors):
    scales = scales_of((999, 999, 999), voxel_size_nm, GridSettings(6, factor=AUTO_FACTOR))
    assert [scale.key for scale in scales] == factors


def test_auto_goes_on_where_only_the_long_axis_is_left():
    scales = scales_of((1, 1, 64), (4, 4, 40), GridSettings(8, factor=AUTO_FACTOR))
    assert scales[-1].key == "1_1_64"


@settings(max_examples=examples(200), deadline=None)
@given(VOXELS)
def test_auto_ends_near_isotropic(voxel_size_nm):
    scales = scales_of((10**6,) * 3, voxel_size_nm, GridSettings(14, factor=AUTO_FACTOR))
    assert max(scales[-1].resolution_nm) < 2 * min(scales[-1].resolution_nm)
