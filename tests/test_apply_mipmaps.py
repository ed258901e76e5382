"""Pyramids into a stack: what is registered, what is left alone, what is refused."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asap_ingest.images import formats
from asap_ingest.render.stack import RenderConnection, Stack
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
    # render draws tiles of up to 64 pixels from level 0 at any scale
    metafile = write_acquisition(tmp_path / "images", random_tiles(3, (96, 128)))
    run_step(TILESPECS, {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}, tmp_path)
    folder = str(tmp_path / "mipmaps")
    given = {"render": render, "input_stack": "raw", "output_dir": folder, "levels": 2, "pool_size": 1}
    assert run_step(MIPMAPS, given, tmp_path).exit_code == 0
    return {"render": render, "input_stack": "raw", "mipmap_dir": folder, "levels": 2, "pool_size": 1}


def level_file(tmp_path, level, name):
    return tmp_path / "mipmaps" / str(level) / str(tmp_path / "images" / f"{name}.tif").lstrip("/")


def tiles_of(stack, z=1.0):
    return stack.resolved_tiles(z)["tileIdToSpecMap"]


def test_tiles_know_their_levels(parameters, stack, tmp_path):
    before = tiles_of(stack)
    ran = run_step(APPLY, parameters, tmp_path)
    assert ran.exit_code == 0
    assert ran.stderr.startswith("note: stack raw was LOADING before")
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
    lost = level_file(tmp_path, 2, "tile_01.tif")
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


def test_verify_refuses_tiles_whose_files_are_wrong(parameters, stack, tmp_path):
    content = formats.encode(np.zeros((48, 63), np.uint8), "tif")
    level_file(tmp_path, 1, "tile_00.tif").write_bytes(content)
    level_file(tmp_path, 2, "tile_00.tif").write_bytes(b"")
    level_file(tmp_path, 1, "tile_01.tif").unlink()
    ran = run_step(APPLY, parameters | {"verify": True, "pool_size": 2}, tmp_path)
    assert ran.exit_code == 1
    assert [tuple(failure.values()) for failure in ran.output["report"]["failures"]] == [
        ("tile_00.1.0", level_file(tmp_path, 1, "tile_00.tif").as_uri(), "is 63 x 48, must be 64 x 48"),
        ("tile_00.1.0", level_file(tmp_path, 2, "tile_00.tif").as_uri(), "the file is empty"),
        ("tile_01.1.0", level_file(tmp_path, 1, "tile_01.tif").as_uri(), "no such file"),
    ]
    assert [len(tile["mipmapLevels"]) for tile in tiles_of(stack).values()] == [1, 1, 3]


def test_verify_of_what_is_right(parameters, stack, tmp_path):
    assert run_step(APPLY, parameters | {"verify": True}, tmp_path).exit_code == 0
    assert all(len(tile["mipmapLevels"]) == 3 for tile in tiles_of(stack).values())


def test_dry_run_tells_and_changes_nothing(parameters, stack, tmp_path):
    run_step(APPLY, parameters | {"levels": 1, "close_stack": True}, tmp_path)
    level_file(tmp_path, 2, "tile_02.tif").unlink()
    before, metadata = tiles_of(stack), stack.metadata()
    ran = run_step(APPLY, parameters | {"dry_run": True}, tmp_path)
    assert ran.exit_code == 1
    report = ran.output["report"]
    assert [failure["tileId"] for failure in report["failures"]] == ["tile_02.1.0"]
    assert report["changes"] == [
        {"tileId": f"{name}.1.0", "set": {"2": {"imageUrl": level_file(tmp_path, 2, f"{name}.tif").as_uri()}}}
        for name in ("tile_00", "tile_01")
    ]
    assert (tiles_of(stack), stack.metadata()) == (before, metadata)


def test_dry_run_tells_nothing_where_all_is_registered(parameters, tmp_path):
    assert "changes" not in run_step(APPLY, parameters, tmp_path).output["report"]
    ran = run_step(APPLY, parameters | {"dry_run": True}, tmp_path)
    assert (ran.exit_code, ran.output["report"]["changes"]) == (0, [])


def test_dry_run_makes_no_stack(parameters, stack, tmp_path):
    ran = run_step(APPLY, parameters | {"dry_run": True, "output_stack": "mipmapped"}, tmp_path)
    assert ran.exit_code == 0
    assert [(change["add"], list(change["set"])) for change in ran.output["report"]["changes"]] == [
        (True, ["1", "2"])
    ] * 3
    assert stack.connection.stack_names() == ["raw"]


def test_dry_run_tells_which_tiles_overwriting_removes(parameters, stack, render, tmp_path):
    target = Stack(RenderConnection(**render), "mipmapped")
    stray = next(iter(tiles_of(stack).values())) | {"tileId": "stray"}
    with target.writing({}, close_stack=True):
        tiles = {"transformIdToSpecMap": {}, "tileIdToSpecMap": {"stray": stray}}
        target.put_resolved_tiles(tiles, derive_data=False)
    given = parameters | {"dry_run": True, "output_stack": "mipmapped", "overwrite_zlayer": True}
    assert run_step(APPLY, given, tmp_path).output["report"]["changes"][0] == {
        "tileId": "stray",
        "remove": True,
    }
    assert list(tiles_of(target)) == ["stray"]


BUILDER = {"mipmap_path_builder": True}


def test_path_builder_registers_the_whole_stack_at_once(parameters, stack, tmp_path):
    stack.set_state("COMPLETE")
    before, version = tiles_of(stack), stack.require()["currentVersionNumber"]
    ran = run_step(APPLY, parameters | BUILDER, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    builder = {"rootPath": f"{tmp_path}/mipmaps/", "numberOfLevels": 2, "extension": "tif"}
    assert stack.path_builder() == builder
    assert ran.output["report"]["path_builder"] == {"before": None, "after": builder}
    assert ran.output["report"]["tiles_with_levels"] == 3
    assert (tiles_of(stack), stack.state()) == (before, "COMPLETE")
    assert stack.require()["currentVersionNumber"] == version


@pytest.mark.parametrize("folder", ["mipmaps", "my mipmaps"])
def test_pictures_are_drawn_from_the_levels_of_the_builder(parameters, stack, tmp_path, folder):
    (tmp_path / "mipmaps").rename(tmp_path / folder)
    stack.set_state("COMPLETE")
    parameters["mipmap_dir"] = str(tmp_path / folder)
    assert run_step(APPLY, parameters | BUILDER, tmp_path).exit_code == 0
    (tmp_path / folder).rename(tmp_path / "mipmaps")
    for level, value in ((1, 111), (2, 222)):
        image = np.full((96 >> level, 128 >> level), value, np.uint8)
        level_file(tmp_path, level, "tile_00.tif").write_bytes(formats.encode(image, "tif"))
    (tmp_path / "mipmaps").rename(tmp_path / folder)
    for scale, value in ((0.5, 111), (0.25, 222)):
        query = {"scale": scale, "excludeAllTransforms": "true"}
        picture = formats.decode(stack.tile_image("tile_00.1.0", "png", query))
        assert picture.max() == value
        assert (picture == value).mean() > 0.9  # the rest is an uncovered edge


def test_path_builder_is_raised_never_lowered(parameters, stack, tmp_path):
    for levels, expected in ((1, 1), (2, 2), (1, 2)):
        assert run_step(APPLY, parameters | BUILDER | {"levels": levels}, tmp_path).exit_code == 0
        assert stack.path_builder()["numberOfLevels"] == expected


@pytest.mark.parametrize("dry_run", [False, True])
def test_path_builder_for_other_files_is_refused(parameters, stack, tmp_path, dry_run):
    stack.set_state("COMPLETE")
    other = {"rootPath": "/other/", "numberOfLevels": 3, "extension": "tif"}
    stack.put_path_builder(other)
    ran = run_step(APPLY, parameters | BUILDER | {"dry_run": dry_run}, tmp_path)
    refused(ran, 2, "mipmap_path_builder: stack 'raw' has the builder rootPath '/other/'")
    assert (stack.path_builder(), stack.state()) == (other, "COMPLETE")


@pytest.mark.parametrize("output_stack", [None, "mipmapped"])
def test_one_missing_file_and_no_path_builder(parameters, stack, tmp_path, output_stack):
    stack.set_state("COMPLETE")
    level_file(tmp_path, 2, "tile_01.tif").unlink()
    ran = run_step(APPLY, parameters | BUILDER | {"output_stack": output_stack}, tmp_path)
    assert ran.exit_code == 1
    report = ran.output["report"]
    assert [failure["tileId"] for failure in report["failures"]] == ["tile_01.1.0"]
    assert report["tiles_with_levels"] == 0
    assert (stack.path_builder(), stack.state()) == (None, "COMPLETE")
    assert stack.connection.stack_names() == ["raw"]


def test_path_builder_of_another_stack(parameters, stack, render, tmp_path):
    stack.put_path_builder({"rootPath": "/other/", "numberOfLevels": 3, "extension": "tif"})
    given = parameters | BUILDER | {"output_stack": "mipmapped", "close_stack": True}
    ran = run_step(APPLY, given, tmp_path)
    assert ran.exit_code == 0, ran.stderr
    target = Stack(RenderConnection(**render), "mipmapped")
    assert tiles_of(target) == tiles_of(stack)
    assert target.path_builder()["rootPath"] == f"{tmp_path}/mipmaps/"
    assert target.state() == "COMPLETE"
    assert stack.path_builder()["rootPath"] == "/other/"


def test_path_builder_dry_run(parameters, stack, tmp_path):
    ran = run_step(APPLY, parameters | BUILDER | {"dry_run": True}, tmp_path)
    assert ran.exit_code == 0
    report = ran.output["report"]
    assert (report["changes"], report["path_builder"]["after"]["numberOfLevels"]) == ([], 2)
    assert stack.path_builder() is None


def test_path_builder_cannot_name_masks_beside_jpeg(parameters, stack, tmp_path):
    tiles = tiles_of(stack)
    tiles["tile_00.1.0"]["mipmapLevels"]["0"]["maskUrl"] = "/masks/m.png"
    stack.put_resolved_tiles({"transformIdToSpecMap": {}, "tileIdToSpecMap": tiles}, derive_data=False)
    ran = run_step(APPLY, parameters | BUILDER | {"imgformat": "jpg"}, tmp_path)
    refused(ran, 2, "mipmap_path_builder: tile tile_00.1.0: has a mask", "use imgformat png or tif")
    assert stack.path_builder() is None


@pytest.mark.parametrize("builder", [False, True])
@pytest.mark.parametrize("state", ["READ_ONLY", "OFFLINE"])
def test_locked_stacks_stay_as_they_are(parameters, stack, render, tmp_path, state, builder):
    target = Stack(RenderConnection(**render), "locked")
    with target.writing({}, close_stack=True):
        target.put_resolved_tiles(stack.resolved_tiles(1.0), derive_data=False)
    target.set_state(state)
    given = parameters | {"output_stack": "locked", "mipmap_path_builder": builder}
    for dry_run in (True, False):
        refused(run_step(APPLY, given | {"dry_run": dry_run}, tmp_path), 2, f"stack 'locked' is {state}")
    assert (target.state(), target.path_builder()) == (state, None)


@pytest.fixture
def sections(parameters, stack):
    """The section of `parameters` at z 1 to 6."""
    first = tiles_of(stack)
    for z in range(2, 7):
        tiles = {f"{tile_id}.{z}": t | {"tileId": f"{tile_id}.{z}", "z": z} for tile_id, t in first.items()}
        stack.put_resolved_tiles({"transformIdToSpecMap": {}, "tileIdToSpecMap": tiles}, derive_data=False)
    return [float(z) for z in range(1, 7)]


def registered_sections(stack, sections):
    return [
        z for z in sections if all(len(tile["mipmapLevels"]) == 3 for tile in tiles_of(stack, z).values())
    ]


def test_sections_in_parallel(parameters, sections, stack, tmp_path):
    ran = run_step(APPLY, parameters | {"pool_size": 3}, tmp_path)
    assert (ran.exit_code, ran.output["report"]["tiles_with_levels"]) == (0, 18)
    assert registered_sections(stack, sections) == sections


def test_shards_do_every_section_once(parameters, sections, stack, tmp_path):
    done = []
    for shard in ("1/3", "2/3", "3/3"):
        ran = run_step(APPLY, parameters | {"shard": shard, "close_stack": True}, tmp_path)
        assert ran.exit_code == 0, ran.stderr
        done += ran.output["zValues"]
        assert registered_sections(stack, sections) == sorted(done)
    assert sorted(done) == sections


def test_a_shard_without_sections_does_nothing(parameters, stack, tmp_path):
    before = tiles_of(stack)
    ran = [run_step(APPLY, parameters | {"shard": f"{n}/2", "output_stack": "new"}, tmp_path) for n in (1, 2)]
    assert sorted(one.output["report"]["tiles"] for one in ran) == [0, 3]
    assert [one.exit_code for one in ran] == [0, 0]
    assert tiles_of(stack) == before


def test_mipmaps_may_move(parameters, stack, tmp_path):
    run_step(APPLY, parameters, tmp_path)
    shutil.move(tmp_path / "mipmaps", tmp_path / "moved")
    given = parameters | {"mipmap_dir": str(tmp_path / "moved")}
    assert run_step(APPLY, given, tmp_path).exit_code == 0
    urls = [tile["mipmapLevels"]["1"]["imageUrl"] for tile in tiles_of(stack).values()]
    assert all(url.startswith(f"file://{tmp_path}/moved/1/") for url in urls)


def test_a_rerun_says_that_a_killed_run_left_the_stack_loading(parameters, stack, tmp_path):
    stack.set_state("COMPLETE")
    ran = run_step(APPLY, parameters, tmp_path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    stack.set_state("LOADING")  # as a killed run leaves it
    ran = run_step(APPLY, parameters, tmp_path)
    assert "note: stack raw was LOADING before" in ran.stderr
    assert "close_stack true makes it COMPLETE" in ran.stderr
    ran = run_step(APPLY, parameters | {"close_stack": True}, tmp_path)
    assert (ran.exit_code, ran.stderr, stack.state()) == (0, "", "COMPLETE")
