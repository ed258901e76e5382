"""Source images: URL forms, checks, formats, cache."""

from __future__ import annotations

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as PilImage

from asap_ingest.render_ws.drawing.source_images import ImageSource, SourceImages, halve
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

GRAY = np.arange(12, dtype=np.uint8).reshape(3, 4)
COLOR = np.arange(36, dtype=np.uint8).reshape(3, 4, 3)


def tiff(image: np.ndarray, **options: object) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, image, metadata=None, **options)
    return file.getvalue()


def picture(image: PilImage.Image, form: str) -> bytes:
    file = io.BytesIO()
    image.save(file, form)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "with blank.tif").write_bytes(tiff(GRAY))
    (tmp_path / "a.tif").write_bytes(tiff(GRAY))
    (tmp_path / "empty.tif").touch()
    (tmp_path / "junk.tif").write_bytes(b"no image")
    return tmp_path


@pytest.fixture
def images() -> SourceImages:
    return SourceImages(None, 2**20)


@pytest.mark.parametrize(
    "form",
    [
        *("{}/a.tif", "file:{}/a.tif", "FILE:{}/a.tif", "file://{}/a.tif", "file://localhost{}/a.tif"),
        *("{}/a.tif/", "{}/a.tif/.", "file:{}//./a%2Etif"),
    ],
)
def test_url_forms_of_a_file(images: SourceImages, folder: Path, form: str) -> None:
    url = form.format(folder)
    images.check(url)
    assert images.is_usable(url)
    assert images.load(ImageSource(url)).tolist() == GRAY.tolist()


def test_percent_encoding_is_decoded(images: SourceImages, folder: Path) -> None:
    assert images.load(ImageSource(f"file:{folder}/with%20blank.tif")).shape == (3, 4)


@pytest.mark.parametrize(
    "url", ["file:{}/with blank.tif", "file:{}/a.tif?x=1", "file:{}/none.tif", "file:{}"]
)
def test_files_that_cannot_be_loaded(images: SourceImages, folder: Path, url: str) -> None:
    with pytest.raises(IllegalArgumentError):
        images.load(ImageSource(url.format(folder)))


@pytest.mark.parametrize("url", ["http://localhost:1/a.png", "s3://bucket/key.tif", "nonsense:/a.tif"])
def test_other_schemes_are_refused_when_loaded(images: SourceImages, url: str) -> None:
    images.check(url)
    with pytest.raises(IllegalArgumentError, match="files only"):
        images.load(ImageSource(url))


@pytest.mark.parametrize("name", ["empty.tif", "none.tif", "with blank.tif"])
def test_check_names_the_file(images: SourceImages, folder: Path, name: str) -> None:
    with pytest.raises(IllegalArgumentError, match=name):
        images.check(f"file:{folder}/{name}")


def test_only_files_below_the_roots_are_read(folder: Path) -> None:
    inside, outside = folder / "inside", folder / "outside"
    inside.mkdir()
    outside.mkdir()
    for place in (inside, outside):
        (place / "a.tif").write_bytes(tiff(GRAY))
    (inside / "link.tif").symlink_to(outside / "a.tif")
    images = SourceImages([inside], 2**20)
    assert images.load(ImageSource(f"{inside}/a.tif")).shape == (3, 4)
    for url in (
        f"{outside}/a.tif",
        f"{inside}/../outside/a.tif",
        f"file:{inside}/link.tif",
        f"{inside}x/a.tif",
    ):
        with pytest.raises(IllegalArgumentError, match="outside"):
            images.check(url)
        with pytest.raises(IllegalArgumentError, match="outside"):
            images.load(ImageSource(url))


def test_changed_file_is_read_again(images: SourceImages, folder: Path) -> None:
    source = ImageSource(str(folder / "a.tif"))
    first = images.load(source)
    assert images.load(source) is first
    (folder / "a.tif").write_bytes(tiff(GRAY + 100))
    os.utime(folder / "a.tif", ns=(1, 1))
    assert images.load(source)[0, 0] == 100


def test_loaded_image_cannot_be_written_to(images: SourceImages, folder: Path) -> None:
    with pytest.raises(ValueError, match="read-only"):
        images.load(ImageSource(str(folder / "a.tif")))[0, 0] = 1


def test_cache_keeps_to_its_room(folder: Path) -> None:
    images = SourceImages(None, 30)
    for name in "bcd":
        (folder / f"{name}.tif").write_bytes(tiff(GRAY))
        images.load(ImageSource(str(folder / f"{name}.tif")))
    kept = [image for image, _ in images._images._values.values()]
    assert 0 < sum(image.nbytes for image in kept) <= 30
    assert images.load(ImageSource(str(folder / "b.tif"))).shape == (3, 4)
    images.clear()
    assert not images._images._values


def test_many_threads_get_the_same_image(images: SourceImages, folder: Path) -> None:
    source = ImageSource(str(folder / "a.tif"))
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda _: images.load(source, 1), range(50)))
    assert all(image is loaded[0] for image in loaded)


def test_halvings_cut_sums_and_odd_edges() -> None:
    image = np.array([[1, 2, 3], [2, 2, 3], [9, 9, 9]], np.uint8)
    assert halve(image).tolist() == [[1]]
    assert halve(np.full((4, 6), 65535, np.uint16)).tolist() == [[65535] * 3] * 2
    assert halve(COLOR).shape == (1, 2, 3)
    assert halve(np.ones((1, 5), np.uint8)).shape == (1, 5)
    assert halve(np.ones((2, 2), np.float32)).tolist() == [[1.0]]


def test_slices_of_a_stack_are_counted_from_one(images: SourceImages, tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.stack([GRAY, GRAY + 50]), photometric="minisblack", metadata=None)
    load = lambda number: images.load(ImageSource(str(path), "IMAGEJ_TIFF_STACK", number))  # noqa: E731
    assert (load(1)[0, 0], load(2)[0, 0]) == (0, 50)
    for number in (None, 0, 3):
        with pytest.raises(IllegalArgumentError):
            load(number)
    with pytest.raises(IllegalArgumentError, match="H5_SLICE"):
        images.load(ImageSource(str(path), "H5_SLICE"))


def test_mask_of_a_url() -> None:
    url = "mask://outside-box?minX=1&minY=0&maxX=3&maxY=1&width=4&height=2"
    images = SourceImages(None, 0)
    images.check(url)
    mask = images.load(ImageSource(url, "DYNAMIC_MASK"))
    assert mask.tolist() == [[0, 255, 255, 0], [0, 0, 0, 0]]
    assert images.load(ImageSource(url, "DYNAMIC_MASK"), 1).tolist() == [[63, 63]]
    for bad in ("mask://other?x=1", url.replace("width=4", "width=0"), url.replace("&height=2", "")):
        with pytest.raises(IllegalArgumentError, match="mask://"):
            images.load(ImageSource(bad, "DYNAMIC_MASK"))
