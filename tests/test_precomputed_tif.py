"""`precomputed-tif` as a user runs it, and what it survives."""

# ruff: noqa: F401, F811 - fixtures are imported

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image

from asap_ingest import check_precomputed, precomputed_tif
from asap_ingest.precomputed_tif import PrecomputedTif, order_lines
from tests.conftest import listing
from tests.examples import long
from tests.s3 import bucket, credentials, store
from tests.steps import command, refused, run_step
from tests.volumes.reading import expected_scales, read_volume, zarr_datasets
from tests.volumes.volumes import random_array

STEP = "precomputed_tif"
ARRAY = random_array((20, 50, 70))


def planes(folder: Path, array=ARRAY, suffix="tif") -> str:
    """One file a plane; the glob of them."""
    folder.mkdir()
    for z, plane in enumerate(array):
        path = folder / f"img_{z}.{suffix}"
        if suffix == "tif":
            tifffile.imwrite(path, plane, photometric="minisblack")
        else:
            Image.fromarray(plane).save(path)
    return f"{folder}/img_*.{suffix}"


@pytest.fixture
def given(tmp_path):
    return {
        "source": planes(tmp_path / "stack"),
        "dest": str(tmp_path / "volume"),
        "voxel_size": [4, 4, 40],
        "chunk_size": [16, 16, 16],
        "pool_size": 1,
        "levels": 3,
    }


def run(parameters, *arguments):
    return PrecomputedTif(parameters, args=list(arguments)).run()


def made(folder, chunk_format="tiff", array=ARRAY, kind="image"):
    """Every scale of the volume is what it must be; the factors."""
    found = read_volume(Path(folder), chunk_format)
    if chunk_format == "zarr":
        named = zarr_datasets(Path(folder))
    else:
        scales = json.loads((Path(folder) / "info").read_bytes())["scales"]
        named = [(scale["key"], tuple(map(int, scale["key"].split("_")))) for scale in scales]

    expected = expected_scales(array, [SimpleNamespace(factor=factor) for _, factor in named], kind)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype
    return [key for key, _ in named]


def test_the_command_line(tmp_path, capsys):
    """As the README has it."""
    source, dest = planes(tmp_path / "stack"), tmp_path / "volume"
    arguments = ["--source", source, "--dest", str(dest), "--levels", "2", "--voxel_size", "4,4,40"]
    assert precomputed_tif.main([*arguments, "--pool_size", "1"]) == 0
    assert made(dest) == ["1_1_1", "2_2_2"]
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == f"     0 {tmp_path}/stack/img_0.tif"
    assert printed[5] == f"     5 {tmp_path}/stack/img_5.tif"
    assert printed[6] == "   ... 8 more"
    assert printed[12] == f"    19 {tmp_path}/stack/img_19.tif"
    assert printed[13:] == [
        "voxels of 4 x 4 x 40 nm, in all 0.28 x 0.2 x 0.8 um",
        "scale 1_1_1: 70 x 50 x 20 voxels of 4 x 4 x 40 nm, 2 chunks",
        "scale 2_2_2: 35 x 25 x 10 voxels of 8 x 8 x 80 nm, 1 chunks",
        *printed[16:],
    ]
    assert printed[16].startswith(f"tiff volume in {dest}: 3 chunks, 78.8 kB of samples; ")


def test_few_files_are_all_printed():
    assert order_lines(["a", "b"]) == ["     0 a", "     1 b"]


