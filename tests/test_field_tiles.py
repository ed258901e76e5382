"""Tiles of kinds that people reported: slices, sizes, part of 16 bits, computed masks."""

import io
import json
import os
import urllib.request

import numpy as np
import pytest
import tifffile
from PIL import Image

from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidSettings, build_pyramid
from asap_ingest.mipmaps.tile_images import Source, TileImage
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.render_ws.drawing.source_images import ImageSource, SourceImages
from tests.acquisitions import random_tiles, write_acquisition
from tests.steps import APPLY, MIPMAPS, TILESPECS, refused, run_step

HEIGHT, WIDTH = 64, 80
IDENTITY = "1 0 0 1 {} 0"


def tilespec(number, entry, width=WIDTH, height=HEIGHT, **more):
    """A tile at x = 100 n."""
    leaf = {"type": "leaf", "className": "mpicbg.trakem2.transform.AffineModel2D"}
    return {
        "tileId": f"tile_{number}",
        "z": 1.0,
        "width": float(width),
        "height": float(height),
        "minIntensity": 0.0,
        "maxIntensity": 255.0,
        "layout": {"sectionId": "1.0"},
        "mipmapLevels": {"0": entry},
        "transforms": {"type": "list", "specList": [{**leaf, "dataString": IDENTITY.format(100 * number)}]},
        **more,
    }


@pytest.fixture
def stack(render):
    return Stack(RenderConnection(**render), "raw")


@pytest.fixture
def put(stack):
    def put_tiles(*tiles, derive_data=True):
        with stack.writing({}, close_stack=True):
            by_id = {tile["tileId"]: tile for tile in tiles}
            stack.put_resolved_tiles({"transformIdToSpecMap": {}, "tileIdToSpecMap": by_id}, derive_data)

    return put_tiles


@pytest.fixture
def steps(render, tmp_path):
    """Runs generate_mipmaps and apply; how both ended."""

    def run(levels=2, apply=None, **more):
        common = {"render": render, "input_stack": "raw", "levels": levels, "pool_size": 1}
        generated = run_step(MIPMAPS, {**common, "output_dir": str(tmp_path / "m"), **more}, tmp_path)
        given = {**common, "mipmap_dir": str(tmp_path / "m"), "imgformat": more.get("imgformat", "tif")}
        return generated, run_step(APPLY, {**given, **(apply or {})}, tmp_path)

    return run


def box(render, scale, width=400, height=HEIGHT, left=0):
    """What the service draws, as gray values."""
    url = (
        f"{render['host']}:{render['port']}/render-ws/v1/owner/{render['owner']}/project/{render['project']}"
        f"/stack/raw/z/1.0/box/{left},0,{width},{height},{scale}/png-image"
    )
    url = url if url.startswith("http") else f"http://{url}"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return np.asarray(Image.open(io.BytesIO(answer.read())).convert("RGBA")).astype(int)


def failures_of(ran):
    return {(failure["tileId"], failure["reason"]) for failure in ran.output["report"]["failures"]}


# -- slices of a TIFF stack ------------------------------------------------------------------------------

GREYS = (40, 90, 160, 220)


@pytest.fixture
def slices(tmp_path):
    """A stack of four slices; the entry of one."""
    path = tmp_path / "images" / "stack.tif"
    path.parent.mkdir()
    planes = np.stack([np.full((HEIGHT, WIDTH), grey, np.uint8) for grey in GREYS])
    tifffile.imwrite(path, planes, photometric="minisblack")

    def entry(number, kind="image"):
        loader = {f"{kind}LoaderType": "IMAGEJ_TIFF_STACK", f"{kind}SliceNumber": number}
        return {f"{kind}Url": path.as_uri(), **loader}

    return entry


