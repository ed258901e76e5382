"""Pyramids for a stack, over a real service: what is written, what is refused, what fails alone."""

import json
import os
import re
import signal
import subprocess
import time

import numpy as np
import pytest
import tifffile

from asap_ingest.images import formats
from asap_ingest.images.downsample import mean_levels
from asap_ingest.render.stack import RenderConnection, Stack
from tests.acquisitions import random_tiles, write_acquisition
from tests.conftest import listing
from tests.examples import long
from tests.images.bombs import jpeg_that_says
from tests.steps import MIPMAPS, TILESPECS, command, refused, run_step


@pytest.fixture
def images():
    return random_tiles(5)


@pytest.fixture
def parameters(render, tmp_path, images):
    metafile = write_acquisition(tmp_path / "images", images)
    run_step(TILESPECS, {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}, tmp_path)
    output = tmp_path / "mipmaps"
    return {"render": render, "input_stack": "raw", "output_dir": str(output), "levels": 3, "pool_size": 1}


def level_file(tmp_path, name, level, extension="tif"):
    return tmp_path / "mipmaps" / str(level) / str(tmp_path / "images" / f"{name}.{extension}").lstrip("/")


def level_pixels(tmp_path, name, level, extension="tif"):
    return formats.decode(level_file(tmp_path, name, level, extension).read_bytes())


