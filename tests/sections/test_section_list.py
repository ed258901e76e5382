"""Metafiles in their order, and z by tables that are not as they should be."""

import pytest

from asap_ingest.errors import ParameterError
from asap_ingest.sections.section_list import natural_key, z_rule


def test_numbers_in_names_count_as_numbers():
    names = ["s10", "s2", "s2²3", "s2a"]
    assert sorted(names, key=natural_key) == ["s2", "s2a", "s2²3", "s10"]


def test_z_by_path_and_by_names_that_are_unique(tmp_path):
    table = tmp_path / "z.csv"
    table.write_text("path,z\n\na/m.json,1\nb/m.json,2\nb/n.json,3\n/other/m.json,4\na/m.json,1\n")
    z_of = z_rule(str(table))
    assert [z_of(f"{tmp_path}/{name}/m.json") for name in ("a", "b")] == [1.0, 2.0]
    assert [z_of("/other/m.json"), z_of("/elsewhere/n.json")] == [4.0, 3.0]
    with pytest.raises(ParameterError, match="has no row for /elsewhere/m.json"):
        z_of("/elsewhere/m.json")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("path,z\n\na.json,1\nb.json\n", "line 4 has one column; each row is path,z"),
        ("path,z\n\na.json,first\n", "line 3: z must be a number, not 'first'"),
        ("a.json,inf\n", "line 1: z must be a finite number"),
        ("a.json,1\nb.json,2\n./a.json,3\n", "line 3 gives z 3 for ./a.json, which has z 1 above"),
        ('"a.json,1\n' + 140_000 * "x", "cannot be read: field larger than field limit"),
    ],
)
def test_tables_that_are_refused(tmp_path, content, words):
    (tmp_path / "z.csv").write_text(content)
    with pytest.raises(ParameterError, match=words):
        z_rule(str(tmp_path / "z.csv"))
