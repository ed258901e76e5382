"""New levels of tilespecs: which files are missing, what is set, which changes are reported."""

import pytest

from asap_ingest import storage
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.registration import new_pyramids, register_levels, tile_change
from asap_ingest.storage.folder_listings import FolderListings

LEVELS = Levels("/out", "jpg", 2)


def tile(image="file:///data/a.tif", **fields):
    return {"tileId": "t", "z": 1.0, "mipmapLevels": {"0": {"imageUrl": image}}, **fields}


def masked_tile():
    return tile(mipmapLevels={"0": {"imageUrl": "/data/a.tif", "maskUrl": "/data/m.png"}})


def channels_tile():
    levels = [{"0": {"imageUrl": f"/data/{name}.tif"}} for name in "ab"]
    names = ("DAPI", "TdTomato")
    channels = [{"name": name, "mipmapLevels": level} for name, level in zip(names, levels, strict=True)]
    return {"tileId": "t", "z": 1.0, "channels": channels}


def registered(spec, levels=LEVELS):
    register_levels(new_pyramids(spec, levels))
    return spec


def test_levels_are_set_beside_level_0():
    assert registered(tile())["mipmapLevels"] == {
        "0": {"imageUrl": "file:///data/a.tif"},
        "1": {"imageUrl": "file:///out/1/data/a.tif.jpg"},
        "2": {"imageUrl": "file:///out/2/data/a.tif.jpg"},
    }


def test_masks_are_set_beside_images():
    levels = registered(masked_tile())["mipmapLevels"]
    assert levels["2"] == {
        "imageUrl": "file:///out/2/data/a.tif.jpg",
        "maskUrl": "file:///out/2/data/m.png.png",
    }


def test_what_stood_at_a_level_is_replaced_and_further_levels_stay():
    old = {"imageUrl": "/old", "imageLoaderType": "IMAGEJ_DEFAULT"}
    levels = tile()["mipmapLevels"] | {"1": old, "3": old}
    spec = registered(tile(mipmapLevels=levels))
    assert spec["mipmapLevels"]["1"] == {"imageUrl": "file:///out/1/data/a.tif.jpg"}
    assert spec["mipmapLevels"]["3"] == old


@pytest.mark.parametrize("levels", [{}, {"0": {}}, {"0": {"maskUrl": "/m.png"}}])
def test_tiles_without_an_image(levels):
    assert [new.images for new in new_pyramids(tile(mipmapLevels=levels), LEVELS)] == [[]]
    assert all(new.images for new in new_pyramids(channels_tile(), LEVELS))


@pytest.fixture
def listed(monkeypatch):
    """Folders that were listed, in that order."""
    folders, file_names_in = [], storage.file_names_in

    def note(folder):
        folders.append(folder)
        return file_names_in(folder)

    monkeypatch.setattr(storage, "file_names_in", note)
    return folders


def write_levels(folder, *names):
    for level in (1, 2):
        for name in names:
            path = folder / "mipmaps" / str(level) / str(folder).lstrip("/") / f"{name}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()


def missing(listings, folder, *names):
    of = Levels(str(folder / "mipmaps"), "tif", 2)
    pyramids = [new_pyramids(tile((folder / name).as_uri()), of) for name in names]
    return [len(listings.missing(new.images)) for (new,) in pyramids]


def test_folders_are_listed_once(tmp_path, listed):
    write_levels(tmp_path, "a.tif", "b #1%.tif")
    listings = FolderListings(names_only=True)
    assert missing(listings, tmp_path, "a.tif", "b #1%.tif", "absent.tif") == [0, 0, 2]
    assert len(listed) == 2


def test_a_section_in_the_same_folder_needs_no_new_listing(tmp_path, listed):
    write_levels(tmp_path, "a.tif", "b.tif")
    listings = FolderListings(names_only=True)
    for name in ("a.tif", "b.tif"):
        listings.start_section()
        assert missing(listings, tmp_path, name) == [0]
    assert len(listed) == 2


def test_files_that_come_between_two_sections_are_seen(tmp_path):
    write_levels(tmp_path, "a.tif")
    listings = FolderListings(names_only=True)
    listings.start_section()
    assert missing(listings, tmp_path, "a.tif", "b.tif") == [0, 2]
    write_levels(tmp_path, "b.tif")
    listings.start_section()
    assert missing(listings, tmp_path, "b.tif") == [0]


def test_folders_that_are_done_with_are_forgotten(tmp_path, listed):
    write_levels(tmp_path / "one", "a.tif")
    listings = FolderListings(names_only=True)
    for folder in ("one", "two", "three", "one"):
        listings.start_section()
        missing(listings, tmp_path / folder, "a.tif")
    assert len(listed) == 8


def change(spec, stands_as):
    return tile_change(spec, new_pyramids(spec, LEVELS), stands_as)


def test_a_change_lists_only_levels_that_differ():
    levels = registered(tile(), Levels("/out", "jpg", 1))["mipmapLevels"]
    spec = tile(mipmapLevels=levels)
    level_2 = {"2": {"imageUrl": "file:///out/2/data/a.tif.jpg"}}
    assert change(spec, spec) == {"tileId": "t", "set": level_2}
    assert change(registered(spec), spec) is None


def test_change_of_channels():
    spec, stands_as = channels_tile(), channels_tile()
    register_levels(new_pyramids(stands_as, LEVELS)[:1])
    levels = {str(n): {"imageUrl": f"file:///out/{n}/data/b.tif.jpg"} for n in (1, 2)}
    assert change(spec, stands_as) == {"tileId": "t", "channels": {"TdTomato": levels}}


def test_change_of_another_stack():
    added = change(tile(), None)
    assert added is not None
    assert (added["add"], set(added["set"])) == (True, {"1", "2"})
    assert change(tile(minX=3.0), registered(tile(minX=2.0))) == {"tileId": "t", "replace": ["minX"]}
