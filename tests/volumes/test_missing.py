"""Planes that are missing or damaged, and planes that change after the volume was made."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import tensorstore
import tifffile
from PIL import Image

from asap_ingest import precomputed_tif
from asap_ingest.check_precomputed import check_precomputed
from asap_ingest.precomputed_tif import PrecomputedTif
from asap_ingest.volumes.sources.missing_planes import gap_words, gaps_between
from tests.volumes.reading import read_volume
from tests.volumes.volumes import random_array

ARRAY = random_array((40, 20, 24))


@pytest.fixture
def given(tmp_path):
    (tmp_path / "stack").mkdir()
    for z, plane in enumerate(ARRAY):
        write(tmp_path / "stack" / f"z{z}.tif", plane)
    return {
        "source": f"{tmp_path}/stack/z*.tif",
        "dest": str(tmp_path / "volume"),
        "voxel_size": [4, 4, 40],
        "chunk_size": [8, 8, 4],
        "levels": 3,
        "format": "raw",
        "pool_size": 1,
    }


def write(path: Path, plane, compression=None):
    tifffile.imwrite(path, plane, photometric="minisblack", compression=compression)


def run(parameters, *arguments):
    return PrecomputedTif(parameters, args=list(arguments)).run()


def times(folder):
    return {str(path): path.stat().st_mtime_ns for path in Path(folder).rglob("*") if path.is_file()}


def voxels(folder, chunk_format):
    if chunk_format != "sharded":
        return read_volume(Path(folder), chunk_format)[0]
    spec = {"driver": "neuroglancer_precomputed", "kvstore": f"file://{folder}/", "scale_index": 0}
    return tensorstore.open(spec).result().read().result()[..., 0].transpose()


@pytest.mark.parametrize("chunk_format", ["raw", "tiff", "zarr", "sharded"])
@pytest.mark.parametrize("memory", ["1GB", "60kB"])
def test_a_replaced_plane_costs_its_own_chunks(given, tmp_path, chunk_format, memory):
    given |= {"format": chunk_format, "memory": memory}
    assert run(given) == 0
    before = times(given["dest"])
    plane = random_array((1, 20, 24), seed=7)[0]
    write(tmp_path / "stack" / "z13.tif", plane, "zlib")
    output = tmp_path / "out.json"
    assert run(given, "--output_json", str(output)) == 0
    report = json.loads(output.read_bytes())["report"]
    assert report["planes_changed"] == 1
    array = ARRAY.copy()
    array[13] = plane
    np.testing.assert_array_equal(voxels(given["dest"], chunk_format), array)
    assert check_precomputed(given["dest"], "voxels").findings.faults == []
    if chunk_format != "sharded":
        # 3 x 3 chunks of a layer, at three scales: 9, 4 and 1
        assert report["chunks_written"] == 9 + 4 + 1
        now = times(given["dest"])
        written = [path for path in now if now[path] != before[path]]
        names = ("info", "provenance", "zarr.json")
        assert len([path for path in written if not path.endswith(names)]) == 14


def test_a_run_that_was_killed_while_it_mended_goes_on(given, tmp_path):
    assert run(given) == 0
    write(tmp_path / "stack" / "z13.tif", ARRAY[0])
    assert run(given) == 0
    mended = Path(given["dest"]) / "1_1_1" / "0-8_0-8_12-16"
    mended.unlink()
    (Path(given["dest"]) / "info").unlink()
    assert run(given) == 0
    np.testing.assert_array_equal(voxels(given["dest"], "raw")[13], ARRAY[0])


def test_other_planes_altogether_are_another_volume(given, tmp_path, capsys):
    assert run(given) == 0
    before = times(given["dest"])
    for z in range(40):
        os.utime(tmp_path / "stack" / f"z{z}.tif", (1, 1))
    file = tmp_path / "in.json"
    file.write_text(json.dumps(given))
    assert precomputed_tif.main(["--input_json", str(file)]) == 2
    assert "holds a volume of other sources or parameters" in capsys.readouterr().err
    assert times(given["dest"]) == before
    assert precomputed_tif.main(["--input_json", str(file), "--force_redo", "true"]) == 0


def test_a_plane_with_another_name_is_a_replaced_plane(given, tmp_path):
    given["source"] = f"{tmp_path}/stack/*.tif"
    assert run(given) == 0
    (tmp_path / "stack" / "z39.tif").rename(tmp_path / "stack" / "z39_repaired.tif")
    output = tmp_path / "out.json"
    assert run(given, "--output_json", str(output)) == 0
    assert json.loads(output.read_bytes())["report"]["planes_changed"] == 1


def test_planes_that_differ_in_number_are_another_volume(given, tmp_path, capsys):
    assert run(given) == 0
    write(tmp_path / "stack" / "z40.tif", ARRAY[0])
    file = tmp_path / "in.json"
    file.write_text(json.dumps(given))
    assert precomputed_tif.main(["--input_json", str(file)]) == 2
    assert "other sources or parameters" in capsys.readouterr().err


def damage(folder: Path, z: int, how: str) -> None:
    file = folder / f"z{z}.tif"
    file.unlink()
    if how == "cut":
        write(file, ARRAY[z])
        file.write_bytes(file.read_bytes()[:-100])
    elif how == "text":
        file.write_text("no image")
    elif how == "empty":
        file.touch()
    elif how == "link":
        file.symlink_to("nowhere")
    elif how == "codec":
        write(file, ARRAY[z], "zlib")
        content = bytearray(file.read_bytes())
        with tifffile.TiffFile(file) as tiff:
            begin = tiff.pages[0].dataoffsets[0]
        content[begin : begin + 20] = b"\xff" * 20
        file.write_bytes(content)
    elif how == "png":
        Image.fromarray(ARRAY[z]).save(file, "PNG")
        file.write_bytes(file.read_bytes()[:200])


@pytest.mark.parametrize("how", ["gap", "cut", "text", "empty", "link", "codec", "png"])
def test_black_planes_and_repeated_ones(given, tmp_path, capsys, how):
    for z in (6, 7):
        damage(tmp_path / "stack", z, how)
    for rule, shown in (("black", np.zeros_like(ARRAY[:2])), ("repeat", ARRAY[[5, 5]])):
        dest = str(tmp_path / rule)
        assert run(given | {"on_missing": rule, "dest": dest}) == 0
        (warning,) = capsys.readouterr().err.splitlines()
        assert rule in warning
        assert ("6..7" if how == "gap" else "z6.tif") in warning
        array = ARRAY.copy()
        array[6:8] = shown
        np.testing.assert_array_equal(voxels(dest, "raw"), array)
        assert check_precomputed(dest, "voxels").findings.faults == []


@pytest.mark.parametrize("how", ["gap", "cut", "text", "empty", "link"])
def test_refused_planes(given, tmp_path, capsys, how):
    damage(tmp_path / "stack", 6, how)
    file = tmp_path / "in.json"
    file.write_text(json.dumps(given | {"on_missing": "refuse"}))
    assert precomputed_tif.main(["--input_json", str(file)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert ("1 missing in the numbers of the file names: 6" if how == "gap" else "z6.tif") in line
    assert not Path(given["dest"]).exists()


def test_gaps_are_closed_where_nothing_is_said_and_named(given, tmp_path, capsys):
    for z in (6, 20, 21):
        (tmp_path / "stack" / f"z{z}.tif").unlink()
    assert run(given) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "3 missing in the numbers of the file names: 6, 20..21; they are closed" in line
    np.testing.assert_array_equal(voxels(given["dest"], "raw"), np.delete(ARRAY, (6, 20, 21), axis=0))


def test_the_first_plane_has_none_before_it(given, tmp_path):
    for z in (0, 1):
        damage(tmp_path / "stack", z, "text")
    assert run(given | {"on_missing": "repeat"}) == 0
    np.testing.assert_array_equal(voxels(given["dest"], "raw")[:3], ARRAY[[2, 2, 2]])


def test_a_damaged_page_among_sound_ones(given, tmp_path):
    file = tmp_path / "pages.tif"
    tifffile.imwrite(file, ARRAY, photometric="minisblack", compression="zlib")
    with tifffile.TiffFile(file) as tiff:
        begin = tiff.pages[9].dataoffsets[0]
    with file.open("r+b") as opened:
        opened.seek(begin)
        opened.write(b"\xff" * 20)
    assert run(given | {"source": str(file), "on_missing": "black", "pool_size": 2}) == 0
    array = ARRAY.copy()
    array[9] = 0
    np.testing.assert_array_equal(voxels(given["dest"], "raw"), array)


@pytest.mark.parametrize("rule", ["black", "repeat"])
def test_a_plane_that_comes_later_costs_its_own_chunks(given, tmp_path, rule):
    damage(tmp_path / "stack", 30, "text")
    damage(tmp_path / "stack", 13, "gap")
    given["on_missing"] = rule
    assert run(given) == 0
    for z in (13, 30):
        write(tmp_path / "stack" / f"z{z}.tif", ARRAY[z])
    output = tmp_path / "out.json"
    assert run(given, "--output_json", str(output)) == 0
    report = json.loads(output.read_bytes())["report"]
    assert (report["planes_changed"], report["chunks_written"]) == (2, 2 * (9 + 4 + 1))
    np.testing.assert_array_equal(voxels(given["dest"], "raw"), ARRAY)


def test_nothing_but_damage_is_refused(given, tmp_path, capsys):
    for z in range(40):
        damage(tmp_path / "stack", z, "text" if z % 2 else "codec")
    file = tmp_path / "in.json"
    file.write_text(json.dumps(given | {"on_missing": "black"}))
    assert precomputed_tif.main(["--input_json", str(file)]) == 2
    assert "no plane can be decoded" in capsys.readouterr().err.splitlines()[-1]
    assert not Path(given["dest"]).exists()


@pytest.mark.parametrize("rule", ["black", "repeat"])
def test_a_plane_of_another_size_is_no_missing_one(given, tmp_path, capsys, rule):
    write(tmp_path / "stack" / "z3.tif", ARRAY[3, :10])
    file = tmp_path / "in.json"
    file.write_text(json.dumps(given | {"on_missing": rule}))
    assert precomputed_tif.main(["--input_json", str(file)]) == 2
    assert "z3.tif is 24 x 10, others 24 x 20" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["z1", "z2", "z4", "z9"], "5 missing in the numbers of the file names: 3, 5..8"),
        (["z010", "z020", "z040"], "1 missing in the numbers of the file names: 30"),
        (["2024/a_s1_z7.tif", "2024/a_s1_z9.tif", "2024/a_s1_z10.tif"], "8"),
        (["z1", "z2", "z3"], None),
        (["z10", "z20", "z30"], None),
        (["z1"], None),
        (["a1_1", "a1_3", "a2_4"], None),
        (["a1", "b3", "b5"], None),
        (["z1", "z01", "z3"], None),
        (["z9", "z5", "z4"], None),
        (["a", "b"], None),
    ],
    ids=str,
)
def test_gaps_in_numbers(names, words):
    gaps = gaps_between(names)
    if words is None:
        assert gaps == []
    else:
        assert gap_words(gaps).endswith(words)


def test_many_gaps_are_one_line():
    gaps = gaps_between([f"z{number}" for number in range(0, 100) if number % 3])
    assert gap_words(gaps).endswith(": 3, 6, 9, 12, 15, 18 and 26 more ranges")