@pytest.mark.parametrize("method", ["block_reduce", "PIL", "render"])
def test_each_slice_has_its_own_levels(render, put, steps, slices, stack, method):
    put(*(tilespec(number, slices(number + 1)) for number in range(4)))
    for ran in steps(method=method):
        assert (ran.exit_code, ran.stderr) == (0, "")
    for scale in (1.0, 0.5):
        drawn = box(render, scale)[int(HEIGHT * scale) // 2, :, 0]
        assert [drawn[int((100 * n + 40) * scale)] for n in range(4)] == list(GREYS)
    levels = [tile["mipmapLevels"]["1"] for tile in stack.tiles(1.0).values()]
    assert len({level["imageUrl"] for level in levels}) == 4
    assert all(level.keys() == {"imageUrl"} for level in levels), "levels are files of their own"


def test_slices_as_masks_and_a_slice_that_is_not_there(render, put, steps, slices, tmp_path):
    tifffile.imwrite(tmp_path / "images" / "a.tif", np.full((HEIGHT, WIDTH), 70, np.uint8))
    image = {"imageUrl": (tmp_path / "images" / "a.tif").as_uri()}
    put(
        tilespec(0, image | slices(4, "mask")),
        tilespec(1, slices(5)),
        tilespec(2, slices(2)),
        tilespec(3, slices(2)),
    )
    generated, applied = steps()
    assert generated.exit_code == 1
    assert failures_of(generated) == {("tile_1", "page 5 was asked for; it has 4")}
    assert [tile for tile, _ in failures_of(applied)] == ["tile_1"]
    alpha = box(render, 0.5, width=80)[16, 20, 3]
    assert alpha == 220, "the fourth slice is the mask, at level 1 too"


def test_levels_of_slices_are_resumed_verified_and_tried_again(put, steps, slices, tmp_path):
    put(*(tilespec(number, slices(number + 1)) for number in range(5)))
    generated, _ = steps(verify=True)
    assert generated.output["report"]["files_written"] == 8
    again, _ = steps(force_redo=False, verify=True)
    assert again.output["report"]["files_written"] == 0
    given = {name: generated.output[name] for name in ("input_stack", "output_dir", "levels", "render")}
    retried = run_step(
        MIPMAPS, given | {"retry_failed": str(tmp_path / "first.json"), "pool_size": 1}, tmp_path
    )
    refused(retried, 2, "retry_failed")
    (tmp_path / "first.json").write_text(json.dumps(generated.output))
    retried = run_step(
        MIPMAPS, given | {"retry_failed": str(tmp_path / "first.json"), "pool_size": 1}, tmp_path
    )
    assert {tile for tile, _ in failures_of(retried)} == {"tile_4"}
    assert retried.output["report"]["files_written"] == 0


def test_a_path_builder_cannot_name_slices(put, steps, slices):
    put(tilespec(0, slices(1)))
    _, applied = steps(apply={"mipmap_path_builder": True})
    assert applied.exit_code == 2
    assert "mipmap_path_builder" in applied.stderr


def test_a_slice_costs_what_it_holds_whatever_the_stack_is(slices, tmp_path):
    """Neither the step nor the service reads, or keeps, other slices."""
    uri = slices(3)["imageUrl"]
    settings = PyramidSettings(Levels(str(tmp_path / "m"), "tif", 1))
    result = build_pyramid(PyramidJob(TileImage(Source(uri, 3), ("t",)), settings))
    assert result.bytes_read == HEIGHT * WIDTH
    image = SourceImages(None, 2**20).load(ImageSource(uri, "IMAGEJ_TIFF_STACK", 3))
    assert (image == GREYS[2]).all()
    held = image
    while held.base is not None and isinstance(held.base, np.ndarray):
        held = held.base
    assert held.nbytes == HEIGHT * WIDTH


@pytest.mark.parametrize("method", ["block_reduce", "render"])
def test_a_second_slice_of_what_is_no_stack(put, steps, tmp_path, method):
    Image.fromarray(np.full((HEIGHT, WIDTH), 70, np.uint8)).save(tmp_path / "a.png")
    loader = {"imageLoaderType": "IMAGEJ_TIFF_STACK", "imageUrl": (tmp_path / "a.png").as_uri()}
    put(tilespec(0, {**loader, "imageSliceNumber": 1}), tilespec(1, {**loader, "imageSliceNumber": 2}))
    generated, applied = steps(method=method)
    assert failures_of(generated) == {("tile_1", "page 2 was asked for; it has 1")}
    assert [tile for tile, _ in failures_of(applied)] == ["tile_1"]


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ({"imageUrl": ""}, "the tilespec names no level-0 image"),
        ({}, "the tilespec names no level-0 image"),
        (
            {"imageUrl": "file:///a.h5", "imageLoaderType": "H5_SLICE"},
            "has imageLoaderType 'H5_SLICE', which cannot",
        ),
        (
            {"imageUrl": "file:///a", "imageLoaderType": "N5_SLICE"},
            "has imageLoaderType 'N5_SLICE', which cannot",
        ),
        (
            {"imageUrl": "file:///a.tif", "imageLoaderType": "IMAGEJ_TIFF_STACK"},
            "imageSliceNumber None; slices of",
        ),
    ],
)
def test_what_is_no_image_is_named_by_all_steps(put, steps, tmp_path, entry, says):
    tifffile.imwrite(tmp_path / "a.tif", np.full((HEIGHT, WIDTH), 70, np.uint8))
    put(tilespec(0, entry), tilespec(1, {"imageUrl": (tmp_path / "a.tif").as_uri()}))
    for ran in steps():
        assert ran.exit_code == 1
        ((tile, reason),) = failures_of(ran)
        assert tile == "tile_0"
        assert says in reason


