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

import numpy as np
from numpy.typing import NDArray

from asap_ingest.simulation.tissue_pixels import (
    COLUMNS,
    GRAIN_SIDE,
    GRID,
    MYELINATED,
    NEURITE,
    RADIUS,
    REACH,
    SOMA,
    VESSEL,
    Y,
    Z,
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
#: Noise fields, each a sum of (size of lumps in pixels, amplitude).
FIELDS = {
    "bend_x": ((260, 15), (70, 4.5)),
    "bend_y": ((260, 15), (70, 4.5)),
    "lumps": ((150, 1),),
    "sheets": ((90, 1),),
    "stain": ((2200, 0.025), (600, 0.02)),
}


def drawing_parts(shape_yx: tuple[int, int]) -> int:
    """How many parts `draw_section` counts."""
    return len(range(0, shape_yx[0], _BAND_ROWS))


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
    balls = _balls(shape_yx, seed, depth)
    fields = _fields(shape_yx, seed, depth)
    grain = _grain(np.random.default_rng([seed, 5, int(depth)]))
    picture = np.empty(shape_yx, np.uint8)

    def draw_band(top: int) -> None:
        band = picture[top : top + _BAND_ROWS]
        middle = top + len(band) / 2
        near = balls[np.abs(balls[:, Y] - middle) < len(band) / 2 + balls[:, RADIUS] + 2 * REACH]
        rows, columns = ((side + 2 * REACH) // GRID + 2 for side in band.shape)
        nearest = nearest_balls(near, top - REACH, (rows, columns))
        shade(band, top, float(depth), near, nearest, fields, grain)

    with ThreadPoolExecutor() as pool:
        for _ in pool.map(draw_band, range(0, shape_yx[0], _BAND_ROWS)):
            advance(1)
    return picture


def _balls(shape_yx: tuple[int, int], seed: int, depth: float) -> Floats:
    """All balls that a cut meets, see `tissue_pixels.COLUMNS`."""
    parts = [
        _neurites(shape_yx, [seed, number, layer], layer, kind)
        for number, kind in enumerate(_NEURITES)
        for layer in _layers(depth, _thickness(kind[0]))
    ]
    if min(shape_yx) >= _BODY_SPACING:
        layers = _layers(depth, _BODY_SPACING)
        parts += [_cell_bodies(shape_yx, np.random.default_rng([seed, 9, layer]), layer) for layer in layers]
        # a vessel runs through all sections, between cell bodies
        vessel = (0.95 * _BODY_SPACING, 1.05 * _BODY_SPACING, depth, 820, 0, VESSEL, 820, 0)
        parts.append(np.array([vessel], np.float32))
    for balls in parts:
        balls[:, Z] -= np.float32(depth)
    return np.concatenate([balls[np.abs(balls[:, Z]) < balls[:, RADIUS] + REACH] for balls in parts])


def _thickness(radius: float) -> float:
    """Pixels of depth for one layer of curves of this radius: half the length of a curve."""
    return _BALLS_OF_CELL * (_STEP * radius) / 2


def _layers(depth: float, thickness: float) -> range:
    """Numbers of the layer at a depth and its two neighbours; layer n ends at n times the thickness."""
    layer = int(depth // thickness)
    return range(layer, layer + 3)


def _neurites(
    shape_yx: tuple[int, int], seed: list[int], layer: int, kind: tuple[float, float, float, float]
) -> Floats:
    """Curves whose middles lie in a layer; the thicker ones with mitochondria, a few with myelin."""
    rng = np.random.default_rng(seed)
    radius, spread, turn, density = kind
    box = np.array([shape_yx[1] + 2 * _MARGIN, shape_yx[0] + 2 * _MARGIN, _thickness(radius)])
    count = round(density * box.prod() / 1e9) + 1
    along = np.arange(_BALLS_OF_CELL)
    heading = rng.standard_normal((count, _BALLS_OF_CELL, 3), np.float32)
    heading[:, 1:] *= turn
    heading = np.cumsum(heading, axis=1)
    heading *= _STEP * radius / np.linalg.norm(heading, axis=2, keepdims=True)
    places = np.cumsum(heading, axis=1)
    middles = rng.uniform(size=(count, 3)) * box + (-_MARGIN, -_MARGIN, (layer - 1) * box[2])
    size = radius * np.exp(rng.normal(0, spread, (count, 1)))
    phase, wave, other, cell = rng.uniform(size=(4, count, 1))
    radii = size * np.exp(0.3 * np.sin(2 * np.pi * phase + (0.25 + 0.35 * wave) * along))
    # mitochondria lie in the swellings of three quarters of the thicker neurites
    largest = np.where((size > 20) & (other < 0.75), np.clip(0.55 * size, 17, 46), 0)
    mitochondria = np.sqrt(np.maximum(radii**2 - (size * np.exp(0.3)) ** 2 + largest**2, 0))
    mitochondria[mitochondria < 12] = 0
    is_myelinated = (size > 50) & (wave < 0.09)
    balls = np.empty((count, _BALLS_OF_CELL, len(COLUMNS)), np.float32)
    balls[..., :3] = places + (middles - places[:, _BALLS_OF_CELL // 2])[:, np.newaxis]
    columns = (radii, cell, np.where(is_myelinated, MYELINATED, NEURITE), size, mitochondria)
    for number, column in enumerate(columns, start=RADIUS):
        balls[..., number] = column
    return balls.reshape(-1, len(COLUMNS))


def _cell_bodies(shape_yx: tuple[int, int], rng: np.random.Generator, layer: int) -> Floats:
    """Cell bodies, one in a cube of `_BODY_SPACING`."""
    cubes = np.indices([-(-side // _BODY_SPACING) for side in shape_yx[::-1]]).reshape(2, -1).T
    count = len(cubes)
    middles = np.column_stack([cubes, np.full(count, layer - 1)])
    middles = (middles + rng.uniform((0.3, 0.3, -0.2), (0.7, 0.7, 0.2), (count, 3))) * _BODY_SPACING
    radius, cell = rng.uniform(1350, 1700, count), rng.uniform(size=count)
    columns = (middles, radius, cell, np.full(count, SOMA), radius, np.zeros(count))
    return np.column_stack(columns).astype(np.float32)


def _fields(shape_yx: tuple[int, int], seed: int, depth: float) -> Floats:
    """The noise fields on the grid, shape (5, rows, columns), with two places beyond the picture."""
    rows, columns = (-(-side // GRID) + 2 for side in shape_yx)
    fields = np.zeros((len(FIELDS), rows, columns), np.float32)
    for number, parts in enumerate(FIELDS.values()):
        for lumps, amplitude in parts:
            noise = _noise((rows, columns), lumps, [seed, 2, number, lumps], depth)
            fields[number] += np.float32(amplitude) * noise
    return fields


def _noise(shape_yx: tuple[int, int], lumps: float, seed: list[int], depth: float) -> Floats:
    """A cut through smooth noise, mean 0, standard deviation about 1, with lumps of this size in pixels."""
    import cv2

    step = lumps / 2.5
    layer, part = divmod(depth / step, 1)
    weights = np.exp(-(((np.arange(-1, 3) - part) / 0.9) ** 2))
    weights /= np.linalg.norm(weights)
    scale = step / GRID
    small = [int(side / scale) + 4 for side in shape_yx]
    planes = [
        weight * np.random.default_rng([*seed, int(layer) + number]).standard_normal(small, np.float32)
        for number, weight in enumerate(weights)
    ]
    # a blur by 0.9 pixels leaves 0.32 of the deviation of white noise
    smooth = cv2.GaussianBlur(np.sum(planes, axis=0), (0, 0), 0.9) / np.float32(0.32)
    large = cv2.resize(smooth, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.asarray(large[: shape_yx[0], : shape_yx[1]], np.float32)


def _grain(rng: np.random.Generator) -> Floats:
    """A square of granular noise that continues across its edges, mean 1."""
    import cv2

    total = np.ones((GRAIN_SIDE, GRAIN_SIDE), np.float32)
    for sigma, weight in ((1.3, 0.05), (3.2, 0.04), (8.0, 0.018)):
        white = np.pad(rng.standard_normal(total.shape, np.float32), 32, mode="wrap")
        smooth = cv2.GaussianBlur(white, (0, 0), sigma)[32:-32, 32:-32]
        total += np.float32(weight) * smooth / smooth.std()
    return total
