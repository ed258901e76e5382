"""Functions of renderapi.coordinate: points of a tile in the world, and back."""

import numpy as np
import pytest
import renderapi
from renderapi.errors import RenderError

from integration_tests.samples import HEIGHT, LAYERS, SHIFT_X, SHIFT_Y, STEP_X, STEP_Y, WIDTH, origin, tile_id

Z = LAYERS[0]
NAME = tile_id(1, 0, 1)
LOCAL = np.array([[30.0, 40.0], [100.0, 50.0], [75.5, 60.25]])
WORLD = LOCAL + origin(0, 1)
#: In the middle of where all four tiles of a layer overlap.
CROSSING = (SHIFT_X + (STEP_X + WIDTH) / 2, SHIFT_Y + (STEP_Y + HEIGHT) / 2)


def local_entries():
    return [{"tileId": NAME, "local": list(point)} for point in LOCAL.tolist()]


def world_entries():
    return [{"tileId": NAME, "world": list(point)} for point in WORLD.tolist()]


def assert_local(lists):
    """The points lie in one tile only, which is therefore the one seen."""
    assert [[entry["tileId"] for entry in entries] for entries in lists] == [[NAME]] * len(LOCAL)
    assert all(entries[0]["visible"] for entries in lists)
    assert np.allclose([entries[0]["local"] for entries in lists], np.c_[LOCAL, [Z] * len(LOCAL)])


def assert_world(entries):
    assert [entry["tileId"] for entry in entries] == [NAME] * len(LOCAL)
    assert np.allclose([entry["world"] for entry in entries], np.c_[WORLD, [Z] * len(LOCAL)])


def connection_of(render):
    """What map_coordinates_clientside wants to be told one by one."""
    known = render.make_kwargs()
    return {key: known[key] for key in ("host", "port", "owner", "project", "client_script")}


def test_world_to_local_coordinates(render, stack):
    found = renderapi.coordinate.world_to_local_coordinates(stack, Z, *CROSSING, render=render)
    assert [entry["tileId"] for entry in found] == [tile_id(1, row, col) for row in (0, 1) for col in (0, 1)]
    # the tile on top is the one seen
    assert [entry.get("visible", False) for entry in found] == [False, False, False, True]
    assert np.allclose(found[-1]["local"], [*np.subtract(CROSSING, origin(1, 1)), Z])
    with pytest.raises(RenderError):
        renderapi.coordinate.world_to_local_coordinates(stack, Z, 5000, 5000, render=render)


def test_local_to_world_coordinates(render, stack):
    found = renderapi.coordinate.local_to_world_coordinates(stack, NAME, *LOCAL[2], render=render)
    assert found["tileId"] == NAME
    assert np.allclose(found["world"], [*WORLD[2], Z])
    with pytest.raises(RenderError, match="404"):
        renderapi.coordinate.local_to_world_coordinates(stack, "no_such_tile", 1, 1, render=render)


def test_world_to_local_coordinates_batch(render, stack):
    assert_local(
        renderapi.coordinate.world_to_local_coordinates_batch(stack, world_entries(), Z, render=render)
    )
    # a point where nothing is says so, and spoils no other
    outside = [{"world": [5000.0, 5000.0]}, *world_entries()]
    found = renderapi.coordinate.world_to_local_coordinates_batch(stack, outside, Z, render=render)
    assert "error" in found[0][0]
    assert_local(found[1:])


def test_local_to_world_coordinates_batch(render, stack):
    assert_world(
        renderapi.coordinate.local_to_world_coordinates_batch(stack, local_entries(), Z, render=render)
    )
    unknown = [{"tileId": "no_such_tile", "local": [1.0, 1.0]}, *local_entries()]
    found = renderapi.coordinate.local_to_world_coordinates_batch(stack, unknown, Z, render=render)
    assert "error" in found[0]
    assert_world(found[1:])


@pytest.mark.parametrize("client_side", [False, True], ids=["service", "client"])
def test_world_to_local_coordinates_array(render, stack, client_side):
    found = renderapi.coordinate.world_to_local_coordinates_array(
        stack, WORLD, NAME, Z, doClientSide=client_side, number_of_threads=2, render=render
    )
    assert np.allclose(found, LOCAL)


@pytest.mark.parametrize("client_side", [False, True], ids=["service", "client"])
def test_local_to_world_coordinates_array(render, stack, client_side):
    found = renderapi.coordinate.local_to_world_coordinates_array(
        stack, LOCAL, NAME, Z, doClientSide=client_side, number_of_threads=2, render=render
    )
    assert np.allclose(found, WORLD)


def test_map_coordinates_clientside(render, stack):
    known = connection_of(render)
    assert_local(renderapi.coordinate.map_coordinates_clientside(stack, world_entries(), Z, **known))
    assert_world(
        renderapi.coordinate.map_coordinates_clientside(
            stack, [[entry] for entry in local_entries()], Z, isLocalToWorld=True, **known
        )
    )


def test_world_to_local_coordinates_clientside(render, stack):
    assert_local(
        renderapi.coordinate.world_to_local_coordinates_clientside(
            stack, world_entries(), Z, number_of_threads=1, render=render
        )
    )


def test_local_to_world_coordinates_clientside(render, stack):
    lists = [[entry] for entry in local_entries()]
    assert_world(
        renderapi.coordinate.local_to_world_coordinates_clientside(
            stack, lists, Z, number_of_threads=1, render=render
        )
    )
