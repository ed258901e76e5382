"""CSV and TSV as people and spreadsheets write them; what cannot be used is named by line and column."""

import pytest

from asap_ingest.tile_tables.delimited import read_delimited
from asap_ingest.tile_tables.table_records import TableRow, TileTableError


def rows_of(text):
    return list(read_delimited(text, "t.csv").rows)


def refusal_of(text):
    with pytest.raises(TileTableError) as refused:
        read_delimited(text, "t.csv")
    message = str(refused.value)
    assert message.startswith("t.csv: ")
    assert "\n" not in message
    return message.removeprefix("t.csv: ")


FULL = """\
Path,X,Y,Z,Row,Column,Width,Height,Rotation
roi/a 1.tif,0,0,7,0,0,64,48,0
"roi/b,2.tif",-12.5,1e3,7,0,1,64,48,-1.5
"""


def test_every_column():
    assert rows_of(FULL) == [
        TableRow("line 2", "roi/a 1.tif", 0.0, 0.0, 7.0, 0, 0, 64, 48, 0.0),
        TableRow("line 3", "roi/b,2.tif", -12.5, 1000.0, 7.0, 0, 1, 64, 48, -1.5),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "path,x,y\na.tif,1,2\n",
        "FileName\tX\tY\r\na.tif\t1\t2\r\n",
        "image;x;y\na.tif;1,0;2,0\n",
        "y, x ,File\n2, 1 ,a.tif\n",
        "# made by hand, or not; who knows\n\npath,x,y\n# a comment\na.tif,1,2\n,,\n",
        "a.tif,1,2\n",
        "1\t2\ta.tif",
        'path,x,y,rotation\n"a.tif","1","2"\n',
        "path,x,y\na.tif,1,2,,\n",
    ],
    ids=["plain", "TSV", "decimal comma", "order", "comments", "no names", "image last", "short", "long"],
)
def test_ways_of_writing_the_same(text):
    (row,) = rows_of(text)
    assert (row.image, row.x, row.y) == ("a.tif", 1.0, 2.0)


@pytest.mark.parametrize(
    ("names", "unit"),
    [
        ("path,x,y", None),
        ("path,x_px,y_px", "pixel"),
        ("path,X (nm),Y (nm)", "nm"),
        ("path,x [µm],y [µm]", "um"),
        ("path,stage,x um,y um", "um"),
    ],
)
def test_units_in_the_names_of_columns(names, unit):
    values = ",".join(["a.tif", "1", "2", "3"][: len(names.split(","))])
    assert read_delimited(f"{names}\n{values}", "t").unit == unit


def test_columns_that_are_not_used_are_named():
    assert read_delimited("path,x,y,focus,mean\na.tif,0,0,1,2\n", "t").notes == (
        "columns that are not used: focus, mean",
    )


def test_rows_and_columns_are_enough():
    (row,) = rows_of("path,row,col\na.tif,3,4\n")
    assert (row.row, row.column, row.x, row.y) == (3, 4, None, None)


def test_bad_entries_are_named_with_line_and_column():
    text = "path,x,y,z,width,row\na.tif,one,2,1,64,0\nb.tif,1,,1,6.5,0\n,1,2,1,64,0\nd.tif,nan,1,1,0,a\n"
    assert refusal_of(text) == (
        "line 2, x: 'one' is not a number (give it like 120 or 120.5); "
        "line 3, y: is empty (give a number, or take the row out); "
        "line 3, width: '6.5' is not a whole number "
        "(give pixels, or leave the column out: sizes are read from the images); "
        "line 4, path: is empty (give the name of the image file); "
        "line 5, x: 'nan' is not a finite number (give it like 120 or 120.5); and 2 more"
    )


def test_lines_of_quoted_cells_are_counted_as_in_the_file():
    assert refusal_of('path,x,y,"a\nnote"\na.tif,0,0,\nb.tif,?,0,\n').startswith("line 4, x: '?'")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "has no tiles (begin with the line path,x,y)"),
        ("path,x,y\n", "has no tiles after its first line"),
        (
            "path,x\na.tif,1\n",
            "line 1: has 'path, x', and no column y (name the columns like path,x,y)",
        ),
        (
            "pth,x,y\na.tif,1,2\n",
            "line 1: has 'pth, x, y', and no column path "
            "(name the columns like path,x,y; did you mean path for 'pth'?)",
        ),
        ("path,x,y,file\na,1,2,b\n", "line 1: 'path' and 'file' both mean image (rename one of them)"),
        ("path,x_nm,y_px\na,1,2\n", "line 1: x and y have different units: nm, pixel (give both in one)"),
        (
            "a.tif,1,2,3\n",
            "line 1: 'a.tif, 1, 2, 3' does not name the columns (begin with a line like path,x,y)",
        ),
        ("1,2,3\n", "line 1: '1, 2, 3' does not name the columns"),
        ("path,x,y\na.tif,1,2,3\n", "line 2: has 4 cells, the first line 3: 'a.tif, 1, 2, 3'"),
        ('path,x,y\n"a.tif,1,2\n', "line 2: cannot be read: unexpected end of data (close its quotes)"),
        ("path,x,y\na.tif,1_0,2\n", "line 2, x: '1_0' is not a finite number"),
        ("path,x,y\nfolder/,1,2\n", "line 2, path: 'folder/' is not a file name"),
    ],
)
def test_tables_that_cannot_be_read(text, says):
    assert refusal_of(text).startswith(says)


def test_long_entries_are_cut():
    assert len(refusal_of(f"path,x,y\na.tif,{'9' * 500}x,2\n")) < 150
