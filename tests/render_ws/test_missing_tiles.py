"""Pictures without the tiles that cannot be drawn, and pictures without seams: what the pages ask for."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from asap_ingest.render_ws.drawing.seams import near_empty
from tests.render_ws.client import StackClient, leaf, tile
from tests.render_ws.golden import Answer, send

WIDTH, HEIGHT = 100, 80
GREYS = (60, 120, 180)
SKIP = "missing=skip"


def grey_tile(folder: Path, number: int, **fields: Any) -> dict[str, Any]:
    path = folder / f"{number}.png"
    Image.fromarray(np.full((HEIGHT, WIDTH), GREYS[number], np.uint8)).save(path)
    shift = fields.pop("specs", [leaf(number * WIDTH, 0)])
    return tile(f"t{number}", specs=shift, mipmapLevels={"0": {"imageUrl": path.as_uri()}}, **fields)


@pytest.fixture(params=["LOADING", "COMPLETE"])
def row(request: pytest.FixtureRequest, empty_server_url: str, tmp_path: Path) -> StackClient:
    """Three tiles side by side; in both ways of reading them."""
    tiles = [grey_tile(tmp_path, number) for number in range(3)]
    return StackClient(empty_server_url, "row").create(*tiles, state=request.param)


def box(stack: StackClient, query: str, area: str = "0,0,300,80,1.0", form: str = "png-image") -> Answer:
    return stack.ask("GET", f"/z/1/box/{area}/{form}?{query}")


def pixels(answer: Answer) -> np.ndarray:
    assert answer.status == 200, answer
    return np.asarray(Image.open(io.BytesIO(answer.body)).convert("L"))


def listed(answer: Answer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(answer.headers["x-missing-tiles"])
    return found


@pytest.mark.parametrize("harm", ["gone", "empty", "no image"])
def test_one_bad_tile_leaves_the_others(row: StackClient, tmp_path: Path, harm: str) -> None:
    path = tmp_path / "1.png"
    path.unlink()
    if harm != "gone":
        path.write_bytes(b"" if harm == "empty" else b"nothing like an image")
    assert box(row, "").status == 400
    answer = box(row, SKIP)
    picture = pixels(answer)
    assert [int(picture[40, x]) for x in (50, 150, 250)] == [GREYS[0], 0, GREYS[2]]
    assert answer.headers["x-missing-tile-count"] == "1"
    [missing] = listed(answer)
    assert (missing["tileId"], missing["box"]) == ("t1", [100, 0, 200, 80])
    assert str(path) in missing["reason"]


def test_a_picture_that_lacks_nothing_is_the_same(row: StackClient) -> None:
    plain, asked = box(row, ""), box(row, SKIP)
    assert plain.body == asked.body
    assert "x-missing-tile-count" not in asked.headers
    assert asked.headers["etag"] == plain.headers["etag"]


def test_a_picture_that_lacks_tiles_is_not_kept_for_long(row: StackClient, tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    content = path.read_bytes()
    path.unlink()
    answer = box(row, SKIP)
    assert "etag" not in answer.headers
    assert "max-age=5" in answer.headers["cache-control"]
    path.write_bytes(content)
    assert "x-missing-tile-count" not in box(row, SKIP).headers


def test_a_section_without_any_image_is_an_empty_picture(row: StackClient, tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.png").unlink()
    answer = box(row, SKIP, form="jpeg-image")
    assert pixels(answer).max() < 3
    assert answer.headers["x-missing-tile-count"] == "3"


@pytest.mark.parametrize("bad", [0, 1])
def test_a_tile_whose_mask_cannot_be_drawn_decides_neither_kind_nor_range(
    empty_server_url: str, tmp_path: Path, bad: int
) -> None:
    tiles = [grey_tile(tmp_path, number) for number in range(2)]
    (tmp_path / "mask.png").write_bytes(b"nothing like an image")
    tiles[bad]["mipmapLevels"]["0"]["maskUrl"] = (tmp_path / "mask.png").as_uri()
    tiles[bad]["maxIntensity"] = 1000.0
    stack = StackClient(empty_server_url, "bad_mask").create(*tiles, state="COMPLETE")
    picture = pixels(box(stack, SKIP))
    greys = [GREYS[0], GREYS[1]]
    greys[bad] = 0
    assert [picture[40, 50], picture[40, 150]] == greys


def test_boxes_in_the_picture_are_scaled_and_shifted(row: StackClient, tmp_path: Path) -> None:
    (tmp_path / "1.png").unlink()
    answer = box(row, SKIP, "50,0,200,80,0.5")
    assert listed(answer)[0]["box"] == [25, 0, 75, 40]


def test_headers_stay_small_and_count_all(empty_server_url: str) -> None:
    tiles = [
        tile(f"täile {number}", mipmapLevels={"0": {"imageUrl": "file:/none.png"}}) for number in range(500)
    ]
    stack = StackClient(empty_server_url, "none").create(*tiles, state="COMPLETE")
    answer = box(stack, SKIP)
    assert answer.headers["x-missing-tile-count"] == "500"
    assert 0 < len(listed(answer)) < 500
    assert listed(answer)[0]["tileId"] == "täile 0"
    assert len(answer.headers["x-missing-tiles"]) < 6000
    assert len(stack.get("/z/1/missing-tiles")) == 500


def test_a_section_tells_what_it_lacks(row: StackClient, tmp_path: Path) -> None:
    assert row.get("/z/1/missing-tiles") == []
    path = tmp_path / "2.png"
    path.unlink()
    assert row.get("/z/1/missing-tiles") == [{"tileId": "t2", "reason": f"cannot find image file '{path}'"}]
    assert row.status("GET", "/z/7/missing-tiles") == 400


@pytest.mark.parametrize("query", ["missing=draw", "missing=", "seams=keep"])
def test_other_values_are_refused(row: StackClient, query: str) -> None:
    answer = box(row, query)
    assert answer.status == 400
    assert b"may be" in answer.body


def test_seams_are_filled_from_the_edges_of_tiles(row: StackClient) -> None:
    for area in ("0,0,299,79,1.0", "0,0,300,80,0.25", "-10,-10,320,100,0.33"):
        drawn, filled = pixels(box(row, "", area)), pixels(box(row, "seams=fill", area))
        middle = filled[filled.shape[0] // 2]
        inside = np.flatnonzero(middle)
        assert (np.diff(inside) == 1).all(), (area, middle)
        assert (drawn == 0).sum() > (filled == 0).sum(), area
        # what was drawn stays as it was
        assert (filled[drawn > 0] == drawn[drawn > 0]).all(), area
        assert set(np.unique(middle)) <= {0, *GREYS}, (area, middle)


def test_seams_of_turned_and_masked_tiles_are_filled(empty_server_url: str, tmp_path: Path) -> None:
    mask = tmp_path / "mask.png"
    Image.fromarray(np.full((HEIGHT, WIDTH), 255, np.uint8)).save(mask)
    affine = "mpicbg.trakem2.transform.AffineModel2D"
    tiles = []
    for number in range(3):
        turned = {
            "type": "leaf",
            "className": affine,
            "dataString": f"0.8 0.6 -0.6 0.8 {80 * number} {60 * number}",
        }
        made = grey_tile(tmp_path, number, specs=[turned])
        made["mipmapLevels"]["0"]["maskUrl"] = mask.as_uri()
        tiles.append(made)
    stack = StackClient(empty_server_url, "turned").create(*tiles)
    drawn = pixels(box(stack, "", "-40,10,260,220,0.25"))
    filled = pixels(box(stack, "seams=fill", "-40,10,260,220,0.25"))
    assert (drawn == 0).sum() > (filled == 0).sum()
    assert (filled[drawn > 0] == drawn[drawn > 0]).all()


def test_boxes_beside_empty_pixels_are_found() -> None:
    empty = np.zeros((40, 60), bool)
    empty[20, 30] = True
    boxes = np.array([[0, 0, 10, 10], [25, 15, 35, 25], [0, 0, 26, 40], [47, 0, 60, 40], [np.nan] * 4])
    assert near_empty(empty, boxes) == [False, True, True, False, False]


def test_render_parameters_without_boxes_are_drawn_with_filled_seams(
    row: StackClient, tmp_path: Path
) -> None:
    parameters = row.get("/z/1/box/0,0,300,80,1.0/render-parameters")
    for spec in parameters["tileSpecs"]:
        for name in ("minX", "minY", "maxX", "maxY"):
            del spec[name]
    (tmp_path / "1.png").unlink()
    path = "/render-ws/v1/owner/o/png-image?missing=skip&seams=fill"
    answer = send(row.url, "PUT", path, {"Content-Type": "application/json"}, json.dumps(parameters).encode())
    assert pixels(answer)[40, 50] == GREYS[0]
    assert answer.headers["x-missing-tile-count"] == "1"