def test_tiles_without_an_image_are_tried_again(put, steps, render, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((HEIGHT, WIDTH), 70, np.uint8))
    good = {"imageUrl": (tmp_path / "a.tif").as_uri()}
    put(tilespec(0, {"imageUrl": ""}), tilespec(1, good))
    generated, _ = steps()
    (tmp_path / "first.json").write_text(json.dumps(generated.output))
    again, _ = steps(retry_failed=str(tmp_path / "first.json"))
    assert failures_of(again) == failures_of(generated) != set()


@pytest.mark.parametrize(
    ("before", "after", "written"),
    [
        ({"imageUrl": ""}, {"imageUrl": "b.tif"}, 2),
        ({"imageUrl": "absent.tif"}, {"imageUrl": "b.tif"}, 2),
        ({"imageUrl": "small.tif"}, {"imageUrl": "b.tif"}, 2),
        ({"imageUrl": "a.tif", "maskUrl": "absent.tif"}, {"imageUrl": "a.tif", "maskUrl": "b.tif"}, 4),
        ({"imageUrl": "absent.tif"}, {"imageUrl": "absent.tif"}, 0),
    ],
)
def test_a_tile_that_failed_is_tried_again_with_what_it_names_now(
    put, steps, tmp_path, before, after, written
):
    """A tilespec that was corrected names other files than those that failed."""
    for name, shape in (
        ("a", (HEIGHT, WIDTH)),
        ("b", (HEIGHT, WIDTH)),
        ("small", (8, 8)),
        ("c", (HEIGHT, WIDTH)),
    ):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.full(shape, 70, np.uint8))

    def entry(names):
        return {field: name and (tmp_path / name).as_uri() for field, name in names.items()}

    good = tilespec(1, entry({"imageUrl": "c.tif"}))
    put(tilespec(0, entry(before)), good)
    generated, _ = steps()
    assert {tile for tile, _ in failures_of(generated)} == {"tile_0"}
    put(tilespec(0, entry(after)), good)
    (tmp_path / "first.json").write_text(json.dumps(generated.output))
    again, applied = steps(retry_failed=str(tmp_path / "first.json"))
    assert again.output["report"]["files_written"] == written
    assert (again.exit_code, applied.exit_code) == ((0, 0) if written else (1, 1))


