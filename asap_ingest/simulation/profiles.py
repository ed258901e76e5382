"""The cell outlines of a synthetic section: which neurite lies where, at a quarter of the resolution.

Profiles are grown as a Voronoi diagram of shapes (points for thin axons, curved strokes for axons and
dendrites cut lengthwise, discs for those cut across and for cell bodies), bent by a random field. Every
profile gets one of a few *classes*; the blurred picture of each class is smooth, so that the membrane,
the line where the two strongest classes are equal, stays smooth and thin when it is enlarged.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

REDUCTION = 4  # pixels of the section per pixel of the coarse maps, in each axis
ORDINARY_CLASSES = 6
SPECIAL_CLASS = 6  # cell bodies, vessels and myelinated axons never merge with a neighbour

NEURITE, MYELINATED, SOMA, VESSEL = range(4)
_BLUR_SIGMA = 2.6  # coarse pixels: about 36 nm, the smallest radius a membrane can turn in


@dataclass(frozen=True)
class Shape:
    """One seed of the diagram: a stroke (polyline), or with one point a disc; coarse pixels, x then y."""

    points_xy: NDArray[np.float64]
    thickness: float
    kind: int = NEURITE


@dataclass(frozen=True)
class Profiles:
    """The coarse maps of a section; all arrays have the shape (height, width) of the coarse grid.

    Attributes
    ----------
    classes : tuple of uint8 arrays, how much each class covers a place, 0 to 255, blurred
    labels : int32, one number from 1 per connected profile
    depth : float32, distance to the nearest membrane in coarse pixels
    grey : uint8, cytoplasm grey of the profile
    kind_of : uint8, by label: NEURITE, MYELINATED, SOMA or VESSEL
    area_of : int64, by label, in coarse pixels
    bodies : the shapes of cell bodies and vessels, where they were planted
    """

    classes: tuple[NDArray[np.uint8], ...]
    labels: NDArray[np.int32]
    depth: NDArray[np.float32]
    grey: NDArray[np.uint8]
    kind_of: NDArray[np.uint8]
    area_of: NDArray[np.int64]
    bodies: tuple[Shape, ...]


def random_field(
    shape_yx: tuple[int, int], wavelength: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Smooth noise of mean 0 and standard deviation about 1, shape (height, width), float32.

    `wavelength` is the size of its lumps in pixels of the array.
    """
    import cv2

    step = max(1.0, wavelength / 3)
    coarse = tuple(int(np.ceil(size / step)) + 4 for size in shape_yx)
    noise = cv2.GaussianBlur(rng.standard_normal(coarse, dtype=np.float32), (0, 0), 1.2)
    # a blur by 1.2 pixels leaves 1 / 4.2 of the deviation of white noise
    noise = np.asarray(noise * np.float32(4.2), np.float32)
    large = cv2.resize(noise, None, fx=step, fy=step, interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[: shape_yx[0], : shape_yx[1]])


def grow_profiles(shape_yx: tuple[int, int], seed: int, section: int) -> Profiles:
    """Grow the profiles of one section.

    Parameters
    ----------
    shape_yx : size of the coarse grid, (height, width)
    seed, section : the same seed gives a tissue, `section` the depth in it: neighbouring sections show
        the same neurites a few pixels further on
    """
    shapes = _plant(shape_yx, seed, section)
    identity, kinds = _nearest_shape(shape_yx, shapes, seed)
    rng = np.random.default_rng([seed, 2])
    class_of = rng.integers(0, ORDINARY_CLASSES, len(kinds)).astype(np.uint8)
    class_of[kinds != NEURITE] = SPECIAL_CLASS
    grey_of = np.clip(rng.normal(172, 10, len(kinds)), 138, 204).astype(np.uint8)
    grey_of[kinds == SOMA] = 156
    bend = _bend(shape_yx, seed)
    classes = tuple(
        _soft_mask(_warp(class_of[identity] == number, bend)) for number in range(SPECIAL_CLASS + 1)
    )
    bodies = tuple(shape for shape in shapes if shape.kind in (SOMA, VESSEL))
    return _describe(classes, _warp(grey_of[identity], bend), _warp(kinds[identity], bend), bodies)


