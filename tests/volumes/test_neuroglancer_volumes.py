"""Neuroglancer itself, in a browser, on volumes that the server of volumes serves."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from tests.browser import Browser, OpenPage
from tests.examples import long
from tests.images.reference import mean, reference
from tests.neuroglancer import OUTSIDE, PLAIN, View, client_url, shown_panel, wait_for
from tests.volumes.serving import ask, serving
from tests.volumes.volumes import make_volume

#: Inputs from the field, beside the repository where they are at hand.
FIELD = Path(__file__).parents[3] / "shared" / "field" / "labels_with_names"
#: Voxels along z, y, x, none a multiple of a block or chunk; a voxel is ten times as long in z as in x.
SHAPE = (11, 250, 330)
#: Voxels of a block of one grey value or label.
BLOCK = (4, 32, 32)
CHUNK = (64, 48, 4)
ANISOTROPY = 10
#: Keys of the scales that are shown near and from afar. Scales of one z each: Neuroglancer shows none whose
#: voxels are longer along z than those of the finest, before it is zoomed out as far as they are long.
FINEST, COARSE = "1_1_1", "4_4_1"
#: Position x, y, z in the middle of the panel.
POSITION = (171.0, 122.0, 6.25)
#: Where the first voxel begins: the positions of OME-Zarr are those of the middles of voxels.
BEGINS = {"zarr": -0.5}


def blocks() -> NDArray[Any]:
    """Number of the block of each voxel, from 1."""
    z, y, x = (np.arange(length) // side for length, side in zip(SHAPE, BLOCK, strict=True))
    rows, columns = y[-1] + 1, x[-1] + 1
    return (z[:, None, None] * rows + y[:, None]) * columns + x + 1


def grey_blocks() -> NDArray[np.uint8]:
    """Blocks of random grey, with some noise: seen near, every voxel has a place of its own."""
    random = np.random.default_rng(3)
    greys = random.integers(40, 216, blocks().max() + 1)
    return (greys[blocks()] + random.integers(-12, 13, SHAPE)).astype(np.uint8)


@contextmanager
def served(folder: Path, chunk_format: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The program that serves a volume: the client's address, and the state that its link holds."""
    command = [sys.executable, "-m", "asap_ingest.serve_precomputed", "--port", "0"]
    command += ["--directory", str(folder), "--format", chunk_format]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url, source, link = (process.stdout.readline().strip() for _ in range(3))
            assert source == f"{'zarr3' if chunk_format == 'zarr' else 'precomputed'}://{url}"
            page, _, state = link.partition("#!")
            assert page.startswith(url)
            yield page, json.loads(unquote(state))
        finally:
            process.terminate()


def state_at(state: dict[str, Any], scale: float, **more: Any) -> dict[str, Any]:
    """The state of the link with one panel, at a position and a scale; grey values are shown as they are."""
    view = {"selectedLayer": {}, "position": POSITION, "crossSectionScale": scale}
    return {**state, "layers": unscaled(state), **PLAIN, **view, **more}


def unscaled(state: dict[str, Any]) -> list[dict[str, Any]]:
    """Layers of a link without the ends of grey that it names."""
    return [{**layer, "shaderControls": {}} for layer in state["layers"]]


def go_to(page: OpenPage, state: dict[str, Any]) -> None:
    """Have the client show another state."""
    page.evaluate("hash => { location.hash = hash; }", client_url("", state))


def plane_view(plane: NDArray[Any], voxel: int, scale: float, begins: float = 0.0) -> View:
    """xy panel: a plane of a scale whose voxels are `voxel` wide.

    Of the finest scale each voxel has a place of its own, of others each block.
    """
    regions = np.arange(plane.size).reshape(plane.shape)
    if voxel > 1:
        regions = blocks()[int(POSITION[2]), ::voxel, ::voxel]
    middle = ((POSITION[0] - begins) / voxel, (POSITION[1] - begins) / voxel)
    return View(plane, regions, middle, (scale / voxel, scale / voxel), 1)


def xz_view(array: NDArray[Any], scale: float, begins: float = 0.0) -> View:
    """xz panel: z goes down, in steps that are as long as its voxels."""
    section = array[:, int(POSITION[1] - begins)]
    regions = np.arange(section.size).reshape(section.shape)
    middle = (POSITION[0] - begins, POSITION[2] - begins)
    return View(section, regions, middle, (scale, scale / ANISOTROPY), 1)


