"""Tiles without a metafile: from tables of each kind to pictures of the service, compared pixel by pixel."""

import json
import re
import shlex
import textwrap
from pathlib import Path

import numpy as np
import pytest
import tifffile

from asap_ingest.__main__ import main as asap_ingest_program
from asap_ingest.apply_mipmaps_to_render import main as apply_mipmaps
from asap_ingest.commands.tile_schemas import TileTableFields
from asap_ingest.generate_mipmaps import main as generate_mipmaps
from asap_ingest.generate_tilespecs_from_table import main
from asap_ingest.images.formats import decode
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.tile_tables.delimited import read_delimited
from asap_ingest.tile_tables.fiji import FIJI_LINE, read_fiji
from asap_ingest.tile_tables.serialem import MDOC_LINE, read_serialem

DOCUMENT = (Path(__file__).parents[1] / "docs" / "tile_tables.md").read_text()

HEIGHT, WIDTH = 32, 48


@pytest.fixture
def stack(render):
    return Stack(RenderConnection(**render), "tiled")


@pytest.fixture
def run(render, tmp_path, capsys):
    """The step with these fields: its exit code, standard error, and output."""

    def run_step(**fields):
        output = tmp_path / "out.json"
        output.unlink(missing_ok=True)
        given = tmp_path / "in.json"
        given.write_text(json.dumps({"render": render, "stack": "tiled", "close_stack": True} | fields))
        code = main(["--input_json", str(given), "--output_json", str(output)])
        stderr = capsys.readouterr().err
        return code, stderr, json.loads(output.read_text()) if output.exists() else None

    return run_step


def picture_of(stack, z=1.0):
    """The section as the service draws it, gray."""
    image = decode(stack.section_image(z, "png", 1.0))
    return image if image.ndim == 2 else image[..., 0]


def draw(picture, whole, x, y):
    """Put a tile over those before it; the service makes its last row and column black, as the original."""
    picture[y : y + HEIGHT, x : x + WIDTH] = 0
    picture[y : y + HEIGHT - 1, x : x + WIDTH - 1] = whole[y : y + HEIGHT - 1, x : x + WIDTH - 1]


def section(shape, seed=3, dtype=np.uint8):
    """A smooth picture would hide a shift by a pixel: noise; no pixel is 0, which is background."""
    return np.random.default_rng(seed).integers(1, np.iinfo(dtype).max, shape).astype(dtype)


def write_tile(folder, name, whole, x, y):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(folder / name, whole[y : y + HEIGHT, x : x + WIDTH])


CORNERS = {"a.tif": (0, 0), "b.tif": (40, 3), "c.tif": (2, 28), "d.tif": (41, 30)}


@pytest.fixture
def overlapping(tmp_path):
    """Four tiles of one picture, which overlap, none on a grid; the picture, black where no tile lies."""
    whole = section((30 + HEIGHT, 41 + WIDTH))
    seen = np.zeros_like(whole)
    for name, (x, y) in CORNERS.items():
        write_tile(tmp_path / "tiles", name, whole, x, y)
        draw(seen, whole, x, y)
    return tmp_path / "tiles", seen


def test_csv_to_picture(overlapping, run, stack):
    folder, expected = overlapping
    lines = [f"{name},{x},{y}" for name, (x, y) in CORNERS.items()]
    (folder / "tiles.csv").write_text("\n".join(["path,x,y", *lines]))
    code, stderr, output = run(table=str(folder / "tiles.csv"), z_index=1, pixel_size_nm=4)
    assert (code, stderr) == (0, "")
    assert output["zValues"] == [1.0]
    assert output["report"]["tiles"] == 4
    np.testing.assert_array_equal(picture_of(stack), expected)


