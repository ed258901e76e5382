"""Drawing into files by the client: the same pixels as the service, overrides, formats, faults."""

import json
import urllib.request

import numpy as np
import pytest
import tifffile
from PIL import Image

from asap_ingest.render_ws.client_scripts.client_options import ClientError, OptionError, parse
from asap_ingest.render_ws.client_scripts.render_file import (
    Options,
    Resolution,
    draw_here,
    parameters_of,
    run,
    write_image,
)
from asap_ingest.render_ws.wire.problems import IllegalArgumentError


@pytest.fixture
def folder(tmp_path):
    """A folder with a picture, a mask, a tile spec of both, and render parameters of the tile."""
    grey = np.random.default_rng(3).integers(0, 256, (40, 50), np.uint8)
    Image.fromarray(grey).save(tmp_path / "tile.png")
    mask = np.full((40, 50), 255, np.uint8)
    mask[:, :20] = 0
    mask[:, 20:30] = 128
    Image.fromarray(mask).save(tmp_path / "mask.png")
    write_tiles(tmp_path, maskUrl=f"file:{tmp_path / 'mask.png'}")
    return tmp_path


def write_tiles(folder, **more):
    leaf = {
        "type": "leaf",
        "className": "mpicbg.trakem2.transform.AffineModel2D",
        "dataString": "0.97 0.2 -0.2 1.03 9.5 3.25",
    }
    tile = {
        "tileId": "t",
        "z": 1.0,
        "width": 50.0,
        "height": 40.0,
        "mipmapLevels": {"0": {"imageUrl": f"file:{folder / 'tile.png'}", **more}},
        "transforms": {"type": "list", "specList": [leaf]},
    }
    (folder / "tiles.json").write_text(json.dumps([tile]))
    parameters = {"x": 1.0, "y": 2.0, "width": 70, "height": 60, "scale": 0.5, "tileSpecs": [tile]}
    (folder / "parameters.json").write_text(json.dumps(parameters))


def render(folder, *arguments, out="out.png"):
    run(parse(Options, [*map(str, arguments), "--out", str(folder / out)]))
    path = folder / out
    return tifffile.imread(path) if path.suffix == ".tif" else np.array(Image.open(path))


def put(url, form, body):
    request = urllib.request.Request(
        f"{url}/render-ws/v1/owner/o/{form}",
        json.dumps(body).encode(),
        {"Content-Type": "application/json"},
        method="PUT",
    )
    with urllib.request.urlopen(request) as answer:
        return answer.read()


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize(("form", "extension"), [("png", "png"), ("jpeg", "jpg"), ("tiff", "tif")])
@pytest.mark.slow
def test_pictures_are_those_of_the_service(form, extension, masked, folder, server_url):
    if not masked:
        write_tiles(folder)
    render(folder, "--parameters_url", folder / "parameters.json", out=f"out.{extension}")
    body = json.loads((folder / "parameters.json").read_text())
    assert (folder / f"out.{extension}").read_bytes() == put(server_url, f"{form}-image", body)


def test_options_override_the_file(folder):
    arguments = ["--parameters_url", str(folder / "parameters.json"), "--out", str(folder / "o.png")]
    plain = parameters_of(parse(Options, arguments))
    changed = parameters_of(
        parse(Options, [*arguments, "--scale", "0.25", "--res", "16", "--gray", "--x", "0"])
    )
    assert (plain.x, plain.scale, plain.mesh_cell_size, plain.convert_to_gray) == (1.0, 0.5, 64.0, False)
    assert (changed.x, changed.scale, changed.mesh_cell_size, changed.convert_to_gray) == (
        0.0,
        0.25,
        16.0,
        True,
    )
    assert (changed.y, changed.width, changed.tile_specs) == (2.0, 70, plain.tile_specs)


def test_tile_specs_alone_are_drawn_from_the_origin(folder):
    box = ["--x", "1", "--y", "2", "--width", "70", "--height", "60", "--scale", "0.5"]
    by_tiles = render(folder, "--tile_spec_url", f"file:{folder / 'tiles.json'}", *box)
    by_parameters = render(folder, "--parameters_url", folder / "parameters.json", out="other.png")
    np.testing.assert_array_equal(by_tiles, by_parameters)
    assert render(folder, "--tile_spec_url", folder / "tiles.json").shape == (256, 256, 4)


