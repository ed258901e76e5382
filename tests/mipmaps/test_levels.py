"""Where a level lies: render's path builder rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap_ingest import storage
from asap_ingest.mipmaps.levels import EXTENSIONS, Levels

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="[]"), max_size=12)
PREFIXES = st.sampled_from(["/", "//", "", "file:/", "file:///", "FILE:///", "s3://b/", "s3://", "/a b/../"])
PARTS = NAMES | st.sampled_from(["a.tif", "tile_0-1~x.tif", ".", "..", ".hidden", "a%20b"])
PLACES = st.builds(str.__add__, PREFIXES, st.lists(PARTS, max_size=4).map("/".join))


def mipmap_uri(root, image, level, extension):
    return Levels(root, extension, level).uris(image)[-1]


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
        ("s3://bucket/a#1?b[.tif", "file:///out/2/bucket/a%231%3Fb%5B.tif.png"),
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
    masks = [Levels("/out", extension, 1).uris("/m", is_mask=True) for extension in ("tif", "png", "jpg")]
    assert masks == [[f"file:///out/1/m.{extension}"] for extension in ("tif", "png", "png")]


@given(root=PLACES, image=PLACES.filter(lambda image: not image.startswith("s3:")))
def test_rule(root, image):
    """In full, for local images: the absolute path below the level's folder."""
    path = str(storage.local_path(image)).lstrip("/")
    assert mipmap_uri(root, image, 2, "tif") == storage.as_uri(storage.join(root, "2", f"{path}.tif"))


def test_a_relative_root_is_below_the_working_folder(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        assert mipmap_uri("out", "/a.tif", 1, "tif") == f"file://{tmp_path}/{name}/out/1/a.tif.tif"
