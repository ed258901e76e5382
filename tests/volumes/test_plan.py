"""How a volume is divided: nothing twice, nothing left out, all within the memory."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ingest.errors import ParameterError
from asap_ingest.volumes.grid import AUTO_FACTOR, GridSettings, scales_of
from asap_ingest.volumes.writing.unit import VolumeSettings
from asap_ingest.volumes.writing.write_plan import Budget, plan_volume, whole_source
from tests.examples import examples
from tests.volumes.volumes import ArrayPlanes, chunk_names

CHUNKS = st.tuples(*[st.sampled_from([3, 8, 16, 20])] * 3)
FACTORS = st.one_of(st.just(AUTO_FACTOR), st.tuples(*[st.integers(1, 3)] * 3))
SMALL_VOXEL = (4.0, 4.0, 40.0)


class Extent(ArrayPlanes):
    """A source that is only planned with: an array without memory behind it."""

    def __init__(self, size, dtype="uint8"):
        super().__init__(np.broadcast_to(np.zeros((), dtype), size[::-1]))


def whole(size, levels=1, chunk_size=(64, 64, 64), factor=(2, 2, 2), dtype="uint8", kind="image"):
    scales = scales_of(size, SMALL_VOXEL, GridSettings(levels, chunk_size, factor))
    return whole_source(Extent(size, dtype), scales, VolumeSettings("volume", kind=kind))


def written(plan):
    """How often each chunk is written, by scale and name."""
    return Counter(
        (scale.key, scale.chunk_name(chunk))
        for unit in plan.units
        for scale in unit.scales
        for chunk in scale.chunks_in(unit.box_at(scale))
    )


@settings(max_examples=examples(100), deadline=None)
@given(
    st.tuples(*[st.integers(1, 150)] * 3),
    st.integers(1, 5),
    CHUNKS,
    FACTORS,
    st.sampled_from(["uint8", "uint32"]),
    st.sampled_from(["image", "segmentation"]),
    st.integers(30_000, 3_000_000),
    st.integers(1, 5),
    st.booleans(),
)
def test_units_write_every_chunk_once_within_the_memory(
    size, levels, chunk_size, factor, dtype, kind, memory, workers, whole_planes
):
    part = replace(whole(size, levels, chunk_size, factor, dtype, kind), whole_planes=whole_planes)
    budget = Budget(memory, workers)
    try:
        plan = plan_volume(part, budget)
    except ParameterError as error:
        assert error.field == "memory"
        return
    implied = Counter((scale.key, name) for scale in part.scales for name in chunk_names(scale))
    assert written(plan) == implied
    assert plan.chunk_count == sum(implied.values())
    assert plan.memory_bytes <= budget.bytes_per_worker
    for unit in plan.units:
        for scale in unit.scales:
            begins = [
                begin % (length * times)
                for begin, length, times in zip(unit.box.begin, scale.chunk_size, scale.factor, strict=True)
            ]
            assert begins == [0, 0, 0]


def test_one_worker_with_much_memory_reads_everything_once():
    plan = plan_volume(whole((300, 300, 100), 3), Budget(2**30, 1))
    assert len(plan.units) == 1
    assert plan.bytes == 300 * 300 * 100 + 150 * 150 * 50 + 75 * 75 * 25


def test_a_part_of_planes_goes_with_each_unit():
    class Tracked(Extent):
        def part(self, first, end):
            return (first, end)

    part = whole((64, 64, 200), 1)
    plan = plan_volume(replace(part, source=Tracked((64, 64, 200))), Budget(2**30, 1))
    assert [unit.source for unit in plan.units] == [(0, 64), (64, 128), (128, 192), (192, 200)]


def test_workers_share_the_bands():
    plan = plan_volume(whole((2048, 2048, 64), 1), Budget(2**32, 4))
    assert len(plan.units) >= 4
    assert {unit.box.size[0] for unit in plan.units} == {2048}, "rows are read whole"


def test_planes_that_must_be_decoded_whole_are_not_divided_for_the_workers_sake():
    part = replace(whole((2048, 2048, 1024), 1), whole_planes=True)
    plan = plan_volume(part, Budget(2**34, 4))
    assert {unit.box.size[:2] for unit in plan.units} == {(2048, 2048)}


def test_coarse_scales_do_not_keep_workers_idle():
    """Chunks of the coarsest scale cover all of the volume: made with the others they leave one unit."""
    part = whole((2048, 2048, 512), 6)
    plan = plan_volume(part, Budget(2**34, 16))
    assert len(plan.passes) == 2
    assert len(plan.passes[0]) >= 16
    assert len(plan_volume(part, Budget(2**34, 1)).passes) == 1


def test_little_memory_costs_passes_over_the_source():
    part = whole((1024, 1024, 128), 4, (32, 32, 32))
    passes = [len(plan_volume(part, Budget(memory, 1)).passes) for memory in (2**30, 3 * 10**6)]
    assert passes[0] == 1
    assert passes[1] > 1


def test_later_passes_go_through_the_scales_that_were_made_before():
    plan = plan_volume(whole((1024, 1024, 128), 4, (32, 32, 32)), Budget(3 * 10**6, 1))
    finer = [scale.factor for unit in [plan.passes[0][0]] for scale in unit.scales]
    assert plan.passes[1][0].through == tuple(factor for factor in finer if factor != (1, 1, 1))


def test_columns_only_where_the_memory_does_not_hold_a_band():
    narrow = plan_volume(whole((100_000, 64, 64), 1), Budget(2 * 10**6, 1))
    assert len(narrow.units) > 1
    assert narrow.memory_bytes <= 2 * 10**6


def test_too_little_memory_is_refused_with_numbers():
    with pytest.raises(ParameterError) as refused:
        plan_volume(whole((1000, 1000, 1000), 3), Budget(1_000_000, 4))
    assert refused.value.field == "memory"
    assert "1,000,000 bytes for 4 workers are too few" in str(refused.value)
    needed = int(str(refused.value).split(" takes ")[1].split(" bytes")[0].replace(",", ""))
    plan = plan_volume(whole((1000, 1000, 1000), 1), Budget(needed * 4, 4))
    assert plan.memory_bytes <= needed


def test_memory_counts_the_decoded_plane():
    part = whole((4096, 4096, 64), 1)
    narrow = [
        replace(part, whole_planes=flag, box=replace(part.box, end=(64, 64, 64))) for flag in (False, True)
    ]
    assert narrow[1].memory_bytes - narrow[0].memory_bytes >= 4096 * 4096


@pytest.mark.parametrize("chunk_format", ["raw", "zarr"])
@pytest.mark.parametrize(("levels", "memory"), [(7, 2 * 10**9), (5, 10**9), (3, 5 * 10**7)])
def test_what_a_service_draws_is_drawn_once(levels, memory, chunk_format):
    """Planes of 400 megapixels do not fit; coarse scales are made of the finest one's chunks."""
    part = whole((20_000, 20_000, 64 * 64), levels)
    settings_ = VolumeSettings("volume", chunk_format)
    plan = plan_volume(replace(part, drawn=True, settings=settings_), Budget(memory, 2))
    assert [units[0].finest is None for units in plan.passes] == [True, *[False] * (len(plan.passes) - 1)]
    assert plan.memory_bytes <= memory // 2