def test_a_retry_that_finds_none_of_the_tiles_says_so(put, steps, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((HEIGHT, WIDTH), 70, np.uint8))
    good = tilespec(1, {"imageUrl": (tmp_path / "a.tif").as_uri()})
    put(tilespec(0, {"imageUrl": ""}), good, {**good, "tileId": "far", "z": 2.0})
    generated, applied = steps(z=1)
    (tmp_path / "first.json").write_text(json.dumps(generated.output))
    again, _ = steps(retry_failed=str(tmp_path / "first.json"), z=2)
    refused(again, 2, "retry_failed", "none of the 1 tiles that failed there, like tile_0,", "z 2")
    (tmp_path / "first.json").write_text(json.dumps(applied.output))
    again, _ = steps(retry_failed=str(tmp_path / "first.json"))
    refused(again, 2, "retry_failed", "is not the output JSON of generate_mipmaps")


def test_a_retry_of_a_run_without_failures_has_nothing_to_do(put, steps, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((HEIGHT, WIDTH), 70, np.uint8))
    put(tilespec(1, {"imageUrl": (tmp_path / "a.tif").as_uri()}))
    generated, _ = steps()
    (tmp_path / "first.json").write_text(json.dumps(generated.output))
    again, _ = steps(retry_failed=str(tmp_path / "first.json"))
    assert (again.exit_code, again.output["report"]["tiles"]) == (0, 0)


@pytest.mark.parametrize("absent", [("width",), ("height",), ("width", "height")])
@pytest.mark.parametrize("masked", [False, True])
def test_tiles_that_say_no_size_are_verified(put, steps, tmp_path, absent, masked):
    for name in ("a", "m"):
        tifffile.imwrite(tmp_path / f"{name}.tif", np.full((HEIGHT, WIDTH), 70, np.uint8))
    entry = {"imageUrl": (tmp_path / "a.tif").as_uri()}
    entry |= {"maskUrl": (tmp_path / "m.tif").as_uri()} if masked else {}
    tile = {name: value for name, value in tilespec(0, entry).items() if name not in absent}
    box_fields = {"minX": 0.0, "minY": 0.0, "maxX": float(WIDTH), "maxY": float(HEIGHT)}
    put({**tile, **box_fields}, derive_data=False)
    for ran in steps(verify=True, apply={"verify": True}):
        assert (ran.exit_code, ran.stderr) == (0, "")
    level = next((tmp_path / "m" / "2").rglob("a.tif.tif"))
    level.write_bytes(level.read_bytes()[:-1])
    _, applied = steps(apply={"verify": True}, force_redo=False)
    assert applied.exit_code == 1
    assert "is cut short" in next(iter(failures_of(applied)))[1]


@pytest.mark.parametrize(
    "numbers",
    [
        {"minX": "NaN"},
        {"maxY": "Infinity"},
        {"width": "NaN"},
        {"height": "Infinity"},
        {"maxIntensity": "NaN"},
        {"minIntensity": "-Infinity"},
    ],
    ids=str,
)
def test_numbers_that_are_none(put, steps, tmp_path, numbers):
    """As JSON of Java has them; a box is one where a transform cannot be computed."""
    tifffile.imwrite(tmp_path / "a.tif", np.full((HEIGHT, WIDTH), 70, np.uint8))
    tile = tilespec(0, {"imageUrl": (tmp_path / "a.tif").as_uri()})
    box_fields = {"minX": 0.0, "minY": 0.0, "maxX": float(WIDTH), "maxY": float(HEIGHT)}
    put(tile | box_fields | numbers, derive_data=False)
    for ran in steps(verify=True, report_dir=str(tmp_path / "pages"), apply={"verify": True}):
        assert (ran.exit_code, ran.stderr) == (0, "")
    page = (tmp_path / "pages" / "section_1.html").read_text()
    assert ("cannot be placed" in page) == bool(numbers.keys() & box_fields.keys())


