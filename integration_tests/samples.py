"""The stack that most tests use: two layers of 2 x 2 tiles that overlap by 20 pixels.

Every tile has two transforms: one that all share by reference (10 to the right, 5 down), and its own place.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import renderapi
from numpy.typing import NDArray
from PIL import Image
from renderapi.layout import Layout
from renderapi.tilespec import TileSpec
from renderapi.transform import AffineModel, ReferenceTransform

WIDTH, HEIGHT = 160, 120
STEP_X, STEP_Y = 140, 100
SHIFT_X, SHIFT_Y = 10, 5
LAYERS = (1.0, 2.0)
GRID = ((0, 0), (0, 1), (1, 0), (1, 1))
#: What the stack reaches from and to, in every layer.
BOUNDS = {
    "minX": float(SHIFT_X),
    "minY": float(SHIFT_Y),
    "maxX": float(SHIFT_X + STEP_X + WIDTH),
    "maxY": float(SHIFT_Y + STEP_Y + HEIGHT),
}


def tile_id(z: float, row: int, col: int) -> str:
    """Name of a tile; sorted by row and column, so the last one is drawn on top."""
    return f"tile_{z:.0f}_{row}_{col}"


def layer_ids(z: float) -> list[str]:
    """Names of the tiles of a layer, in the order in which they are drawn."""
    return [tile_id(z, row, col) for row, col in GRID]


def section_id(z: float) -> str:
    return f"section{z:.0f}"


def origin(row: int, col: int) -> tuple[int, int]:
    """World position (x, y) of the first pixel of a tile."""
    return SHIFT_X + STEP_X * col, SHIFT_Y + STEP_Y * row


def tile_pixels(z: float, row: int, col: int) -> NDArray[np.uint8]:
    """The image of a tile, shape (HEIGHT, WIDTH): no value is 0, so what is drawn can be seen."""
    seed = int(z) * 100 + row * 10 + col
    return np.random.default_rng(seed).integers(1, 255, (HEIGHT, WIDTH), dtype=np.uint8)


def shared_transform(identifier: str = "shift") -> AffineModel:
    return AffineModel(B0=SHIFT_X, B1=SHIFT_Y, transformId=identifier)


def place_of(row: int, col: int) -> list[Any]:
    """The transforms of a tile: the shared one, by reference, and its own."""
    return [ReferenceTransform(refId="shift"), AffineModel(B0=STEP_X * col, B1=STEP_Y * row)]


def write_image(path: Path, pixels: NDArray[np.uint8]) -> str:
    """Write an image where a service can read it too; gives its URL."""
    Image.fromarray(pixels).save(path)
    path.chmod(0o644)
    return f"file:{path}"


def sample_tiles(folder: Path) -> list[TileSpec]:
    """The tiles of all layers; writes their images."""
    return [
        TileSpec(
            tileId=tile_id(z, row, col),
            z=z,
            width=WIDTH,
            height=HEIGHT,
            imageUrl=write_image(folder / f"{tile_id(z, row, col)}.png", tile_pixels(z, row, col)),
            maxint=255,
            layout=Layout(sectionId=section_id(z), imageRow=row, imageCol=col, stageX=0.0, stageY=0.0),
            tforms=place_of(row, col),
        )
        for z in LAYERS
        for row, col in GRID
    ]


def match(p_group: str, p_id: str, q_group: str, q_id: str, count: int = 2) -> dict[str, Any]:
    """A pair of tiles with some matches."""
    points = [[float(number) for number in range(count)], [10.0 + number for number in range(count)]]
    shifted = [[x + 5 for x in points[0]], points[1]]
    return {
        "pGroupId": p_group,
        "pId": p_id,
        "qGroupId": q_group,
        "qId": q_id,
        "matches": {"p": points, "q": shifted, "w": [1.0] * count},
    }


def without_count(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Pairs as they were sent: services since 2.1 say how many matches they have."""
    return [{key: value for key, value in pair.items() if key != "matchCount"} for pair in pairs]


def write_json(path: Path, content: Any) -> str:
    """Write tile specs, transforms or any JSON; gives the path as text, as client scripts want it."""
    with path.open("w", encoding="utf-8") as file:
        renderapi.utils.renderdump(content, file)
    return str(path)
