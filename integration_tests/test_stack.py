"""Functions of renderapi.stack: making, changing, copying and reading stacks."""

# ruff: noqa: N802 - a test is named for the function it calls

import re

import pytest
import renderapi
from renderapi.errors import RenderError
from renderapi.stack import StackVersion

from integration_tests.samples import (
    BOUNDS,
    LAYERS,
    WIDTH,
    layer_ids,
    origin,
    section_id,
    tile_id,
)


def state_of(stack, render, **where):
    return renderapi.stack.get_full_stack_metadata(stack, render=render, **where)["state"]


def test_set_stack_metadata(render, loading_stack):
    version = StackVersion(stackResolutionX=8.0, cycleNumber=3, versionNotes="coarser")
    renderapi.stack.set_stack_metadata(loading_stack, version, render=render)
    metadata = renderapi.stack.get_full_stack_metadata(loading_stack, render=render)
    assert metadata["currentVersionNumber"] == 1
    assert metadata["currentVersion"]["stackResolutionX"] == 8.0
    assert metadata["currentVersion"]["versionNotes"] == "coarser"
    # the version is replaced, not merged; the tiles stay
    assert "stackResolutionY" not in metadata["currentVersion"]
    assert len(renderapi.stack.get_stack_tileIds(loading_stack, render=render)) == 8


def test_get_full_stack_metadata(render, stack):
    metadata = renderapi.stack.get_full_stack_metadata(stack, render=render)
    assert metadata["stackId"] == {
        "owner": render.DEFAULT_OWNER,
        "project": render.DEFAULT_PROJECT,
        "stack": stack,
    }
    assert metadata["stats"]["stackBounds"] == {**BOUNDS, "minZ": LAYERS[0], "maxZ": LAYERS[-1]}
    assert metadata["stats"]["transformCount"] == 1
    with pytest.raises(RenderError, match="404"):
        renderapi.stack.get_full_stack_metadata("no_such_stack", render=render)


def test_get_stack_metadata(render, stack):
    version = renderapi.stack.get_stack_metadata(stack, render=render)
    assert (version.stackResolutionX, version.stackResolutionY, version.stackResolutionZ) == (4.0, 4.0, 40.0)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", version.createTimestamp)


def test_set_stack_state(render, loading_stack):
    for state in ("LOADING", "COMPLETE", "READ_ONLY", "COMPLETE", "LOADING"):
        assert renderapi.stack.set_stack_state(loading_stack, state, render=render).status_code == 201
        assert state_of(loading_stack, render) == state
    # a stack must be complete before it can be closed for good
    with pytest.raises(RenderError):
        renderapi.stack.set_stack_state(loading_stack, "READ_ONLY", render=render)
    assert state_of(loading_stack, render) == "LOADING"


def test_likelyUniqueId(render):
    first, second = (renderapi.stack.likelyUniqueId(render=render) for _ in range(2))
    assert len(first) >= 24
    assert re.fullmatch("[0-9a-f]+", first)
    assert first != second


def test_delete_stack(render, loading_stack):
    assert renderapi.stack.delete_stack(loading_stack, render=render).status_code == 200
    assert loading_stack not in renderapi.render.get_stacks_by_owner_project(render=render)
    # what is not there is as good as deleted
    assert renderapi.stack.delete_stack(loading_stack, render=render).status_code == 200


def test_delete_section(render, loading_stack):
    renderapi.stack.delete_section(loading_stack, LAYERS[0], render=render)
    assert renderapi.stack.get_z_values_for_stack(loading_stack, render=render) == [LAYERS[1]]
    renderapi.stack.set_stack_state(loading_stack, "COMPLETE", render=render)
    with pytest.raises(RenderError):
        renderapi.stack.delete_section(loading_stack, LAYERS[1], render=render)


def test_delete_tile(render, loading_stack):
    gone = tile_id(1, 0, 1)
    renderapi.stack.delete_tile(loading_stack, gone, render=render)
    left = renderapi.stack.get_stack_tileIds(loading_stack, render=render)
    assert len(left) == 7
    assert gone not in left


