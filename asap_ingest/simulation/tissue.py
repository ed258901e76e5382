"""A synthetic block of brain tissue, and cuts through it as an electron microscope shows them.

Cells are balls strung along curves. A pixel belongs to the cell of the ball with the smallest power, which is
the square of the distance less the square of the radius [1]_; the membrane is the surface between balls of
two cells. The balls that compete for a pixel are found on a grid of a quarter of the resolution.

Depths and positions are in pixels of 3.5 nm, x then y then z. The block has no end in z: its curves are made
layer by layer, each from its own random numbers, so that any depth can be cut without those before it.

References
----------
.. [1] Aurenhammer (1987), Power diagrams: properties, algorithms and applications, SIAM Journal on
   Computing 16(1), 78-96.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asap_ingest.simulation.tissue_noise import grain, multiply_by, noise_fields
from asap_ingest.simulation.tissue_pixels import (
    GRID,
    MYELINATED,
    NEURITE,
    REACH,
    SOMA,
    VESSEL,
    draw_dots,
    nearest_balls,
    shade,
)

Floats = NDArray[np.float32]

#: Pixels between sections of 45 nm.
SECTION_DEPTH = 13
_BAND_ROWS = 1024
_MARGIN = 300  # pixels around the picture in which curves begin too
_BALLS_OF_CELL = 40
_STEP = 0.7  # from ball to ball of a curve, in radii
#: Kinds of neurites: radius in pixels, its spread, how much they turn, cells in 10**9 cubic pixels (43 µm³).
_NEURITES = ((15, 0.3, 0.22, 700), (30, 0.4, 0.14, 260), (62, 0.35, 0.07, 18))
#: Pictures with sides of at least this length have a vessel, and a cell body in each cube of this side.
_BODY_SPACING = 7000
_DOT_SPACING = 13


@dataclass(frozen=True)
class _Cells:
    """Balls, their cells, and mitochondria.

    Attributes
    ----------
    balls, mitochondria : float32, shape (n, 5)
        x, y, z, radius, and the number of the cell.
    cells : float32, shape (m, 4)
        Kind, grey, side of synapses (0 or 1) and radius.
    """

    balls: Floats
    mitochondria: Floats
    cells: Floats


def drawing_parts(shape_yx: tuple[int, int]) -> int:
    """How many parts `draw_section` counts."""
    return 2 + len(range(0, shape_yx[0], _BAND_ROWS))


def draw_section(
    shape_yx: tuple[int, int],
    seed: int,
    depth: float = 0,
    advance: Callable[[int], None] = lambda parts: None,
) -> NDArray[np.uint8]:
    """Draw a cut through the tissue.

    Parameters
    ----------
    shape_yx : (height, width) in pixels of 3.5 nm
    seed : the tissue; the same numbers give the same bytes, whatever the number of threads
    depth : of the cut, in pixels, 0 or more; cuts less than about 30 pixels apart resemble each other
    advance : given the number of parts, of `drawing_parts`, that were done since the last call

    Returns
    -------
    ndarray of uint8, shape (height, width)
        Grey without camera noise: membranes near 60, cytoplasm near 170. Needs about four bytes of
        memory per pixel beside the result.
    """
    cells = _grow(shape_yx, seed, depth)
    fields = noise_fields(shape_yx, seed, depth)
    advance(2)
    dots = _dot_places(shape_yx, seed, depth)
    grains = [grain(size, np.random.default_rng([seed, 5, size, int(depth)])) for size in (509, 677)]
    picture = np.empty(shape_yx, np.uint8)

    def draw_band(top: int) -> None:
        band = picture[top : top + _BAND_ROWS]
        grown = (
            _grid_of(cells.balls, top, band.shape, depth, REACH),
            _grid_of(cells.mitochondria, top, band.shape, depth, 2 * GRID),
        )
        shade(band, top, fields, cells.cells, *grown)
        near = dots[(dots[:, 1] > top - 8) & (dots[:, 1] < top + len(band) + 8)]
        draw_dots(band, top, fields, cells.cells, *grown, near)
        multiply_by(grains, band, top)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(draw_band, range(0, shape_yx[0], _BAND_ROWS)):
            advance(1)
    return picture


def _grow(shape_yx: tuple[int, int], seed: int, depth: float) -> _Cells:
    """All cells that a cut may meet."""
    parts = [
        _neurites(shape_yx, [seed, number, layer], kind, layer)
        for number, kind in enumerate(_NEURITES)
        for layer in _layers(depth, _thickness(kind[0]))
    ]
    if min(shape_yx) >= _BODY_SPACING:
        parts += [_bodies(shape_yx, [seed, 9, layer], layer) for layer in _layers(depth, _BODY_SPACING)]
        parts.append(_vessel(depth))
    first = np.cumsum([0, *(len(part.cells) for part in parts)])
    for part, number in zip(parts, first, strict=False):
        part.balls[:, 4] += number
        part.mitochondria[:, 4] += number
    balls, mitochondria = (
        np.concatenate([_within_reach(getattr(part, name), depth) for part in parts])
        for name in ("balls", "mitochondria")
    )
    return _Cells(balls, mitochondria, np.concatenate([part.cells for part in parts]))


def _thickness(radius: float) -> float:
    """Of a layer of curves, in pixels: half the length of a curve."""
    return _BALLS_OF_CELL * (_STEP * radius) / 2


def _layers(depth: float, thickness: float) -> range:
    """Numbers, from 0, of the layer at a depth and its neighbours."""
    layer = int(depth // thickness)
    return range(layer, layer + 3)


def _within_reach(balls: Floats, depth: float) -> Floats:
    return balls[np.abs(balls[:, 2] - depth) < balls[:, 3] + REACH]


def _neurites(
    shape_yx: tuple[int, int], seed: list[int], kind: tuple[float, float, float, float], layer: int
) -> _Cells:
    """Curves whose middles lie in a layer; the thicker ones with mitochondria, a few with myelin."""
    radius, spread, turn, density = kind
    step, thickness = _STEP * radius, _thickness(radius)
    rng = np.random.default_rng(seed)
    height, width = (side + 2 * _MARGIN for side in shape_yx)
    count = round(density * height * width * thickness / 1e9) + 1
    along = np.arange(_BALLS_OF_CELL, dtype=np.float32)
    heading = rng.standard_normal((count, _BALLS_OF_CELL, 3), np.float32) * np.float32(turn)
    heading[:, 0] = rng.standard_normal((count, 3), np.float32)
    heading = np.cumsum(heading, axis=1)
    heading *= np.float32(step) / np.linalg.norm(heading, axis=2, keepdims=True)
    places = np.cumsum(heading, axis=1)
    middle = rng.uniform(
        (-_MARGIN, -_MARGIN, (layer - 1) * thickness),
        (width - _MARGIN, height - _MARGIN, layer * thickness),
        (count, 3),
    )
    places += (middle - places[:, _BALLS_OF_CELL // 2])[:, np.newaxis].astype(np.float32)
    size = np.float32(radius) * np.exp(rng.normal(0, spread, (count, 1))).astype(np.float32)
    wave = rng.uniform((0, 0.25), (2 * np.pi, 0.6), (count, 2)).astype(np.float32)
    swelling = np.exp(np.float32(0.3) * np.sin(wave[:, :1] + wave[:, 1:] * along))
    owner = np.broadcast_to(np.arange(count, dtype=np.float32)[:, np.newaxis], swelling.shape)
    balls = np.dstack([places, size * swelling, owner])
    is_large = size[:, 0] > 50
    myelinated = is_large & (rng.uniform(size=count) < 0.09)
    cells = np.column_stack(
        [
            np.where(myelinated, MYELINATED, NEURITE),
            rng.normal(172, 9, count).clip(140, 200),
            rng.integers(0, 2, count),
            size[:, 0],
        ]
    ).astype(np.float32)
    # mitochondria: stretches of about a quarter of the thicker ones
    start = rng.uniform(0, 18, (count, 1))
    inside = (
        ((along - start) % 20 < rng.uniform(3, 9, (count, 1)))
        & (size > 20)
        & (rng.uniform(size=(count, 1)) < 0.75)
    )
    bodies = balls.copy()
    thick = np.clip(0.55 * size, 17, 46)
    bodies[..., :3] += (rng.standard_normal((count, 1, 3)) * 0.22 * size[..., np.newaxis]).astype(np.float32)
    bodies[..., 3] = thick
    return _Cells(balls.reshape(-1, 5), bodies[inside], cells)


def _bodies(shape_yx: tuple[int, int], seed: list[int], layer: int) -> _Cells:
    """Cell bodies, one in a cube of `_BODY_SPACING`, with mitochondria around their nuclei."""
    rng = np.random.default_rng(seed)
    cubes = np.indices([-(-side // _BODY_SPACING) for side in shape_yx[::-1]]).reshape(2, -1).T
    count = len(cubes)
    middle = np.column_stack([cubes, np.full(count, layer - 1)]) + rng.uniform(
        (0.3, 0.3, -0.2), (0.7, 0.7, 0.2), (count, 3)
    )
    middle *= _BODY_SPACING
    radius, number = rng.uniform(1350, 1700, count), np.arange(count)
    cells = np.column_stack([np.full(count, SOMA), np.full(count, 158), np.zeros(count), radius])
    # 300 mitochondria in each, of 8 balls in a row
    direction = rng.standard_normal((count, 300, 1, 3))
    direction /= np.linalg.norm(direction, axis=3, keepdims=True)
    from_middle = radius[:, np.newaxis, np.newaxis, np.newaxis] * rng.uniform(0.8, 0.96, (count, 300, 1, 1))
    along = 8 * rng.standard_normal((count, 300, 1, 3)) * np.arange(8)[:, np.newaxis]
    places = middle[:, np.newaxis, np.newaxis] + from_middle * direction + along
    thick = np.full(count * 2400, 27)
    mitochondria = np.column_stack([places.reshape(-1, 3), thick, np.repeat(number, 2400)])
    balls = np.column_stack([middle, radius, number])
    return _Cells(*(part.astype(np.float32) for part in (balls, mitochondria, cells)))


def _vessel(depth: float) -> _Cells:
    """A vessel that runs through all sections, between cell bodies."""
    ball = (0.95 * _BODY_SPACING, 1.05 * _BODY_SPACING, depth, 820, 0)
    cell = (VESSEL, 132, 0, 820)
    return _Cells(np.array([ball], np.float32), np.empty((0, 5), np.float32), np.array([cell], np.float32))


def _grid_of(
    balls: Floats, top: int, shape_yx: tuple[int, ...], depth: float, beyond: int
) -> tuple[Floats, NDArray[np.int32]]:
    """The balls that come near a band, and what `nearest_balls` gives for them."""
    near = np.abs(balls[:, 1] - (top + shape_yx[0] / 2)) < shape_yx[0] / 2 + balls[:, 3] + 2 * REACH
    chosen = balls[near]
    chosen[:, 2] -= np.float32(depth)
    grid = (shape_yx[0] + 2 * REACH) // GRID + 2, (shape_yx[1] + 2 * REACH) // GRID + 2
    return chosen, nearest_balls(chosen, top - REACH, grid, beyond)


def _dot_places(shape_yx: tuple[int, int], seed: int, depth: float) -> Floats:
    """(x, y, distance from the cut, a random number from 0 to 1) of places for vesicles and other dots."""
    layer = round(depth / _DOT_SPACING)
    rows, columns = (side // _DOT_SPACING + 1 for side in shape_yx)
    places = np.random.default_rng([seed, 3, layer]).uniform(-0.3, 0.3, (rows, columns, 4)).astype(np.float32)
    places[..., 0] += np.arange(columns)
    places[..., 1] += np.arange(rows)[:, np.newaxis]
    places[..., 2] += layer - depth / _DOT_SPACING
    places[..., :3] *= _DOT_SPACING
    places[..., 3] = places[..., 3] / 0.6 + 0.5
    x, y = places[..., 0], places[..., 1]
    return places[(x >= 0) & (y >= 0) & (x < shape_yx[1]) & (y < shape_yx[0])]
