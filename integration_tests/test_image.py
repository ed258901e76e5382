"""Functions of renderapi.image: drawings of boxes, tiles and layers, and the parameters behind them."""

import math

import numpy as np
import pytest
import renderapi
from PIL import UnidentifiedImageError
from renderapi.channel import Channel
from renderapi.errors import RenderError
from renderapi.image_pyramid import ImagePyramid, MipMap
from renderapi.layout import Layout
from renderapi.tilespec import TileSpec
from renderapi.transform import AffineModel

from integration_tests.samples import (
    BOUNDS,
    HEIGHT,
    LAYERS,
    SHIFT_X,
    SHIFT_Y,
    STEP_X,
    STEP_Y,
    WIDTH,
    layer_ids,
    origin,
    tile_id,
    tile_pixels,
    write_image,
)

FORMATS = [None, "png", ".png", "jpg", "jpeg", ".jpg", "tif", ".tif", "tiff"]
LAYER_WIDTH, LAYER_HEIGHT = STEP_X + WIDTH, STEP_Y + HEIGHT


def expected_shape(width, height, scale=1.0):
    return (math.floor(height * scale), math.floor(width * scale))


@pytest.fixture(scope="module")
def box_of_one_tile():
    """World box of the first 100 x 80 pixels of the first tile, which no other tile covers."""
    return {"z": LAYERS[0], "x": SHIFT_X, "y": SHIFT_Y, "width": 100, "height": 80}


def test_get_bb_renderparams(render, stack, box_of_one_tile):
    parameters = renderapi.image.get_bb_renderparams(
        stack, **box_of_one_tile, scale=0.5, minIntensity=10, maxIntensity=200, render=render
    )
    assert [spec["tileId"] for spec in parameters["tileSpecs"]] == [tile_id(1, 0, 0)]
    for field in ("x", "y", "width", "height"):
        assert parameters[field] == box_of_one_tile[field]
    assert (parameters["scale"], parameters["minIntensity"], parameters["maxIntensity"]) == (0.5, 10.0, 200.0)


@pytest.mark.parametrize("img_format", FORMATS)
def test_get_bb_image(render, stack, box_of_one_tile, img_format):
    image = renderapi.image.get_bb_image(stack, **box_of_one_tile, img_format=img_format, render=render)
    assert image.shape[:2] == (80, 100)
    assert image.shape[2] >= 3
    if img_format not in ("jpg", "jpeg", ".jpg"):
        # the first row and column are a matter of rounding
        assert np.array_equal(image[1:, 1:, 0], tile_pixels(1, 0, 0)[1:80, 1:100])


def test_get_bb_image_of_16_bit(render, stack, box_of_one_tile):
    image = renderapi.image.get_bb_image(stack, **box_of_one_tile, img_format="tiff16", render=render)
    assert image.shape == (80, 100)
    assert np.array_equal(image[1:, 1:], tile_pixels(1, 0, 0)[1:80, 1:100])


@pytest.mark.parametrize("scale", [0.1, 0.3333, 0.5])
def test_get_bb_image_at_scale(render, stack, scale):
    image = renderapi.image.get_bb_image(
        stack, LAYERS[0], 0, 0, LAYER_WIDTH, LAYER_HEIGHT, scale=scale, render=render
    )
    assert image.shape[:2] == expected_shape(LAYER_WIDTH, LAYER_HEIGHT, scale)


def test_get_bb_image_with_filter(render, stack, box_of_one_tile):
    image = renderapi.image.get_bb_image(stack, **box_of_one_tile, filter=True, render=render)
    assert image.shape[:2] == (80, 100)


def test_get_bb_image_where_there_is_nothing(render, stack):
    image = renderapi.image.get_bb_image(stack, LAYERS[0], 5000, 5000, 30, 20, render=render)
    assert image.shape[:2] == (20, 30)
    assert not image.any()
    # an error is given back, not raised
    answer = renderapi.image.get_bb_image("no_such_stack", LAYERS[0], 0, 0, 30, 20, render=render)
    assert isinstance(answer, RenderError)


def test_get_tile_renderparams(render, stack):
    name = tile_id(1, 1, 1)
    parameters = renderapi.image.get_tile_renderparams(stack, name, scale=0.25, filter=False, render=render)
    assert (parameters["x"], parameters["y"]) == origin(1, 1)
    assert parameters["scale"] == 0.25
    assert parameters["doFilter"] is False
    bare = renderapi.image.get_tile_renderparams(stack, name, excludeAllTransforms=True, render=render)
    assert bare["tileSpecs"][0]["transforms"]["specList"] == []
    assert (bare["x"], bare["y"]) == (0, 0)