def test_create_stack(render):
    renderapi.stack.create_stack(
        "created", stackResolutionZ=35, cycleNumber=1, cycleStepNumber=2, render=render
    )
    metadata = renderapi.stack.get_full_stack_metadata("created", render=render)
    assert metadata["state"] == "LOADING"
    assert metadata["currentVersion"]["stackResolutionX"] == 1.0
    assert metadata["currentVersion"]["stackResolutionZ"] == 35.0
    assert metadata["currentVersion"]["cycleStepNumber"] == 2
    with pytest.raises(RenderError, match="400"):
        renderapi.stack.create_stack("not_a___stack", render=render)


def test_rename_stack(render, loading_stack):
    renderapi.stack.rename_stack(
        loading_stack, "renamed", to_project=f"{render.DEFAULT_PROJECT}_b", render=render
    )
    with pytest.raises(RenderError, match="404"):
        renderapi.stack.get_full_stack_metadata(loading_stack, render=render)
    there = {"project": f"{render.DEFAULT_PROJECT}_b", "render": render}
    assert len(renderapi.stack.get_stack_tileIds("renamed", **there)) == 8
    assert state_of("renamed", **there) == "LOADING"


@pytest.mark.parametrize("layers", [None, [LAYERS[1]]], ids=["all", "one layer"])
def test_clone_stack(render, stack, layers):
    target = f"clone_{len(layers or LAYERS)}"
    renderapi.stack.clone_stack(stack, target, zs=layers, render=render)
    assert renderapi.stack.get_z_values_for_stack(target, render=render) == (layers or list(LAYERS))
    # tiles keep their references, and what they refer to is there
    kept = renderapi.tilespec.get_tile_spec_raw(target, tile_id(2, 1, 1), render=render)
    assert kept.tforms[0].refId == "shift"
    assert renderapi.tilespec.get_tile_spec(target, tile_id(2, 1, 1), render=render).minX == origin(1, 1)[0]
    assert state_of(target, render) == "COMPLETE"


def test_get_z_values_for_stack(render, stack):
    assert renderapi.stack.get_z_values_for_stack(stack, render=render) == list(LAYERS)


def test_get_bounds_from_z(render, stack):
    bounds = renderapi.stack.get_bounds_from_z(stack, LAYERS[0], render=render)
    assert bounds == {**BOUNDS, "minZ": LAYERS[0], "maxZ": LAYERS[0]}


def test_get_stack_bounds(render, stack, loading_stack):
    bounds = renderapi.stack.get_stack_bounds(stack, render=render)
    assert bounds == {**BOUNDS, "minZ": LAYERS[0], "maxZ": LAYERS[-1]}
    # they are known when a stack was completed
    with pytest.raises(RenderError):
        renderapi.stack.get_stack_bounds(loading_stack, render=render)


def test_get_tilebounds_for_z(render, stack):
    found = {
        bounds["tileId"]: bounds
        for bounds in renderapi.stack.get_tilebounds_for_z(stack, LAYERS[0], render=render)
    }
    assert sorted(found) == layer_ids(LAYERS[0])
    last = found[tile_id(1, 1, 1)]
    assert set(last) == {"minX", "minY", "maxX", "maxY", "tileId", "sectionId", "z"}
    assert (last["minX"], last["minY"]) == origin(1, 1)
    assert last["maxX"] - last["minX"] == WIDTH


def test_get_sectionId_for_z(render, stack):
    assert renderapi.stack.get_sectionId_for_z(stack, LAYERS[1], render=render) == section_id(LAYERS[1])
    with pytest.raises(RenderError):
        renderapi.stack.get_sectionId_for_z(stack, 77.0, render=render)


def test_get_stack_sectionData(render, stack):
    assert renderapi.stack.get_stack_sectionData(stack, render=render) == [
        {"sectionId": section_id(z), "z": z, "tileCount": 4, **BOUNDS} for z in LAYERS
    ]


def test_get_section_z_value(render, stack):
    assert renderapi.stack.get_section_z_value(stack, section_id(LAYERS[1]), render=render) == LAYERS[1]
    with pytest.raises(RenderError, match="404"):
        renderapi.stack.get_section_z_value(stack, "no_such_section", render=render)


def test_get_stack_tileIds(render, stack):
    expected = sorted(name for z in LAYERS for name in layer_ids(z))
    assert sorted(renderapi.stack.get_stack_tileIds(stack, render=render)) == expected
