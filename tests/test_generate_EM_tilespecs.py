"""Metafile to stack, over a real service."""

import subprocess
from pathlib import Path

import numpy as np
import pytest

from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.temca.metafile import read_metafile
from asap_ingest.temca.metafile_tilespecs import tile_positions
from tests.acquisitions import random_tiles, write_acquisition
from tests.steps import TILESPECS, command, refused, run_step

REAL = Path(__file__).parents[2] / "shared" / "data" / "TEMCA_metafile.json"


@pytest.fixture
def stack(render):
    return Stack(RenderConnection(**render), "raw")


@pytest.fixture
def parameters(render, tmp_path):
    metafile = write_acquisition(tmp_path / "roi 0", random_tiles(3), columns=2)
    return {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 7}


def tiles_of(stack, z=7.0):
    return stack.resolved_tiles(z)["tileIdToSpecMap"]


def test_tilespec_holds_everything(parameters, stack, tmp_path):
    more = {"minimum_intensity": 10, "maximum_intensity": 60000, "maskUrl": "/masks/m.png"}
    ran = run_step(TILESPECS, parameters | more, tmp_path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    tiles = tiles_of(stack)
    assert sorted(tiles) == ["tile_00.7.0", "tile_01.7.0", "tile_02.7.0"]
    tile = tiles["tile_01.7.0"]
    assert tile["layout"] == {
        "sectionId": "7.0",
        "temca": "temca2",
        "camera": "4450",
        "imageRow": 0,
        "imageCol": 1,
        "stageX": -224.0,
        "stageY": 0.0,
        "rotation": 180.0,
        "pixelsize": 3.5,
    }
    assert (tile["z"], tile["width"], tile["height"]) == (7.0, 64.0, 48.0)
    assert (tile["minIntensity"], tile["maxIntensity"]) == (10.0, 60000.0)
    assert [tile[side] for side in ("minX", "minY", "maxX", "maxY")] == [64.0, 0.0, 128.0, 48.0]
    image = (tmp_path / "roi 0" / "tile_01.tif").as_uri()
    assert tile["mipmapLevels"] == {"0": {"imageUrl": image, "maskUrl": "file:///masks/m.png"}}
    assert [spec["className"] for spec in tile["transforms"]["specList"]] == [
        "mpicbg.trakem2.transform.AffineModel2D"
    ]
    assert [float(n) for n in tile["transforms"]["specList"][0]["dataString"].split()] == [1, 0, 0, 1, 64, 0]


def test_output_has_stack_and_counts(parameters, tmp_path):
    output = run_step(TILESPECS, parameters, tmp_path).output
    assert output["stack"] == "raw"
    counts = {name: output["report"][name] for name in ("tiles", "added", "replaced", "removed")}
    assert counts == {"tiles": 3, "added": 3, "replaced": 0, "removed": 0}


def test_section_id_and_image_directory(parameters, stack, tmp_path):
    run_step(TILESPECS, parameters | {"sectionId": "S7", "image_directory": "/elsewhere"}, tmp_path)
    tile = tiles_of(stack)["tile_00.7.0"]
    assert tile["layout"]["sectionId"] == "S7"
    assert tile["mipmapLevels"]["0"]["imageUrl"] == "file:///elsewhere/tile_00.tif"


def test_new_stack_has_the_resolution(parameters, stack, tmp_path):
    run_step(TILESPECS, parameters | {"section_thickness": 45}, tmp_path)
    version = stack.require()["currentVersion"]
    assert [version[f"stackResolution{axis}"] for axis in "XYZ"] == [3.5, 3.5, 45.0]


def test_16_bits_in_a_range_of_8_are_told_whatever_the_log_level(parameters, tmp_path):
    metafile = Path(parameters["metafile"])
    document = metafile.read_text().replace('"camera_id"', '"pixel_depth": 2, "camera_id"')
    metafile.write_text(document)
    ran = run_step(TILESPECS, parameters, tmp_path)
    assert "warning: 3 images, like tile_00: 16 bits, but maximum_intensity is 255" in ran.stderr
    (warning,) = ran.output["report"]["warnings"]
    assert (warning["images"], warning["first"]) == (3, "tile_00")


@pytest.mark.parametrize(("close", "state"), [(False, "LOADING"), (True, "COMPLETE")])
def test_close_stack(parameters, stack, tmp_path, close, state):
    run_step(TILESPECS, parameters | {"close_stack": close}, tmp_path)
    assert stack.state() == state


def test_same_section_again_replaces(parameters, stack, tmp_path):
    run_step(TILESPECS, parameters | {"close_stack": True}, tmp_path)
    report = run_step(TILESPECS, parameters | {"close_stack": True}, tmp_path).output["report"]
    assert (report["added"], report["replaced"], report["removed"]) == (0, 3, 0)
    assert len(tiles_of(stack)) == 3
    assert stack.state() == "COMPLETE"


def test_overwrite_zlayer_removes_what_is_not_there_any_more(parameters, stack, tmp_path):
    run_step(TILESPECS, parameters, tmp_path)
    again = write_acquisition(tmp_path / "again", {"new.tif": np.zeros((48, 64), np.uint8)})
    report = run_step(
        TILESPECS, parameters | {"metafile": str(again), "overwrite_zlayer": True}, tmp_path
    ).output["report"]
    assert (report["added"], report["removed"]) == (1, 3)
    assert sorted(tiles_of(stack)) == ["new.7.0"]


def test_with_append_the_section_keeps_its_other_tiles(parameters, stack, tmp_path):
    run_step(TILESPECS, parameters, tmp_path)
    more = write_acquisition(tmp_path / "more", {"new.tif": np.zeros((48, 64), np.uint8)})
    run_step(TILESPECS, parameters | {"metafile": str(more), "append": True}, tmp_path)
    assert len(tiles_of(stack)) == 4


def test_a_bad_metafile_leaves_layer_and_state_alone(parameters, stack, tmp_path):
    run_step(TILESPECS, parameters | {"close_stack": True}, tmp_path)
    bad = tmp_path / "bad.json"
    bad.write_text(
        Path(parameters["metafile"]).read_text().replace('"stage_pos": [-224, 0]', '"stage_pos": null')
    )
    ran = run_step(TILESPECS, parameters | {"metafile": str(bad), "overwrite_zlayer": True}, tmp_path)
    refused(ran, 2, "data[1].img_meta.stage_pos: None must be two finite numbers")
    assert len(tiles_of(stack)) == 3
    assert stack.state() == "COMPLETE"


def test_missing_metafile(parameters, tmp_path):
    refused(
        run_step(TILESPECS, parameters | {"metafile": "/absent.json"}, tmp_path),
        2,
        "/absent.json: no such file",
    )


def test_service_is_down(parameters, tmp_path, closed_port):
    parameters["render"]["port"] = closed_port
    ran = run_step(TILESPECS, parameters, tmp_path)
    refused(ran, 3, f"no render service answers at http://127.0.0.1:{closed_port}", "serve_render")


def test_read_only_stack_is_refused(parameters, stack, tmp_path):
    run_step(TILESPECS, parameters | {"close_stack": True}, tmp_path)
    stack.set_state("READ_ONLY")
    refused(run_step(TILESPECS, parameters, tmp_path), 2, "stack 'raw' is READ_ONLY")
    assert stack.state() == "READ_ONLY"


def test_upload_over_workers(parameters, stack, tmp_path, monkeypatch):
    images = random_tiles(1)
    document = write_acquisition(tmp_path / "many", images)
    text = document.read_text()
    entry = text[text.index('{"img_path"') : text.rindex("]")].rstrip("]} ") + "}}"
    entries = ", ".join(entry.replace("tile_00", f"many_{n}") for n in range(2500))
    document.write_text(text.replace(entry, entries))
    ran = run_step(TILESPECS, parameters | {"metafile": str(document), "pool_size": 2}, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    assert len(stack.tile_ids(7.0)) == 2500


@pytest.mark.long
def test_two_runs_at_once_on_two_sections(parameters, stack, tmp_path):
    for attempt in range(2):
        runs = [
            subprocess.Popen(
                command(
                    TILESPECS, parameters | {"z_index": z, "close_stack": True}, tmp_path / f"{attempt}_{z}"
                ),
                stderr=subprocess.PIPE,
            )
            for z in (1, 2, 3, 4)
        ]
        for run in runs:
            _, stderr = run.communicate(timeout=60)
            assert run.returncode == 0, stderr
    assert stack.z_values() == [1.0, 2.0, 3.0, 4.0]
    assert [len(tiles_of(stack, z)) for z in (1.0, 2.0, 3.0, 4.0)] == [3, 3, 3, 3]
    assert stack.state() == "COMPLETE"


@pytest.mark.skipif(not REAL.exists(), reason="the real metafile is not beside this checkout")
def test_real_metafile_gives_200_tiles_where_the_rule_says(parameters, stack, tmp_path):
    ran = run_step(TILESPECS, parameters | {"metafile": str(REAL), "close_stack": True}, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    records = read_metafile(str(REAL)).tiles
    tiles = tiles_of(stack)
    assert len(tiles) == 200
    for record, (x, y) in zip(records, tile_positions(records).tolist(), strict=True):
        tile = tiles[f"{record.name}.7.0"]
        numbers = [float(number) for number in tile["transforms"]["specList"][0]["dataString"].split()]
        assert numbers == [1, 0, 0, 1, x, y]
        assert (tile["minX"], tile["minY"], tile["width"], tile["height"]) == (x, y, 3840, 3840)
        assert tile["layout"]["camera"] == "44500428"
