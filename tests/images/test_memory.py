"""Memory that is used again: one array at a time, of each thread its own."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from asap_ingest.images.downsample import mean_levels
from asap_ingest.images.memory import ReusedMemory


def test_the_next_array_lies_over_the_one_before():
    memory = ReusedMemory()
    large = memory.array((30, 50), np.uint16)
    small = memory.array((7, 5, 3), np.uint8)
    assert (small.shape, small.dtype) == ((7, 5, 3), np.uint8)
    assert np.shares_memory(small, large)


def test_memory_grows_to_the_largest_array_and_stays():
    memory = ReusedMemory()
    small = memory.array((10,), np.uint8)
    small[:] = 7
    large = memory.array((100, 100), np.uint8)
    assert not np.shares_memory(small, large)
    assert (small == 7).all()
    assert np.shares_memory(memory.array((10,), np.uint8), large)


def test_threads_share_nothing():
    memory = ReusedMemory()
    ours = memory.array((100,), np.uint8)
    with ThreadPoolExecutor(1) as thread:
        theirs = thread.submit(memory.array, (100,), np.uint8).result()
    assert not np.shares_memory(ours, theirs)


def test_levels_lie_in_the_memory_that_is_given():
    image = np.arange(64 * 48, dtype=np.uint8).reshape(64, 48)
    memory = ReusedMemory()
    first = [level.copy() for level in mean_levels(image, 5, memory=memory)]
    assert all(map(np.array_equal, first, mean_levels(image, 5)))
    one, other = (next(mean_levels(given, 1, memory=memory)) for given in (image, image[::-1]))
    assert np.shares_memory(one, other)
