"""From coordinates and grids to pixels, by hand."""

import numpy as np
import pytest

from asap_ingest.errors import ParameterError
from asap_ingest.tile_tables.table_positions import Placement, affine_about_centre, positions
from asap_ingest.tile_tables.table_records import TableContent, TableRow, TileTableError

SIZES = [(64, 48), (64, 48), (32, 24)]


def content(*points, **meaning):
    rows = tuple(TableRow(f"line {n}", "a", x, y) for n, (x, y) in enumerate(points, start=2))
    return TableContent(rows, **meaning)


def grid(*places):
    rows = tuple(
        TableRow(f"line {n}", "a", row=row, column=col) for n, (row, col) in enumerate(places, start=2)
    )
    return TableContent(rows)


def placed(table, sizes=SIZES, **placement):
    return positions(table, sizes[: len(table.rows)], Placement(**placement), "t").tolist()


def test_pixels_stay_as_they_are():
    assert placed(content((-5, 2.25), (1000.5, 0))) == [[-5, 2.25], [1000.5, 0]]


def test_nanometres_give_whole_pixels_where_they_are_meant():
    assert placed(content((3.3 * 7, -3.3 * 11)), units="nm", pixel_size_nm=3.3) == [[7, -11]]
    assert placed(content((0.0033 * 7, 0), unit="um"), pixel_size_nm=3.3) == [[7, 0]]


def test_y_upwards_counts_tops_from_the_highest():
    assert placed(content((5, 0), (5, 100), (5, 110)), y_axis="up") == [[5, 100], [5, 0], [5, 14]]
    assert placed(content((5, 0), (5, 100), y_up=True), y_axis="down") == [[5, 0], [5, 100]]


def test_middles_are_counted_from_the_first_tile():
    stage = content((12.5, -3.25), (12.5, 6.75), (13, 6.75), unit="um", y_up=True, is_centre=True)
    # 100 nm: middles are 100 pixels apart in y, 5 in x; the third tile is half as large
    assert placed(stage, pixel_size_nm=100) == [[0, 100], [0, 0], [21, 12]]


def test_grid_steps_are_whole_pixels():
    assert placed(grid((1, 1), (2, 3)), overlap_percent=7) == [[0, 0], [2 * 60, 45]]
    assert placed(grid((1, 1), (2, 3)), overlap_percent=0, y_axis="up") == [[0, 48], [128, 0]]


@pytest.mark.parametrize(
    ("table", "given", "says"),
    [
        (content((0, 0)), {"units": "nm"}, "pixel_size_nm: is required: x and y are in nm"),
        (content((0, 0), unit="nm"), {"units": "pixel"}, "units: 'pixel': the table has x and y in nm"),
        (content((0, 0)), {"overlap_percent": 7}, "overlap_percent: t has x and y; leave it out"),
        (grid((0, 0)), {}, "overlap_percent: is required"),
        (grid((0, 0)), {"overlap_percent": 0, "units": "nm"}, "units: 'nm': rows and columns have no unit"),
    ],
)
def test_what_is_needed_or_contradicts(table, given, says):
    with pytest.raises(ParameterError) as refused:
        placed(table, **given)
    assert str(refused.value).startswith(says)


def test_a_grid_has_tiles_of_one_size():
    with pytest.raises(TileTableError, match=r"line 4: is 32 x 24 pixels, line 2 64 x 48 \(crop it, or"):
        placed(grid((0, 0), (0, 1), (0, 2)), overlap_percent=0)


def test_what_lies_too_far_away_is_named():
    with pytest.raises(TileTableError, match=r"line 3: lies at \[3000000000.0, 0.0\] pixels"):
        placed(content((0, 0), (3e9, 0)))


def test_quarters_are_exact():
    for degrees, matrix in {
        0: (1, 0, 0, 1),
        90: (0, 1, -1, 0),
        180: (-1, 0, 0, -1),
        -90: (0, -1, 1, 0),
    }.items():
        affine = affine_about_centre((0, 0), (5, 5), degrees)
        assert [affine[name] for name in ("M00", "M10", "M01", "M11")] == list(matrix)


@pytest.mark.parametrize("degrees", [0, 1.5, 30, 90, 123.25, -170, 725])
def test_the_centre_stays_and_the_rest_turns_clockwise(degrees):
    affine = affine_about_centre((10, 20), (41, 21), degrees)
    matrix = np.array([[affine["M00"], affine["M01"]], [affine["M10"], affine["M11"]]])
    centre = matrix @ (20, 10) + (affine["B0"], affine["B1"])
    np.testing.assert_allclose(centre, (30, 30), atol=1e-9)
    angle = np.radians(degrees)
    np.testing.assert_allclose(matrix @ (1, 0), (np.cos(angle), np.sin(angle)), atol=1e-12)
