"""Boxes of a grid with levels, overviews, and boxes that were drawn in advance."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from asap_ingest.images.formats import encode
from asap_ingest.render_ws.drawing.box_files import box_paths, read_box_file
from asap_ingest.render_ws.drawing.source_images import SourceImages
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.conftest import serving

SOURCE = "/largeDataTileSource/64/48"
TEXT_TYPE = {"Content-Type": "text/plain"}
PNG = encode(np.full((48, 64), 9, np.uint8), "png")


def image_file(folder: Path, value: int) -> dict[str, Any]:
    path = folder / f"{value}.png"
    path.write_bytes(encode(np.full((80, 100), value, np.uint8), "png"))
    return {"mipmapLevels": {"0": {"imageUrl": str(path)}}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the service may read."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("service"), image_roots=[folder]) as base:
        yield base


@pytest.fixture(scope="module")
def stack(url: str, folder: Path) -> StackClient:
    """Two tiles of 100 x 80 pixels: 40 at (0, 0), 80 at (128, 96)."""
    tiles = (
        tile("a", **image_file(folder, 40)),
        tile("b", specs=[leaf(128, 96)], **image_file(folder, 80)),
    )
    return StackClient(url, "grid").create(*tiles, state="COMPLETE")


def pixels(stack: StackClient, path: str) -> np.ndarray:
    answer = stack.ask("GET", f"{SOURCE}{path}")
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == ("image/png" if ".png" in path else "image/jpeg")
    with Image.open(io.BytesIO(answer.body)) as image:
        return np.array(image)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/0/1/0/0.png", 40),
        ("/0/1.0/2/2.png", 80),
        ("/0/1/5/5.png", 0),
        ("/0/1/-2/0.png", 0),
        ("/1/1/1/1.png", 80),
        ("/1/1/0/0.png", 40),
        ("/0/2/0/0.png", 0),
    ],
)
def test_grid_of_levels(stack: StackClient, path: str, value: int) -> None:
    picture = pixels(stack, path)
    assert picture.shape == (48, 64, 4)
    assert picture[10, 10].tolist() == [value, value, value, 255 if value else 0]


def test_jpeg_and_query(stack: StackClient) -> None:
    picture = pixels(stack, "/0/1/0/0.jpg?minIntensity=0&maxIntensity=80")
    assert picture.shape == (48, 64, 3)
    assert abs(int(picture[10, 10, 0]) - 127) <= 1


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/31/1/0/0.png", 400),
        ("/-1/1/0/0.png", 400),
        ("/30/1/2147483647/-2147483648.png", 200),
        ("/99999999999/1/0/0.png", 404),
        ("/0/1/0/0.tif", 404),
        ("/0/1/0/0.PNG", 404),
        ("/0/1/0/..%2F0.png", 404),
        ("/0/1/0/a.png", 404),
        ("/0/1/0/0.png?maxTileSpecsToRender=x", 404),
        ("/0/1/0/0.png?filterListName=none", 500),
        ("/small/1.gif", 404),
        ("/small/1.png?maxOverviewWidthAndHeight=0", 400),
    ],
)
def test_odd_requests(stack: StackClient, path: str, status: int) -> None:
    assert stack.status("GET", f"{SOURCE}{path}") == status


def test_unknown_stacks_and_bad_names(url: str) -> None:
    for path in ("/0/1/0/0.png", "/small/1.png"):
        assert StackClient(url, "none").status("GET", SOURCE + path) == 404
        assert StackClient(url, "a-b").status("GET", SOURCE + path) == 500


def test_many_tiles_become_outlines(url: str, folder: Path) -> None:
    tiles = [tile(f"{number:02}", **image_file(folder, 40)) for number in range(41)]
    crowded = StackClient(url, "crowded").create(*tiles)
    assert pixels(crowded, "/0/1/0/0.png")[10, 10].tolist() == [0, 0, 0, 0]
    assert pixels(crowded, "/0/1/0/0.png?maxTileSpecsToRender=41")[10, 10].tolist() == [40, 40, 40, 255]


def test_overview_fits_the_stack(stack: StackClient) -> None:
    assert pixels(stack, "/small/1.png").shape == (148, 192, 4)
    small = pixels(stack, "/small/1.png?maxOverviewWidthAndHeight=57")
    assert small.shape == (44, 57, 4)
    assert [small[4, 4, 0], small[40, 50, 0]] == [40, 80]


def test_overview_begins_at_zero_or_where_the_stack_does(url: str, folder: Path) -> None:
    one = StackClient(url, "offset").create(
        tile("a", specs=[leaf(100, 0)], **image_file(folder, 40)), state="COMPLETE"
    )
    query = "/small/1.png?maxOverviewWidthAndHeight=50"
    from_zero, from_corner = pixels(one, query), pixels(one, f"{query}&translateOrigin=true")
    assert (from_zero.shape, from_corner.shape) == ((20, 50, 4), (40, 50, 4))
    assert (from_zero[5, 5, 0], from_zero[5, 40, 0], from_corner[5, 5, 0]) == (0, 40, 40)


@pytest.mark.parametrize(("x", "y"), [(-300, -200), (-300, 7), (7, -20)])
def test_overview_of_a_stack_that_reaches_below_zero_begins_where_the_stack_does(
    url: str, folder: Path, x: int, y: int
) -> None:
    below = StackClient(url, f"below{abs(x)}_{abs(y)}").create(
        tile("a", specs=[leaf(x, y)], **image_file(folder, 40)), state="COMPLETE"
    )
    whole = pixels(below, "/small/1.png?maxOverviewWidthAndHeight=50")
    assert whole.shape == (40, 50, 4)
    assert (whole[1:-1, 1:-1, 0] == 40).all()


def test_overview_needs_bounds(url: str) -> None:
    answer = StackClient(url, "loading").create(tile("a")).ask("GET", f"{SOURCE}/small/1.png")
    assert (answer.status, b"COMPLETE" in answer.body) == (400, True)


@pytest.fixture
def boxes(url: str, folder: Path, tmp_path: Path) -> tuple[StackClient, Path]:
    """A stack, and the folder of its boxes."""
    root = folder / tmp_path.name
    root.mkdir()
    made = StackClient(url, f"boxes{abs(hash(str(tmp_path)))}").create(tile("a", **image_file(folder, 40)))
    set_root(made, str(root))
    return made, root


def set_root(stack: StackClient, root: str) -> None:
    answer = stack.ask("PUT", "/materializedBoxRootPath", root.encode(), **TEXT_TYPE)
    assert answer.status == 200


def put_file(path: Path, content: bytes = PNG) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("layer", ["1.0", "1"])
def test_a_box_drawn_in_advance_is_sent(boxes: tuple[StackClient, Path], layer: str) -> None:
    stack, root = boxes
    put_file(root / "64x48" / "0" / layer / "0" / "0.png")
    answer = stack.ask("GET", f"{SOURCE}/0/1/0/0.png")
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, PNG, "image/png")
    assert answer.headers["cache-control"] == "no-transform, max-age=3600"
    kept = stack.ask("GET", f"{SOURCE}/0/1/0/0.png", **{"If-None-Match": answer.headers["etag"]})
    assert (kept.status, kept.body) == (304, b"")


def test_other_boxes_are_drawn(boxes: tuple[StackClient, Path]) -> None:
    stack, root = boxes
    put_file(root / "64x48" / "0" / "1.0" / "0" / "0.png")
    for path in ("/0/1/0/0.png?maxTileSpecsToRender=40", "/0/1/0/0.png"):
        assert stack.ask("GET", SOURCE + path).body == PNG
    assert stack.ask("GET", f"{SOURCE}/0/1/0/0.png?maxTileSpecsToRender=0").body != PNG
    for path in ("/0/1/0/0.jpg", "/1/1/0/0.png", "/0/1/0/1.png", "/0/1.5/0/0.png"):
        answer = stack.ask("GET", SOURCE + path)
        assert (answer.status, answer.body == PNG) == (200, False)


def test_root_outside_the_served_folders_is_refused(boxes: tuple[StackClient, Path], tmp_path: Path) -> None:
    stack, root = boxes
    secret = put_file(tmp_path / "64x48" / "0" / "1.0" / "0" / "0.png")
    for outside in (
        str(tmp_path),
        f"{root}/../../{tmp_path.name}",
        "/",
        f"{root}\0",
        "../" * 40 + str(tmp_path),
    ):
        set_root(stack, outside)
        answer = stack.ask("GET", f"{SOURCE}/0/1/0/0.png")
        assert (answer.status, secret.read_bytes() in answer.body) == (400, False), outside


def test_links_out_of_the_root_are_refused(boxes: tuple[StackClient, Path], tmp_path: Path) -> None:
    stack, root = boxes
    secret = put_file(tmp_path / "0.png")
    link = root / "64x48" / "0" / "1.0" / "0" / "0.png"
    link.parent.mkdir(parents=True)
    for target in (secret, tmp_path / "missing"):
        link.symlink_to(target)
        assert stack.status("GET", f"{SOURCE}/0/1/0/0.png") == 400
        link.unlink()
    link.parent.rmdir()
    link.parent.symlink_to(tmp_path)
    assert stack.status("GET", f"{SOURCE}/0/1/0/0.png") == 400


def test_links_within_the_root_are_followed(boxes: tuple[StackClient, Path]) -> None:
    stack, root = boxes
    put_file(root / "all" / "0" / "0.png")
    (root / "64x48" / "0").mkdir(parents=True)
    (root / "64x48" / "0" / "1.0").symlink_to(root / "all")
    assert stack.ask("GET", f"{SOURCE}/0/1/0/0.png").body == PNG


def test_what_is_no_image_is_not_sent(boxes: tuple[StackClient, Path]) -> None:
    stack, root = boxes
    file = put_file(root / "64x48" / "0" / "1.0" / "0" / "0.jpg")
    for content in (PNG, b"password", b""):
        file.write_bytes(content)
        answer = stack.ask("GET", f"{SOURCE}/0/1/0/0.jpg")
        assert answer.status == 400
        assert b"password" not in answer.body
    file.unlink()
    os.mkfifo(file)
    assert stack.status("GET", f"{SOURCE}/0/1/0/0.jpg") == 200
    file.unlink()
    file.mkdir()
    assert stack.status("GET", f"{SOURCE}/0/1/0/0.jpg") == 200


NAME = box_paths(width=64, height=48, level=0, z=1.0, row=0, column=0), "png"


def test_any_root_may_be_read_where_no_folders_are_named(tmp_path: Path) -> None:
    put_file(tmp_path / "64x48" / "0" / "1.0" / "0" / "0.png")
    anywhere = SourceImages(None, 0)
    assert read_box_file(str(tmp_path), *NAME, anywhere) == PNG
    assert read_box_file(f"{tmp_path}/sub/..", *NAME, anywhere) == PNG
    assert read_box_file(str(tmp_path / "none"), *NAME, anywhere) is None


@pytest.mark.parametrize("z", [float("nan"), float("inf"), -2.5, 1e300])
def test_layers_of_any_number(tmp_path: Path, z: float) -> None:
    (path,) = box_paths(width=64, height=48, level=0, z=z, row=-3, column=7)
    put_file(tmp_path / f"{path}.png")
    assert read_box_file(str(tmp_path), [path], "png", SourceImages(None, 0)) == PNG


def test_roots_that_no_file_system_has(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    images = SourceImages([tmp_path], 0)
    assert read_box_file(str(loop), *NAME, images) is None
    with pytest.raises(IllegalArgumentError):
        read_box_file(str(tmp_path / ("x" * 5000)), *NAME, images)