def scales_asked_for(page: OpenPage) -> set[str]:
    """Keys of the scales whose chunks the browser has asked for."""
    found = (re.search(r"/(\d+_\d+_\d+)/(?!zarr\.json)", url) for url in page.requests)
    return {match[1] for match in found if match}


def see(page: OpenPage, view: View, least_sure: float) -> None:
    view.wait(page)
    assert view.sure_part(page) > least_sure
    assert view.wrong_part(page) <= 0.001


@pytest.mark.parametrize("chunk_format", ["raw", *long("tiff", "sharded", "zarr")])
def test_every_format_is_shown_where_it_belongs(browser: Browser, tmp_path: Path, chunk_format: str) -> None:
    array, begins = grey_blocks(), BEGINS.get(chunk_format, 0.0)
    make_volume(tmp_path, array, chunk_format, levels=3, chunk_size=CHUNK, factor="auto")
    coarse = reference(array[6:7], (1, 4, 4), mean)[0]
    with served(tmp_path, chunk_format) as (client, link):
        page = browser.open_page(client_url(client, state_at(link, 4.0)))
        see(page, plane_view(coarse, 4, 4.0, begins), 0.5)
        assert scales_asked_for(page) == {COARSE}
        go_to(page, state_at(link, 0.2))
        see(page, plane_view(array[6], 1, 0.2, begins), 0.25)
        assert FINEST in scales_asked_for(page)
        go_to(page, state_at(link, 0.2, layout="xz"))
        see(page, xz_view(array, 0.2, begins), 0.25)
        assert xz_view(array[::-1], 0.2, begins).wrong_part(page) > 0.3
        assert page.problems() == []


@pytest.mark.parametrize("chunk_format", ["raw", "zarr"])
@pytest.mark.parametrize("depth", [1, *long(2)])
def test_the_link_opens_inside_the_volume(
    browser: Browser, tmp_path: Path, chunk_format: str, depth: int
) -> None:
    planes = np.repeat(np.array([60, 200][:depth], np.uint8), 90 * 120).reshape(depth, 90, 120)
    make_volume(tmp_path, planes, chunk_format, levels=1)
    with served(tmp_path, chunk_format) as (client, link):
        page = browser.open_page(
            client_url(client, {**link, **PLAIN, "layers": unscaled(link), "selectedLayer": {}})
        )
        panel = shown_panel(page)
        beside_middle = panel.shape[0] // 2 + 9, panel.shape[1] // 2 + 9
        wait_for(page, lambda: shown_panel(page)[beside_middle].tolist() == [planes[-1, 0, 0]] * 3)
        assert shown_panel(page)[beside_middle].tolist() == [planes[-1, 0, 0]] * 3