@pytest.mark.parametrize("pool_size", [1, 3])
def test_every_tile_has_its_levels(parameters, tmp_path, images, pool_size):
    ran = run_step(MIPMAPS, parameters | {"pool_size": pool_size}, tmp_path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    for name, image in images.items():
        for level, expected in enumerate(mean_levels(image, 3), start=1):
            np.testing.assert_array_equal(level_pixels(tmp_path, name, level), expected)
    assert len(listing(tmp_path / "mipmaps")) == 15


def test_output_is_an_input_of_the_next_step(parameters, tmp_path):
    output = run_step(MIPMAPS, parameters, tmp_path).output
    assert (output["input_stack"], output["output_dir"]) == ("raw", parameters["output_dir"])
    assert (output["levels"], output["imgformat"], output["zValues"]) == (3, "tiff", [1.0])
    report = output["report"]
    assert (report["tiles"], report["files_written"], report["failures"]) == (5, 15, [])


@pytest.mark.parametrize(
    ("method", "extension"),
    [("block_reduce", "png"), ("PIL", "tif"), ("PIL", "jpg"), ("render", "tif"), ("render", "png")],
)
def test_methods_and_formats(parameters, tmp_path, images, method, extension):
    ran = run_step(MIPMAPS, parameters | {"method": method, "imgformat": extension}, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    for name in images:
        shapes = [level_pixels(tmp_path, name, level, extension).shape for level in (1, 2, 3)]
        assert shapes == [(24, 32), (12, 16), (6, 8)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("maximum", [255, 65535])
def test_the_service_draws_what_we_compute(render, tmp_path, dtype, maximum):
    smooth = (np.add.outer(np.arange(160), np.arange(200)) * (np.iinfo(dtype).max / 1400)).astype(dtype)
    metafile = write_acquisition(tmp_path / "images", {"a.tif": smooth})
    given = {
        "render": render,
        "metafile": str(metafile),
        "stack": "raw",
        "z_index": 1,
        "maximum_intensity": maximum,
    }
    assert run_step(TILESPECS, given, tmp_path).exit_code == 0
    output = {"render": render, "input_stack": "raw", "output_dir": str(tmp_path / "mipmaps"), "levels": 2}
    assert run_step(MIPMAPS, output | {"method": "render", "pool_size": 1}, tmp_path).exit_code == 0
    expected = (smooth >> 8 if dtype == np.uint16 else smooth).astype(np.uint8)
    for level, ours in enumerate(mean_levels(expected, 2), start=1):
        drawn = level_pixels(tmp_path, "a.tif", level)
        assert drawn.dtype == np.uint8
        # render leaves a tile's first or last row and column black, cuts its means at every level, and
        # samples them 3/8 of a pixel off
        assert np.abs(drawn[1:-1, 1:-1].astype(int) - ours[1:-1, 1:-1]).max() <= level


@pytest.mark.parametrize(
    "field",
    [
        {"method": "PIL"},
        {"method": "PIL", "PIL_filter": "LANCZOS"},
        {"method": "render"},
        {"block_func": "median"},
        {"convert_to_8bit": False},
        {"imgformat": "png"},
        {"imgformat": "jpeg"},
        {"compression": "deflate"},
        {"levels": 2},
    ],
    ids=str,
)
def test_every_field_of_the_levels_changes_the_files(render, tmp_path, field):
    metafile = write_acquisition(tmp_path / "images", random_tiles(1, dtype=np.uint16))
    run_step(TILESPECS, {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}, tmp_path)
    given = {"render": render, "input_stack": "raw", "levels": 3, "pool_size": 1}
    neighbour = {"method": "PIL"} if "PIL_filter" in field else {}
    for name, fields in (("default", neighbour), ("changed", field)):
        ran = run_step(MIPMAPS, given | fields | {"output_dir": str(tmp_path / name)}, tmp_path)
        assert ran.exit_code == 0, ran.stderr
    assert listing(tmp_path / "default") != listing(tmp_path / "changed")


def test_small_tiles_are_drawn_too(parameters, tmp_path):
    ran = run_step(MIPMAPS, parameters | {"method": "render", "levels": 8}, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    assert level_pixels(tmp_path, "tile_00.tif", 8).shape == (1, 1)


def test_masks_have_pyramids_once(render, tmp_path, images):
    metafile = write_acquisition(tmp_path / "images", images)
    mask = np.full((48, 64), 255, np.uint8)
    mask[:5] = 0
    tifffile.imwrite(tmp_path / "images" / "mask.tif", mask)
    given = {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}
    run_step(TILESPECS, given | {"maskUrl": str(tmp_path / "images" / "mask.tif")}, tmp_path)
    output = {"render": render, "input_stack": "raw", "output_dir": str(tmp_path / "mipmaps"), "levels": 2}
    ran = run_step(MIPMAPS, output | {"pool_size": 1}, tmp_path)
    assert ran.output["report"]["files_written"] == 2 * (len(images) + 1)
    assert (level_pixels(tmp_path, "mask.tif", 1) == 0).all(axis=1).sum() == 3


@pytest.fixture
def three_sections(render, tmp_path):
    metafile = write_acquisition(tmp_path / "images", random_tiles(1))
    given = {"render": render, "metafile": str(metafile), "stack": "raw"}
    for z in (1, 2, 4):
        run_step(TILESPECS, given | {"z_index": z}, tmp_path)
    return {"render": render, "input_stack": "raw", "output_dir": str(tmp_path / "mipmaps"), "levels": 1}


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({}, [1, 2, 4]),
        ({"z": 2}, [2]),
        ({"zstart": 2, "zend": 4}, [2, 4]),
        ({"zstart": 2}, [2, 4]),
        ({"zend": 3}, [1, 2]),
        ({"zValues": [4, 1]}, [1, 4]),
        ({"minZ": 1, "maxZ": 1}, [1]),
    ],
)
def test_selection_of_sections(three_sections, tmp_path, selection, expected):
    output = run_step(MIPMAPS, three_sections | selection, tmp_path, "--pool_size", "1").output
    assert output["zValues"] == expected
    assert output["report"]["tiles"] == len(expected)


@pytest.mark.parametrize(
    ("selection", "asked"),
    [
        ({"z": 9}, "z 9"),
        ({"zstart": 5, "zend": 8}, "z 5..8"),
        ({"zstart": 5.5}, "z from 5.5 on"),
        ({"zend": -2}, "z up to -2"),
        ({"zValues": [1, 7]}, "z 7"),
    ],
)
def test_z_without_tiles(three_sections, tmp_path, selection, asked):
    ran = run_step(MIPMAPS, three_sections | selection, tmp_path)
    refused(ran, 2, f"stack 'raw' has no sections at {asked}; it has z 1, 2, 4")


def test_stack_that_does_not_exist(parameters, tmp_path):
    ran = run_step(MIPMAPS, parameters | {"input_stack": "row"}, tmp_path)
    refused(ran, 2, "no stack 'row'", "it has raw")
    assert not (tmp_path / "mipmaps").exists()


def test_service_is_down(parameters, tmp_path, closed_port):
    parameters["render"]["port"] = closed_port
    refused(run_step(MIPMAPS, parameters, tmp_path), 3, "no render service answers")


def test_output_folder_that_cannot_be_written(parameters, tmp_path):
    (tmp_path / "file").touch()
    ran = run_step(MIPMAPS, parameters | {"output_dir": str(tmp_path / "file" / "mipmaps")}, tmp_path)
    refused(ran, 2, "output_dir", "cannot be written")


def spoil(path, how):
    if how == "missing":
        path.unlink()
    elif how == "text":
        path.write_text("not an image at all")
    elif how == "float":
        tifffile.imwrite(path, np.zeros((48, 64), np.float32))
    elif how == "bomb":
        path.write_bytes(jpeg_that_says(60000, 60000))
    else:
        path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("missing", "no such file"),
        ("text", "is not an image that can be read"),
        ("truncated", "is cut short"),
        ("float", "has floating-point samples"),
        ("bomb", "says it decodes to 3,600,000,000 bytes"),
    ],
)
@pytest.mark.parametrize("pool_size", [1, *long(2)])
def test_a_bad_tile_fails_alone(parameters, tmp_path, images, how, reason, pool_size):
    bad = tmp_path / "images" / "tile_02.tif"
    spoil(bad, how)
    ran = run_step(MIPMAPS, parameters | {"pool_size": pool_size}, tmp_path)
    assert ran.exit_code == 1
    (failure,) = ran.output["report"]["failures"]
    assert (failure["tileId"], failure["image"]) == ("tile_02.1.0", bad.as_uri())
    assert failure["reason"].startswith(reason)
    assert "1 failed; the first: tile tile_02.1.0" in ran.stderr
    assert "Traceback" not in ran.stderr
    written = listing(tmp_path / "mipmaps")
    assert len(written) == 12
    assert not any("tile_02" in name for name in written)


