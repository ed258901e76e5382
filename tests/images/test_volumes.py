"""Coarser scales against a reference that counts with Python's whole numbers."""

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ingest.images.plane_reductions import REDUCTIONS, Coarsening, ReducedPlane
from tests.examples import examples
from tests.images.reference import mean, mode, reference


def reduced(array, factor, kind="image", total=None):
    """An array (z, y, x) at the next scale, made plane by plane."""
    step = Coarsening(factor, total or factor, array.shape[1:], array.dtype)
    reduction = REDUCTIONS[kind](step)
    planes = [reduction.add(ReducedPlane(plane, 1)) for plane in array] + [reduction.rest()]
    return np.stack([reduction.values(plane) for plane in planes if plane is not None])


def reduced_twice(array, factors, kind="image"):
    """Over two scales, as one chain."""
    total = tuple(one * other for one, other in zip(*factors, strict=True))
    first = REDUCTIONS[kind](Coarsening(factors[0], factors[0], array.shape[1:], array.dtype))
    second = REDUCTIONS[kind](Coarsening(factors[1], total, array.shape[1:], array.dtype))
    middle = [first.add(ReducedPlane(plane, 1)) for plane in array] + [first.rest()]
    last = [second.add(plane) for plane in middle if plane is not None] + [second.rest()]
    return np.stack([second.values(plane) for plane in last if plane is not None])


SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 9), st.integers(1, 9))
FACTORS = st.tuples(*[st.integers(1, 5)] * 3)
WHOLE_TYPES = st.sampled_from(["uint8", "uint16", "uint32", "int8", "int16", "int32"])


@st.composite
def arrays(draw):
    dtype = np.dtype(draw(WHOLE_TYPES))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    high = draw(st.sampled_from([2, int(np.iinfo(dtype).max)]))
    array = random.integers(0, high, draw(SHAPES), dtype, endpoint=True)
    # extreme values find sums that are too narrow; planes of a slab may lie in any order in memory
    limits = np.iinfo(dtype)
    extreme = draw(st.sampled_from([limits.min, limits.max]))
    array[random.random(array.shape) < draw(st.sampled_from([0, 0.5, 1]))] = extreme
    return np.asfortranarray(array) if draw(st.booleans()) else array


@settings(max_examples=examples(150), deadline=None)
@given(arrays(), FACTORS)
def test_means_are_exact_and_rounded_once(array, factor):
    np.testing.assert_array_equal(reduced(array, factor), reference(array, factor, mean))


@settings(max_examples=examples(100), deadline=None)
@given(arrays(), st.tuples(FACTORS, FACTORS))
def test_means_of_two_scales_are_those_of_the_finest_voxels(array, factors):
    total = tuple(one * other for one, other in zip(*factors, strict=True))
    np.testing.assert_array_equal(reduced_twice(array, factors), reference(array, total, mean))


@settings(max_examples=examples(150), deadline=None)
@given(arrays(), FACTORS)
def test_modes_take_the_smallest_of_equally_frequent_labels(array, factor):
    np.testing.assert_array_equal(reduced(array, factor, "segmentation"), reference(array, factor, mode))


@settings(max_examples=examples(50), deadline=None)
@given(arrays(), st.tuples(FACTORS, FACTORS))
def test_modes_of_two_scales_are_modes_of_modes(array, factors):
    middle = reference(array, factors[0], mode)
    expected = reference(middle, factors[1], mode)
    np.testing.assert_array_equal(reduced_twice(array, factors, "segmentation"), expected)


def test_means_round_halves_up():
    for values, expected in (([0, 1], 1), ([1, 2], 2), ([0, 0, 1], 0), ([0, 1, 1], 1), ([254, 255], 255)):
        array = np.array(values, np.uint8).reshape(1, 1, -1)
        assert reduced(array, (1, 1, len(values))).tolist() == [[[expected]]]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "uint32"])
@pytest.mark.parametrize("factor", [(1, 257, 1), (1, 258, 1), (64, 64, 64), (2, 300, 300)])
def test_sums_of_large_blocks_do_not_overflow(dtype, factor):
    largest = np.iinfo(dtype).max
    array = np.full(factor, largest, dtype)
    array[0, 0, 0] = 0
    expected = mean([0, *[int(largest)] * (math.prod(factor) - 1)])
    assert reduced(array, factor).tolist() == [[[expected]]]


def test_blocks_whose_sums_pass_64_bits():
    """Labels of neurons in a huge volume: planes that stand for 2**31 voxels each."""
    step = Coarsening((4, 1, 1), (4, 2**16, 2**16), (2**16, 2**16), np.dtype(np.uint32))
    reduction = REDUCTIONS["image"](step)
    largest = 2**32 - 1
    for _ in range(3):
        assert reduction.add(ReducedPlane(np.full((1, 1), float(largest) * 2**32), 1)) is None
    plane = reduction.add(ReducedPlane(np.zeros((1, 1)), 1))
    assert reduction.values(plane).tolist() == [[mean([largest] * 3 + [0])]]


@settings(max_examples=examples(50), deadline=None)
@given(SHAPES, FACTORS, st.integers(0, 2**32 - 1))
def test_float_means(shape, factor, seed):
    array = np.random.default_rng(seed).normal(scale=1e3, size=shape).astype(np.float32)
    expected = reference(array, factor, lambda values: np.float32(math.fsum(values) / len(values)))
    np.testing.assert_allclose(reduced(array, factor), expected, rtol=1e-6, atol=1e-9)


def test_floats_that_are_no_numbers():
    inf, nan = np.inf, np.nan
    array = np.array([[[1, nan, 2, inf, inf, -inf, 3e38, 3e38]]], np.float32)
    made = reduced(array, (1, 1, 2))
    np.testing.assert_array_equal(made, np.array([[[nan, inf, nan, 3e38]]], np.float32))
    assert made.dtype == np.float32


def test_planes_are_left_as_they_are():
    array = np.arange(60, dtype=np.uint8).reshape(3, 4, 5)
    array.flags.writeable = False
    for kind, factor in product(REDUCTIONS, [(2, 1, 1), (2, 2, 2)]):
        reduced(array, factor, kind)
    assert array.ravel().tolist() == list(range(60))


@pytest.mark.parametrize("kind", REDUCTIONS)
def test_nothing_rests_when_blocks_are_complete(kind):
    reduction = REDUCTIONS[kind](Coarsening((2, 2, 2), (2, 2, 2), (4, 4), np.dtype(np.uint8)))
    plane = ReducedPlane(np.ones((4, 4), np.uint8), 1)
    assert reduction.rest() is None
    assert reduction.add(plane) is None
    assert reduction.add(plane).depth == 2
    assert reduction.rest() is None
    reduction.add(plane)
    assert reduction.rest().depth == 1


@given(SHAPES, FACTORS, st.integers(0, 99))
def test_labels_of_64_bits_stay_exact(shape, factor, seed):
    labels = np.random.default_rng(seed).choice(
        np.array([0, 2**53 + 1, 2**53 + 2, 2**64 - 1], np.uint64), shape
    )
    np.testing.assert_array_equal(reduced(labels, factor, "segmentation"), reference(labels, factor, mode))


def test_means_of_64_bits_stay_within_their_type():
    largest = np.full((2, 2, 2), 2**64 - 1, np.uint64)
    assert reduced(largest, (2, 2, 2)).item() >= 2**64 - 2**11  # to the 53 bits of float64
