"""The comparison of pictures: what it lets pass, what it complains about."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as PilImage

from tests.render_ws.golden_images import compare_image, compare_pixels

PICTURE = (np.arange(40 * 50 * 4).reshape(40, 50, 4) % 200).astype(np.uint8)
EXPECTED = {"format": "png", "width": 50, "height": 40, "bits": 8, "channels": 4}


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    PilImage.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def recorded(tmp_path: Path) -> Path:
    (tmp_path / "a.png").write_bytes(png(PICTURE))
    return tmp_path / "a.png"


def test_equal_and_nearly_equal_pictures_pass(recorded: Path) -> None:
    assert compare_image(EXPECTED, recorded, png(PICTURE)) is None
    assert compare_image(EXPECTED, recorded, png(PICTURE + 1)) is None


def test_lines_may_differ_but_areas_may_not() -> None:
    line, area = PICTURE.copy(), PICTURE.copy()
    line[7], line[:, 49], area[5:9, 5:9] = 0, 0, 255
    assert compare_pixels(PICTURE, line) is None
    assert "16 of them not on lines" in (compare_pixels(PICTURE, area) or "")


def test_many_single_pixels_are_a_complaint() -> None:
    scattered = PICTURE.copy()
    scattered[::2, ::2] = 255
    assert compare_pixels(PICTURE, scattered) is not None


@pytest.mark.parametrize("body", [b"no image", png(PICTURE[1:]), png(PICTURE[..., 0])])
def test_other_forms_and_shapes_are_complaints(recorded: Path, body: bytes) -> None:
    assert compare_image(EXPECTED, recorded, body) is not None


def test_random_pictures_have_a_shape_only(recorded: Path) -> None:
    random = {**EXPECTED, "pixels": "random"}
    assert compare_image(random, None, png(PICTURE * 0)) is None
    assert compare_image(random, None, png(PICTURE[1:])) is not None


def test_approximate_pictures_are_compared_loosely(recorded: Path) -> None:
    loosely = {**EXPECTED, "pixels": "approx"}
    assert compare_image(loosely, recorded, png(PICTURE + 2)) is None
    assert compare_image(loosely, recorded, png(PICTURE + 20)) is not None


def test_gzipped_tiff_and_raw(tmp_path: Path) -> None:
    wide = (np.arange(200).reshape(10, 20) * 300).astype(np.uint16)
    file = io.BytesIO()
    tifffile.imwrite(file, wide, metadata=None)
    (tmp_path / "a.tif.gz").write_bytes(gzip.compress(file.getvalue()))
    expected = {"format": "tiff", "width": 20, "height": 10, "bits": 16, "channels": 1}
    assert compare_image(expected, tmp_path / "a.tif.gz", file.getvalue()) is None
    (tmp_path / "a.raw.gz").write_bytes(gzip.compress(b"abcd" * 9))
    assert compare_image({"format": "raw"}, tmp_path / "a.raw.gz", b"abcd" * 9) is None
    assert compare_image({"format": "raw"}, tmp_path / "a.raw.gz", b"abcd" * 8) is not None
    assert compare_image({"format": "raw"}, tmp_path / "a.raw.gz", b"efgh" * 9) is not None