@pytest.mark.long
@pytest.mark.parametrize("array", [30_000 + 4 * grey_blocks().astype(np.uint16), grey_blocks() // 4 + 90])
def test_grey_is_shown_between_the_ends_that_the_link_names(
    browser: Browser, tmp_path: Path, array: NDArray[Any]
) -> None:
    make_volume(tmp_path, array, "tiff", levels=3, chunk_size=CHUNK, factor="auto")
    with served(tmp_path, "tiff") as (client, link):
        low, high = link["layers"][0]["shaderControls"]["normalized"]["range"]
        assert array.min() <= low < array.mean() < high <= array.max()
        page = browser.open_page(client_url(client, state_at(link, 0.2, layers=link["layers"])))
        shown = ((array[6] - low) / (high - low) * 255).clip(0, 255)
        see(page, plane_view(shown, 1, 0.2), 0.25)
        assert page.problems() == []


@pytest.mark.long
def test_each_label_has_a_colour_of_its_own_at_every_scale(browser: Browser, tmp_path: Path) -> None:
    labels = (blocks() + 2**31).astype(np.uint32)
    make_volume(tmp_path, labels, "raw", levels=3, chunk_size=CHUNK, factor="auto", kind="segmentation")
    with served(tmp_path, "raw") as (client, link):
        assert link["layers"][0]["type"] == "segmentation"
        page = browser.open_page(client_url(client, state_at(link, 0.5)))
        near = colours(page, 0.5)
        assert len(near) > 20
        assert closest_two(near) > 2
        go_to(page, state_at(link, 4.0))
        far = colours(page, 4.0)
        both = near.keys() & far.keys()
        assert len(both) > 20
        assert all(np.abs(far[label] - near[label]).max() <= 2 for label in both)
        assert page.problems() == []


def colours(page: OpenPage, scale: float) -> dict[int, NDArray[Any]]:
    """Colour of each label that is in the panel, once each has but one."""
    # no label is what is shown beside the volume
    plane = blocks()[int(POSITION[2])] + OUTSIDE
    view = View(plane, plane, POSITION[:2], (scale, scale), 2)

    def pixels() -> dict[int, NDArray[Any]]:
        picture = shown_panel(page)
        shown, sure = view.expected(*picture.shape[1::-1])
        labels = np.unique(plane)
        by_label = {int(label): picture[sure & (shown == label)] for label in labels}
        return {label: found for label, found in by_label.items() if len(found) > 4}

    def is_plain(found: NDArray[Any]) -> bool:
        return bool(np.ptp(found, axis=0).max() <= 2 and np.ptp(found[0]) > 0)

    wait_for(page, lambda: all(map(is_plain, pixels().values())))
    found = pixels()
    assert all(map(is_plain, found.values()))
    return {label: colour[0] for label, colour in found.items()}


def closest_two(by_label: dict[int, NDArray[Any]]) -> int:
    """How far apart the two most similar colours are, in grey values of one channel."""
    found = np.array(list(by_label.values()))
    apart = np.abs(found[:, None] - found).max(axis=2)
    np.fill_diagonal(apart, 255)
    return int(apart.min())


#: Small label and its name, as a person adds them to a volume that has none.
NAMES = {
    "@type": "neuroglancer_segment_properties",
    "inline": {"ids": ["5"], "properties": [{"id": "label", "type": "label", "values": ["nucleus"]}]},
}


def add_names(folder: Path) -> None:
    """Name a label of a volume; its `info` names a mesh and skeletons too, which are not there."""
    info = json.loads((folder / "info").read_bytes())
    info |= {name: name for name in ("mesh", "skeletons", "segment_properties")}
    (folder / "info").write_text(json.dumps(info))
    (folder / "segment_properties").mkdir()
    (folder / "segment_properties" / "info").write_text(json.dumps(NAMES))


@pytest.mark.long
def test_names_of_labels_are_shown_and_images_lie_below(browser: Browser, tmp_path: Path) -> None:
    labels = np.where(blocks() % 2, 5, 0).astype(np.uint64)
    folder = tmp_path / "100% [old]: a #1"
    make_volume(folder / "labels", labels, "raw", chunk_size=CHUNK, kind="segmentation")
    make_volume(folder / "em", grey_blocks(), "tiff", chunk_size=CHUNK)
    add_names(folder / "labels")
    with serving(tmp_path) as url:
        index = browser.open_page(url)
        index.do(lambda page: page.get_by_text("Open together").click())
        index.wait_until("window.viewer !== undefined && viewer.isReady()")
        state = json.loads(unquote(str(index.evaluate("location.hash")).removeprefix("#!")))
        image, segments = state["layers"]
        assert (image["type"], segments["type"]) == ("image", "segmentation")
        segments |= {"segments": ["5"], "tab": "segments"}
        go_to(index, {**state, "selectedLayer": {"layer": segments["name"], "visible": True}})
        index.wait_until("document.body.textContent.includes('nucleus')")
        panel = shown_panel(index)
        assert np.ptp(panel, axis=2).max() > 20  # a label has a colour, over grey
        assert index.problems() == []
        asked = " ".join(index.requests)
        assert "labels/1_1_1/" in asked or "labels/2_2_2/" in asked
        assert "em/1_1_1/" in asked or "em/2_2_2/" in asked


@pytest.mark.skipif(not FIELD.is_dir(), reason="the inputs from the field are not here")
def test_labels_from_the_field_are_served_with_their_names(tmp_path: Path) -> None:
    labels = tifffile.imread(FIELD / "labels.tif")
    make_volume(tmp_path, labels.reshape(-1, *labels.shape[-2:]), "raw", levels=1, kind="segmentation")
    info = json.loads((tmp_path / "info").read_bytes())
    additions = json.loads((FIELD / "info_additions.json").read_bytes())
    (tmp_path / "info").write_text(json.dumps(info | additions))
    shutil.copytree(FIELD / "segment_properties", tmp_path / "segment_properties")
    with serving(tmp_path) as url:
        answer = ask(url, "/segment_properties/info")
    assert answer.status == 200
    assert json.loads(answer.body)["inline"]["properties"][0]["values"] == ["nucleus"]
