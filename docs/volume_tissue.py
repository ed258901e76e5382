"""A block of tissue as an electron microscope with an ion beam shows it: the volume of the README's picture.

Neurites are curves with a thickness. A voxel belongs to the curve that is nearest, the square of its
thickness taken off the square of the distance; the membrane is the surface between two of them. All this is
found on a grid of half the resolution, enlarged, and then shaded plane by plane.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, zoom
from scipy.spatial import cKDTree

Floats = NDArray[np.float32]

#: Voxels (z, y, x) of 8 nm.
SHAPE = (192, 320, 448)
REDUCTION = 2
SEED = 11
#: Curves among which the owner of a voxel, and its neighbour, are looked for.
_NEAREST = 16
_NEURITES = 800
_STEP = 2.6
_FAR = 1000.0
#: The cell body: its middle (z, y, x) and radius on the coarse grid.
_SOMA = (np.array([50.0, 112.0, 34.0]), 50.0)


@dataclass(frozen=True)
class Curve:
    """Points (n, 3) as z, y, x on the coarse grid, and the thickness (radius) at each."""

    points: NDArray[np.float64]
    radius: NDArray[np.float64]


@dataclass(frozen=True)
class Tissue:
    """What is where, at full resolution, in voxels.

    Attributes
    ----------
    membrane : distance to the nearest membrane
    mitochondria, nucleus : how deep inside of one; negative outside
    side : 1 in cells that thicken at a synapse, 0 in others
    shade : grey of the cytoplasm
    vesicles : what vesicles add to the grey
    """

    membrane: Floats
    mitochondria: Floats
    nucleus: Floats
    side: Floats
    shade: Floats
    vesicles: Floats


def planes() -> Iterator[NDArray[np.uint8]]:
    """The planes of the block, uint8, from z 0."""
    rng = np.random.default_rng(SEED)
    tissue = grow(rng)
    fields = [_random_field(SHAPE, size, rng) for size in (26, 9, 22, 17, 60)]
    for z in range(SHAPE[0]):
        yield _shade(tissue, [field[z] for field in fields], z, rng)


def grow(rng: np.random.Generator) -> Tissue:
    """Grow neurites, a cell body and what lies in them."""
    coarse = tuple(side // REDUCTION for side in SHAPE)
    curves = [_neurite(coarse, rng) for _ in range(_NEURITES)]
    center, radius = _SOMA
    curves.append(Curve(center[np.newaxis], np.array([radius])))
    places = _bent_places(coarse, rng)
    membrane, owner = _divide(curves, places)
    mitochondria = _depth_in(_mitochondria(curves[:-1], rng), places)
    nucleus = 0.74 * radius - np.linalg.norm(places - center, axis=-1)
    shade = rng.normal(168, 9, len(curves))
    shade[-1] = 160
    side = rng.integers(0, 2, len(curves))
    distance = _enlarge(membrane) * REDUCTION
    return Tissue(
        distance,
        np.minimum(_enlarge(mitochondria) * REDUCTION, distance - 3),
        _enlarge(nucleus) * REDUCTION,
        _enlarge(side[owner]),
        _enlarge(gaussian_filter(shade[owner], 0.7)),
        _vesicles(curves[:-1], distance, rng),
    )


def _neurite(shape: tuple[int, ...], rng: np.random.Generator) -> Curve:
    """A curve through the block that turns slowly and swells here and there."""
    count = 260
    heading = rng.normal(0, 1, 3) + np.cumsum(gaussian_filter(rng.normal(0, 1, (count, 3)), (9, 0)), 0) * 0.28
    heading /= np.linalg.norm(heading, axis=1, keepdims=True)
    points = np.cumsum(heading * _STEP, 0)
    points += rng.uniform(-10, np.array(shape) + 10) - points[count // 2]
    thick = np.clip(rng.lognormal(1.55, 0.52), 2.2, 17)
    swelling = gaussian_filter(rng.normal(0, 1, count), 7) * np.sqrt(2 * np.sqrt(np.pi) * 7)
    inside = ((points > -16) & (points < np.array(shape) + 16)).all(axis=1)
    return Curve(points[inside], (thick * np.exp(0.24 * swelling))[inside])


def _bent_places(shape: tuple[int, ...], rng: np.random.Generator) -> Floats:
    """Position of every coarse voxel (z, y, x, 3), shifted so that no surface is flat."""
    places = np.stack(np.indices(shape, np.float32), axis=-1)
    for axis in range(3):
        places[..., axis] += 2.6 * _random_field(shape, 26, rng) + 0.9 * _random_field(shape, 9, rng)
    return places


def _divide(curves: list[Curve], places: Floats) -> tuple[Floats, NDArray[np.int32]]:
    """Distance to the nearest membrane, and the number of the curve that each voxel belongs to."""
    points = np.concatenate([curve.points for curve in curves])
    radius = np.concatenate([curve.radius for curve in curves])
    numbers = np.repeat(np.arange(len(curves)), [len(curve.points) for curve in curves])
    # a fourth axis takes the square of the thickness off the square of the distance
    lift = np.sqrt(radius.max() ** 2 - radius**2)
    tree = cKDTree(np.column_stack([points, lift]))
    membrane = np.empty(places.shape[:3], np.float32)
    owner = np.empty(places.shape[:3], np.int32)
    for z, plane in enumerate(places):
        query = np.concatenate([plane, np.zeros((*plane.shape[:2], 1), np.float32)], axis=-1)
        distance, found = tree.query(query, k=_NEAREST, workers=-1)
        first, others = found[..., :1], numbers[found] != numbers[found[..., :1]]
        apart = np.linalg.norm(points[found] - points[first], axis=-1)
        to_surface = (distance**2 - distance[..., :1] ** 2) / (2 * np.maximum(apart, 1e-6))
        membrane[z] = np.where(others, to_surface, _FAR).min(axis=-1).clip(0, 30)
        owner[z] = numbers[first[..., 0]]
    return membrane, owner


def _mitochondria(curves: list[Curve], rng: np.random.Generator) -> Curve:
    """Stretches of the thicker neurites, as points with a thickness."""
    points, radius = [], []
    for curve in curves:
        start = int(rng.integers(0, 25))
        while start + 8 < len(curve.points) and curve.radius.mean() > 4.2:
            end = start + int(rng.integers(9, 34))
            middle = curve.radius[start:end].mean()
            aside = rng.normal(0, 0.18 * middle, 3)
            points.append(curve.points[start:end] + aside)
            radius.append(np.full(len(points[-1]), np.clip(0.5 * middle, 3.2, 7.5)))
            start = end + int(rng.integers(16, 70))
    return Curve(np.concatenate(points), np.concatenate(radius))


def _depth_in(bodies: Curve, places: Floats) -> Floats:
    """How deep each voxel lies in the nearest of the bodies; negative outside."""
    tree = cKDTree(bodies.points)
    depth = np.full(places.shape[:3], -_FAR, np.float32)
    for z, plane in enumerate(places):
        distance, found = tree.query(plane, distance_upper_bound=14, workers=-1)
        near = np.isfinite(distance)
        depth[z][near] = bodies.radius[found[near]] - distance[near]
    return depth.clip(-30)


def _vesicles(curves: list[Curve], membrane: Floats, rng: np.random.Generator) -> Floats:
    """Clouds of pale balls with a dark rim, 45 nm across, in some of the thinner neurites' swellings."""
    added = np.zeros(SHAPE, np.float32)
    grid = np.stack(np.mgrid[-5:6, -5:6, -5:6], axis=-1)
    for curve in curves:
        thin = 3.6 < curve.radius.mean() < 8 if len(curve.points) else False
        if not thin or rng.uniform() < 0.45:
            continue
        at = int(np.argmax(curve.radius))
        middle, spread = curve.points[at] * REDUCTION, curve.radius[at] * REDUCTION
        for place in middle + rng.normal(0, 0.55 * spread, (int(10 * spread), 3)):
            corner = np.floor(place).astype(int)
            if (corner < 5).any() or (corner + 6 > SHAPE).any() or membrane[tuple(corner)] < 4.2:
                continue
            block = added[tuple(slice(begin - 5, begin + 6) for begin in corner)]
            distance = np.linalg.norm(grid - (place - corner), axis=-1)
            ball = 14 * (distance < 1.6) - 70 * np.exp(-(((distance - 2.2) / 0.8) ** 2))
            np.copyto(block, ball, where=(distance < 3.2) & (block == 0))
    return added


