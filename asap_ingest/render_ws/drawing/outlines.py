"""Outlines of tiles, drawn instead of their pixels or on top of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.render_parameters import RenderParameters
from asap_ingest.render_ws.java_numbers import truncate_to_int

GREEN = (0, 255, 0, 255)


def draw_outlines(canvas: Canvas, parameters: RenderParameters) -> Canvas:
    """Draw the stored boxes of the tiles as lines of one pixel: green, on what the canvas shows."""
    picture = canvas.rgba()
    for tile in parameters.tile_specs or []:
        _rectangle(picture, tile, parameters)
    outlined = Canvas(canvas.height, canvas.width)
    outlined.values = np.ascontiguousarray(picture[..., :3])
    outlined.alpha = np.ascontiguousarray(picture[..., 3])
    return outlined


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


def _ends(
    least: float | str | None, greatest: float | str | None, origin: float, scale: float
) -> tuple[int, int]:
    """First and last pixel of a side: its start and its length on the canvas, each cut to an integer."""
    start = truncate_to_int((float(least or 0.0) - origin) * scale)
    return start, start + truncate_to_int((float(greatest or 0.0) - float(least or 0.0)) * scale)
