"""Render's path builder: which files it names, which it cannot, what is refused."""

import pytest

from asap_ingest.errors import ParameterError
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.path_builder import path_builder, require_expressible, with_most_levels
from asap_ingest.mipmaps.registration import new_pyramids

BUILDER = {"rootPath": "/out/", "numberOfLevels": 6, "extension": "tif"}


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("/out", "/out/"),
        ("/out/", "/out/"),
        ("file:///out", "/out/"),
        ("/my out", "/my%20out/"),
        ("file:///my%20out", "/my%20out/"),
        ("s3://bucket/run/", "s3://bucket/run/"),
    ],
)
def test_root_is_as_render_joins_it(root, expected):
    assert path_builder(Levels(root, "tif", 6)) == BUILDER | {"rootPath": expected}


@pytest.mark.parametrize(("present", "levels"), [(None, 6), ({}, 6), (4, 6), (6, 6), (8, 8)])
def test_number_of_levels_is_with_most_levels(present, levels):
    before = BUILDER | {"numberOfLevels": present} if isinstance(present, int) else present
    assert with_most_levels(BUILDER, before, "raw") == BUILDER | {"numberOfLevels": levels}


@pytest.mark.parametrize("root", ["/out", "/out//", "file:/out", "file:///out/"])
def test_spellings_of_one_root(root):
    before = {"rootPath": root, "numberOfLevels": 2, "extension": "tif"}
    assert with_most_levels(BUILDER, before, "raw") == before | {"numberOfLevels": 6}


@pytest.mark.parametrize(
    "other",
    [{"rootPath": "/other/"}, {"extension": "png"}, {"imageMipmapPatternString": "(.*/)0(/.*)"}],
)
def test_builder_for_other_files_is_not_replaced(other):
    (value,) = other.values()
    with pytest.raises(ParameterError, match="stack 'raw' has the builder .*differs.*output_stack") as error:
        with_most_levels(BUILDER, BUILDER | other, "raw")
    assert repr(value) in str(error.value)


def require(root, image, mask=None, extension="tif"):
    levels = Levels(root, extension, 2)
    entry = {"imageUrl": image} | ({"maskUrl": mask} if mask else {})
    tile = {"tileId": "t", "mipmapLevels": {"0": entry}}
    require_expressible("t", new_pyramids(tile, levels), levels)


@pytest.mark.parametrize("image", ["/data/a.tif", "file:/data/a.tif", "file:///data/a%20b%231.tif"])
@pytest.mark.parametrize("root", ["/out", "file:///my%20out"])
def test_local_files_can_be_named(root, image):
    require(root, image, mask="/data/m.png")


def test_names_in_object_stores():
    require("/out", "s3://bucket/a.tif")
    require("s3://mipmaps", "/data/a.tif")
    # render would join s3://mipmaps/1//data/..., which is another key
    with pytest.raises(ParameterError, match="tile t: render would look for s3://mipmaps/1///data/a.tif.tif"):
        require("s3://mipmaps", "file:///data/a.tif")


@pytest.mark.parametrize("image", ["file:///data/x/../a.tif", "/data/a%20b.tif"])
def test_names_that_render_takes_otherwise(image):
    with pytest.raises(ParameterError, match="tile t: render would look for"):
        require("/out", image)


def test_masks_beside_jpeg():
    require("/out", "/data/a.tif", extension="jpg")
    with pytest.raises(ParameterError, match="tile t: has a mask, whose levels are png.*use imgformat png"):
        require("/out", "/data/a.tif", mask="/data/m.png", extension="jpg")
