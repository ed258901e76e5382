"""One job: every level of one image, whole files only, and what it reports."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from asap_ingest import storage
from asap_ingest.errors import FaultyLevelsError, ImageError, StorageError
from asap_ingest.images import formats
from asap_ingest.images.downsample import Downsampling, mean_levels
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidSettings, build_and_verify, build_pyramid
from asap_ingest.mipmaps.tile_images import Source, TileImage
from asap_ingest.mipmaps.verify import opened
from tests.conftest import listing


@pytest.fixture
def settings(tmp_path):
    return PyramidSettings(Levels(str(tmp_path / "mipmaps"), "tif", 3))


def job_for(tmp_path, settings, image, name="a.tif", *, is_mask=False):
    path = tmp_path / "images" / name
    path.parent.mkdir(exist_ok=True)
    tifffile.imwrite(path, image)
    return PyramidJob(TileImage(Source(path.as_uri()), ("a.1.0",), is_mask=is_mask), settings)


def levels_written(job):
    return [
        formats.decode(storage.read_bytes(job.uri_of(n))) for n in range(1, job.settings.levels.count + 1)
    ]


def image_of(dtype, shape=(37, 50)):
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def test_8bit_keeps_its_brightness(tmp_path, settings):
    image = np.full((64, 64), 200, np.uint8)
    job = job_for(tmp_path, settings, image)
    result = build_pyramid(job)
    assert result.written == 3
    assert all((level == 200).all() and level.dtype == np.uint8 for level in levels_written(job))


def test_16bit_becomes_means_of_its_high_byte(tmp_path, settings):
    image = image_of(np.uint16)
    job = job_for(tmp_path, settings, image)
    build_pyramid(job)
    for level, expected in zip(
        levels_written(job), mean_levels((image >> 8).astype(np.uint8), 3), strict=True
    ):
        np.testing.assert_array_equal(level, expected)


def test_16bit_stays_if_asked(tmp_path, settings):
    image = image_of(np.uint16)
    job = job_for(tmp_path, replace(settings, convert_to_8bit=False), image)
    build_pyramid(job)
    for level, expected in zip(levels_written(job), mean_levels(image, 3), strict=True):
        np.testing.assert_array_equal(level, expected)


@pytest.mark.parametrize("extension", ["tif", "png", "jpg"])
def test_formats(tmp_path, settings, extension):
    job = job_for(
        tmp_path, replace(settings, levels=replace(settings.levels, extension=extension)), image_of(np.uint8)
    )
    build_pyramid(job)
    assert [level.shape for level in levels_written(job)] == [(18, 25), (9, 12), (4, 6)]
    assert all(name.endswith(f"a.tif.{extension}") for name in listing(tmp_path / "mipmaps"))


def test_one_pixel(tmp_path, settings):
    job = job_for(tmp_path, settings, np.array([[77]], np.uint8))
    build_pyramid(job)
    assert [level.tolist() for level in levels_written(job)] == [[[77]]] * 3


@pytest.mark.parametrize("options", [{"block_func": "median"}, {"method": "PIL", "pil_filter": "LANCZOS"}])
def test_method_reaches_the_pixels(tmp_path, settings, options):
    image = image_of(np.uint8)
    mean, other = (
        (build_pyramid(job), levels_written(job))[1]
        for job in (
            job_for(tmp_path, settings, image),
            job_for(tmp_path, replace(settings, downsampling=Downsampling(**options)), image),
        )
    )
    assert any((a != b).any() for a, b in zip(mean, other, strict=True))


def test_mask(tmp_path, settings):
    mask = np.full((8, 8), 255, np.uint8)
    mask[0, 0] = 0
    job = job_for(
        tmp_path, replace(settings, levels=replace(settings.levels, extension="jpg")), mask, is_mask=True
    )
    build_pyramid(job)
    assert job.uri_of(1).endswith("a.tif.png")
    assert [int((level == 0).sum()) for level in levels_written(job)] == [1, 1, 1]


def test_second_run_gives_the_same_bytes(tmp_path, settings):
    job = job_for(tmp_path, settings, image_of(np.uint8))
    build_pyramid(job)
    first = listing(tmp_path / "mipmaps")
    build_pyramid(job)
    assert listing(tmp_path / "mipmaps") == first


def test_writes_the_levels_that_are_asked_for(tmp_path, settings):
    job = job_for(tmp_path, settings, image_of(np.uint8))
    build_pyramid(job)
    whole = listing(tmp_path / "mipmaps")
    storage.local_path(job.uri_of(2)).unlink()
    assert build_pyramid(replace(job, levels=(2,))).written == 1
    assert listing(tmp_path / "mipmaps") == whole


def test_compression_reaches_the_files(tmp_path, settings):
    smooth = np.zeros((64, 64), np.uint8)
    job = job_for(tmp_path, replace(settings, compression="deflate"), smooth)
    build_pyramid(job)
    assert all((level == 0).all() for level in levels_written(job))
    with tifffile.TiffFile(storage.local_path(job.uri_of(1))) as tiff:
        assert tiff.pages.first.compression == 8


def test_verified_levels_are_right(tmp_path, settings):
    job = job_for(tmp_path, settings, image_of(np.uint16))
    assert build_and_verify(job).written == 3


def test_a_level_that_is_wrong_is_a_fault(tmp_path, settings):
    job = job_for(tmp_path, settings, image_of(np.uint8))
    build_pyramid(job)
    tifffile.imwrite(storage.local_path(job.uri_of(2)), np.zeros((9, 9), np.uint8))
    with pytest.raises(FaultyLevelsError, match=r"2/.*a.tif.tif: is 9 x 9, must be 12 x 9"):
        build_and_verify(replace(job, levels=()))


def test_an_image_that_cannot_be_read_leaves_nothing(tmp_path, settings):
    job = job_for(tmp_path, settings, image_of(np.uint8))
    path = storage.local_path(job.image.source.uri)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ImageError, match="cut short"):
        build_pyramid(job)
    assert listing(tmp_path / "mipmaps") == {}


def test_what_the_file_system_says_of_level_0_names_the_file(tmp_path, settings):
    job = job_for(tmp_path, settings, image_of(np.uint8))
    with pytest.raises(StorageError, match=r"a.tif: Input/output error"), opened(job.image.source.uri):
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def test_tiles_that_are_read_into_the_same_memory_do_not_touch_each_other(tmp_path, settings):
    images = [
        image_of(np.uint8),
        np.full((90, 110), 200, np.uint8),
        np.full((11, 9), 3 << 8, np.uint16),
        np.full((20, 31, 3), 9, np.uint8),
        image_of(np.uint8),
    ]
    jobs = [job_for(tmp_path, settings, image, f"{n}.tif") for n, image in enumerate(images)]
    mask = job_for(tmp_path, settings, np.zeros((90, 110), np.uint8), "mask.tif", is_mask=True)
    alone = [(build_pyramid(job), levels_written(job))[1] for job in jobs]
    for job in (*jobs, mask):
        build_pyramid(job)
    for job, image, before in zip(jobs, images, alone, strict=True):
        high_byte = image if image.dtype == np.uint8 else (image >> 8).astype(np.uint8)
        for level, expected, first in zip(
            levels_written(job), mean_levels(high_byte, 3), before, strict=True
        ):
            np.testing.assert_array_equal(level, expected)
            np.testing.assert_array_equal(level, first)
    assert all((level == 0).all() for level in levels_written(mask))


def test_threads_at_once_write_the_right_levels(tmp_path, settings):
    jobs = [
        job_for(tmp_path, settings, np.full((600, 800), value, np.uint8), f"{value}.tif")
        for value in range(100, 140)
    ]
    with ThreadPoolExecutor(4) as threads:
        assert sum(result.written for result in threads.map(build_pyramid, jobs)) == 3 * len(jobs)
    for value, job in enumerate(jobs, start=100):
        assert all((level == value).all() for level in levels_written(job))


def test_stages_and_bytes_are_reported(tmp_path, settings):
    job = job_for(tmp_path, settings, image_of(np.uint8))
    result = build_pyramid(job)
    assert set(result.seconds) == {"read", "reduce", "encode", "write"}
    assert result.bytes_read == len(storage.read_bytes(job.image.source.uri))
    assert result.bytes_written == sum(map(len, listing(tmp_path / "mipmaps").values()))


def drawing(value, dtype=np.uint16):
    def draw(level, shape_yx):
        return formats.encode(np.full((shape_yx[0] >> level, shape_yx[1] >> level), value, dtype), "tif")

    return draw


@pytest.mark.parametrize(
    ("source", "wide", "to_8bit", "drawn", "expected"),
    [
        (np.uint8, False, True, 200, (200, np.uint8)),
        (np.uint8, True, True, 200 * 256, (200, np.uint8)),
        (np.uint16, False, True, 0x1234, (0x12, np.uint8)),
        (np.uint16, False, False, 0x1234, (0x1234, np.uint16)),
    ],
)
def test_levels_drawn_by_the_service(tmp_path, settings, source, wide, to_8bit, drawn, expected):
    settings = replace(settings, convert_to_8bit=to_8bit)
    job = job_for(tmp_path, settings, image_of(source, (64, 64)))
    job = replace(job, draw=drawing(drawn), drawn_wide=wide)
    build_pyramid(job)
    assert {(int(level.max()), level.dtype.type) for level in levels_written(job)} == {expected}