# -- sizes ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["block_reduce", "render"])
def test_an_image_of_another_size_is_a_failure_with_both_sizes(render, put, steps, tmp_path, stack, method):
    tifffile.imwrite(tmp_path / "small.tif", np.full((32, 40), 70, np.uint8))
    tifffile.imwrite(tmp_path / "right.tif", np.full((HEIGHT, WIDTH), 90, np.uint8))
    small, right = ({"imageUrl": (tmp_path / name).as_uri()} for name in ("small.tif", "right.tif"))
    put(tilespec(0, small), tilespec(1, right))
    generated, applied = steps(method=method)
    assert generated.exit_code == applied.exit_code == 1
    ((tile, reason),) = failures_of(generated)
    assert tile == "tile_0"
    assert "has 40 x 32 pixels, but the tile 80 x 64" in reason
    assert [len(tile["mipmapLevels"]) for tile in stack.tiles(1.0).values()] == [1, 3]


def test_an_image_that_is_that_of_one_of_its_tiles(put, steps, tmp_path, stack):
    tifffile.imwrite(tmp_path / "a.tif", np.full((HEIGHT, WIDTH), 90, np.uint8))
    entry = {"imageUrl": (tmp_path / "a.tif").as_uri()}
    put(tilespec(0, entry, width=40, height=32), tilespec(1, dict(entry)))
    for _ in range(2):
        for ran in steps(force_redo=False):
            ((tile, reason),) = failures_of(ran)
            assert (tile, "80 x 64 pixels, but the tile 40 x 32" in reason) == ("tile_0", True)
    assert [len(tile["mipmapLevels"]) for tile in stack.tiles(1.0).values()] == [1, 3]


