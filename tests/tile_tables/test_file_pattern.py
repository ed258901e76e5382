"""Patterns of file names on a grid, over real folders."""

import pytest

from asap_ingest.errors import ParameterError
from asap_ingest.tile_tables.file_pattern import read_pattern
from asap_ingest.tile_tables.table_records import TileTableError


@pytest.fixture
def files(tmp_path):
    def make(*names):
        for name in names:
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        return str(tmp_path)

    return make


def places(content):
    return [(row.place, row.z, row.row, row.column) for row in content.rows]


def test_rows_and_columns_are_numbers(files):
    folder = files("t_1_9.tif", "t_1_10.tif", "t_0_9.tif", "t_00_010.tif", "t_1_9.txt", "other.tif")
    content = read_pattern(f"{folder}/t_{{row}}_{{col}}.tif")
    assert places(content) == [
        ("t_0_9.tif", None, 0, 9),
        ("t_00_010.tif", None, 0, 10),
        ("t_1_9.tif", None, 1, 9),
        ("t_1_10.tif", None, 1, 10),
    ]
    assert content.rows[0].image == f"{folder}/t_0_9.tif"
    assert content.notes == ()


def test_folders_stars_and_repetition(files):
    folder = files(
        "z7/r0/z7_c1_2026.tif", "z8/r0/z8_c1_x.tif", "z8/r0/z9_c1_x.tif", "z8/r0/notes", "z8/notes"
    )
    content = read_pattern(f"{folder}/z{{z}}/r{{ROW}}/z{{z}}_c{{Column}}_*.tif")
    assert places(content) == [("z7/r0/z7_c1_2026.tif", 7.0, 0, 1), ("z8/r0/z8_c1_x.tif", 8.0, 0, 1)]


def test_a_relative_pattern_begins_at_the_current_folder(files, monkeypatch):
    monkeypatch.chdir(files("t_0_0.tif"))
    assert places(read_pattern("t_{row}_{col}.tif")) == [("t_0_0.tif", None, 0, 0)]


def test_what_the_pattern_has_besides_fields_stands_for_itself(files):
    folder = files("t.1+(2).tif", "tx1+(2).tif")
    assert len(read_pattern(f"{folder}/t.{{row}}+({{col}}).tif").rows) == 1


def test_positions_without_a_file_are_noted(files):
    folder = files("t_0_0.tif", "t_0_2.tif", "t_1_1.tif", "t_1_2.tif")
    assert read_pattern(f"{folder}/t_{{row}}_{{col}}.tif").notes == (
        "2 grid positions have no file: row 0 column 1, row 1 column 0",
    )


def test_grids_of_dates_are_not_counted_one_by_one(files):
    folder = files("t_20260105_0.tif", "t_99999999999_1.tif")
    (note,) = read_pattern(f"{folder}/t_{{row}}_{{col}}.tif").notes
    assert note.startswith("199959479788 grid positions have no file: row 20260105 column 1, ")


def test_a_grid_with_more_rows_than_a_length_can_be(files):
    folder = files("t_0_0.tif", f"t_{10**20}_0.tif")
    (note,) = read_pattern(f"{folder}/t_{{row}}_{{col}}.tif").notes
    assert note.startswith(f"{10**20 - 1} grid positions have no file: row 1 column 0, row 2 column 0, ")


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("t_{row}.tif", "pattern: 't_{row}.tif' needs {row} and {col}, like tile_{row}_{col}.tif"),
        ("t_{r}_{col}.tif", "pattern: '{r}' is not known; there are {row}, {col}, {column}, {z}"),
        ("t_{row_{col}.tif", "pattern: '{row_{col}' is not known"),
    ],
)
def test_patterns_that_mean_nothing(files, pattern, says):
    with pytest.raises(ParameterError) as refused:
        read_pattern(f"{files('t_0_0.tif')}/{pattern}")
    assert str(refused.value).startswith(says)


def test_a_pattern_without_files_says_what_is_there(files):
    folder = files("u_0_0.tif", "a.csv", "b", "c")
    with pytest.raises(TileTableError) as refused:
        read_pattern(f"{folder}/t_{{row}}_{{col}}.tif")
    assert f"no file matches; {folder} has 4 names: 'a.csv', 'b', 'c', ..." in str(refused.value)


def test_two_files_at_one_position_are_named(files):
    folder = files("t_1_1.tif", "t_01_1.tif")
    with pytest.raises(TileTableError, match=r"t_1_1.tif: has the grid position of t_01_1.tif"):
        read_pattern(f"{folder}/t_{{row}}_{{col}}.tif")
