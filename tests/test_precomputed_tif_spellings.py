"""Command lines and names as users have them: older flags, shells' lists, units, odd file names, `~`."""

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile

from asap_ingest import precomputed_tif
from asap_ingest.commands.volume_schemas import PrecomputedTifParameters
from asap_ingest.errors import ParameterError
from asap_ingest.precomputed_tif import PrecomputedTif
from tests.volumes.reading import read_volume
from tests.volumes.volumes import random_array

ARRAY = random_array((5, 12, 10))


def planes(folder: Path, names=tuple(f"img_{z}.tif" for z in range(5))) -> Path:
    folder.mkdir(parents=True)
    for name, plane in zip(names, ARRAY, strict=True):
        tifffile.imwrite(folder / name, plane, photometric="minisblack")
    return folder


def info_of(folder):
    return json.loads((Path(folder) / "info").read_bytes())


def loaded(**given):
    return PrecomputedTifParameters().load({"source": "a", "dest": "b", **given})


def test_the_line_that_older_documents_have(tmp_path, capsys):
    """TIFFs without resolution: 1 nm, with one line that says so and what to do."""
    folder = planes(tmp_path / "stack")
    line = ["--source", f"{folder}/img_*.tif", "--dest", str(tmp_path / "volume"), "--levels", "2"]
    assert precomputed_tif.main(line) == 0
    (warning,) = capsys.readouterr().err.splitlines()
    assert "img_0.tif has none, so 1,1,1 nm is assumed" in warning
    assert "--voxel_size x,y,z in nm" in warning
    assert info_of(tmp_path / "volume")["scales"][0]["resolution"] == [1, 1, 1]


@pytest.mark.parametrize("chunk_format", ["raw", "tiff", "sharded", "zarr"])
def test_a_voxel_size_that_is_said_later_leaves_the_chunks(tmp_path, chunk_format):
    folder, dest = planes(tmp_path / "stack"), tmp_path / "volume"
    line = ["--source", f"{folder}/*.tif", "--dest", str(dest), "--format", chunk_format, "--levels", "2"]
    assert precomputed_tif.main(line) == 0
    chunks = {
        path: path.stat().st_mtime_ns
        for path in dest.rglob("*")
        if path.is_file() and path.name not in ("info", "provenance", "zarr.json")
    }
    assert precomputed_tif.main([*line, "--voxel_size", "4,4,40"]) == 0
    assert {path: path.stat().st_mtime_ns for path in chunks} == chunks
    if chunk_format == "zarr":
        (multiscales,) = json.loads((dest / "zarr.json").read_bytes())["attributes"]["ome"]["multiscales"]
        (scale, _) = multiscales["datasets"][0]["coordinateTransformations"]
        assert scale["scale"] == [40, 4, 4]
    else:
        assert [scale["resolution"] for scale in info_of(dest)["scales"]] == [[4, 4, 40], [8, 8, 80]]


def test_flags_of_the_older_program(tmp_path):
    folder = planes(tmp_path / "stack")
    line = ["--source", f"{folder}/*.tif", "--dest", str(tmp_path / "volume"), "--chunk-size", "8,8,8"]
    line += ["--n-cores", "1", "--segmentation", "--format=raw", "--voxel-size", "4nm,4nm,0.04um"]
    assert precomputed_tif.main(line) == 0
    info = info_of(tmp_path / "volume")
    assert info["type"] == "segmentation"
    assert info["scales"][0]["chunk_sizes"] == [[8, 8, 8]]
    assert info["scales"][0]["resolution"] == [4, 4, 40]


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        (["--chunk-size", "8,8,8"], "chunk_size", "8,8,8"),
        (["--chunk_size=8,8,8"], "chunk_size", "8,8,8"),
        (["--n-cores=3"], "pool_size", "3"),
        (["--n_cores", "3"], "pool_size", "3"),
        (["--segmentation"], "type", "segmentation"),
        (["--segmentation", "false", "--dest", "d"], "type", None),
        (["--voxel_offset", "-1,-2,3"], "voxel_offset", "-1,-2,3"),
        (["--voxel-size", "0.004um"], "voxel_size", "0.004um"),
        (["--source", "a b.tif", 'c".tif'], "source", ["a b.tif", 'c".tif']),
        (["--source", "a.tif"], "source", ["a.tif"]),
    ],
    ids=str,
)
def test_spellings(given, name, value):
    assert vars(PrecomputedTif.build_parser().parse_args(given))[name] == value


@pytest.mark.parametrize(
    ("given", "nm"), [("1.8,1.8,2.0", "1800,1800,2000"), ("0.0045,0.0045,0.05", "4.5,4.5,50")]
)
def test_micrometres_are_not_taken_for_nm(given, nm, capsys):
    assert precomputed_tif.main(["--source", "s", "--dest", "d", "--voxel-size", given]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"write --voxel_size {nm}, or the unit" in line


def test_a_flag_with_a_wrong_value():
    with pytest.raises(ParameterError, match="--segmentation: 'maybe': takes no value, or true or false"):
        PrecomputedTif.build_parser().parse_args(["--segmentation", "maybe"])


@pytest.mark.parametrize(
    ("given", "nm"),
    [
        ("4,4,40", (4, 4, 40)),
        ("4nm,4 nm,0.04um", (4, 4, 40)),
        ("0.004um", (4, 4, 4)),
        ("4e-3µm", (4, 4, 4)),
        (["4nm", 4, "1mm"], (4, 4, 1e6)),
        ("[4, 4, 40]", (4, 4, 40)),
    ],
    ids=str,
)
def test_units_of_a_voxel_size(given, nm):
    assert loaded(voxel_size=given)["voxel_size"] == pytest.approx(nm, rel=1e-12)


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ("4GiB", 4 * 2**30),
        ("4GB", 4 * 10**9),
        ("1.5 MiB", 3 * 2**19),
        ("64kib", 2**16),
        (1e6, 10**6),
        ("12B", 12),
        (123456, 123456),
    ],
)
def test_memory(given, count):
    assert loaded(memory=given)["memory"] == count


