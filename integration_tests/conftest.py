"""A connection to the service under test, stacks and match collections that are gone afterwards."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import renderapi
from renderapi.render import RenderClient
from renderapi.tilespec import TileSpec

from integration_tests.samples import match, sample_tiles, shared_transform
from integration_tests.service import service_under_test

HERE = Path(__file__).parent
#: On everything that a run makes; runs side by side on one service do not meet.
RUN = f"integration_{uuid.uuid4().hex[:10]}"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of them need a service."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def render(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RenderClient]:
    """A connection with a project of this run's own, which is emptied at the end."""
    with service_under_test(tmp_path_factory.mktemp("service")) as service:
        connection = renderapi.connect(
            host=service.host,
            port=service.port,
            owner=os.environ.get("RENDER_OWNER", "integration"),
            project=RUN,
            client_scripts=service.client_scripts,
            memGB="1G",
        )
        assert isinstance(connection, RenderClient), f"no run_ws_client.sh in {service.client_scripts}"
        yield connection
        _clean_up(connection)
        connection.session.close()


def _clean_up(render: RenderClient) -> None:
    for metadata in renderapi.render.get_stack_metadata_by_owner(render=render):
        identity = metadata["stackId"]
        if identity["project"].startswith(RUN):
            _remove_stack(render, identity["stack"], identity["project"], metadata["state"])
    for collection in renderapi.pointmatch.get_matchcollections(render=render):
        if collection["collectionId"]["name"].startswith(RUN):
            renderapi.pointmatch.delete_collection(collection["collectionId"]["name"], render=render)


def _remove_stack(render: RenderClient, stack: str, project: str, state: str) -> None:
    if state == "READ_ONLY":
        renderapi.stack.set_stack_state(stack, "COMPLETE", project=project, render=render)
    renderapi.stack.delete_stack(stack, project=project, render=render)


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where images lie: the service must see this folder under the same path."""
    if "RENDER_TEST_DATA" not in os.environ:
        yield tmp_path_factory.mktemp("data")
        return
    folder = Path(os.environ["RENDER_TEST_DATA"]).resolve() / RUN
    folder.mkdir(parents=True)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tiles(data_folder: Path) -> list[TileSpec]:
    """The tiles of the sample stack."""
    return sample_tiles(data_folder)


@pytest.fixture(scope="session")
def stack(render: RenderClient, tiles: list[TileSpec]) -> str:
    """The sample stack, COMPLETE; for tests that only read."""
    _fill("sample", render, tiles)
    renderapi.stack.set_stack_state("sample", "COMPLETE", render=render)
    return "sample"


def _fill(name: str, render: RenderClient, tiles: list[TileSpec]) -> None:
    renderapi.stack.create_stack(
        name, stackResolutionX=4.0, stackResolutionY=4.0, stackResolutionZ=40.0, render=render
    )
    if tiles:
        renderapi.resolvedtiles.put_tilespecs(
            name, tilespecs=tiles, shared_transforms=[shared_transform()], render=render
        )


@pytest.fixture
def loading_stack(render: RenderClient, tiles: list[TileSpec]) -> str:
    """A copy of the sample stack that a test may change: LOADING."""
    name = f"changing_{uuid.uuid4().hex[:8]}"
    _fill(name, render, tiles)
    return name


@pytest.fixture
def empty_stack(render: RenderClient) -> str:
    """A stack without tiles: LOADING."""
    name = f"empty_{uuid.uuid4().hex[:8]}"
    _fill(name, render, [])
    return name


@pytest.fixture
def make_collection(render: RenderClient) -> Callable[[list[dict[str, Any]]], str]:
    """Stores pairs in a match collection of their own and gives its name."""

    def make(pairs: list[dict[str, Any]]) -> str:
        name = f"{RUN}_{uuid.uuid4().hex[:8]}"
        renderapi.pointmatch.import_matches(name, pairs, render=render)
        return name

    return make


@pytest.fixture
def collection(make_collection: Callable[[list[dict[str, Any]]], str]) -> str:
    """Matches between two tiles of one group, and of both with a tile of a second and a third group."""
    return make_collection(
        [match("g1", "a", "g1", "b"), match("g1", "a", "g2", "c"), match("g1", "b", "g3", "d")]
    )
