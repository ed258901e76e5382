"""Outlines of tiles, drawn instead of their pixels."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.wire.java_numbers import truncate_to_int

GREEN = (0, 255, 0, 255)
#: Where the text begins, in pixels below and right of the corner of the box.
TEXT_OFFSET_YX = (10, 19)
#: From one letter to the next, and their height with descenders, in pixels.
LETTER_SPACING = 7
LETTER_HEIGHT = 12
#: Narrower boxes have no text, however short it is: as in the recorded answers.
LEAST_WIDTH_WITH_TEXT = 100
MOST_LETTERS = 200


def draw_outlines(shape_yx: tuple[int, int], parameters: RenderParameters) -> Canvas:
    """Draw the stored bounds of the tiles as green lines, one pixel wide, on a transparent canvas.

    Boxes that are wide enough have the tile id in their upper left corner.
    """
    picture = np.zeros((*shape_yx, 4), np.uint8)
    for tile in parameters.tile_specs or []:
        _rectangle(picture, tile, parameters)
    colours, alpha = np.ascontiguousarray(picture[..., :3]), np.ascontiguousarray(picture[..., 3])
    return Canvas(*shape_yx, colours, alpha, outlines=True)


def _rectangle(picture: np.ndarray[Any, Any], tile: dict[str, Any], parameters: RenderParameters) -> None:
    height, width = picture.shape[:2]
    left, right = _ends(tile.get("minX"), tile.get("maxX"), parameters.x, parameters.scale)
    top, bottom = _ends(tile.get("minY"), tile.get("maxY"), parameters.y, parameters.scale)
    columns = slice(max(0, left), max(0, right + 1))
    rows = slice(max(0, top), max(0, bottom + 1))
    for row in (top, bottom):
        if 0 <= row < height:
            picture[row, columns] = GREEN
    for column in (left, right):
        if 0 <= column < width:
            picture[rows, column] = GREEN
    if right - left >= LEAST_WIDTH_WITH_TEXT and tile.get("tileId"):
        _text(picture, str(tile["tileId"]), (top, left), right - left)


def _text(picture: np.ndarray[Any, Any], text: str, corner_yx: tuple[int, int], width: int) -> None:
    """Write into the box, unless it is too narrow or the text too long."""
    top, left = corner_yx[0] + TEXT_OFFSET_YX[0], corner_yx[1] + TEXT_OFFSET_YX[1]
    if len(text) > MOST_LETTERS or TEXT_OFFSET_YX[1] + len(text) * LETTER_SPACING > width:
        return
    letters = _letters(text)
    height, length = letters.shape
    rows = slice(max(0, top), max(0, min(picture.shape[0], top + height)))
    columns = slice(max(0, left), max(0, min(picture.shape[1], left + length)))
    part = picture[rows, columns]
    part[letters[-min(0, top) :, -min(0, left) :][: part.shape[0], : part.shape[1]]] = GREEN


@lru_cache(maxsize=1024)
def _letters(text: str) -> np.ndarray[Any, Any]:
    """The pixels of a text: bool, shape (height, width). Letters that the font lacks become `?`."""
    font = ImageFont.load_default()
    drawn = Image.new("1", (len(text) * LETTER_SPACING, LETTER_HEIGHT))
    canvas = ImageDraw.Draw(drawn)
    for index, letter in enumerate(text.encode("latin-1", "replace").decode("latin-1")):
        canvas.text((index * LETTER_SPACING, 0), letter, fill=1, font=font)
    return np.array(drawn)


def _ends(
    least: float | str | None, greatest: float | str | None, origin: float, scale: float
) -> tuple[int, int]:
    """First and last pixel of a box along an axis; start and length on the canvas are cut to integers."""
    start = truncate_to_int((float(least or 0.0) - origin) * scale)
    return start, start + truncate_to_int((float(greatest or 0.0) - float(least or 0.0)) * scale)
