"""Drawing of layers into files by the client."""

import itertools
import json
import urllib.request
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from asap_ingest.errors import ServiceError
from asap_ingest.render_ws.client_scripts.client_options import ClientError, OptionError, parse
from asap_ingest.render_ws.client_scripts.render_section import Options, output_path, run
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

NUMBERS = itertools.count()
PLAIN = ["--doFilter", "false", "--fillWithNoise", "false"]


def arguments_for(*more, url="http://127.0.0.1:9", stack="s"):
    names = ["--baseDataUrl", f"{url}/render-ws/v1", "--owner", "o", "--project", "p", "--stack", stack]
    return parse(Options, [*names, *map(str, more)])


@pytest.mark.parametrize(
    ("z", "more", "expected"),
    [
        ("3407", [], "p/s/sections_at_0.02/003/4/3407.0.png"),
        ("12.25", ["--scale", "1"], "p/s/sections_at_1.0/000/0/12.25.png"),
        ("3407.0", ["--format", "TIF", "--padFileNamesWithZeros"], "p/s/sections_at_0.02/003/4/03407.tif"),
        ("120999", ["--scale", "0.0005"], "p/s/sections_at_5.0E-4/120/9/120999.0.png"),
        ("7", ["--customOutputFolder", "c"], "c/7.0.png"),
        ("7", ["--customOutputFolder", "c", "--customSubFolder", "d"], "c/d/7.0.png"),
    ],
)
def test_paths(z, more, expected):
    options = arguments_for("--rootDirectory", "/r", *more, z)
    assert output_path(options, options.z_values[0]) == Path("/r") / expected


@pytest.mark.parametrize(
    "wrong",
    [
        [],
        ["--bounds", "1,2,3", "1"],
        ["--bounds", "1.5,2,3,4", "1"],
        ["--resolutionUnit", "parsec", "1"],
        ["--doFilter", "1"],
    ],
)
def test_options_that_are_refused(wrong):
    with pytest.raises(OptionError):
        arguments_for("--rootDirectory", "/r", *wrong)


def test_a_value_after_a_flag_is_no_z_value(tmp_path):
    with pytest.raises(OptionError, match="true"):
        run(arguments_for("--rootDirectory", tmp_path, "--padFileNamesWithZeros", "true", "3407"))


def send(url, method, path, body=None):
    content = None if body is None else json.dumps(body).encode()
    headers = {} if body is None else {"Content-Type": "application/json"}
    with urllib.request.urlopen(
        urllib.request.Request(f"{url}/render-ws/v1/owner/o/{path}", content, headers, method=method)
    ) as answer:
        return answer.read()


@pytest.fixture
def stack(server_url, tmp_path):
    """A stack with one tile of 60 x 40 at (100, 200) in layer 5: its place on the service."""
    name = f"s{next(NUMBERS)}"
    grey = np.random.default_rng(5).integers(0, 256, (40, 60), np.uint8)
    Image.fromarray(grey).save(tmp_path / "tile.png")
    shift = {
        "type": "leaf",
        "className": "mpicbg.trakem2.transform.AffineModel2D",
        "dataString": "1 0 0 1 100 200",
    }
    tile = {
        "tileId": "t",
        "z": 5.0,
        "width": 60.0,
        "height": 40.0,
        "layout": {"sectionId": "5.0"},
        "mipmapLevels": {"0": {"imageUrl": f"file:{tmp_path / 'tile.png'}"}},
        "transforms": {"type": "list", "specList": [shift]},
    }
    resolution = {f"stackResolution{axis}": size for axis, size in zip("XYZ", (4.0, 8.0, 40.0), strict=True)}
    send(server_url, "POST", f"project/p/stack/{name}", resolution)
    tiles = {"transformIdToSpecMap": {}, "tileIdToSpecMap": {"t": tile}}
    send(server_url, "PUT", f"project/p/stack/{name}/resolvedTiles?deriveData=true", tiles)
    send(server_url, "PUT", f"project/p/stack/{name}/state/COMPLETE")
    return server_url, name


def rendered(stack, folder, *more):
    url, name = stack
    out = ["--rootDirectory", folder, "--customOutputFolder", "out", *PLAIN]
    run(arguments_for(*out, *more, url=url, stack=name))
    return sorted((folder / "out").iterdir())


@pytest.mark.slow
def test_a_layer_is_drawn_as_the_service_draws_it(stack, tmp_path):
    [path] = rendered(stack, tmp_path, "--scale", "1", "5")
    url, name = stack
    answer = send(url, "GET", f"project/p/stack/{name}/z/5/box/100,200,60,40,1/png-image")
    (tmp_path / "service.png").write_bytes(answer)
    found = np.array(Image.open(path))
    assert found.shape == (40, 60)
    np.testing.assert_array_equal(found, np.array(Image.open(tmp_path / "service.png"))[..., 0])


@pytest.mark.slow
def test_bounds_move_the_box_and_clip_it(stack, tmp_path):
    [whole] = rendered(stack, tmp_path, "--scale", "1", "5")
    pixels = np.array(Image.open(whole))
    [part] = rendered(stack, tmp_path, "--scale", "1", "--bounds", "110,130,205,215", "5")
    np.testing.assert_array_equal(np.array(Image.open(part)), pixels[5:15, 10:30])
    [again] = rendered(stack, tmp_path, "--scale", "1", "--useStackBounds", "5")
    np.testing.assert_array_equal(np.array(Image.open(again)), pixels)


@pytest.mark.slow
def test_a_range_is_applied(stack, tmp_path):
    [path] = rendered(stack, tmp_path, "--scale", "1", "--minIntensity", "100", "--maxIntensity", "101", "5")
    assert set(np.unique(np.array(Image.open(path)))) == {0, 255}


@pytest.mark.slow
def test_a_tiff_tells_its_resolution(stack, tmp_path):
    [path] = rendered(stack, tmp_path, "--scale", "0.5", "--format", "tif", "--resolutionUnit", "um", "5")
    with tifffile.TiffFile(path) as tiff:
        tags = tiff.pages[0].tags
        assert np.divide(*tags["XResolution"].value) == pytest.approx(125)
        assert np.divide(*tags["YResolution"].value) == pytest.approx(62.5)
        assert tiff.asarray().shape == (20, 30, 3)


@pytest.mark.slow
def test_a_stack_without_resolution_has_none_to_tell(stack, tmp_path):
    url, _ = stack
    send(url, "POST", "project/p/stack/bare", {})
    with pytest.raises(ClientError, match="bare"):
        run(arguments_for("--rootDirectory", tmp_path, "--resolutionUnit", "nm", "5", url=url, stack="bare"))


@pytest.mark.slow
def test_a_layer_without_tiles_is_an_error(stack, tmp_path):
    with pytest.raises(ServiceError, match="400"):
        rendered(stack, tmp_path, "6")
    with pytest.raises(ClientError, match=r"layer 6\.0"):
        rendered(stack, tmp_path, "--bounds", "0,100,0,100", "6")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_missing_image_and_an_unknown_filter_list_are_errors(stack, tmp_path):
    with pytest.raises(IllegalArgumentError, match="sharpest"):
        rendered(stack, tmp_path, "--filterListName", "sharpest", "5")
    (tmp_path / "tile.png").unlink()
    with pytest.raises(IllegalArgumentError, match=r"tile\.png"):
        rendered(stack, tmp_path, "--scale", "1", "5")
