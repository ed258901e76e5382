"""Whole tables over real images: kinds of text, where images lie, their sizes, names of tiles."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from asap_ingest.errors import MissingFileError, ParameterError
from asap_ingest.tile_tables.read_tables import read_tile_table
from asap_ingest.tile_tables.table_positions import Placement
from asap_ingest.tile_tables.table_records import TileTableError


@pytest.fixture
def folder(tmp_path):
    for name in ("a.tif", "sub/a.tif", "sub/b.tif"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / name, np.zeros((48, 64), np.uint8))
    Image.fromarray(np.zeros((5, 7), np.uint8)).save(tmp_path / "small.png")
    return tmp_path


def table(folder, text, name="t.csv", encoding="utf-8"):
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return str(folder / name)


def refusal_of(*args, **kwargs):
    with pytest.raises(TileTableError) as refused:
        read_tile_table(*args, **kwargs)
    return str(refused.value)


def test_sizes_and_types_are_those_of_the_images(folder):
    read = read_tile_table(table(folder, "path,x,y\na.tif,1,2\nsmall.png,3,4\n"), z=5)
    assert [(tile.name, tile.width, tile.height, tile.sample_type) for tile in read.tiles] == [
        ("a", 64, 48, "uint8"),
        ("small", 7, 5, "uint8"),
    ]
    assert read.z_values == [5.0]
    assert read.tiles[1].image_uri == (folder / "small.png").as_uri()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_of_spreadsheets(folder, encoding):
    tifffile.imwrite(folder / "ä.tif", np.zeros((48, 64), np.uint8))
    (tile,) = read_tile_table(table(folder, "path,x,y\nä.tif,0,0\n", encoding=encoding), z=1).tiles
    assert tile.name == "ä"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"path,x,y\n\xe4.tif,0,0\n", "line 2: is not text in UTF-8: byte 0xe4 (save it as CSV in UTF-8)"),
        (b"PK\x03\x04\0\0", "is not a text file (save it as CSV in UTF-8)"),
        (b"", "has no tiles"),
    ],
)
def test_what_is_not_text(folder, content, says):
    assert says in refusal_of(table(folder, content), z=1)


def test_the_content_tells_the_kind(folder):
    fiji = table(folder, "dim = 2\na.tif; ; (3, 4)\n", "positions.csv")
    mdoc = table(folder, "[Image = a.tif]\nPieceCoordinates = 3 4 0\n", "a.txt")
    assert [(tile.x, tile.y) for tile in read_tile_table(fiji, z=1).tiles] == [(3, 4)]
    assert [(tile.x, tile.y) for tile in read_tile_table(mdoc, z=1).tiles] == [(3, 0)]


@pytest.mark.parametrize(
    "written",
    [
        "sub/b.tif",
        "./sub/b.tif",
        "sub\\b.tif",
        "sub/../sub/b.tif",
        "{folder}/sub/b.tif",
        "file://{folder}/sub/b.tif",
    ],
)
def test_ways_of_naming_an_image(folder, written):
    path = table(folder, f"path,x,y\n{written.format(folder=folder)},0,0\n")
    (tile,) = read_tile_table(path, z=1).tiles
    assert (tile.image_uri, tile.name) == ((folder / "sub" / "b.tif").as_uri(), "b")


@pytest.mark.parametrize("written", ["b.tif", "D:\\scope\\b.tif", "\\\\server\\share\\b.tif"])
def test_image_directory(folder, written):
    path = table(folder, f"path,x,y\n{written},0,0\n")
    (tile,) = read_tile_table(path, z=1, image_directory=str(folder / "sub")).tiles
    assert tile.image_uri == (folder / "sub" / "b.tif").as_uri()


def test_a_pattern_in_an_image_directory(folder, tmp_path):
    tifffile.imwrite(folder / "sub" / "t_0_1.tif", np.zeros((48, 64), np.uint8))
    read = read_tile_table(
        is_pattern=True,
        source="t_{row}_{col}.tif",
        z=1,
        image_directory=str(folder / "sub"),
        placement=Placement(overlap_percent=7),
    )
    assert [(tile.name, tile.row.row, tile.row.column) for tile in read.tiles] == [("t_0_1", 0, 1)]


def test_equal_names_get_their_folders(folder):
    read = read_tile_table(table(folder, "path,x,y\na.tif,0,0\nsub/a.tif,0,0\nsub/b.tif,0,0\n"), z=1)
    assert [tile.name for tile in read.tiles] == ["a", "sub_a", "sub_b"]
    apart = read_tile_table(table(folder, "path,x,y,z\na.tif,0,0,1\nsub/a.tif,0,0,2\n"))
    assert [(tile.name, tile.z) for tile in apart.tiles] == [("a", 1.0), ("a", 2.0)]


def test_names_that_stay_equal_get_their_extensions(folder):
    Image.fromarray(np.zeros((5, 7), np.uint8)).save(folder / "a.png")
    read = read_tile_table(table(folder, "path,x,y\na.tif,0,0\na.png,0,0\n"), z=1)
    assert [tile.name for tile in read.tiles] == ["a.tif", "a.png"]
    tifffile.imwrite(folder / "sub_a.tif", np.zeros((48, 64), np.uint8))
    path = table(folder, "path,x,y\nsub/a.tif,0,0\nsub_a.tif,0,0\n a.tif,0,0\n")
    assert "line 2: 'sub/a.tif' gets the tile id 'sub_a.tif', as another image" in refusal_of(path, z=1)


def test_an_image_is_one_tile_of_its_section(folder):
    path = table(folder, "path,x,y\na.tif,0,0\nsub/../a.tif,9,9\n")
    assert "line 3: has the image of line 2, 'sub/../a.tif' (take one of them out" in refusal_of(path, z=1)
    again = table(folder, "path,x,y,z\na.tif,0,0,1\na.tif,9,9,2\n")
    assert read_tile_table(again).z_values == [1.0, 2.0]


def test_images_that_cannot_be_read_are_all_named(folder):
    (folder / "cut.tif").write_bytes((folder / "a.tif").read_bytes()[:-9])
    (folder / "text.tif").write_text("no image")
    (folder / "empty.tif").touch()
    names = ["a.tif", "absent.tif", "cut.tif", "text.tif", "empty.tif", "sub"]
    path = table(folder, "path,x,y\n" + "".join(f"{name},0,0\n" for name in names))
    message = refusal_of(path, z=1)
    for line, name, reason in (
        (3, "absent.tif", "no such file"),
        (4, "cut.tif", "is cut short"),
        (5, "text.tif", ""),
        (6, "empty.tif", "the file is empty"),
        (7, "sub", "Is a directory"),
    ):
        assert f"line {line}: {folder / name}: {reason}" in message
    assert "no such file (correct the path, or give image_directory); line 4" in message
    assert message.count("replace it, or take its row out") == 1


def test_sizes_in_the_table_must_be_those_of_the_images(folder):
    path = table(folder, "path,x,y,width,height\na.tif,0,0,64,48\nsub/a.tif,0,0,64,\nsub/b.tif,0,0,48,64\n")
    image = folder / "sub" / "b.tif"
    assert f"line 4: gives 48 x 64, but {image} has 64 x 48 pixels" in refusal_of(path, z=1)


def test_z_is_said_by_the_table_or_by_the_user(folder):
    without = table(folder, "path,x,y\na.tif,0,0\n")
    with pytest.raises(ParameterError, match="z_index: is required: .*t.csv has no z of its tiles"):
        read_tile_table(without)
    two = table(folder, "path,x,y,z\na.tif,0,0,1\nsub/b.tif,0,0,3.5\n", "two.csv")
    with pytest.raises(ParameterError, match=r"z_index: 9: .* has 2 sections, z 1 to 3.5; leave z_index out"):
        read_tile_table(two, z=9)
    one = read_tile_table(table(folder, "path,x,y,z\na.tif,0,0,4\n", "one.csv"), z=9)
    assert (one.z_values, one.notes) == ([9.0], ("z_index 9 is taken, not the table's z 4",))
    gap = table(folder, "path,x,y,z\na.tif,0,0,4\nsub/b.tif,0,0,\n", "gap.csv")
    assert "line 3, z: is empty" in refusal_of(gap)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(MissingFileError):
        read_tile_table(str(tmp_path / "absent.csv"), z=1)