def test_tilespec_is_as_that_of_a_metafile(overlapping, run, stack):
    folder, _ = overlapping
    (folder / "tiles.csv").write_text("path,x,y,row,column\nb.tif,40.5,3,0,1\n")
    run(table=str(folder / "tiles.csv"), z_index=7, pixel_size_nm=4, maskUrl="/masks/m.png")
    (tile,) = stack.tiles(7.0).values()
    assert tile["tileId"] == "b.7.0"
    assert tile["layout"] == {
        "sectionId": "7.0",
        "imageRow": 0,
        "imageCol": 1,
        "stageX": 40.5,
        "stageY": 3.0,
        "rotation": 0.0,
        "pixelsize": 4.0,
    }
    assert (tile["z"], tile["width"], tile["height"]) == (7.0, WIDTH, HEIGHT)
    assert (tile["minIntensity"], tile["maxIntensity"]) == (0.0, 255.0)
    image = (folder / "b.tif").as_uri()
    assert tile["mipmapLevels"] == {"0": {"imageUrl": image, "maskUrl": "file:///masks/m.png"}}
    (transform,) = tile["transforms"]["specList"]
    assert [float(number) for number in transform["dataString"].split()] == [1, 0, 0, 1, 40.5, 3]
    version = stack.require()["currentVersion"]
    assert [version[f"stackResolution{axis}"] for axis in "XYZ"] == [4.0, 4.0, 40.0]


def test_nanometres_are_divided_by_the_size_of_a_pixel(overlapping, run, stack):
    folder, expected = overlapping
    lines = [f"{name}\t{3.5 * x}\t{3.5 * y}\t1" for name, (x, y) in CORNERS.items()]
    (folder / "tiles.tsv").write_text("\n".join(["File\tX (nm)\tY (nm)\tsection", *lines]))
    assert run(table=str(folder / "tiles.tsv"), pixel_size_nm=3.5)[0] == 0
    np.testing.assert_array_equal(picture_of(stack), expected)


def test_fiji_to_picture(overlapping, run, stack):
    folder, expected = overlapping
    lines = [f"{name}; ; ({float(x)}, {float(y)})" for name, (x, y) in CORNERS.items()]
    table = folder / "TileConfiguration.registered.txt"
    table.write_text("# Define the image coordinates\ndim = 2\n\n" + "\n".join(lines))
    assert run(table=str(table), z_index=1, pixel_size_nm=4)[:2] == (0, "")
    np.testing.assert_array_equal(picture_of(stack), expected)


def test_serialem_counts_y_from_below(overlapping, run, stack):
    folder, expected = overlapping
    pieces = [
        f"[Image = D:\\data\\{name}]\nPieceCoordinates = {x} {1000 - y - HEIGHT} 0\nStagePosition = 9 9\n"
        for name, (x, y) in CORNERS.items()
    ]
    (folder / "montage.mdoc").write_text("PixelSpacing = 40\nImageSeries = 1\n\n" + "\n".join(pieces))
    assert run(table=str(folder / "montage.mdoc"), z_index=1)[0] == 0
    np.testing.assert_array_equal(picture_of(stack), expected)
    assert stack.require()["currentVersion"]["stackResolutionX"] == 4.0


def test_file_names_to_picture(run, stack, tmp_path):
    step_y, step_x = 24, 36  # three quarters of a tile
    whole = section((step_y + HEIGHT, 2 * step_x + WIDTH))
    expected = np.zeros_like(whole)
    for row in (1, 2):
        for column in (1, 2, 3):
            name = f"tile_{row}_{column:02}.tif"
            corner = step_x * (column - 1), step_y * (row - 1)
            write_tile(tmp_path / "grid", name, whole, *corner)
            draw(expected, whole, *corner)
    pattern = str(tmp_path / "grid" / "tile_{row}_{col}.tif")
    code, stderr, _ = run(pattern=pattern, overlap_percent=25, z_index=1, pixel_size_nm=4)
    assert (code, stderr) == (0, "")
    np.testing.assert_array_equal(picture_of(stack), expected)


