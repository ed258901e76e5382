"""Files of Fiji's stitching, as its plugins write them."""

import pytest

from asap_ingest.tile_tables.fiji import FIJI_LINE, read_fiji
from asap_ingest.tile_tables.table_records import TileTableError

FLAT = """\
# Define the number of dimensions we are working on
dim = 2

# Define the image coordinates
tile_1.tif; ; (0.0, 0.0)
tile 2;b.tif; ; (479.6123, -2.25)
"""
DEEP = """\
# Define the number of dimensions we are working on
dim = 3
multiseries = true
# Define the image coordinates
s0_1.tif; 0; (0.0, 0.0, 0.0)
s1_1.tif;0;(1.5, 2.0, 1.0)
"""


def coordinates(content):
    return [(row.image, row.x, row.y, row.z) for row in content.rows]


def test_two_axes():
    content = read_fiji(FLAT, "t")
    assert coordinates(content) == [
        ("tile_1.tif", 0.0, 0.0, None),
        ("tile 2;b.tif", 479.6123, -2.25, None),
    ]
    assert (content.unit, content.y_up, content.rows[1].place) == ("pixel", False, "line 6")


def test_three_axes():
    assert coordinates(read_fiji(DEEP, "t")) == [("s0_1.tif", 0.0, 0.0, 0.0), ("s1_1.tif", 1.5, 2.0, 1.0)]


def test_registered_z_is_that_of_the_nearest_section():
    content = read_fiji("dim = 3\na.tif; ; (0, 0, 0.37)\nb.tif; ; (0, 0, 1.5)\nc.tif; ; (0, 0, 1)\n", "t")
    assert [row.z for row in content.rows] == [0.0, 2.0, 1.0]
    assert content.notes == ("z was rounded to whole sections for 2 of 3 tiles, like 0.37",)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("dim = 2\n", "has no tiles (give lines like tile.tif; ; (0.0, 0.0))"),
        ("dim = 4\n", "line 1, dim: '4' is not 2 or 3 (write dim = 2)"),
        (
            "dim=3\na.tif; ; (0, 0, 1)\ndim=2\nb.tif; ; (0, 0)\n",
            "line 3, dim: 2 follows dim = 3 (split the file)",
        ),
        ("a.tif; ; (0, 0)\n", "line 1: stands before the number of axes (begin with dim = 2)"),
        ("dim=2\na.tif (0, 0)\n", "line 2: 'a.tif (0, 0)' cannot be read (write it like tile.tif; ; (x, y))"),
        ("dim=2\na.tif; ; (0, 0, 1)\n", "line 2: (0, 0, 1) has 3 numbers, dim is 2"),
        ("dim=2\na.tif; ; (0, left)\n", "line 2, y: 'left' is not a number"),
        ("dim=2\n; ; (0, 0)\n", "line 2, file: is empty"),
        ("dim=2\na.tif; 3; (0, 0)\n", "line 2: series '3' of a file with several"),
    ],
)
def test_refused(text, says):
    with pytest.raises(TileTableError) as refused:
        read_fiji(text, "t.txt")
    assert str(refused.value).startswith(f"t.txt: {says}")


def test_it_is_known_by_its_lines():
    assert FIJI_LINE.search(FLAT)
    assert FIJI_LINE.search("a.tif; ; (0, 0)\n")
    assert not FIJI_LINE.search("path;x;y\na.tif;1,0;2,0\n")
