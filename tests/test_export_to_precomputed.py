"""Stacks of a real service as volumes, read back by tensorstore."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tensorstore
import tifffile

from asap_ingest.check_precomputed import check_precomputed
from asap_ingest.errors import ParameterError
from asap_ingest.export_to_precomputed import whole_z_values, z_ranges
from asap_ingest.render.box_images import BOX_FORMS, DrawnBox
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.volumes.grid import Box, aligned
from asap_ingest.volumes.sources.stack_planes import modified_of, sections_of_planes
from tests.acquisitions import random_tiles
from tests.conftest import listing
from tests.examples import long
from tests.steps import command, refused, run_step
from tests.volumes.reading import expected_scales

EXPORT = "export_to_precomputed"
#: render draws tiles of up to 64 pixels from level 0 at any scale
TILE_HEIGHT, TILE_WIDTH = 96, 128
RESOLUTION = {"stackResolutionX": 4.0, "stackResolutionY": 4.0, "stackResolutionZ": 40.0}


@pytest.fixture
def stack(render):
    return Stack(RenderConnection(**render), "raw")


@pytest.fixture
def parameters(render, tmp_path):
    return {
        "render": render,
        "input_stack": "raw",
        "dest": str(tmp_path / "volume"),
        "format": "raw",
        "chunk_size": [32, 32, 2],
        "levels": 2,
        "pool_size": 1,
    }


def tile(path: Path, image, z, left, top):
    tifffile.imwrite(path, image)
    height, width = image.shape
    return {
        "tileId": path.stem,
        "z": float(z),
        "width": width,
        "height": height,
        "minIntensity": 0.0,
        "maxIntensity": 255.0,
        "mipmapLevels": {"0": {"imageUrl": f"file://{path}"}},
        "transforms": {
            "type": "list",
            "specList": [
                {
                    "type": "leaf",
                    "className": "mpicbg.trakem2.transform.AffineModel2D",
                    "dataString": f"1 0 0 1 {left} {top}",
                }
            ],
        },
    }


def fill(stack, folder, z_values, corner=(0, 0), *, dtype=np.uint8, version=RESOLUTION, close=True):
    """A stack with two tiles side by side at each z; the sections as render draws them, by z."""
    folder.mkdir(exist_ok=True)
    left, top = corner
    tiles, sections = {}, {}
    for z in z_values:
        images = list(random_tiles(2, (TILE_HEIGHT, TILE_WIDTH), dtype, seed=int(z) + 100).values())
        for number, image in enumerate(images):
            spec = tile(folder / f"z{z}_{number}.tif", image, z, left + number * TILE_WIDTH, top)
            tiles[spec["tileId"]] = spec
        sections[z] = np.hstack([as_drawn(image) for image in images])
    with stack.writing(version, close_stack=close):
        stack.put_resolved_tiles({"transformIdToSpecMap": {}, "tileIdToSpecMap": tiles}, derive_data=True)
    return sections


def as_drawn(image):
    """An image as render draws it in its place: without its last row and column."""
    drawn = image.copy()
    drawn[-1], drawn[:, -1] = 0, 0
    return drawn


def volume(folder, scale_index=0):
    """(voxels as z, y, x; offset as x, y, z) of a scale, as tensorstore reads it."""
    spec = {
        "driver": "neuroglancer_precomputed",
        "kvstore": {"driver": "file", "path": f"{folder}/"},
        "scale_index": scale_index,
    }
    opened = tensorstore.open(spec).result()
    voxels = opened.read().result()[..., 0].transpose()
    return voxels, tuple(opened.domain.origin[:3])


def test_voxels_are_the_composed_tiles(parameters, stack, tmp_path):
    sections = fill(stack, tmp_path / "images", [1, 2, 3])
    ran = run_step(EXPORT, {**parameters, "levels": 1}, tmp_path)
    assert (ran.exit_code, ran.stderr) == (0, "")
    voxels, offset = volume(parameters["dest"])
    assert offset == (0, 0, 1)
    assert np.array_equal(voxels, [sections[z] for z in (1, 2, 3)])
    info = json.loads((tmp_path / "volume" / "info").read_text())
    assert info["scales"][0]["resolution"] == [4.0, 4.0, 40.0]
    assert ran.output["report"]["failures"] == []


@pytest.mark.parametrize("chunk_format", ["raw", "sharded"])
def test_formats(parameters, stack, tmp_path, chunk_format):
    sections = fill(stack, tmp_path / "images", [1, 2], corner=(-7, 3))
    assert run_step(EXPORT, {**parameters, "format": chunk_format}, tmp_path).exit_code == 0
    voxels, offset = volume(parameters["dest"])
    assert offset == (-8, 2, 0)
    assert np.array_equal(voxels[1:, 1:, 1:], [sections[1], sections[2]])
    assert volume(parameters["dest"], 1)[0].any()


def scales_are_means(folder, kind="image"):
    """Every scale is what the finest one makes it, and the checker finds nothing."""
    info = json.loads((Path(folder) / "info").read_text())
    factors = [SimpleNamespace(factor=tuple(map(int, scale["key"].split("_")))) for scale in info["scales"]]
    expected = expected_scales(volume(folder)[0], factors, kind)
    for index, voxels in enumerate(expected):
        assert np.array_equal(volume(folder, index)[0], voxels)
    assert check_precomputed(str(folder), "voxels").findings.faults == []
    return len(expected)


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"factor": [2, 2, 1]},
        {"factor": "auto", "format": "sharded"},
        {"factor": [4, 2, 1]},
        {"factor": [3, 3, 3]},
        {"memory": 600_000},
        {"memory": 300_000, "factor": [1, 1, 2], "pool_size": 2},
        {"minX": 3, "maxX": 250, "minY": 1, "maxY": 90},
    ],
    ids=str,
)
def test_the_checker_finds_nothing_in_an_export(parameters, stack, tmp_path, changed):
    fill(stack, tmp_path / "images", [2, 3, 4, 6, 7], corner=(-5, 9))
    assert run_step(EXPORT, {**parameters, "levels": 4, **changed}, tmp_path).exit_code == 0
    assert scales_are_means(parameters["dest"]) >= 3


def test_planes_without_section_count_as_black_at_coarser_scales(parameters, stack, tmp_path):
    fill(stack, tmp_path / "images", [7, 9])
    assert run_step(EXPORT, {**parameters, "levels": 3}, tmp_path).exit_code == 0
    finest, offset = volume(parameters["dest"])
    assert offset == (0, 0, 4)
    assert finest.any(axis=(1, 2)).tolist() == [False, False, False, True, False, True]
    assert scales_are_means(parameters["dest"]) == 3


def test_the_service_draws_each_voxel_once(parameters, stack, tmp_path):
    fill(stack, tmp_path / "images", [1, 2, 3])
    ran = run_step(EXPORT, {**parameters, "levels": 3, "memory": 300_000}, tmp_path)
    assert "coarse scales are made of the chunks of the finest one" in ran.stdout
    assert "the sources are read" not in ran.stdout


def test_negative_coordinates_begin_at_whole_voxels_of_every_scale(parameters, stack, tmp_path):
    sections = fill(stack, tmp_path / "images", [7, 8], corner=(-101, -3))
    given = {**parameters, "levels": 3, "factor": [2, 2, 1]}
    assert run_step(EXPORT, given, tmp_path).exit_code == 0
    voxels, offset = volume(parameters["dest"])
    assert offset == (-104, -4, 7)
    assert np.array_equal(voxels[:, 1:, 3:], [sections[7], sections[8]])
    assert not voxels[:, :1].any()
    assert not voxels[:, :, :3].any()
    assert volume(parameters["dest"], 1)[1] == (-52, -2, 7)
    assert volume(parameters["dest"], 2)[1] == (-26, -1, 7)


@pytest.mark.parametrize(("z_gaps", "shown"), [("keep", None), ("fill", 2)])
def test_planes_without_section(parameters, stack, tmp_path, z_gaps, shown):
    sections = fill(stack, tmp_path / "images", [2, 4])
    ran = run_step(EXPORT, {**parameters, "levels": 1, "z_gaps": z_gaps}, tmp_path)
    assert ran.exit_code == 0
    assert "sections at z 2, 4; 1 planes between them have none" in ran.stdout
    voxels, _ = volume(parameters["dest"])
    gap = np.zeros_like(sections[2]) if shown is None else sections[shown]
    assert np.array_equal(voxels, [sections[2], gap, sections[4]])


def test_part_of_a_stack(parameters, stack, tmp_path):
    sections = fill(stack, tmp_path / "images", [1, 2, 3, 4])
    part = {"minX": 10, "maxX": 75, "minY": 20, "maxY": 53, "zstart": 2, "zend": 3, "levels": 1}
    assert run_step(EXPORT, parameters | part, tmp_path).exit_code == 0
    voxels, offset = volume(parameters["dest"])
    assert offset == (10, 20, 2)
    assert np.array_equal(voxels, [sections[z][20:53, 10:75] for z in (2, 3)])


def test_16_bit(parameters, stack, tmp_path):
    sections = fill(stack, tmp_path / "images", [1], dtype=np.uint16)
    assert run_step(EXPORT, {**parameters, "dtype": "uint16"}, tmp_path).exit_code == 0
    voxels, _ = volume(parameters["dest"])
    assert voxels.dtype == np.uint16
    assert np.array_equal(voxels, [sections[1]])
    assert scales_are_means(parameters["dest"]) == 2


def test_intensity_range(parameters, stack, tmp_path):
    sections = fill(stack, tmp_path / "images", [1])
    given = {**parameters, "levels": 1, "minIntensity": 64, "max_intensity": 128}
    assert run_step(EXPORT, given, tmp_path).exit_code == 0
    expected = np.clip((sections[1].astype(int) - 64) * 4, 0, 255)
    assert np.array_equal(volume(parameters["dest"])[0], [expected])


def test_labels_are_reduced_by_mode(parameters, stack, tmp_path):
    sections = fill(stack, tmp_path / "images", [1])
    assert run_step(EXPORT, {**parameters, "type": "segmentation"}, tmp_path).exit_code == 0
    assert np.array_equal(volume(parameters["dest"])[0], [sections[1]])
    assert scales_are_means(parameters["dest"], "segmentation") == 2


@pytest.mark.parametrize(
    "way",
    [
        {"memory": 90_000},
        {"box_size": 64},
        {"pool_size": 2},
        *long({"dask_scheduler": "local", "pool_size": 2}),
    ],
    ids=["little memory", "small boxes", "pool", "dask"],
)
def test_every_way_gives_the_same_bytes(parameters, stack, tmp_path, way):
    fill(stack, tmp_path / "images", [1, 2, 3], corner=(-5, 9))
    plain = run_step(EXPORT, parameters, tmp_path)
    other = run_step(EXPORT, parameters | way | {"dest": str(tmp_path / "other")}, tmp_path)
    assert (plain.exit_code, other.exit_code) == (0, 0), other.stderr
    assert listing(tmp_path / "other") == listing(tmp_path / "volume")
    if "memory" in way:
        assert other.output["report"]["units"] > plain.output["report"]["units"]


def test_a_killed_run_and_a_rerun_give_the_same_bytes(parameters, stack, tmp_path):
    fill(stack, tmp_path / "images", range(1, 25))
    assert run_step(EXPORT, parameters, tmp_path).exit_code == 0
    given = {**parameters, "dest": str(tmp_path / "killed")}
    with subprocess.Popen(command(EXPORT, given, tmp_path), stdout=subprocess.DEVNULL) as process:
        while process.poll() is None and len(list((tmp_path / "killed").rglob("*_*-*"))) < 100:
            time.sleep(0.001)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / "killed" / "info").exists()
    ran = run_step(EXPORT, given, tmp_path)
    assert ran.exit_code == 0
    assert ran.output["report"]["units_skipped"] > 0
    assert listing(tmp_path / "killed") == listing(tmp_path / "volume")


def test_a_changed_stack_is_not_mixed(parameters, stack, tmp_path):
    fill(stack, tmp_path / "images", [1])
    assert run_step(EXPORT, parameters, tmp_path).exit_code == 0
    before = listing(tmp_path / "volume")
    assert run_step(EXPORT, parameters, tmp_path).output["report"]["units_skipped"] > 0
    with stack.writing({}, close_stack=True):
        stack.put_resolved_tiles(stack.resolved_tiles(1.0), derive_data=True)
    refused(run_step(EXPORT, parameters, tmp_path), 2, "other sources or parameters", "force_redo")
    assert listing(tmp_path / "volume") == before
    assert run_step(EXPORT, {**parameters, "force_redo": True}, tmp_path).exit_code == 0


def test_the_origin_names_the_stack(parameters, stack, tmp_path):
    fill(stack, tmp_path / "images", [1])
    run_step(EXPORT, parameters, tmp_path)
    said = json.loads((tmp_path / "volume" / "provenance").read_text())
    assert said["sources"] == [stack.url]
    source, metadata = said["processing"][0]["method"]["stack"], stack.require()
    assert source["stack"] == "raw"
    assert source["version"] == metadata["currentVersionNumber"]
    assert source["modified"] == metadata["lastModifiedTimestamp"]


def test_a_stack_that_is_loading_is_exported(parameters, stack, tmp_path):
    sections = fill(stack, tmp_path / "images", [1, 2], corner=(3, 4), close=False)
    ran = run_step(EXPORT, {**parameters, "levels": 1}, tmp_path)
    assert ran.exit_code == 0
    assert "LOADING" in ran.stdout
    voxels, offset = volume(parameters["dest"])
    assert offset == (3, 4, 1)
    assert np.array_equal(voxels, [sections[1], sections[2]])


def test_dry_run_makes_nothing(parameters, stack, tmp_path):
    fill(stack, tmp_path / "images", [1])
    ran = run_step(EXPORT, {**parameters, "dry_run": True}, tmp_path)
    assert ran.exit_code == 0
    assert "scale 2_2_1: 128 x 48 x 1 voxels of 8 x 8 x 40 nm" in ran.stdout
    assert not (tmp_path / "volume").exists()


def test_a_missing_image_is_named_and_a_rerun_completes(parameters, stack, tmp_path):
    sections = fill(stack, tmp_path / "images", [1, 2, 3, 4])
    image = tmp_path / "images" / "z3_1.tif"
    content = image.read_bytes()
    image.unlink()
    ran = run_step(EXPORT, {**parameters, "levels": 1}, tmp_path)
    assert ran.exit_code == 1
    (failure,) = ran.output["report"]["failures"]
    for words in ("stack 'raw', z 3, box x 0..256, y 0..96", "answered 400", "z3_1.tif"):
        assert words in failure["reason"]
    assert "z3_1.tif" in ran.stderr
    assert not (tmp_path / "volume" / "info").exists()
    image.write_bytes(content)
    ran = run_step(EXPORT, {**parameters, "levels": 1}, tmp_path)
    assert ran.exit_code == 0
    assert ran.output["report"]["units_skipped"] == 1
    assert np.array_equal(volume(parameters["dest"])[0], [sections[z] for z in (1, 2, 3, 4)])


def test_the_service_is_down(parameters, tmp_path, closed_port):
    parameters["render"]["port"] = closed_port
    refused(run_step(EXPORT, parameters, tmp_path), 3, "no render service answers")
    assert not (tmp_path / "volume").exists()


@pytest.mark.long
@pytest.mark.parametrize("pool_size", [1, 2])
def test_a_service_that_ends_meanwhile_ends_the_run(parameters, tmp_path, pool_size):
    database = tmp_path / "own.db"
    program = [sys.executable, "-m", "asap_ingest.serve_render", "--port", "0", "--database", str(database)]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as service:
        parameters["render"]["port"] = int(service.stdout.readline().rpartition(":")[2])
        own = Stack(RenderConnection(**{**parameters["render"], "host": "127.0.0.1"}), "raw")
        fill(own, tmp_path / "images", range(48))
        given = {**parameters, "pool_size": pool_size}
        arguments = command(EXPORT, given, tmp_path)
        with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
            while run.poll() is None and not list((tmp_path / "volume").rglob("*_*-*")):
                time.sleep(0.001)
            service.kill()
            errors = run.stderr.read()
    assert run.returncode == 3, errors
    assert "no render service answers" in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "volume" / "info").exists()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"input_stack": "rav"}, ("no stack 'rav'", "raw")),
        ({"zValues": [1, 9]}, ("no sections at z 9",)),
        ({"minX": 500}, ("minX", "500", "maxX (256)")),
        ({"dtype": "uint16", "max_intensity": 100}, ("max_intensity", "16-bit")),
        ({"z_gaps": "drop"}, ("z_gaps", "keep")),
        ({"memory": 1000}, ("memory", "too few")),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_what_cannot_be_exported(parameters, stack, tmp_path, wrong, words):
    fill(stack, tmp_path / "images", [1])
    refused(run_step(EXPORT, parameters | wrong, tmp_path), 2, *words)
    assert not (tmp_path / "volume").exists()


def test_a_stack_without_resolution(parameters, stack, tmp_path):
    fill(stack, tmp_path / "images", [1], version={})
    refused(run_step(EXPORT, parameters, tmp_path), 2, "voxel_size", "resolution of stack 'raw'")
    assert run_step(EXPORT, {**parameters, "voxel_size": [5, 5, 50]}, tmp_path).exit_code == 0
    info = json.loads((tmp_path / "volume" / "info").read_text())
    assert info["scales"][1]["resolution"] == [10, 10, 50]


def test_sections_between_whole_z(parameters, stack, tmp_path):
    fill(stack, tmp_path / "images", [1, 2.5])
    refused(run_step(EXPORT, parameters, tmp_path), 2, "2.5", "zValues")
    assert run_step(EXPORT, {**parameters, "zValues": [1]}, tmp_path).exit_code == 0


def test_a_change_while_boxes_are_drawn_is_noticed(render, tmp_path):
    from asap_ingest.render.box_images import BoxImageError, Drawing, draw_box

    stack = Stack(RenderConnection(**render), "raw")
    sections = fill(stack, tmp_path / "images", [1])
    drawing = Drawing(modified=modified_of(stack.require()))
    box = DrawnBox(1, 0, 0, 256, 96)
    assert np.array_equal(draw_box(stack, box, drawing), sections[1])
    stack.set_state("LOADING")
    with pytest.raises(BoxImageError, match="'raw', z 1, box x 0..256, y 0..96: .*changed"):
        draw_box(stack, box, drawing)


@pytest.mark.parametrize("width", [1, 29, 100])
def test_boxes_have_the_size_that_was_asked_for(render, tmp_path, width):
    from asap_ingest.render.box_images import Drawing, draw_box

    stack = Stack(RenderConnection(**render), "raw")
    fill(stack, tmp_path / "images", [1])
    assert draw_box(stack, DrawnBox(1, 0, 0, width, 3), Drawing()).shape == (3, width)


def test_colours_become_their_mean():
    content = bytes([255, 10, 10, 10, 255, 10, 20, 31])
    assert BOX_FORMS["uint8"].decode(content, (1, 2)).tolist() == [[10, 20]]
    assert BOX_FORMS["uint8"].decode(content[:4], (1, 1)).tolist() == [[10]]


def test_extents_and_planes():
    box = Box((-5, 7, 3), (9, 9, 6))
    assert aligned(box, (4, 2, 1)) == Box((-8, 6, 3), (9, 9, 6))
    assert sections_of_planes(box, [4], fill_gaps=False) == (None, 4, None)
    assert sections_of_planes(box, [4], fill_gaps=True) == (None, 4, 4)
    assert z_ranges([1, 2, 3, 7, 9, 10]) == "1..3, 7, 9..10"
    assert whole_z_values("s", [1.0, 2.0]) == [1, 2]
    with pytest.raises(ParameterError, match=r"'s' has 1 .*\(1\.5\)"):
        whole_z_values("s", [1.0, 1.5])


def test_milliseconds_of_a_timestamp():
    assert modified_of({"lastModifiedTimestamp": "2024-05-01T10:11:12.345Z"}) == "1714558272345"
    assert modified_of({"lastModifiedTimestamp": None}) is None
    assert modified_of({}) is None