def test_16bit_jpeg_is_a_failure_with_a_remedy(render, tmp_path):
    metafile = write_acquisition(tmp_path / "images", random_tiles(1, dtype=np.uint16))
    run_step(TILESPECS, {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}, tmp_path)
    given = {"render": render, "input_stack": "raw", "output_dir": str(tmp_path / "mipmaps"), "pool_size": 1}
    ran = run_step(MIPMAPS, given | {"imgformat": "jpg", "convert_to_8bit": False}, tmp_path)
    assert ran.exit_code == 1
    assert "set convert_to_8bit" in ran.output["report"]["failures"][0]["reason"]


def test_force_redo_false_does_only_what_is_missing(parameters, tmp_path):
    run_step(MIPMAPS, parameters, tmp_path)
    before = listing(tmp_path / "mipmaps")
    level_file(tmp_path, "tile_03.tif", 2).unlink()
    report = run_step(MIPMAPS, parameters | {"force_redo": False}, tmp_path).output["report"]
    assert (report["files_written"], report["files_skipped"]) == (1, 14)
    assert listing(tmp_path / "mipmaps") == before


def test_retry_failed_does_only_what_failed(parameters, tmp_path):
    good, bad = (tmp_path / "images" / f"tile_0{n}.tif" for n in (1, 2))
    content = bad.read_bytes()
    spoil(bad, "text")
    first = run_step(MIPMAPS, parameters, tmp_path / "first")
    assert first.exit_code == 1
    bad.write_bytes(content)
    good.unlink()
    again = {"retry_failed": str(tmp_path / "first" / f"{MIPMAPS}.out.json")}
    ran = run_step(MIPMAPS, parameters | again, tmp_path)
    assert (ran.exit_code, ran.output["report"]["tiles"]) == (0, 1)
    assert len(listing(tmp_path / "mipmaps")) == 15


def test_retry_of_what_is_no_output(parameters, tmp_path):
    (tmp_path / "other.json").write_text("{}")
    ran = run_step(MIPMAPS, parameters | {"retry_failed": str(tmp_path / "other.json")}, tmp_path)
    refused(ran, 2, "retry_failed", "is not the output JSON of generate_mipmaps")


def test_shards_make_up_the_whole(parameters, tmp_path):
    outputs = [
        run_step(MIPMAPS, parameters | {"shard": f"{n}/3"}, tmp_path / str(n)).output for n in (1, 2, 3)
    ]
    assert sum(output["report"]["tiles"] for output in outputs) == 5
    assert sum(output["report"]["files_written"] for output in outputs) == 15
    assert [output["report"]["shard"] for output in outputs] == ["1/3", "2/3", "3/3"]
    assert len(listing(tmp_path / "mipmaps")) == 15


def test_shard_out_of_range(parameters, tmp_path):
    refused(run_step(MIPMAPS, parameters | {"shard": "4/3"}, tmp_path), 2, "shard", "4/3")


def test_verify_finds_what_is_damaged(parameters, tmp_path):
    run_step(MIPMAPS, parameters, tmp_path)
    path = level_file(tmp_path, "tile_03.tif", 1)
    path.write_bytes(path.read_bytes()[:-7])
    ran = run_step(MIPMAPS, parameters | {"force_redo": False, "verify": True}, tmp_path)
    assert ran.exit_code == 1
    (failure,) = ran.output["report"]["failures"]
    assert failure["tileId"] == "tile_03.1.0"
    assert f"{path.as_uri()}: is cut short" in failure["reason"]
    assert run_step(MIPMAPS, parameters | {"verify": True}, tmp_path).exit_code == 0


def test_compression(parameters, tmp_path):
    assert run_step(MIPMAPS, parameters | {"compression": "lzw"}, tmp_path).exit_code == 0
    with tifffile.TiffFile(level_file(tmp_path, "tile_00.tif", 1)) as tiff:
        assert tiff.pages.first.compression == 5


