"""Pyramids into a stack: what is registered, what is left alone, what is refused."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from asap_ingest.stacks import RenderConnection, Stack
from tests.acquisitions import random_tiles, write_acquisition
from tests.steps import APPLY, MIPMAPS, TILESPECS, command, refused, run_step

ROOT = Path(__file__).parents[1]
LENS = {
    "type": "leaf",
    "id": "lens1",
    "className": "mpicbg.trakem2.transform.AffineModel2D",
    "dataString": "1 0 0 1 0 0",
}


@pytest.fixture
def stack(render):
    return Stack(RenderConnection(**render), "raw")


@pytest.fixture
def parameters(render, tmp_path):
    """A section of three tiles with two levels of mipmaps, not yet registered."""
    metafile = write_acquisition(tmp_path / "images", random_tiles(3))
    run_step(TILESPECS, {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}, tmp_path)
    folder = str(tmp_path / "mipmaps")
    given = {"render": render, "input_stack": "raw", "output_dir": folder, "levels": 2, "pool_size": 1}
    assert run_step(MIPMAPS, given, tmp_path).exit_code == 0
    return {"render": render, "input_stack": "raw", "mipmap_dir": folder, "levels": 2, "pool_size": 1}


def tiles_of(stack, z=1.0):
    return stack.resolved_tiles(z)["tileIdToSpecMap"]


def test_tiles_know_their_levels(parameters, stack, tmp_path):
    before = tiles_of(stack)
    ran = run_step(APPLY, parameters, tmp_path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    for tile_id, tile in tiles_of(stack).items():
        level_0 = before[tile_id]["mipmapLevels"]["0"]
        path = level_0["imageUrl"].removeprefix("file://")
        uris = {str(n): {"imageUrl": f"file://{tmp_path}/mipmaps/{n}{path}.tif"} for n in (1, 2)}
        assert tile.pop("mipmapLevels") == {"0": level_0} | uris
        before[tile_id].pop("mipmapLevels")
        assert tile == before[tile_id]


def test_output(parameters, tmp_path):
    output = run_step(APPLY, parameters, tmp_path).output
    assert (output["output_stack"], output["levels"], output["zValues"]) == ("raw", 2, [1.0])
    report = output["report"]
    assert (report["tiles"], report["tiles_with_levels"], report["failures"]) == (3, 3, [])


def test_output_json_of_generate_mipmaps_is_an_input(parameters, stack, tmp_path):
    generated = json.loads((tmp_path / f"{MIPMAPS}.out.json").read_text())
    assert run_step(APPLY, generated, tmp_path).exit_code == 0
    assert all(len(tile["mipmapLevels"]) == 3 for tile in tiles_of(stack).values())


def test_output_stack_leaves_the_input_stack_alone(parameters, stack, render, tmp_path):
    stack.set_state("COMPLETE")
    before = tiles_of(stack)
    ran = run_step(APPLY, parameters | {"output_stack": "mipmapped", "close_stack": True}, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    assert tiles_of(stack) == before
    assert stack.state() == "COMPLETE"
    target = Stack(RenderConnection(**render), "mipmapped")
    assert all(len(tile["mipmapLevels"]) == 3 for tile in tiles_of(target).values())
    metadata = target.require()
    assert metadata["state"] == "COMPLETE"
    assert metadata["currentVersion"]["stackResolutionX"] == 3.5


@pytest.mark.parametrize(("close", "state"), [(False, "LOADING"), (True, "COMPLETE")])
def test_close_stack(parameters, stack, tmp_path, close, state):
    run_step(APPLY, parameters | {"close_stack": close}, tmp_path)
    assert stack.state() == state


def test_shared_transforms_stay_shared(parameters, stack, tmp_path):
    tiles = tiles_of(stack)
    for tile in tiles.values():
        tile["transforms"]["specList"].insert(0, {"type": "ref", "refId": "lens1"})
    stack.put_resolved_tiles(
        {"transformIdToSpecMap": {"lens1": LENS}, "tileIdToSpecMap": tiles}, derive_data=True
    )
    before = stack.resolved_tiles(1.0)
    assert run_step(APPLY, parameters | {"output_stack": "mipmapped"}, tmp_path).exit_code == 0
    after = Stack(stack.connection, "mipmapped").resolved_tiles(1.0)
    assert after["transformIdToSpecMap"] == {"lens1": LENS}
    for tile_id, tile in after["tileIdToSpecMap"].items():
        assert tile["transforms"] == before["tileIdToSpecMap"][tile_id]["transforms"]


def test_masks_and_channels(stack, tmp_path, render):
    images = random_tiles(2)
    write_acquisition(tmp_path / "images", images)
    first, second = ((tmp_path / "images" / name).as_uri() for name in images)
    tile = {
        "tileId": "t",
        "z": 1.0,
        "width": 64,
        "height": 48,
        "transforms": {"type": "list", "specList": []},
    }
    channels = [
        {"name": "DAPI", "mipmapLevels": {"0": {"imageUrl": first, "maskUrl": second}}},
        {"name": "TdTomato", "mipmapLevels": {"0": {"imageUrl": second}}},
    ]
    stack.create({})
    tiles = {"t": tile | {"channels": channels}}
    stack.put_resolved_tiles({"transformIdToSpecMap": {}, "tileIdToSpecMap": tiles}, derive_data=True)
    given = {"render": render, "input_stack": "raw", "levels": 1, "imgformat": "jpg", "pool_size": 1}
    folder = str(tmp_path / "mipmaps")
    assert run_step(MIPMAPS, given | {"output_dir": folder}, tmp_path).exit_code == 0
    assert run_step(APPLY, given | {"mipmap_dir": folder}, tmp_path).exit_code == 0
    level_1 = [channel["mipmapLevels"]["1"] for channel in tiles_of(stack)["t"]["channels"]]
    root = f"file://{tmp_path}/mipmaps/1{tmp_path}/images"
    assert level_1[0] == {"imageUrl": f"{root}/tile_00.tif.jpg", "maskUrl": f"{root}/tile_01.tif.png"}
    assert level_1[1] == {"imageUrl": f"{root}/tile_01.tif.jpg"}


def test_a_tile_whose_files_are_missing_is_left_as_it_is(parameters, stack, tmp_path):
    lost = tmp_path / "mipmaps" / "2" / str(tmp_path / "images" / "tile_01.tif.tif").lstrip("/")
    lost.unlink()
    ran = run_step(APPLY, parameters, tmp_path)
    assert ran.exit_code == 1
    (failure,) = ran.output["report"]["failures"]
    assert failure == {
        "tileId": "tile_01.1.0",
        "image": lost.as_uri(),
        "reason": "no such file; run generate_mipmaps first",
    }
    assert {tile_id: len(tile["mipmapLevels"]) for tile_id, tile in tiles_of(stack).items()} == {
        "tile_00.1.0": 3,
        "tile_01.1.0": 1,
        "tile_02.1.0": 3,
    }


def test_more_levels_than_there_are(parameters, stack, tmp_path):
    before = tiles_of(stack)
    ran = run_step(APPLY, parameters | {"levels": 4}, tmp_path)
    assert ran.exit_code == 1
    assert {failure["reason"] for failure in ran.output["report"]["failures"]} == {
        "no such file and 1 more; run generate_mipmaps first"
    }
    assert tiles_of(stack) == before


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mipmap_dir": "/absent"}, ["mipmap_dir", "'/absent': no such folder; run generate_mipmaps first"]),
        ({"input_stack": "row"}, ["no stack 'row'", "it has raw"]),
        ({"z": 5}, ["stack 'raw' has no sections at z 5; it has z 1"]),
    ],
)
def test_what_cannot_be_done_changes_nothing(parameters, stack, tmp_path, wrong, words):
    stack.set_state("COMPLETE")
    before = tiles_of(stack)
    refused(run_step(APPLY, parameters | wrong | {"output_stack": "mipmapped"}, tmp_path), 2, *words)
    assert tiles_of(stack) == before
    assert stack.state() == "COMPLETE"
    assert stack.connection.stack_names() == ["raw"]


def test_service_is_down(parameters, tmp_path, closed_port):
    parameters["render"]["port"] = closed_port
    refused(run_step(APPLY, parameters, tmp_path), 3, "no render service answers")


def test_terminated_run_restores_the_state(parameters, stack, tmp_path):
    stack.set_state("COMPLETE")
    arguments = command("absent", parameters, tmp_path)[3:]
    program = [sys.executable, "-m", "tests.endless_step", *arguments]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout.readline() == "LOADING\n"
        process.terminate()
    assert process.returncode == 128 + signal.SIGTERM
    assert stack.state() == "COMPLETE"
