"""Where a level lies: render's path builder rule."""

import pytest

from asap_ingest.mipmaps.locations import EXTENSIONS, mask_extension, mipmap_uri


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ("/data/a.tif", "file:///out/2/data/a.tif.png"),
        ("file:/data/a.tif", "file:///out/2/data/a.tif.png"),
        ("file:///data/a.tif", "file:///out/2/data/a.tif.png"),
        ("file:///data/a%20b.tif", "file:///out/2/data/a%20b.tif.png"),
        ("/data/a b#1.tif", "file:///out/2/data/a%20b%231.tif.png"),
        ("/data/x/../../../../etc/a.tif", "file:///out/2/etc/a.tif.png"),
        ("s3://bucket/key/a.tif", "file:///out/2/bucket/key/a.tif.png"),
        ("s3://bucket/../../a.tif", "file:///out/2/a.tif.png"),
    ],
)
def test_level_of_an_image(image, expected):
    assert mipmap_uri("/out", image, 2, "png") == expected


@pytest.mark.parametrize("root", ["/out", "/out/", "file:///out", "file:/out/"])
def test_forms_of_the_root(root):
    assert mipmap_uri(root, "/data/a.tif", 1, "tif") == "file:///out/1/data/a.tif.tif"


def test_root_in_an_object_store():
    assert mipmap_uri("s3://mipmaps/run", "s3://raw/a.tif", 3, "tif") == "s3://mipmaps/run/3/raw/a.tif.tif"


def test_equal_keys_of_two_buckets_do_not_meet():
    assert mipmap_uri("/out", "s3://one/a.tif", 1, "tif") != mipmap_uri("/out", "s3://two/a.tif", 1, "tif")


def test_spellings_of_formats():
    assert EXTENSIONS == {"tiff": "tif", "tif": "tif", "png": "png", "jpg": "jpg", "jpeg": "jpg"}


def test_masks_are_never_jpeg():
    assert [mask_extension(extension) for extension in ("tif", "png", "jpg")] == ["tif", "png", "png"]
