"""Outlines of tiles: lines, and the ids in boxes that are wide enough."""

from __future__ import annotations

import numpy as np
import pytest

from asap_ingest.render_ws.drawing.outlines import GREEN, MOST_LETTERS, draw_outlines
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters


def outlined(tile_id: str | None, width: float, height: float = 40, **parameters: float) -> np.ndarray:
    """Where the picture (300 x 60 pixels) is green: bool; the box begins at column 2, row 3."""
    tile = {"minX": 2.0, "minY": 3.0, "maxX": 2 + width, "maxY": 3 + height}
    if tile_id is not None:
        tile["tileId"] = tile_id
    canvas = draw_outlines((60, 300), RenderParameters(tile_specs=[tile], **parameters))
    rgba = canvas.rgba()
    green = (rgba == GREEN).all(axis=2)
    assert not rgba[~green].any()
    return green


def lines(width: int, height: int) -> np.ndarray:
    wanted = np.zeros((60, 300), bool)
    wanted[3 : 4 + height, 2 : 3 + width] = True
    wanted[4 : 3 + height, 3 : 2 + width] = False
    return wanted


def test_the_id_stands_in_the_upper_left_corner() -> None:
    text = outlined("tile.7", 150) & ~lines(150, 40)
    rows, columns = np.nonzero(text)
    assert (lines(150, 40) & ~outlined("tile.7", 150)).sum() == 0
    assert 3 + 9 <= rows.min() <= rows.max() <= 3 + 24
    assert 2 + 19 <= columns.min() <= columns.max() < 2 + 19 + 6 * 7
    assert 30 < text.sum() < 200


def test_ids_differ() -> None:
    first, second = outlined("aaaa", 150), outlined("bbbb", 150)
    assert (first != second).any()


@pytest.mark.parametrize(
    ("tile_id", "width"),
    [(None, 150), ("", 150), ("t", 99), ("a" * 19, 150), ("a" * (MOST_LETTERS + 1), 10_000)],
)
def test_boxes_without_text(tile_id: str | None, width: int) -> None:
    assert (outlined(tile_id, width) == lines(width, 40)).all()


def test_size_on_the_picture_counts() -> None:
    assert (outlined("t", 300, scale=0.25) != outlined(None, 300, scale=0.25)).sum() == 0
    assert (outlined("t", 60, scale=2.0) != outlined(None, 60, scale=2.0)).sum() > 0


@pytest.mark.parametrize(
    ("x", "y"), [(22, 0), (0, 14), (25, 16), (-250, -40), (-279, 0), (10_000, 0), (0, -10_000)]
)
def test_text_is_cut_at_the_edges_of_the_picture(x: int, y: int) -> None:
    everything = np.pad(outlined("tile", 150), 300)
    found = outlined("tile", 150, x=float(x), y=float(y))
    if max(abs(x), abs(y)) > 300:
        assert not found.any()
    else:
        assert (found == everything[300 + y : 360 + y, 300 + x : 600 + x]).all()


@pytest.mark.parametrize("tile_id", ["größe", "切片", "a\nb"])
def test_any_letters(tile_id: str) -> None:
    assert outlined(tile_id, 150).sum() > lines(150, 40).sum()