def test_section_report(parameters, tmp_path):
    spoil(tmp_path / "images" / "tile_02.tif", "missing")
    more = {
        "report_dir": str(tmp_path / "pages"),
        "metafile": str(tmp_path / "images" / "_metadata_test.json"),
    }
    run_step(MIPMAPS, parameters | more, tmp_path)
    page = (tmp_path / "pages" / "section_1.html").read_text()
    assert "tile_02.1.0" in page
    assert "no such file" in page
    assert "src=" not in page.replace('src="data:', "")


def test_scores_of_the_metafile_reach_the_section_report(render, tmp_path):
    metafile = write_acquisition(tmp_path / "images", random_tiles(12))
    document = json.loads(metafile.read_text())
    for index, entry in enumerate(document[1]["data"]):
        entry["focus_score"] = 11.5 if index == 3 else 22.0 + index / 100
        entry["astig_score"] = 0.9 if index == 5 else index / 1000
    metafile.write_text(json.dumps(document))
    raster = document[1]["data"][5]["img_meta"]["raster_pos"]
    given = {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}
    run_step(TILESPECS, given, tmp_path)
    parameters = {
        **{"render": render, "input_stack": "raw", "levels": 2, "pool_size": 1, "metafile": str(metafile)},
        **{"output_dir": str(tmp_path / "mipmaps"), "report_dir": str(tmp_path / "pages")},
    }
    assert run_step(MIPMAPS, parameters, tmp_path).exit_code == 0
    page = (tmp_path / "pages" / "section_1.html").read_text()
    facts = json.loads(re.findall(r'id="facts">(.*?)</script>', page)[0])
    outliers = {by["name"]: [facts["ids"][int(at)] for at in by["deviations"]] for by in facts["measures"]}
    assert (outliers["focus_score"], outliers["astig_score"]) == (["tile_03.1.0"], ["tile_05.1.0"])
    assert facts["rasters"][5] == raster
    address = f"{render['host']}:{render['port']}/render-ws/view/stack.html?owner=tests&"
    assert facts["view"].startswith(address)
    del parameters["metafile"]
    run_step(MIPMAPS, parameters, tmp_path)
    assert '"focus_score":[' not in (tmp_path / "pages" / "section_1.html").read_text()
    (summary,) = (tmp_path / "pages").glob("section_*.json")
    assert json.loads(summary.read_text())["tiles"] == 12


def test_slowest_stage_is_named(parameters, tmp_path):
    report = run_step(MIPMAPS, parameters, tmp_path).output["report"]
    assert set(report["stage_seconds"]) == {"fetch", "read", "reduce", "encode", "write"}
    assert report["slowest_stage"] == max(report["stage_seconds"], key=report["stage_seconds"].get)


@pytest.mark.long
def test_dask_gives_the_same_bytes(parameters, tmp_path):
    pytest.importorskip("distributed", reason="Dask is not installed")
    run_step(MIPMAPS, parameters, tmp_path)
    before = listing(tmp_path / "mipmaps")
    output = {"output_dir": str(tmp_path / "dask"), "dask_scheduler": "local", "pool_size": 2}
    ran = run_step(MIPMAPS, parameters | output, tmp_path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    assert listing(tmp_path / "dask") == before


@pytest.fixture
def larger_section(render, tmp_path):
    images = random_tiles(24, shape=(512, 512))
    metafile = write_acquisition(tmp_path / "images", images)
    run_step(TILESPECS, {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}, tmp_path)
    return {"render": render, "input_stack": "raw", "output_dir": str(tmp_path / "mipmaps"), "pool_size": 2}


@pytest.mark.parametrize("files_before_kill", [40, *long(0, 1, 100)])
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_killed_and_run_again_equals_one_clean_run(larger_section, tmp_path, files_before_kill, how):
    clean = tmp_path / "clean"
    given = larger_section | {"output_dir": str(clean), "pool_size": 1}
    assert run_step(MIPMAPS, given, tmp_path).exit_code == 0
    killed = tmp_path / "mipmaps"
    process = subprocess.Popen(
        command(MIPMAPS, larger_section, tmp_path), start_new_session=True, stderr=subprocess.DEVNULL
    )
    while len(listing(killed)) < files_before_kill and process.poll() is None:
        time.sleep(0.001)
    os.killpg(process.pid, how)
    process.wait()
    for name, content in listing(killed).items():
        assert content == (clean / name).read_bytes(), f"{name} is not whole"
    assert run_step(MIPMAPS, larger_section | {"force_redo": False, "pool_size": 1}, tmp_path).exit_code == 0
    assert listing(killed) == listing(clean)


def test_a_stack_that_is_complete_stays_complete(parameters, render, tmp_path):
    stack = Stack(RenderConnection(**render), "raw")
    stack.set_state("COMPLETE")
    run_step(MIPMAPS, parameters, tmp_path)
    assert stack.state() == "COMPLETE"
