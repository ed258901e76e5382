"""Functions of renderapi.tilespec: tiles with their transforms, resolved or as they were stored."""

import pytest
import renderapi
from renderapi.errors import RenderError

from integration_tests.samples import (
    HEIGHT,
    LAYERS,
    SHIFT_X,
    STEP_X,
    STEP_Y,
    WIDTH,
    layer_ids,
    origin,
    section_id,
    tile_id,
)


def ids(tiles):
    return [tile.tileId for tile in tiles]


def is_resolved(tile):
    """Whether the shared transform stands in the tile itself."""
    return len(tile.tforms) == 2 and tile.tforms[0].B0 == SHIFT_X


def test_get_tile_spec_renderparameters(render, stack):
    parameters = renderapi.tilespec.get_tile_spec_renderparameters(stack, tile_id(1, 0, 1), render=render)
    assert (parameters["x"], parameters["y"]) == origin(0, 1)
    # releases before 3.0 count one pixel more
    assert parameters["width"] in (WIDTH, WIDTH + 1)
    assert parameters["height"] in (HEIGHT, HEIGHT + 1)
    assert parameters["scale"] == 1.0
    assert [spec["tileId"] for spec in parameters["tileSpecs"]] == [tile_id(1, 0, 1)]
    types = [spec.get("type", "leaf") for spec in parameters["tileSpecs"][0]["transforms"]["specList"]]
    assert types == ["leaf", "leaf"]


def test_get_tile_spec(render, stack, tiles):
    found = renderapi.tilespec.get_tile_spec(stack, tile_id(1, 1, 1), render=render)
    sent = next(tile for tile in tiles if tile.tileId == tile_id(1, 1, 1))
    assert is_resolved(found)
    assert (found.minX, found.minY) == origin(1, 1)
    assert (found.maxX - found.minX, found.maxY - found.minY) == (WIDTH, HEIGHT)
    assert found.ip[0].imageUrl == sent.ip[0].imageUrl
    assert found.layout.to_dict() == sent.layout.to_dict()
    assert (found.minint, found.maxint) == (0, 255)
    # a tile that is not there is None to renderapi
    assert renderapi.tilespec.get_tile_spec(stack, "no_such_tile", render=render) is None


def test_get_tile_spec_raw(render, stack, tiles):
    found = renderapi.tilespec.get_tile_spec_raw(stack, tile_id(1, 1, 0), render=render)
    sent = next(tile for tile in tiles if tile.tileId == tile_id(1, 1, 0))
    assert found.tforms[0].refId == "shift"
    assert found.to_dict() == sent.to_dict()
    with pytest.raises(RenderError, match="404"):
        renderapi.tilespec.get_tile_spec_raw(stack, "no_such_tile", render=render)


def test_get_tile_specs_from_minmax_box(render, stack):
    left = SHIFT_X + STEP_X - 1
    found = renderapi.tilespec.get_tile_specs_from_minmax_box(
        stack, LAYERS[0], 0, left, 0, 500, render=render
    )
    assert ids(found) == [tile_id(1, 0, 0), tile_id(1, 1, 0)]
    assert all(is_resolved(tile) for tile in found)


def test_get_tile_specs_from_box(render, stack):
    below = STEP_Y + 60
    found = renderapi.tilespec.get_tile_specs_from_box(stack, LAYERS[1], 0, below, 500, 10, render=render)
    assert ids(found) == [tile_id(2, 1, 0), tile_id(2, 1, 1)]
    assert all(is_resolved(tile) for tile in found)
    # no tile there is no error
    assert renderapi.tilespec.get_tile_specs_from_box(stack, LAYERS[1], 9000, 0, 5, 5, render=render) == []


def test_get_tile_specs_from_z(render, stack):
    found = renderapi.tilespec.get_tile_specs_from_z(stack, LAYERS[1], render=render)
    assert sorted(ids(found)) == layer_ids(LAYERS[1])
    assert all(is_resolved(tile) for tile in found)
    assert {tile.layout.sectionId for tile in found} == {section_id(LAYERS[1])}
    with pytest.raises(RenderError):
        renderapi.tilespec.get_tile_specs_from_z(stack, 77.0, render=render)


def test_get_tile_specs_from_stack(render, stack):
    found = renderapi.tilespec.get_tile_specs_from_stack(stack, render=render)
    assert sorted(ids(found)) == sorted(name for z in LAYERS for name in layer_ids(z))