def test_a_glob_that_the_shell_expanded(tmp_path):
    folder = planes(tmp_path / "stack")
    names = sorted(map(str, folder.iterdir()), reverse=True)
    line = ["--voxel_size", "4,4,4", "--source", *names, "--dest", str(tmp_path / "volume")]
    assert precomputed_tif.main([*line, "--format", "raw", "--levels", "1"]) == 0
    np.testing.assert_array_equal(read_volume(tmp_path / "volume", "raw")[0], ARRAY)


def test_a_list_of_patterns_names_each_file_once(tmp_path):
    folder = planes(tmp_path / "stack")
    given = {
        "source": [f"{folder}/img_[34].tif", f"{folder}/*.tif"],
        "dest": str(tmp_path / "volume"),
        "format": "raw",
        "voxel_size": [4, 4, 4],
    }
    assert precomputed_tif.PrecomputedTif(given, args=[]).run() == 0
    np.testing.assert_array_equal(read_volume(tmp_path / "volume", "raw")[0], ARRAY)


def test_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    planes(tmp_path / "stack")
    line = ["--source=~/stack/*.tif", "--dest=~/volume", "--voxel_size", "4,4,4"]
    assert precomputed_tif.main(line) == 0
    assert (tmp_path / "volume" / "info").exists()


@pytest.mark.parametrize(
    ("folder", "names", "pattern"),
    [
        ("stack [raw]", [f"img_{z}.tif" for z in range(5)], "img_*.tif"),
        ("a[1-3]b", [f"img_{z}.tif" for z in range(5)], "img_[0-9].tif"),
        ("plain", [f"img[{z}].tif" for z in range(5)], "*.tif"),
        ("plain", [f"img[x]_{z}.tif" for z in range(5)], "img[x]_*.tif"),
        ("10:30", [f"12:00:{z}.tif" for z in range(5)], "12:00:*.tif"),
        ("s3:x", [f"img {z}.tif" for z in range(5)], "img ?.tif"),
    ],
    ids=str,
)
def test_brackets_and_colons_in_names(tmp_path, folder, names, pattern, monkeypatch):
    planes(tmp_path / folder, names)
    monkeypatch.chdir(tmp_path)
    for source in (f"{tmp_path}/{folder}/{pattern}", f"{folder}/{pattern}"):
        dest = f"{tmp_path}/{folder}_volume_{len(source)}"
        given = {"source": source, "dest": dest, "format": "raw", "voxel_size": [4, 4, 4]}
        assert precomputed_tif.PrecomputedTif(given, args=[]).run() == 0
        np.testing.assert_array_equal(read_volume(Path(dest), "raw")[0], ARRAY)


@pytest.mark.parametrize(
    ("units", "nm"),
    [
        ({"unit": "um", "zunit": "nm"}, (5, 5, 30)),
        ({"unit": "nm", "yunit": "um", "zunit": "um"}, (0.005, 5, 30_000)),
        ({"unit": "um", "yunit": "um"}, (5, 5, 30_000)),
    ],
    ids=str,
)
def test_units_of_imagej(tmp_path, units, nm):
    """200 pixels per unit, planes 30 units apart."""
    file = tmp_path / "stack.tif"
    metadata = {"spacing": 30, "axes": "ZYX", **units}
    tifffile.imwrite(file, ARRAY, imagej=True, resolution=(200, 200), metadata=metadata)
    line = ["--source", str(file), "--dest", str(tmp_path / "volume"), "--levels", "1"]
    assert precomputed_tif.main(line) == 0
    assert info_of(tmp_path / "volume")["scales"][0]["resolution"] == pytest.approx(nm)


@pytest.mark.parametrize(
    ("offset", "begin"),
    [("8,-4,12", (8, -4, 12)), ("1001,777,33", (1000, 776, 32)), ("-3,0,1", (-4, 0, 0))],
)
def test_a_crop_lies_where_it_is_said(tmp_path, offset, begin):
    """Black voxels before it where a scale could not begin there: then no scale is moved."""
    from asap_ingest.check_precomputed import check_precomputed

    folder, dest = planes(tmp_path / "stack"), tmp_path / "volume"
    line = ["--source", f"{folder}/*.tif", "--dest", str(dest), "--voxel_offset", offset, "--levels", "3"]
    assert precomputed_tif.main([*line, "--format", "raw", "--voxel_size", "4,4,4"]) == 0
    scales = info_of(dest)["scales"]
    assert scales[0]["voxel_offset"] == list(begin)
    voxels = read_volume(dest, "raw")[0]
    x, y, z = (int(here) - there for here, there in zip(offset.split(","), begin, strict=True))
    np.testing.assert_array_equal(voxels[z:, y:, x:], ARRAY)
    assert not voxels[:z].any()
    assert not voxels[:, :y].any()
    assert not voxels[..., :x].any()
    assert check_precomputed(str(dest), "voxels").findings.faults == []
