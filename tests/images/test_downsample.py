"""Levels equal exact references, for every method, type and odd size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PilImage
from skimage.measure import block_reduce

from asap_ingest.images.downsample import (
    PIL_FILTERS,
    Downsampling,
    level_shape,
    levels_of,
    mean_levels,
    minimum_levels,
    to_8bit,
)
from tests.examples import examples

SIZES = [(1, 1), (1, 9), (7, 1), (3, 3), (5, 8), (61, 47), (130, 66), (33, 65, 3)]
METHODS = [Downsampling(), Downsampling(block_func="median")] + [
    Downsampling("PIL", pil_filter=f) for f in PIL_FILTERS
]


def random_image(shape, dtype, seed=0):
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def exact_mean(image, level):
    """Integer sums of whole blocks, rounded half up once."""
    used = [
        size >> level << level if size >> level else 1 << (size.bit_length() - 1) for size in image.shape[:2]
    ]
    rows, columns = (min(2**level, size) for size in used)
    blocks = image[: used[0], : used[1]].astype(np.int64)
    blocks = blocks.reshape(used[0] // rows, rows, used[1] // columns, columns, *image.shape[2:])
    count = rows * columns
    return (2 * blocks.sum(axis=(1, 3)) + count) // (2 * count)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_means_are_exact(shape, dtype):
    image = random_image(shape, dtype)
    for level, pixels in enumerate(mean_levels(image, 7), start=1):
        np.testing.assert_array_equal(pixels, exact_mean(image, level))


@settings(max_examples=examples(60), deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([np.uint8, np.uint16]), st.integers(0, 1000))
def test_means_are_exact_at_any_size(height, width, dtype, seed):
    image = random_image((height, width), dtype, seed)
    for level, pixels in enumerate(mean_levels(image, 8), start=1):
        np.testing.assert_array_equal(pixels, exact_mean(image, level))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("how", METHODS, ids=lambda how: f"{how.method}-{how.block_func}-{how.pil_filter}")
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_every_method_keeps_size_rule_type_and_channels(shape, how, dtype):
    image = random_image(shape, dtype)
    levels = list(levels_of(image, 8, how))
    assert [pixels.shape[:2] for pixels in levels] == [level_shape(shape[:2], n) for n in range(1, 9)]
    assert all(pixels.dtype == dtype and pixels.ndim == image.ndim for pixels in levels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_mean_does_not_drift(dtype):
    image = random_image((512, 640), dtype)
    for pixels in mean_levels(image, 6):
        assert abs(pixels.mean() - image.mean()) < 0.13


def test_means_are_within_one_of_scikit_image():
    image = random_image((256, 192), np.uint8)
    for level, pixels in enumerate(mean_levels(image, 6), start=1):
        assert np.abs(pixels - block_reduce(image, (2**level,) * 2, np.mean)).max() <= 1


def test_extremes_do_not_wrap():
    for dtype in (np.uint8, np.uint16):
        white = np.full((64, 64), np.iinfo(dtype).max, dtype)
        assert all((pixels == white[0, 0]).all() for pixels in mean_levels(white, 6))


def test_median_is_that_of_scikit_image_over_whole_blocks():
    image = random_image((50, 37), np.uint8)
    for level, pixels in enumerate(levels_of(image, 3, Downsampling(block_func="median")), start=1):
        block = 2**level
        whole = image[: 50 // block * block, : 37 // block * block]
        np.testing.assert_array_equal(pixels, np.floor(block_reduce(whole, (block, block), np.median) + 0.5))


def test_default_pil_filter_is_nearest_of_level_0():
    image = random_image((64, 48), np.uint16)
    level_2 = list(levels_of(image, 2, Downsampling("PIL")))[1]
    np.testing.assert_array_equal(
        level_2, np.asarray(PilImage.fromarray(image).resize((12, 16), PilImage.NEAREST))
    )


def test_pil_filters_differ():
    image = random_image((64, 64), np.uint8)
    results = {
        next(iter(levels_of(image, 1, Downsampling("PIL", pil_filter=name)))).tobytes()
        for name in PIL_FILTERS
    }
    assert len(results) == len(PIL_FILTERS)


def test_mask_pixel_is_kept_only_where_its_whole_block_is_kept():
    mask = np.full((4, 6), 255, np.uint8)
    mask[1, 3] = 0
    level_1, level_2 = minimum_levels(mask, 2)
    assert level_1.tolist() == [[255, 0, 255], [255, 255, 255]]
    assert level_2.tolist() == [[0]]


def test_high_byte_and_8bit_as_it_is():
    assert to_8bit(np.array([[0, 255, 256, 65535]], np.uint16)).tolist() == [[0, 0, 1, 255]]
    image = np.array([[0, 200]], np.uint8)
    assert to_8bit(image) is image
