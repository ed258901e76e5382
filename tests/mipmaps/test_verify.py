"""Levels that are right, and every way in which they are not."""

import io
import os
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image as PilImage

from asap_ingest import storage
from asap_ingest.execution import executor
from asap_ingest.images import formats
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidSettings, build_pyramid, verify_pyramid
from asap_ingest.mipmaps.tile_images import Source, TileImage
from asap_ingest.mipmaps.verify import Fault, faults_of


@pytest.fixture
def settings(tmp_path):
    return PyramidSettings(Levels(str(tmp_path / "mipmaps"), "tif", 3))


def job_of(tmp_path, settings, image, name="a.tif", *, is_mask=False):
    path = tmp_path / name
    if name.endswith(".tif"):
        tifffile.imwrite(path, image)
    else:
        PilImage.fromarray(image).save(path)
    job = PyramidJob(TileImage(Source(path.as_uri()), ("a.1.0",), is_mask=is_mask), settings)
    build_pyramid(job)
    return job


def noise(dtype=np.uint8, shape=(37, 50)):
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max + 1, shape).astype(dtype)


def level_file(job, level):
    return storage.local_path(job.uri_of(level))


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("to_8bit", [True, False])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_was_built_is_right(tmp_path, settings, dtype, to_8bit, name):
    job = job_of(tmp_path, replace(settings, convert_to_8bit=to_8bit), noise(dtype), name)
    assert verify_pyramid(job) == []


@pytest.mark.parametrize("extension", ["tif", "png", "jpg"])
def test_colours(tmp_path, settings, extension):
    job = job_of(
        tmp_path,
        replace(settings, levels=replace(settings.levels, extension=extension)),
        noise(shape=(37, 50, 3)),
    )
    assert verify_pyramid(job) == []


@pytest.mark.parametrize("mask", [noise(np.uint16), noise() > 100], ids=["16 bit", "1 bit"])
def test_masks_have_8_bits(tmp_path, settings, mask):
    settings = replace(settings, levels=replace(settings.levels, extension="jpg"), convert_to_8bit=False)
    job = job_of(tmp_path, settings, mask, "mask.png", is_mask=True)
    assert verify_pyramid(job) == []


def test_big_endian_level_0(tmp_path, settings):
    tifffile.imwrite(tmp_path / "b.tif", noise(np.uint16), byteorder=">")
    job = PyramidJob(
        TileImage(Source(str(tmp_path / "b.tif")), ("b",)), replace(settings, convert_to_8bit=False)
    )
    build_pyramid(job)
    assert verify_pyramid(job) == []


def tiff(image, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"no image at all", "is not an image that can be read; it starts with b'no image at '"),
        (formats.encode(noise(shape=(9, 12)), "tif")[:-1], "is cut short: pixels reach to byte"),
        (formats.encode(noise(shape=(9, 13)), "tif"), "is 13 x 9, must be 12 x 9"),
        (formats.encode(noise(np.uint16, (9, 12)), "tif"), "has uint16 samples, must have uint8"),
        (tiff(np.zeros((9, 12), np.float32)), "has float32 samples, must have uint8"),
        (tiff(noise(shape=(9, 12)), tile=(16, 16)), "is a tiled TIFF; only strips can be read"),
    ],
)
def test_a_file_that_is_wrong(tmp_path, settings, content, reason):
    job = job_of(tmp_path, settings, noise())
    level_file(job, 2).write_bytes(content)
    (fault,) = verify_pyramid(job)
    assert fault.file == job.uri_of(2)
    assert fault.reason.startswith(reason)


def test_every_missing_file_is_listed(tmp_path, settings):
    job = job_of(tmp_path, settings, noise())
    for level in (1, 3):
        level_file(job, level).unlink()
    assert verify_pyramid(job) == [Fault(job.uri_of(level), "no such file") for level in (1, 3)]


def test_only_the_header_of_level_0_is_read(tmp_path, settings):
    job = job_of(tmp_path, settings, noise(shape=(400, 500)))
    path = storage.local_path(job.image.source.uri)
    tifffile.imwrite(path, noise(shape=(400, 500)), compression="zlib", rowsperstrip=400)
    with tifffile.TiffFile(path) as tiff:
        offset, count = tiff.pages[0].dataoffsets[0], tiff.pages[0].databytecounts[0]
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xff" * count)
    assert verify_pyramid(job) == []


def test_a_level_0_that_is_cut_short_is_the_fault(tmp_path, settings):
    job = job_of(tmp_path, settings, noise(shape=(400, 500)))
    os.truncate(storage.local_path(job.image.source.uri), 1000)
    (fault,) = verify_pyramid(job)
    assert (fault.file, fault.reason[:12]) == (job.image.source.uri, "is cut short")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "no such file"),
        (b"", "the file is empty"),
        (b"II*\0\xff", "cannot be read"),
        (tiff(np.zeros((37, 50), np.float32)), "has float32 samples, must have uint8 or uint16"),
    ],
)
def test_level_0_that_cannot_be_used(tmp_path, settings, content, reason):
    job = job_of(tmp_path, settings, noise())
    path = storage.local_path(job.image.source.uri)
    path.unlink() if content is None else path.write_bytes(content)
    (fault,) = verify_pyramid(job)
    assert fault.file == job.image.source.uri
    assert fault.reason.startswith(reason)


def test_levels_of_one_image_have_one_type(tmp_path):
    uris = []
    for number, dtype in enumerate([np.uint16, np.uint8, np.uint16]):
        path = tmp_path / f"{number}.tif"
        tifffile.imwrite(path, noise(dtype))
        uris.append(path.as_uri())
    assert faults_of(uris, None) == [Fault(uris[1], "has uint8 samples, must have uint16")]


def test_in_worker_processes(tmp_path, settings):
    job = job_of(tmp_path, settings, noise())
    level_file(job, 1).unlink()
    (outcome,) = executor(2).run(verify_pyramid, [job])
    assert outcome.value == [Fault(job.uri_of(1), "no such file")]
