"""Metadata of SerialEM montages whose pieces are image files."""

import pytest

from asap_ingest.tile_tables.serialem import MDOC_LINE, read_serialem
from asap_ingest.tile_tables.table_records import TileTableError

MONTAGE = """\
DataMode = 1
ImageSize = 2048 2048
Montage = 1
ImageSeries = 1
PixelSpacing = 53.2

[T = SerialEM: Acquired on a microscope             12-Mar-25  10:11:12]

[Image = mont_000.tif]
PieceCoordinates = 0 0 0
NavigatorLabel = 3
TiltAngle = 0.01
StagePosition = 12.5 -3.25
Magnification = 2500

[Image = Z:\\scope 1\\mont_001.tif]
PieceCoordinates = 0 1844 1
StagePosition = 12.5 6.56
"""
STAGE = "\n".join(line for line in MONTAGE.splitlines() if not line.startswith("PieceCoordinates"))


def coordinates(content):
    return [(row.image, row.x, row.y, row.z) for row in content.rows]


def test_piece_coordinates():
    content = read_serialem(MONTAGE, "t")
    assert coordinates(content) == [("mont_000.tif", 0.0, 0.0, 0.0), ("mont_001.tif", 0.0, 1844.0, 1.0)]
    assert (content.unit, content.y_up, content.is_centre, content.pixel_size_nm) == (
        "pixel",
        True,
        False,
        5.32,
    )
    assert content.notes == ()


def test_aligned_pieces_win_where_every_image_has_them():
    some = MONTAGE.replace("PieceCoordinates = 0 0 0", "PieceCoordinates = 0 0 0\nAlignedPieceCoords = 5 6 0")
    assert coordinates(read_serialem(some, "t")) == coordinates(read_serialem(MONTAGE, "t"))
    all_of_them = some.replace("0 1844 1", "0 1844 1\nAlignedPieceCoords = -3 1850 1")
    content = read_serialem(all_of_them, "t")
    assert [(row.x, row.y) for row in content.rows] == [(5.0, 6.0), (-3.0, 1850.0)]
    assert content.notes == ("placed by AlignedPieceCoords",)


def test_stage_positions_are_taken_where_there_are_no_pieces():
    content = read_serialem(STAGE, "t")
    assert [(row.x, row.y, row.z) for row in content.rows] == [(12.5, -3.25, None), (12.5, 6.56, None)]
    assert (content.unit, content.y_up, content.is_centre) == ("um", True, True)
    assert "as if the camera stood along the axes of the stage" in content.notes[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (
            "ImageFile = m.mrc\n[ZValue = 0]\nPieceCoordinates = 0 0 0\n",
            "line 2: [ZValue = 0] is an image in m.mrc; tiles are files of their own (save each as a TIFF",
        ),
        ("PixelSpacing = 5\n", "has no section like [Image = piece.tif]"),
        ("[Image = a.tif]\nPieceCoordinates = 0 0\n", "line 2, PieceCoordinates: '0 0' is not 3 numbers"),
        ("[Image = a.tif]\nTiltAngle = 0\n", "line 1, PieceCoordinates: is missing, and should be 3 numbers"),
        (
            "[Image = a.tif]\nPieceCoordinates = 0 0 0\n[Image = b.tif]\nStagePosition = 1 2\n",
            "line 3, PieceCoordinates: is missing",
        ),
        ("[Image = a.tif]\nPieceCoordinates = 0 x 0\n", "line 2, PieceCoordinates: 'x' is not a number"),
        ("[Image = a.tif]\nwhat is this\n", "line 2: 'what is this' is not an entry"),
        (
            "PixelSpacing = 0\n[Image = a.tif]\nPieceCoordinates = 0 0 0\n",
            "line 1, PixelSpacing: '0' is not a number above 0 (give Å per pixel, like 53.2)",
        ),
    ],
)
def test_refused(text, says):
    with pytest.raises(TileTableError) as refused:
        read_serialem(text, "t.mdoc")
    assert str(refused.value).startswith(f"t.mdoc: {says}")


def test_it_is_known_by_its_lines():
    assert MDOC_LINE.search(MONTAGE)
    assert MDOC_LINE.search("[ZValue = 0]")
    assert not MDOC_LINE.search("path,x,y\n[a].tif,0,0")