def _plant(shape_yx: tuple[int, int], seed: int, section: int) -> list[Shape]:
    """Place the seeds of the diagram, small before large: later ones are drawn over earlier ones."""
    rng = np.random.default_rng([seed, 1])
    area = shape_yx[0] * shape_yx[1]
    shapes = [Shape(np.zeros((1, 2)), 1)]  # so that even the smallest grid has one
    shapes += [Shape(np.array([point]), 1) for point in _scattered_points(shape_yx, rng)]
    shapes += [_stroke(shape_yx, rng, rng.uniform(40, 240), 2) for _ in range(area // 130**2)]
    shapes += [_disc(shape_yx, rng, rng.uniform(14, 40)) for _ in range(area // 190**2)]
    shapes += [
        _stroke(shape_yx, rng, rng.uniform(150, 900), rng.uniform(10, 48)) for _ in range(area // 420**2)
    ]
    groups = [[shape] for shape in shapes]
    for _ in range(area // 430**2):
        axon = _disc(shape_yx, rng, rng.uniform(18, 52), MYELINATED)
        groups.append([*_arcs_around(axon, rng), axon])
    drift = rng.normal(0, 2.0, (len(groups), 2)) * section
    moved = [
        shape for group, step in zip(groups, drift, strict=True) for shape in _move(group, step, shape_yx)
    ]
    return moved + _plant_bodies(shape_yx, rng)


def _move(group: list[Shape], step: NDArray[np.float64], shape_yx: tuple[int, int]) -> list[Shape]:
    """Move shapes together; what leaves on one side comes back on the other: no section runs empty."""
    anchor = group[-1].points_xy[0]
    wrapped = (anchor + step) % (shape_yx[1], shape_yx[0]) - anchor
    return [dataclasses.replace(shape, points_xy=shape.points_xy + wrapped) for shape in group]


def _plant_bodies(shape_yx: tuple[int, int], rng: np.random.Generator) -> list[Shape]:
    """Cell bodies and one vessel, where the section is large enough to hold them."""
    height, width = shape_yx
    if min(shape_yx) < 1500:
        return []
    bodies: list[Shape] = []
    for _ in range(200):
        kind = VESSEL if len(bodies) == 1 else SOMA
        diameter = rng.uniform(380, 460) if kind == VESSEL else rng.uniform(760, 980)
        center = rng.uniform(0.08, 0.92, 2) * (width, height)
        free = all(
            np.hypot(*(center - other.points_xy[0])) > 0.75 * (diameter + other.thickness) for other in bodies
        )
        if free and len(bodies) < 2 + height * width // 2200**2:
            bodies.append(Shape(center[np.newaxis], diameter, kind))
    return bodies


def _scattered_points(shape_yx: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    """Points (x, y) whose density varies from place to place, as thin axons run in bundles."""
    height, width = shape_yx
    count = height * width // 15**2
    points = rng.uniform(0, 1, (count, 2)) * (width, height)
    density = random_field(shape_yx, 70, rng)
    here = density[points[:, 1].astype(int), points[:, 0].astype(int)]
    kept: NDArray[np.float64] = points[rng.uniform(0, 1, count) < np.clip(0.35 + 0.3 * here, 0.08, 1)]
    return kept


def _stroke(shape_yx: tuple[int, int], rng: np.random.Generator, length: float, thickness: float) -> Shape:
    turns = np.cumsum(np.append(rng.uniform(0, 2 * np.pi), rng.normal(0, 0.28, 7)))
    steps = np.stack([np.cos(turns), np.sin(turns)], axis=1) * length / 8
    start = rng.uniform(0, 1, 2) * (shape_yx[1], shape_yx[0])
    return Shape(start + np.cumsum(steps, axis=0), thickness)


def _disc(shape_yx: tuple[int, int], rng: np.random.Generator, diameter: float, kind: int = NEURITE) -> Shape:
    center = rng.uniform(0, 1, 2) * (shape_yx[1], shape_yx[0])
    return Shape(center[np.newaxis], diameter, kind)


def _arcs_around(disc: Shape, rng: np.random.Generator) -> list[Shape]:
    """Thin neighbours that hug a disc: without them it would get corners towards its neighbours."""
    cuts = np.sort(rng.uniform(0, 2 * np.pi, 5))
    arcs = []
    for start, end in zip(cuts, np.append(cuts[1:], cuts[0] + 2 * np.pi), strict=True):
        turn = np.linspace(start + 0.1, end - 0.1, 8)
        around = np.stack([np.cos(turn), np.sin(turn)], axis=1) * (disc.thickness / 2 + 11)
        arcs.append(Shape(disc.points_xy[0] + around, 2))
    return arcs


def _nearest_shape(
    shape_yx: tuple[int, int], shapes: list[Shape], seed: int
) -> tuple[NDArray[np.int32], NDArray[np.uint8]]:
    """For every coarse pixel the number of the nearest shape (int32, from 1), and every shape's kind."""
    import cv2

    drawn = np.zeros(shape_yx, np.int32)
    for number, shape in enumerate(shapes, start=1):
        path = np.round(shape.points_xy * 16).astype(np.int32)[:, np.newaxis]
        thickness = max(1, round(shape.thickness))
        # a moat keeps a shape apart from those it is drawn over: touching seeds would be one profile
        for value, width in ((0, thickness + 6), (number, thickness)):
            if len(path) == 1:
                cv2.circle(drawn, path[0, 0].tolist(), width * 8, value, cv2.FILLED, cv2.LINE_8, 4)
            else:
                cv2.polylines(drawn, [path], False, value, width, cv2.LINE_8, 4)
    _, nearest = cv2.distanceTransformWithLabels(
        (drawn == 0).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP
    )
    seeded = drawn > 0
    number_of = np.zeros(int(nearest.max()) + 1, np.int32)
    number_of[nearest[seeded]] = drawn[seeded]
    return number_of[nearest], np.array([NEURITE] + [shape.kind for shape in shapes], np.uint8)


def _bend(shape_yx: tuple[int, int], seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where the warped picture takes its pixels from: two maps, x and y, of coarse pixels."""
    rng = np.random.default_rng([seed, 3])
    rows, columns = np.indices(shape_yx, dtype=np.float32, sparse=True)
    maps = []
    for axis in (columns, rows):
        shift = 9 * random_field(shape_yx, 70, rng)
        shift += 3.2 * random_field(shape_yx, 20, rng)
        shift += axis
        maps.append(shift)
    return maps[0], maps[1]


def _warp(
    image: NDArray[np.uint8] | NDArray[np.bool_], bend: tuple[NDArray[np.float32], NDArray[np.float32]]
) -> NDArray[np.uint8]:
    import cv2

    warped = cv2.remap(
        image.astype(np.uint8), bend[0], bend[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REFLECT
    )
    return np.asarray(warped, np.uint8)


def _soft_mask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    return np.asarray(cv2.GaussianBlur(mask * np.uint8(255), (0, 0), _BLUR_SIGMA), np.uint8)


def contrast_of_classes(classes: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """How far the strongest class leads the second: 0 on a membrane, 255 deep in a profile; uint8."""
    first, second = classes[0], np.zeros_like(classes[0])
    for other in classes[1:]:
        second = np.maximum(second, np.minimum(first, other))
        first = np.maximum(first, other)
    return first - second


def _connected_profiles(
    classes: tuple[NDArray[np.uint8], ...],
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    import cv2

    strongest = classes[0].copy()
    winner = np.zeros_like(strongest)
    for number, cover in enumerate(classes[1:], start=1):
        winner[cover > strongest] = number
        strongest = np.maximum(strongest, cover)
    labels = np.zeros(winner.shape, np.int32)
    known = 0
    for number in range(len(classes)):
        mask = winner == number
        count, part = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
        labels[mask] = part[mask] + known
        known += count - 1
    membrane = contrast_of_classes(list(classes)) < 60
    depth = cv2.distanceTransform((~membrane).astype(np.uint8), cv2.DIST_L2, 5)
    return labels, np.asarray(depth, np.float32)


def _describe(
    classes: tuple[NDArray[np.uint8], ...],
    grey: NDArray[np.uint8],
    kinds: NDArray[np.uint8],
    bodies: tuple[Shape, ...],
) -> Profiles:
    """Measure every connected profile; it gets the mean grey and the prevailing kind of its pixels."""
    labels, depth = _connected_profiles(classes)
    flat = labels.ravel()
    area_of = np.bincount(flat)
    mean_grey = np.bincount(flat, grey.ravel()) / np.maximum(area_of, 1)
    kind_of = np.zeros(len(area_of), np.uint8)
    for kind in (MYELINATED, SOMA, VESSEL):
        kind_of[np.bincount(flat, (kinds == kind).ravel()) > 0.5 * area_of] = kind
    even_grey = np.round(mean_grey).astype(np.uint8)[labels]
    return Profiles(classes, labels, depth, even_grey, kind_of, area_of, bodies)