@pytest.mark.parametrize("degrees", [90, 180, -90, 270])
def test_a_tile_is_turned_clockwise_about_its_centre(run, stack, tmp_path, degrees):
    image = section((33, 33))
    tifffile.imwrite(tmp_path / "square.tif", image)
    (tmp_path / "t.csv").write_text(f"path;x;y;rotation\nsquare.tif;10,0;20,0;{degrees}\n")
    assert run(table=str(tmp_path / "t.csv"), z_index=1)[0] == 0
    (tile,) = stack.tiles(1.0).values()
    # the outermost pixels may be cut: a tile's box reaches from the middle of its first pixel
    left, top = 11 - int(tile["minX"]), 21 - int(tile["minY"])
    inside = picture_of(stack)[top : top + 31, left : left + 31]
    np.testing.assert_array_equal(inside, np.rot90(image, -degrees // 90)[1:-1, 1:-1])


def test_a_turned_tile_keeps_its_centre(run, stack, tmp_path):
    tifffile.imwrite(tmp_path / "wide.tif", section((21, 41)))
    (tmp_path / "t.csv").write_text("path,x,y,rotation\nwide.tif,100,200,90\n")
    assert run(table=str(tmp_path / "t.csv"), z_index=1)[0] == 0
    (tile,) = stack.tiles(1.0).values()
    assert [tile[side] for side in ("minX", "minY", "maxX", "maxY")] == [109.0, 190.0, 130.0, 231.0]


def test_the_chain_after_it_is_the_same(overlapping, run, render, stack, tmp_path):
    folder, expected = overlapping
    lines = [f"{name},{x},{y},{z}" for z in (1, 2) for name, (x, y) in CORNERS.items()]
    (folder / "tiles.csv").write_text("\n".join(["path,x,y,z", *lines]))
    run(table=str(folder / "tiles.csv"))
    handed_on = tmp_path / "mipmaps.json"
    options = ["--output_dir", str(tmp_path / "levels"), "--pool_size", "1", "--levels", "2"]
    made = ["--input_json", str(tmp_path / "out.json"), "--output_json", str(handed_on)]
    assert generate_mipmaps([*made, *options]) == 0
    assert apply_mipmaps(["--input_json", str(handed_on), "--close_stack", "true", "--pool_size", "1"]) == 0
    assert stack.z_values() == [1.0, 2.0]
    for z in (1.0, 2.0):
        assert [len(tile["mipmapLevels"]) for tile in stack.tiles(z).values()] == [3] * 4
        np.testing.assert_array_equal(picture_of(stack, z), expected)


def test_tiles_of_16_bits_are_not_drawn_white(run, stack, tmp_path):
    image = section((HEIGHT, WIDTH), dtype=np.uint16)
    tifffile.imwrite(tmp_path / "deep.tif", image)
    tifffile.imwrite(tmp_path / "flat.tif", np.full((HEIGHT, WIDTH), 7, np.uint8))
    (tmp_path / "t.csv").write_text(f"path,x,y\ndeep.tif,0,0\nflat.tif,{WIDTH},0\n")
    assert run(table=str(tmp_path / "t.csv"), z_index=1)[0] == 0
    tiles = stack.tiles(1.0)
    assert {name: tile["maxIntensity"] for name, tile in tiles.items()} == {
        "deep.1.0": 65535,
        "flat.1.0": 255,
    }
    run(table=str(tmp_path / "t.csv"), z_index=1, maximum_intensity=4095)
    assert {tile["maxIntensity"] for tile in stack.tiles(1.0).values()} == {4095}


def test_notes_are_in_the_output(overlapping, run):
    folder, _ = overlapping
    (folder / "tiles.csv").write_text("path,x,y,z,operator\na.tif,0,0,5,Ada\n")
    warnings = run(table=str(folder / "tiles.csv"), z_index=6)[2]["report"]["warnings"]
    notes = [warning["text"] for warning in warnings]
    assert notes[:2] == [
        "columns that are not used: operator",
        "z_index 6 is taken, not the table's z 5",
    ]
    assert "give pixel_size_nm" in notes[2]


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({}, "table: give this, or pattern in its place; just one of them"),
        ({"table": "t.csv", "pattern": "t_{row}_{col}.tif"}, "just one of them"),
        ({"table": "t.csv", "units": "mm"}, "units: 'mm' must be one of nm, pixel, um"),
        ({"table": "t.csv", "pixel_size_nm": 0}, "pixel_size_nm: 0 must be above 0"),
        ({"table": "t.csv", "overlap_percent": 100}, "overlap_percent: 100 must be at least 0 and below 100"),
        ({"table": "/absent/t.csv"}, "/absent/t.csv: no such file"),
    ],
)
def test_wrong_parameters_are_refused(run, fields, says):
    code, stderr, output = run(**fields)
    assert (code, output) == (2, None)
    assert says in stderr
    assert len(stderr.splitlines()) == 1