@pytest.mark.slow
def test_as_a_program_with_json(given, tmp_path):
    ran = run_step(STEP, given | {"pool_size": 2}, tmp_path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert made(given["dest"]) == ["1_1_1", "2_2_2", "4_4_4"]
    report = ran.output["report"]
    assert ran.output["dest"] == given["dest"]
    assert [scale["size"] for scale in report["scales"]] == [[70, 50, 20], [35, 25, 10], [18, 13, 5]]
    assert (report["chunks_written"], report["failures"]) == (40 + 6 + 2, [])


def test_dry_run_writes_nothing(given, tmp_path, capsys):
    assert run(given | {"dry_run": True}) == 0
    assert not Path(given["dest"]).exists()
    assert "scale 4_4_4: 18 x 13 x 5 voxels" in capsys.readouterr().out


@pytest.mark.parametrize("chunk_format", ["tiff", "raw", "zarr"])
def test_formats(given, chunk_format):
    assert run(given | {"format": chunk_format}) == 0
    keys = ["0", "1", "2"] if chunk_format == "zarr" else ["1_1_1", "2_2_2", "4_4_4"]
    assert made(given["dest"], chunk_format) == keys


@pytest.mark.parametrize("kind", ["image", "segmentation"])
def test_ome_zarr_of_version_2(given, kind):
    given |= {"format": "zarr", "zarr_format": 2, "type": kind, "memory": 200_000, "chunk_size": [8, 8, 8]}
    assert run(given) == 0
    assert made(given["dest"], "zarr", kind=kind) == ["0", "1", "2"]
    before = listing(Path(given["dest"]))
    assert run(given) == 0
    assert listing(Path(given["dest"])) == before, "a rerun finds its chunks"
    assert check_precomputed.main([given["dest"]]) == 0


def test_versions_of_zarr_are_not_mixed(given, capsys):
    assert run(given | {"format": "zarr"}) == 0
    assert PrecomputedTif.main(arguments_of(given | {"format": "zarr", "zarr_format": 2})) == 2
    assert "holds a volume of other sources or parameters" in capsys.readouterr().err


def arguments_of(given):
    texts = {
        name: ",".join(map(str, value)) if isinstance(value, list) else value for name, value in given.items()
    }
    return [f"--{name}={value}" for name, value in texts.items()]


def test_sharded(given):
    import tensorstore

    assert run(given | {"format": "sharded"}) == 0
    spec = {"driver": "neuroglancer_precomputed", "kvstore": {"driver": "file", "path": given["dest"]}}
    for index, shape in enumerate([(70, 50, 20), (35, 25, 10), (18, 13, 5)]):
        opened = tensorstore.open({**spec, "scale_index": index}).result()
        assert opened.shape == (*shape, 1)
        if index == 0:
            np.testing.assert_array_equal(opened.read().result()[..., 0].transpose(), ARRAY)


def test_segmentation(given, tmp_path):
    labels = ARRAY.astype(np.uint32) % 4
    given |= {"source": planes(tmp_path / "labels", labels), "type": "segmentation", "format": "raw"}
    assert run(given) == 0
    made(given["dest"], "raw", labels, "segmentation")
    assert json.loads((Path(given["dest"]) / "info").read_bytes())["type"] == "segmentation"


@pytest.mark.parametrize(
    ("changed", "keys"),
    [
        ({"factor": "auto"}, ["1_1_1", "2_2_1", "4_4_1"]),
        ({"factor": "4,4,1"}, ["1_1_1", "4_4_1", "16_16_1"]),
        ({"factor": [1, 1, 2]}, ["1_1_1", "1_1_2", "1_1_4"]),
        ({"levels": 1}, ["1_1_1"]),
        (
            {"levels": 32},
            ["1_1_1", "2_2_2", "4_4_4", "8_8_8", "16_16_16", "32_32_32", "64_64_32", "128_64_32"],
        ),
    ],
)
def test_scales_that_are_asked_for(given, changed, keys):
    assert run(given | changed) == 0
    assert made(given["dest"]) == keys


def test_levels_are_found_where_not_given(given):
    del given["levels"]
    assert run(given) == 0
    assert made(given["dest"]) == ["1_1_1", "2_2_2", "4_4_4"]


def test_chunk_size_is_honoured(given):
    assert run(given | {"chunk_size": "70,10,20", "format": "raw", "levels": 1}) == 0
    assert sorted(path.name for path in (Path(given["dest"]) / "1_1_1").iterdir()) == sorted(
        f"0-70_{y}-{y + 10}_0-20" for y in range(0, 50, 10)
    )


def test_little_memory_makes_the_same_volume(given, capsys):
    assert run(given) == 0
    whole = listing(Path(given["dest"]))
    little = given | {"dest": f"{given['dest']}_little", "memory": "60KB"}
    capsys.readouterr()
    assert run(little) == 0
    assert "the sources are read " in capsys.readouterr().out
    found = listing(Path(little["dest"]))
    assert found == whole


@pytest.mark.parametrize(
    ("dtype", "suffix"), [("uint8", "png"), ("uint16", "png"), ("uint16", "tif"), ("uint32", "tif")]
)
def test_kinds_of_sources(given, tmp_path, dtype, suffix):
    array = random_array((9, 33, 20), dtype)
    given |= {"source": planes(tmp_path / "other", array, suffix), "format": "raw"}
    assert run(given) == 0
    made(given["dest"], "raw", array)


def test_jpeg_planes(given, tmp_path):
    array = np.broadcast_to(np.add.outer(np.arange(32), np.arange(40)).astype(np.uint8), (4, 32, 40))
    given |= {"source": planes(tmp_path / "other", array, "jpg"), "format": "raw"}
    assert run(given) == 0
    decoded = np.stack([np.asarray(Image.open(tmp_path / "other" / f"img_{z}.jpg")) for z in range(4)])
    made(given["dest"], "raw", decoded)


def test_one_file_that_says_its_voxel_size(given, tmp_path):
    file = tmp_path / "stack.tif"
    metadata = {"spacing": 0.03, "unit": "um", "axes": "ZYX"}
    tifffile.imwrite(file, ARRAY, imagej=True, resolution=(200, 200), metadata=metadata)
    del given["voxel_size"]
    assert run(given | {"source": str(file), "format": "raw"}) == 0
    made(given["dest"], "raw")
    info = json.loads((Path(given["dest"]) / "info").read_bytes())
    assert info["scales"][0]["resolution"] == pytest.approx([5, 5, 30])


def test_a_voxel_size_that_is_given_wins(given):
    assert run(given | {"voxel_size": "1.5,2,3", "format": "raw"}) == 0
    info = json.loads((Path(given["dest"]) / "info").read_bytes())
    assert [scale["resolution"] for scale in info["scales"]] == [[1.5, 2, 3], [3, 4, 6], [6, 8, 12]]


@pytest.mark.parametrize("voxel_size", [[4, 4, 4000], [1e-3, 1e-3, 1e-3], [1e6, 1e6, 1e6]])
def test_an_implausible_voxel_size_is_warned_of(given, voxel_size, capsys):
    assert run(given | {"voxel_size": voxel_size, "dry_run": True}) == 0
    assert "is it in nm?" in capsys.readouterr().err


def test_a_usual_voxel_size_is_not_warned_of(given, capsys):
    assert run(given | {"dry_run": True}) == 0
    assert capsys.readouterr().err == ""


REFUSED = [
    ({"voxel_size": "4nm,4nm,40miles"}, "each with one of the units nm, um"),
    ({"voxel_size": "4"}, "must be three numbers"),
    ({"voxel_size": ["4nm", "4nm"]}, "must be three numbers"),
    ({"voxel_offset": [1, 2]}, "voxel_offset"),
    ({"voxel_offset": "1,2,0.5"}, "voxel_offset"),
    ({"on_missing": "white"}, "must be one of black, refuse, repeat"),
    ({"source": []}, "must be a file name or pattern, or a list of them"),
    ({"source": [3]}, "must be a file name or pattern, or a list of them"),
    ({"memory": "4GiBB"}, "like 500MB, 4GB or 4GiB"),
    ({"voxel_size": [4, 4]}, "voxel_size: [4, 4] must be three numbers"),
    ({"voxel_size": "4,0,4"}, "must be above 0"),
    ({"chunk_size": [0, 64, 64]}, "chunk_size"),
    ({"factor": "half"}, "factor"),
    ({"factor": [2, 2, 65]}, "factor"),
    ({"levels": 0}, "levels"),
    ({"format": "jpeg"}, "format"),
    ({"type": "mask"}, "type"),
    ({"memory": "lots"}, "memory"),
    ({"memory": "1KB"}, "are too few: one column of chunks"),
    ({"pool_size": 0}, "pool_size"),
    ({"source": "s3://bucket/*.tif"}, "must be files of this machine"),
    ({"source": "/nowhere/*.tif"}, "matches no file"),
    ({"dest": "/proc/volume"}, "/proc/volume: cannot be written"),
    ({"dask_scheduler": "nowhere"}, "dask_scheduler"),
    ({"level": 3}, "did you mean levels?"),
]


@pytest.mark.parametrize(("changed", "words"), REFUSED, ids=[str(changed) for changed, _ in REFUSED])
def test_bad_values_exit_2_and_write_nothing(given, changed, words, tmp_path, capsys):
    given |= changed
    file = tmp_path / "in.json"
    file.write_text(json.dumps(given))
    assert precomputed_tif.main(["--input_json", str(file)]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.splitlines()) == 1
    assert not Path(given["dest"]).exists()


def test_labels_are_whole_numbers(given, tmp_path, capsys):
    source = planes(tmp_path / "floats", ARRAY.astype(np.float32))
    arguments = [
        "--source",
        source,
        "--dest",
        given["dest"],
        "--type",
        "segmentation",
        "--voxel_size",
        "4,4,4",
    ]
    assert precomputed_tif.main(arguments) == 2
    assert "labels of a segmentation are whole numbers; these samples are float32" in capsys.readouterr().err


def test_a_destination_that_holds_the_sources(given, tmp_path, capsys):
    arguments = ["--source", f"{tmp_path}/**/*.tif", "--dest", str(tmp_path), "--voxel_size", "4,4,40"]
    assert precomputed_tif.main(arguments) == 2
    assert "img_0.tif lies in it" in capsys.readouterr().err


def test_a_destination_that_is_a_file(given, tmp_path, capsys):
    (tmp_path / "file").touch()
    arguments = ["--source", given["source"], "--dest", str(tmp_path / "file"), "--voxel_size", "4,4,40"]
    assert precomputed_tif.main(arguments) == 2
    assert "file: cannot be written" in capsys.readouterr().err


def test_a_plane_that_fails_is_reported(given, tmp_path, caplog):
    given["source"] = planes(tmp_path / "pictures", ARRAY, "png")
    damaged = tmp_path / "pictures" / "img_7.png"
    damaged.write_bytes(damaged.read_bytes()[:1000])
    output = tmp_path / "out.json"
    assert run(given, "--output_json", str(output)) == 1
    (failure,) = json.loads(output.read_bytes())["report"]["failures"]
    assert "img_7.png: " in failure["reason"]
    assert "1 parts failed; the first: x, y, z from (0, 0, 0)" in caplog.text
    assert not (Path(given["dest"]) / "info").exists()


@pytest.mark.long
@pytest.mark.slow
def test_to_an_object_store(given, store, bucket, tmp_path):
    remote = given | {"dest": f"{bucket}/volume", "storage_options": store.options, "pool_size": 2}
    ran = run_step(STEP, remote, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    assert run(given) == 0
    found = {key.removeprefix("volume/"): content for key, content in store.objects(bucket).items()}
    assert found == listing(Path(given["dest"]))


def peak_rss(arguments) -> int:
    """Largest resident memory of a program, in bytes."""
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss * 1024


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_memory_stays_within_the_budget(tmp_path, compression):
    """A stack of 134 MB with 40 MB of memory."""
    (tmp_path / "stack").mkdir()
    plane = random_array((1, 1024, 1024))[0]
    for z in range(128):
        tifffile.imwrite(
            tmp_path / "stack" / f"{z}.tif",
            np.roll(plane, z),
            photometric="minisblack",
            compression=compression,
        )
    parameters = {
        "source": f"{tmp_path}/stack/*.tif",
        "voxel_size": [8, 8, 8],
        "format": "raw",
        "pool_size": 1,
    }
    small = parameters | {"source": f"{tmp_path}/stack/0.tif", "dest": str(tmp_path / "small"), "levels": 1}
    baseline = peak_rss(command(STEP, small, tmp_path))
    budget = 40_000_000
    given = parameters | {"dest": str(tmp_path / "volume"), "levels": 4, "memory": budget}
    assert peak_rss(command(STEP, given, tmp_path)) < baseline + budget
    stack = np.stack([np.roll(plane, z) for z in range(128)])
    np.testing.assert_array_equal(read_volume(tmp_path / "volume", "raw")[0], stack)


@pytest.fixture(scope="module")
def long_run(tmp_path_factory):
    """Parameters of a run of many units, and what a clean run leaves."""
    folder = tmp_path_factory.mktemp("long_run")
    array = random_array((96, 256, 256))
    given = {
        "source": planes(folder / "long", array),
        "dest": str(folder / "clean"),
        "voxel_size": [8, 8, 8],
        "chunk_size": [16, 16, 16],
        "levels": 3,
        "pool_size": 2,
    }
    assert run(given) == 0
    return given, listing(folder / "clean")


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.3, *long(0.0, 0.02, 0.7, 0.97)])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_and_a_rerun_are_a_clean_run(long_run, tmp_path, share, number):
    given, clean = long_run
    folder = tmp_path / "killed"
    given = given | {"dest": str(folder)}
    process = subprocess.Popen(
        command(STEP, given, tmp_path),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    with process:
        while process.poll() is None and len(listing(folder)) < max(1, share * len(clean)):
            time.sleep(0.001)
        if number == signal.SIGKILL:
            os.killpg(process.pid, number)  # its workers too: they would go on with what they have
        else:
            process.terminate()
        errors = process.stderr.read().decode()
    if number == signal.SIGTERM and process.returncode:
        assert process.returncode in (128 + number, -number), errors
        assert "Traceback" not in errors
    left = listing(folder)
    if "info" in left:
        assert left == clean, "who sees it finds every chunk"
    assert left.items() <= clean.items(), "what is there is whole, and nothing hidden stays"
    assert run(given) == 0
    assert listing(folder) == clean
