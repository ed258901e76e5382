"""Functions of renderapi.render: what an owner has."""

import renderapi


def test_get_owners(render, stack):
    owners = renderapi.render.get_owners(render=render)
    assert render.DEFAULT_OWNER in owners
    assert len(owners) == len(set(owners))


def test_get_stack_metadata_by_owner(render, stack):
    found = [
        metadata
        for metadata in renderapi.render.get_stack_metadata_by_owner(render=render)
        if metadata["stackId"]["project"] == render.DEFAULT_PROJECT and metadata["stackId"]["stack"] == stack
    ]
    assert len(found) == 1
    assert found[0]["stackId"]["owner"] == render.DEFAULT_OWNER
    assert found[0]["state"] == "COMPLETE"
    assert found[0]["stats"]["tileCount"] == 8
    assert found[0]["currentVersion"]["stackResolutionZ"] == 40.0


def test_get_projects_by_owner(render, stack):
    assert render.DEFAULT_PROJECT in renderapi.render.get_projects_by_owner(render=render)
    # an owner that has nothing is not an error
    assert renderapi.render.get_projects_by_owner(owner="nobody_of_this_name", render=render) == []


def test_get_stacks_by_owner_project(render, stack):
    assert stack in renderapi.render.get_stacks_by_owner_project(render=render)
    assert renderapi.render.get_stacks_by_owner_project(project="no_such_project", render=render) == []