def test_parameters_may_name_their_tile_specs(folder):
    (folder / "named.json").write_text(json.dumps({"tileSpecUrl": str(folder / "tiles.json")}))
    by_name = render(folder, "--parameters_url", folder / "named.json")
    np.testing.assert_array_equal(
        by_name, render(folder, "--tile_spec_url", folder / "tiles.json", out="o.png")
    )
    assert by_name.any()


def test_nothing_to_draw_is_transparent(folder):
    picture = render(folder)
    assert picture.shape == (256, 256, 4)
    assert not picture.any()


def test_gray_png_has_one_component_with_black_behind(folder):
    tiles = ["--tile_spec_url", folder / "tiles.json"]
    gray, color = render(folder, *tiles, "--gray"), render(folder, *tiles, out="color.png").astype(float)
    assert gray.shape == (256, 256)
    assert np.abs(gray - color[..., 0] * color[..., 3] / 255).max() <= 1
    write_tiles(folder)
    gray, color = render(folder, *tiles, "--gray"), render(folder, *tiles, out="color.png")
    np.testing.assert_array_equal(gray, color[..., 0])


def test_an_image_lies_behind_what_is_drawn(folder):
    tiles = ["--tile_spec_url", folder / "tiles.json", "--width", "70", "--height", "60"]
    drawn = render(folder, *tiles)
    Image.new("L", (40, 90), 200).save(folder / "behind.png")
    found = render(folder, *tiles, "--in", folder / "behind.png", out="over.png")
    np.testing.assert_array_equal(found[:, 40:], drawn[:, 40:])
    share = drawn[:, :40, 3:] / 255
    expected = drawn[:, :40, :3] * share + 200 * (1 - share)
    assert np.abs(found[:, :40, :3] - expected).max() <= 0.5
    assert found[:, :40, 3].min() == 255
    assert found[0, 0].tolist() == [200, 200, 200, 255]


def test_resolution_of_a_tiff(folder):
    parameters = parameters_of(
        parse(Options, ["--parameters_url", str(folder / "parameters.json"), "--out", "-"])
    )
    canvas = draw_here(parameters)
    write_image(folder / "plain.tif", canvas, parameters)
    write_image(folder / "with.tif", canvas, parameters, Resolution(0.005, 0.0025, "nm"))
    with tifffile.TiffFile(folder / "with.tif") as tiff:
        tags = tiff.pages[0].tags
        x, y = (np.divide(*tags[name].value) for name in ("XResolution", "YResolution"))
        assert (x, y) == (pytest.approx(0.005), pytest.approx(0.0025))
        assert "unit=nm" in tags["ImageDescription"].value
        np.testing.assert_array_equal(tiff.asarray(), tifffile.imread(folder / "plain.tif"))


@pytest.mark.parametrize(
    "wrong",
    [
        ["--out", "o.png", "--nothing"],
        ["--out", "o.png", "--gray", "true"],
        ["--x", "1"],
        ["--out", "o.png", "--width", "1.5"],
    ],
)
def test_options_that_are_refused(wrong):
    with pytest.raises(OptionError):
        parse(Options, wrong)


def test_faults_leave_no_picture(folder):
    with pytest.raises(ClientError, match=r"nope\.json"):
        render(folder, "--tile_spec_url", folder / "nope.json")
    with pytest.raises(IllegalArgumentError, match="above 0"):
        render(folder, "--width", "0")
    with pytest.raises(IllegalArgumentError, match="object"):
        render(folder, "--parameters_url", folder / "tiles.json")
    (folder / "tile.png").unlink()
    with pytest.raises(IllegalArgumentError, match=r"tile\.png"):
        render(folder, "--tile_spec_url", folder / "tiles.json")
    assert not (folder / "out.png").exists()


def test_an_unknown_extension_leaves_an_empty_file(folder):
    with pytest.raises(ClientError, match="jpg"):
        render(folder, "--tile_spec_url", folder / "tiles.json", out="out.xyz")
    assert (folder / "out.xyz").read_bytes() == b""