def test_a_mask_that_is_that_of_one_of_its_tiles(render, put, steps, tmp_path, stack):
    """Level 1 of 80 and of 81 columns has 40: render ignores the mask at level 0, and would take it at 1."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    tifffile.imwrite(tmp_path / "mask.tif", mask)
    entries = []
    for name, width in (("a.tif", WIDTH), ("b.tif", WIDTH + 1)):
        tifffile.imwrite(tmp_path / name, np.full((HEIGHT, width), 90, np.uint8))
        entries.append({"imageUrl": (tmp_path / name).as_uri(), "maskUrl": (tmp_path / "mask.tif").as_uri()})
    put(tilespec(0, entries[0]), tilespec(1, entries[1], width=WIDTH + 1))
    for ran in steps():
        assert ran.exit_code == 1
        ((tile, reason),) = failures_of(ran)
        assert (tile, "80 x 64 pixels, but the tile 81 x 64" in reason) == ("tile_1", True)
    levels = [tile["mipmapLevels"]["1"].keys() for tile in stack.tiles(1.0).values()]
    assert levels == [{"imageUrl", "maskUrl"}, {"imageUrl"}]
    for scale in (1.0, 0.5):
        drawn = box(render, scale)[int(HEIGHT * scale) // 2, :, 0]
        assert [drawn[int(x * scale)] for x in (40, 140)] == [0, 90]


def test_a_metafile_that_says_another_size(render, tmp_path):
    metafile = write_acquisition(tmp_path / "images", random_tiles(2, (48, 64)))
    tifffile.imwrite(tmp_path / "images" / "tile_01.tif", np.zeros((24, 32), np.uint8))
    given = {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}
    assert run_step(TILESPECS, given, tmp_path).exit_code == 0
    given = {
        "render": render,
        "input_stack": "raw",
        "output_dir": str(tmp_path / "m"),
        "levels": 1,
        "pool_size": 1,
    }
    ran = run_step(MIPMAPS, given, tmp_path)
    assert ran.exit_code == 1
    ((tile, reason),) = failures_of(ran)
    assert (tile, "32 x 24 pixels, but the tile 64 x 48" in reason) == ("tile_01.1.0", True)


# -- part of 16 bits ------------------------------------------------------------------------------------


def ramp(bits, side=512):
    line = np.round(np.arange(side) / side * (2**bits - 1)).astype(np.uint16)
    return np.broadcast_to(line, (side, side)).copy()


@pytest.mark.parametrize("bits", [10, 12, 14])
@pytest.mark.parametrize("method", ["block_reduce", "PIL", "render"])
def test_levels_of_part_of_16_bits_look_like_level_0(render, tmp_path, bits, method):
    metafile = write_acquisition(tmp_path / "images", {"ramp.tif": ramp(bits)})
    given = {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}
    given |= {"maximum_intensity": 2**bits - 1, "close_stack": True}
    assert run_step(TILESPECS, given, tmp_path).exit_code == 0
    common = {"render": render, "input_stack": "raw", "levels": 3, "pool_size": 1}
    ran = run_step(MIPMAPS, common | {"output_dir": str(tmp_path / "m"), "method": method}, tmp_path)
    assert ran.exit_code == 0
    assert "levels keep 16 bits" in ran.stderr
    (warning,) = ran.output["report"]["warnings"]
    assert warning["images"] == 1
    assert run_step(APPLY, common | {"mipmap_dir": str(tmp_path / "m")}, tmp_path).exit_code == 0
    for scale in (1.0, 0.5, 0.25):
        row = box(render, scale, 512, 512)[int(256 * scale), :, 0]
        at = [row[int(512 * scale * share)] for share in (0.25, 0.5, 0.75)]
        assert np.abs(np.array(at) - (64, 128, 191)).max() <= 2
        assert len(np.unique(row)) >= min(200, 512 * scale * 0.98)


@pytest.mark.parametrize(
    ("maximum", "says"),
    [(65535, "fewer than 64 grey values are left"), (255, "the range of their tiles is 0..255")],
)
def test_grey_values_that_are_lost_are_told(render, tmp_path, maximum, says):
    """The documented high byte stays where the range says nothing else."""
    metafile = write_acquisition(tmp_path / "images", {"ramp.tif": ramp(12)})
    given = {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}
    assert run_step(TILESPECS, given | {"maximum_intensity": maximum}, tmp_path).exit_code == 0
    given = {
        "render": render,
        "input_stack": "raw",
        "output_dir": str(tmp_path / "m"),
        "levels": 1,
        "pool_size": 1,
    }
    ran = run_step(MIPMAPS, given, tmp_path)
    assert ran.exit_code == 0
    assert says in ran.stderr
    (level,) = (tmp_path / "m" / "1").rglob("*.tif")
    written = tifffile.imread(level)
    assert written.dtype == np.uint8
    assert written.max() == 15


def test_no_warning_where_nothing_is_lost(render, tmp_path):
    metafile = write_acquisition(tmp_path / "images", {"ramp.tif": ramp(16)})
    given = {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}
    assert run_step(TILESPECS, given | {"maximum_intensity": 65535}, tmp_path).exit_code == 0
    given = {
        "render": render,
        "input_stack": "raw",
        "output_dir": str(tmp_path / "m"),
        "levels": 1,
        "pool_size": 1,
    }
    ran = run_step(MIPMAPS, given, tmp_path)
    assert (ran.exit_code, ran.stderr, ran.output["report"]["warnings"]) == (0, "", [])


def test_a_jpeg_cannot_hold_part_of_16_bits(render, tmp_path):
    metafile = write_acquisition(tmp_path / "images", {"ramp.tif": ramp(12, 64)})
    given = {"render": render, "metafile": str(metafile), "stack": "raw", "z_index": 1}
    assert run_step(TILESPECS, given | {"maximum_intensity": 4095}, tmp_path).exit_code == 0
    given = {
        "render": render,
        "input_stack": "raw",
        "output_dir": str(tmp_path / "m"),
        "levels": 1,
        "pool_size": 1,
    }
    ran = run_step(MIPMAPS, given | {"imgformat": "jpg"}, tmp_path)
    assert ran.exit_code == 1
    assert "set imgformat tif or png" in next(iter(failures_of(ran)))[1]


# -- masks that are computed ----------------------------------------------------------------------------


def mask_url(left, top, right, bottom, width=WIDTH, height=HEIGHT):
    return (
        f"mask://outside-box?minX={left}&minY={top}&maxX={right}&maxY={bottom}&width={width}&height={height}"
    )


@pytest.fixture
def image(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", np.full((HEIGHT, WIDTH), 180, np.uint8))
    return {"imageUrl": (tmp_path / "a.tif").as_uri()}


@pytest.mark.parametrize("kept", [(16, 8, 72, 60), (0, 0, 80, 64), (20, 20, 40, 44)])
def test_a_computed_mask_fits_every_level(render, put, steps, stack, image, tmp_path, kept):
    put(tilespec(0, {**image, "maskUrl": mask_url(*kept), "maskLoaderType": "DYNAMIC_MASK"}))
    for ran in steps():
        assert (ran.exit_code, ran.stderr) == (0, "")
    half = box(render, 0.5, 80)[..., 3]
    left, top, right, bottom = kept
    assert (half > 0).sum() * 4 <= (right - left) * (bottom - top)
    assert (half[top // 2 + 1 : bottom // 2 - 1, left // 2 + 1 : right // 2 - 1] == 255).all()
    assert (half[: top // 2] == 0).all()
    level = stack.tiles(1.0)["tile_0"]["mipmapLevels"]["1"]
    assert level["maskLoaderType"] == "DYNAMIC_MASK"
    assert "width=40&height=32" in level["maskUrl"]
    assert len([path for path in (tmp_path / "m").rglob("*") if path.is_file()]) == 2, "no files of masks"


@pytest.mark.parametrize(
    ("mask", "says"),
    [
        (
            {"maskUrl": "mask://circle?r=3", "maskLoaderType": "DYNAMIC_MASK"},
            "the mask is not mask://outside-box?",
        ),
        ({"maskUrl": mask_url(0, 0, 9, 9)}, "the mask is computed, which takes maskLoaderType DYNAMIC_MASK"),
        (
            {"maskUrl": mask_url(0, 0, 9, 9, 7, 7), "maskLoaderType": "DYNAMIC_MASK"},
            "has 7 x 7 pixels, but the tile",
        ),
        ({"maskUrl": "file:///nowhere/mask.png"}, "no such file"),
        (
            {"maskUrl": "file:///nowhere/m.h5", "maskLoaderType": "H5_SLICE"},
            "maskLoaderType 'H5_SLICE', which cannot",
        ),
    ],
)
def test_a_bad_mask_costs_no_image_level(put, steps, stack, image, mask, says):
    put(tilespec(0, image | mask))
    generated, applied = steps()
    assert generated.exit_code == applied.exit_code == 1
    assert any(says in reason for _, reason in failures_of(generated))
    assert failures_of(applied)
    levels = stack.tiles(1.0)["tile_0"]["mipmapLevels"]
    assert [set(levels[level]) for level in ("1", "2")] == [{"imageUrl"}] * 2


def test_a_damaged_mask_level_costs_the_mask_alone(put, steps, stack, image, tmp_path):
    tifffile.imwrite(tmp_path / "mask.tif", np.full((HEIGHT, WIDTH), 255, np.uint8))
    put(tilespec(0, image | {"maskUrl": (tmp_path / "mask.tif").as_uri()}))
    generated, _ = steps()
    assert generated.exit_code == 0
    (level,) = (tmp_path / "m" / "1").rglob("mask.tif.tif")
    os.truncate(level, 20)
    _, applied = steps(force_redo=False, apply={"verify": True, "output_stack": "done"})
    assert applied.exit_code == 1
    tile = Stack(stack.connection, "done").tiles(1.0)["tile_0"]
    assert set(tile["mipmapLevels"]["1"]) == {"imageUrl"}