def _enlarge(coarse: NDArray[np.generic]) -> Floats:
    large = zoom(coarse.astype(np.float32), REDUCTION, order=1, mode="nearest", grid_mode=True)
    return np.asarray(large, np.float32)


def _random_field(shape: tuple[int, ...], size: float, rng: np.random.Generator) -> Floats:
    """Smooth noise with lumps of `size` voxels, mean 0, standard deviation about 1."""
    step = max(1.0, size / 4)
    small = tuple(int(np.ceil(side / step)) + 2 for side in shape)
    lumps = gaussian_filter(rng.standard_normal(small, np.float32), 1.3)
    large = zoom(
        lumps / lumps.std(), [side / length for side, length in zip(shape, small, strict=True)], order=1
    )
    return np.asarray(large, np.float32)


def _shade(tissue: Tissue, fields: list[Floats], z: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """The grey values of one plane: cytoplasm, organelles, membranes, and the noise of the detector."""
    synapse, folds, chromatin, sheets, reticulum = fields
    membrane, inner, nucleus = tissue.membrane[z], tissue.mitochondria[z], tissue.nucleus[z]
    grey = tissue.shade[z] + tissue.vesicles[z]
    # reticulum: here and there the surfaces on which a field is zero
    in_cell = _cover((membrane - 5) / 2) * _cover(3 * reticulum - 1.5)
    grey -= 46 * in_cell * np.exp(-((sheets / 0.13) ** 2))
    grey += 3.5 * folds
    cristae = 128 + 5 * chromatin - 20 * np.tanh(1.5 * np.sin(5 * folds))
    cristae -= 58 * np.exp(-(((inner - 1.2) / 1.3) ** 2))
    grey += _cover(inner) * (cristae - grey)
    clumps = 158 - 34 * _cover(4 * (chromatin - 0.9 + 1.6 * np.exp(-np.maximum(nucleus, 0) / 9)))
    grey += _cover(nucleus) * (clumps - grey)
    for at in (-2.5, 1.0):
        grey -= 62 * np.exp(-(((nucleus - at) / 1.1) ** 2))
    grey -= 104 * np.exp(-((membrane / 1.5) ** 2))
    density = 1 / (1 + np.exp(-8 * (synapse - 1.75)))
    grey -= 80 * density * tissue.side[z] * np.exp(-((membrane / 4.2) ** 4))
    grain = gaussian_filter(rng.standard_normal(grey.shape, np.float32), 0.7)
    noisy = gaussian_filter(grey, 0.55) + 15 * grain + 3 * rng.standard_normal(grey.shape, np.float32)
    return np.asarray(noisy.clip(0, 255).round(), np.uint8)


def _cover(depth: Floats) -> Floats:
    soft: Floats = np.clip(depth + 0.5, 0, 1)
    return soft