def test_a_bad_table_leaves_the_section_alone(overlapping, run, stack):
    folder, _ = overlapping
    good, bad = folder / "good.csv", folder / "bad.csv"
    good.write_text("path,x,y\na.tif,0,0\n")
    bad.write_text("path,x,y\nb.tif,0,0\nabsent.tif,10,ten\n")
    run(table=str(good), z_index=1)
    code, stderr, output = run(table=str(bad), z_index=1, overwrite_zlayer=True)
    assert (code, output) == (2, None)
    assert f"{bad}: line 3, y: 'ten' is not a number (give it like 120 or 120.5)" in stderr
    assert list(stack.tiles(1.0)) == ["a.1.0"]
    assert stack.state() == "COMPLETE"


def test_one_section_id_is_for_one_section(overlapping, run):
    folder, _ = overlapping
    (folder / "t.csv").write_text("path,x,y,z\na.tif,0,0,1\nb.tif,0,0,2\n")
    code, stderr, _ = run(table=str(folder / "t.csv"), sectionId="S1")
    assert code == 2
    assert "sectionId: 'S1' cannot be that of z 1, 2; leave it out" in stderr


def test_overwrite_zlayer_removes_what_the_table_has_no_more(overlapping, run, stack):
    folder, _ = overlapping
    table = folder / "t.csv"
    table.write_text("path,x,y\na.tif,0,0\nb.tif,9,0\n")
    run(table=str(table), z_index=1)
    table.write_text("path,x,y\nb.tif,9,0\n")
    report = run(table=str(table), z_index=1, overwrite_zlayer=True)[2]["report"]
    assert [report[name] for name in ("tiles", "added", "replaced", "removed")] == [1, 0, 1, 1]
    assert list(stack.tiles(1.0)) == ["b.1.0"]


def test_the_documented_commands_run_as_written(overlapping, render, stack, tmp_path, monkeypatch):
    folder, expected = overlapping
    lines = [f"{name},{x},{y}" for name, (x, y) in CORNERS.items()]
    (folder / "tiles.csv").write_text("\n".join(["path,x,y", *lines]))
    monkeypatch.chdir(folder)
    written = re.search(r"```sh\n(.*?)```", DOCUMENT, re.S)[1].replace("\\\n", "")
    here = {"host localhost": f"host {render['host']}", "port 8080": f"port {render['port']}"}
    for name in ("owner", "project"):
        written = re.sub(rf"--render.{name} \w+", f"--render.{name} {render[name]}", written)
    for documented, ours in here.items():
        written = written.replace(documented, ours)
    commands = [shlex.split(line) for line in written.splitlines()]
    assert [command[1] for command in commands] == [
        "generate_tilespecs_from_table",
        "generate_mipmaps",
        "apply_mipmaps_to_render",
    ]
    for _, command, *arguments in commands:
        assert asap_ingest_program([command, *arguments]) == 0
    stack = Stack(stack.connection, "acquired")
    assert {len(tile["mipmapLevels"]) for tile in stack.tiles(1.0).values()} == {7}
    np.testing.assert_array_equal(picture_of(stack), expected)


def test_the_documented_tables_can_be_read():
    assert len(read_delimited(re.search(r"```csv\n(.*?)```", DOCUMENT, re.S)[1], "t").rows) == 2
    examples = [textwrap.dedent(text) for text in re.findall(r"\n\n((?:    .*\n|\n)+)", DOCUMENT)]
    (fiji,) = filter(FIJI_LINE.search, examples)
    (mdoc,) = filter(MDOC_LINE.search, examples)
    assert len(read_fiji(fiji, "t").rows) == 2
    assert read_serialem(mdoc, "t").rows[0].y == 3571


def test_every_field_is_documented():
    fields = set(TileTableFields().fields) - {"output_stackVersion"}
    assert {name for name in fields if f"`{name}`" not in DOCUMENT} == set()
