"""What is still to be written, told from listings."""

import os

import pytest

from asap_ingest import storage
from asap_ingest.mipmaps.levels import Levels, levels_to_write
from asap_ingest.storage.folder_listings import FolderListings


@pytest.fixture
def pyramid(tmp_path):
    """Level 0 and its three levels, files of one byte with a blank in their names."""
    image = tmp_path / "images" / "a b.tif"
    uris = Levels(str(tmp_path / "mipmaps"), "tif", 3).uris(str(image))
    for uri in (str(image), *uris):
        storage.write_bytes(uri, b"x")
    return image, uris


def to_write(pyramid):
    image, uris = pyramid
    return levels_to_write(str(image), uris, FolderListings())


def age(uri, seconds):
    path = storage.local_path(uri)
    os.utime(path, (path.stat().st_mtime - seconds,) * 2)


def test_nothing_where_all_is_there(pyramid):
    assert to_write(pyramid) == ()


def test_what_is_missing(pyramid):
    storage.local_path(pyramid[1][1]).unlink()
    assert to_write(pyramid) == (2,)


def test_what_is_older_than_level_0(pyramid):
    age(pyramid[1][0], 10)
    assert to_write(pyramid) == (1,)


def test_as_old_as_level_0_is_new_enough(pyramid):
    image, uris = pyramid
    for path in (image, *map(storage.local_path, uris)):
        os.utime(path, (1e9, 1e9))
    assert to_write(pyramid) == ()


def test_all_where_level_0_is_missing(pyramid):
    pyramid[0].unlink()
    assert to_write(pyramid) == (1, 2, 3)


def test_a_folder_is_listed_once(pyramid, monkeypatch):
    listed = []
    monkeypatch.setattr(storage, "names_and_stamps", lambda folder: listed.append(folder) or {})
    listings = FolderListings()
    for _ in range(3):
        levels_to_write(str(pyramid[0]), pyramid[1], listings)
    assert len(listed) == len(set(listed))
