"""Functions of renderapi.resolvedtiles: tiles together with the transforms they share."""

import pytest
import renderapi
from renderapi.errors import RenderError

from integration_tests.samples import LAYERS, layer_ids, origin, shared_transform, tile_id


def test_put_tilespecs(render, empty_stack, tiles):
    renderapi.resolvedtiles.put_tilespecs(
        empty_stack, tilespecs=tiles[:2], shared_transforms=[shared_transform()], render=render
    )
    found = renderapi.tilespec.get_tile_spec(empty_stack, tile_id(1, 0, 1), render=render)
    assert (found.minX, found.minY) == origin(0, 1)
    # what a tile refers to must come with it, though the service has it by now
    with pytest.raises(RenderError, match="400"):
        renderapi.resolvedtiles.put_tilespecs(empty_stack, tilespecs=tiles[2:], render=render)
    assert len(renderapi.stack.get_stack_tileIds(empty_stack, render=render)) == 2


def test_put_tilespecs_without_derived_boxes(render, empty_stack, tiles):
    # tiles of renderapi carry no box, and nothing may be stored without one
    with pytest.raises(RenderError, match="400"):
        renderapi.resolvedtiles.put_tilespecs(
            empty_stack,
            tilespecs=tiles,
            shared_transforms=[shared_transform()],
            deriveData=False,
            render=render,
        )
    assert renderapi.stack.get_stack_tileIds(empty_stack, render=render) == []


def test_get_resolved_tiles_from_z(render, stack):
    found = renderapi.resolvedtiles.get_resolved_tiles_from_z(stack, LAYERS[0], render=render)
    assert sorted(tile.tileId for tile in found.tilespecs) == layer_ids(LAYERS[0])
    assert {tile.tforms[0].refId for tile in found.tilespecs} == {"shift"}
    assert [transform.transformId for transform in found.transforms] == ["shift"]
    assert found.transforms[0].dataString == shared_transform().dataString
    with pytest.raises(RenderError, match="404"):
        renderapi.resolvedtiles.get_resolved_tiles_from_z(stack, 77.0, render=render)