@pytest.mark.parametrize("img_format", FORMATS)
def test_get_tile_image_data(render, stack, img_format):
    image = renderapi.image.get_tile_image_data(
        stack, tile_id(1, 0, 1), excludeAllTransforms=True, img_format=img_format, render=render
    )
    assert image.ndim == 3
    assert image.shape[0] >= HEIGHT
    assert image.shape[1] >= WIDTH
    if img_format not in ("jpg", "jpeg", ".jpg"):
        # services of today do not draw the last row and column of a tile
        inner = np.s_[1 : HEIGHT - 1, 1 : WIDTH - 1]
        assert np.array_equal(image[..., 0][inner], tile_pixels(1, 0, 1)[inner])


def test_get_tile_image_data_at_scale(render, stack):
    image = renderapi.image.get_tile_image_data(
        stack, tile_id(1, 0, 1), normalizeForMatching=False, scale=0.5, render=render
    )
    height, width = expected_shape(WIDTH, HEIGHT, 0.5)
    assert image.shape[0] >= height
    assert image.shape[1] >= width
    answer = renderapi.image.get_tile_image_data(stack, "no_such_tile", render=render)
    assert isinstance(answer, RenderError)


def test_get_section_renderparams(render, stack):
    parameters = renderapi.image.get_section_renderparams(stack, LAYERS[1], scale=0.5, render=render)
    assert [spec["tileId"] for spec in parameters["tileSpecs"]] == layer_ids(LAYERS[1])
    assert (parameters["x"], parameters["y"]) == (BOUNDS["minX"], BOUNDS["minY"])
    # releases before 3.0 count one pixel more
    assert parameters["width"] in (LAYER_WIDTH, LAYER_WIDTH + 1)
    assert parameters["height"] in (LAYER_HEIGHT, LAYER_HEIGHT + 1)
    assert parameters["scale"] == 0.5


@pytest.mark.parametrize("img_format", FORMATS)
def test_get_section_image(render, stack, img_format):
    image = renderapi.image.get_section_image(
        stack, LAYERS[1], scale=0.5, img_format=img_format, render=render
    )
    height, width = expected_shape(LAYER_WIDTH, LAYER_HEIGHT, 0.5)
    assert height <= image.shape[0] <= height + 1
    assert width <= image.shape[1] <= width + 1
    assert image.shape[2] >= 3


def test_get_section_image_on_top(render, stack):
    image = renderapi.image.get_section_image(stack, LAYERS[0], render=render)
    # where all four tiles lie, the last one is seen
    seen = image[STEP_Y + 1 : STEP_Y + 18, STEP_X + 1 : STEP_X + 18, 0]
    assert np.array_equal(seen, tile_pixels(1, 1, 1)[1:18, 1:18])
    with pytest.raises(UnidentifiedImageError):
        renderapi.image.get_section_image(stack, 77.0, render=render)


def test_get_renderparameters_image(render, stack, box_of_one_tile):
    parameters = renderapi.image.get_bb_renderparams(stack, **box_of_one_tile, render=render)
    drawn = renderapi.image.get_renderparameters_image(parameters, img_format="png", render=render)
    asked = renderapi.image.get_bb_image(stack, **box_of_one_tile, img_format="png", render=render)
    assert np.array_equal(drawn, asked)


def channels_tile(data_folder, order):
    """A tile of two channels, in the order given."""
    channels = {
        name: Channel(
            name=name,
            minIntensity=0,
            maxIntensity=255,
            ip=ImagePyramid({0: MipMap(write_image(data_folder / f"{name}.png", tile_pixels(number, 0, 0)))}),
        )
        for number, name in enumerate(("DAPI", "TdTomato"), start=8)
    }
    return TileSpec(
        tileId="channels",
        z=1.0,
        width=WIDTH,
        height=HEIGHT,
        layout=Layout(sectionId="1.0"),
        tforms=[AffineModel()],
        channels=[channels[name] for name in order],
    )


def test_get_section_image_of_channel(render, data_folder):
    orders = {"dapi_first": ("DAPI", "TdTomato"), "dapi_last": ("TdTomato", "DAPI")}
    named, unnamed = {}, {}
    for name, order in orders.items():
        renderapi.stack.create_stack(name, render=render)
        renderapi.resolvedtiles.put_tilespecs(
            name, tilespecs=[channels_tile(data_folder, order)], render=render
        )
        renderapi.stack.set_stack_state(name, "COMPLETE", render=render)
        named[name] = renderapi.image.get_section_image(name, 1.0, channel="DAPI", render=render)
        unnamed[name] = renderapi.image.get_section_image(name, 1.0, render=render)
    assert np.array_equal(named["dapi_first"], named["dapi_last"])
    # without a name the first channel is drawn
    assert np.array_equal(unnamed["dapi_first"], named["dapi_first"])
    assert not np.array_equal(unnamed["dapi_last"], named["dapi_last"])
