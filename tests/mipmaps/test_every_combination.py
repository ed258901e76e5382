"""Files of every type, method, format, odd size and level hold what an independent reference says."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as PilImage
from skimage.measure import block_reduce

from asap_ingest import storage
from asap_ingest.images import formats
from asap_ingest.images.downsample import PIL_FILTERS, Downsampling
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidSettings, build_pyramid
from asap_ingest.mipmaps.tile_images import Source, TileImage
from tests.examples import examples

METHODS = [Downsampling(), Downsampling(block_func="median")] + [
    Downsampling("PIL", pil_filter=name) for name in PIL_FILTERS
]
SIZES = st.integers(1, 70)


def used(image, level):
    """The part of level 0 that a level stands for: whole blocks, or one block of a power of two."""
    sizes = [n >> level << level if n >> level else 1 << (n.bit_length() - 1) for n in image.shape]
    return image[: sizes[0], : sizes[1]]


def block_of(image, level):
    return tuple(min(2**level, size) for size in image.shape)


def exact_mean(image, level, how):
    whole = used(image, level)
    block = block_of(whole, level)
    sums = block_reduce(whole.astype(object), block, np.sum).astype(np.int64)
    count = block[0] * block[1]
    return (2 * sums + count) // (2 * count)


def median(image, level, how):
    whole = used(image, level)
    return np.floor(block_reduce(whole, block_of(whole, level), np.median) + 0.5)


def pillow(image, level, how):
    whole = used(image, level)
    picture = PilImage.fromarray(whole.astype(np.float32) if whole.dtype == np.uint16 else whole)
    size = tuple(max(1, n >> level) for n in reversed(image.shape))
    resized = np.asarray(picture.resize(size, PilImage.Resampling[how.pil_filter])).astype(np.float64)
    return np.clip(np.floor(resized + 0.5), 0, np.iinfo(image.dtype).max)


REFERENCES = {
    ("block_reduce", "mean"): exact_mean,
    ("block_reduce", "median"): median,
    ("PIL", "mean"): pillow,
}


@settings(max_examples=examples(120), deadline=None)
@given(
    shape=st.tuples(SIZES, SIZES),
    dtype=st.sampled_from([np.uint8, np.uint16]),
    how=st.sampled_from(METHODS),
    extension=st.sampled_from(["tif", "png", "jpg"]),
    convert=st.booleans(),
    levels=st.integers(1, 8),
    seed=st.integers(0, 2**32 - 1),
)
def test_files_hold_the_reference(shape, dtype, how, extension, convert, levels, seed):
    image = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)
    convert = convert or extension == "jpg"
    level_0 = (image >> 8).astype(np.uint8) if convert and dtype == np.uint16 else image
    with TemporaryDirectory() as folder:
        path = Path(folder) / "image.tif"
        tifffile.imwrite(path, image)
        job = PyramidJob(
            TileImage(Source(str(path)), ("t",)),
            PyramidSettings(Levels(folder, extension, levels), how, convert_to_8bit=convert),
        )
        build_pyramid(job)
        for level in range(1, levels + 1):
            pixels = formats.decode(storage.read_bytes(job.uri_of(level)))
            expected = REFERENCES[how.method, how.block_func](level_0, level, how)
            assert pixels.shape == tuple(max(1, n >> level) for n in shape)
            assert pixels.dtype == level_0.dtype
            if extension != "jpg":
                np.testing.assert_array_equal(pixels, expected)
            elif pixels.size > 1:
                assert abs(pixels.mean() - expected.mean()) < 8
