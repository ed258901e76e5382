"""What lies inside the cells of a synthetic section: mitochondria, myelin, nuclei, vesicles, microtubules.

Everything here draws into one uint8 canvas of full resolution; positions are section pixels, x then y.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asap_ingest.simulation.profiles import MYELINATED, REDUCTION, SOMA, VESSEL, Profiles, Shape, random_field


@dataclass(frozen=True)
class _Blob:
    """A roundish patch: its corner on the canvas, depth below the rim in pixels, and the angle around it."""

    corner_xy: tuple[int, int]
    depth: NDArray[np.float32]


def draw_organelles(
    canvas: NDArray[np.uint8], profiles: Profiles, free: NDArray[np.float32], seed: int
) -> None:
    """Fill the profiles: the canvas (4 times the coarse grid) is changed in place.

    `free` (float32, coarse grid, coarse pixels) is the distance to the nearest membrane, 0 where something
    lies already; what is drawn is noted in it. Candidate places come from the seed alone, so that an
    organelle stays where it is from section to section for as long as the profile around it allows.
    """
    _draw_bodies(canvas, profiles, free, seed)
    _draw_myelin(canvas, profiles, free)
    _draw_mitochondria(canvas, profiles, free, np.random.default_rng([seed, 11]))
    _draw_reticulum(canvas, profiles, free, np.random.default_rng([seed, 13]))
    _draw_dots(canvas, profiles, free, np.random.default_rng([seed, 14]))


def _blend(
    canvas: NDArray[np.uint8],
    corner_xy: tuple[int, int],
    grey: NDArray[np.float32],
    cover: NDArray[np.float32],
) -> None:
    """Lay `grey` over the canvas where `cover` is 1; parts beyond the canvas are left out."""
    left, top = corner_xy
    first_x, first_y = max(0, -left), max(0, -top)
    last_x = min(grey.shape[1], canvas.shape[1] - left)
    last_y = min(grey.shape[0], canvas.shape[0] - top)
    if first_x >= last_x or first_y >= last_y:
        return
    inside = np.s_[first_y:last_y, first_x:last_x]
    below = canvas[top + first_y : top + last_y, left + first_x : left + last_x]
    below[...] = np.clip(below + cover[inside] * (grey[inside] - below), 0, 255).astype(np.uint8)


def _blob(center_xy: NDArray[np.float64], radius: float, rng: np.random.Generator) -> _Blob:
    """A blob of about `radius` whose outline waves by a tenth."""
    reach = int(radius * 1.3) + 12
    corner = (int(center_xy[0]) - reach, int(center_xy[1]) - reach)
    rows, columns = np.indices((2 * reach, 2 * reach), dtype=np.float32, sparse=True)
    rows, columns = (
        rows - np.float32(center_xy[1] - corner[1]),
        columns - np.float32(center_xy[0] - corner[0]),
    )
    outline = np.full(720, radius)
    around = np.arange(720) * (2 * np.pi / 720)
    for wave in range(2, 8):
        outline += radius * rng.normal(0, 0.09 / wave) * np.cos(wave * around + rng.uniform(0, 2 * np.pi))
    turn = np.arctan2(rows, columns)
    step = ((turn + np.float32(np.pi)) * np.float32(720 / (2 * np.pi))).astype(np.int16) % 720
    depth = outline.astype(np.float32)[step] - np.hypot(rows, columns)
    return _Blob(corner, depth)


def _edge(depth: NDArray[np.float32], width: float = 1.5) -> NDArray[np.float32]:
    soft: NDArray[np.float32] = np.clip(depth / np.float32(width) + np.float32(0.5), 0, 1)
    return soft


def _line(depth: NDArray[np.float32], at: float, width: float) -> NDArray[np.float32]:
    band: NDArray[np.float32] = np.exp(-(((depth - np.float32(at)) / np.float32(width)) ** 2))
    return band


def _draw_bodies(canvas: NDArray[np.uint8], profiles: Profiles, free: NDArray[np.float32], seed: int) -> None:
    # bodies lie apart, so that the threads never touch the same pixels
    def draw(job: tuple[int, Shape]) -> _Blob:
        number, body = job
        center, radius = body.points_xy[0] * REDUCTION, body.thickness * REDUCTION / 2
        shape = _draw_vessel if body.kind == VESSEL else _draw_nucleus
        return shape(canvas, center, radius, np.random.default_rng([seed, 10, number]))

    with ThreadPoolExecutor(2) as pool:
        for blob in pool.map(draw, enumerate(profiles.bodies)):
            _occupy(free, blob)


def _occupy(free: NDArray[np.float32], blob: _Blob, margin: float = -8) -> None:
    """Note that the blob's place is taken."""
    taken = (blob.depth[::REDUCTION, ::REDUCTION] > margin).astype(np.float32)
    left, top = (value // REDUCTION for value in blob.corner_xy)
    first_x, first_y = max(0, -left), max(0, -top)
    part = free[max(0, top) : max(0, top + taken.shape[0]), max(0, left) : max(0, left + taken.shape[1])]
    part *= 1 - taken[first_y : first_y + part.shape[0], first_x : first_x + part.shape[1]]


def _draw_nucleus(
    canvas: NDArray[np.uint8], center: NDArray[np.float64], radius: float, rng: np.random.Generator
) -> _Blob:
    """Pale chromatin with dark clumps at the rim, a nucleolus, and an envelope of two membranes."""
    blob = _blob(center, 0.74 * radius, rng)
    depth = blob.depth
    clumps = random_field((depth.shape[0], depth.shape[1]), 110, rng)
    clumps += 0.45 * random_field((depth.shape[0], depth.shape[1]), 26, rng)
    rim = np.exp(-np.maximum(depth, 0) / np.float32(45))
    clumps += np.float32(2.2) * rim.astype(np.float32) - np.float32(1.35)
    grey = 160 - 32 * _edge(clumps, 1.3)
    aside = rng.uniform(-0.3, 0.3, 2) * radius
    spot = _blob(center + aside, rng.uniform(0.13, 0.18) * radius, rng)
    for at in (-6, 3):
        grey -= 85 * _line(depth, at, 2.2)
    grey += 14 * _line(depth, -1.5, 2.0)
    _blend(canvas, blob.corner_xy, grey, _edge(depth + 10, 3))
    speckle = random_field((spot.depth.shape[0], spot.depth.shape[1]), 14, rng)
    _blend(canvas, spot.corner_xy, 92 + 9 * speckle, 0.85 * _edge(spot.depth + 7 * speckle, 8))
    return blob


def _draw_vessel(
    canvas: NDArray[np.uint8], center: NDArray[np.float64], radius: float, rng: np.random.Generator
) -> _Blob:
    """An empty bright lumen, its thin endothelium, and the basal lamina around it."""
    blob = _blob(center, 0.86 * radius, rng)
    depth = blob.depth
    thick = 55 + 22 * random_field((depth.shape[0], depth.shape[1]), 500, rng)
    wall = depth - np.maximum(thick, 22)
    grey = 132 + 72 * _edge(wall, 3) - 70 * _line(wall, -1, 2.6) - 70 * _line(depth, 3, 2.6)
    grey -= 34 * _line(depth, -14, 8)
    _blend(canvas, blob.corner_xy, grey, _edge(depth + 26, 6))
    return blob


def _draw_myelin(canvas: NDArray[np.uint8], profiles: Profiles, free: NDArray[np.float32]) -> None:
    """Turn the rim of every myelinated axon into a stack of dark lamellae."""
    import cv2
    from scipy.ndimage import find_objects

    boxes = find_objects(profiles.labels)
    for label in np.flatnonzero((profiles.kind_of == MYELINATED) & (profiles.area_of > 300)):
        box = boxes[label - 1]
        place = profiles.labels[box] == label
        mask = cv2.GaussianBlur(np.pad(place.astype(np.uint8) * np.uint8(255), 4), (0, 0), 2.0)
        solid = cv2.resize(mask, None, fx=REDUCTION, fy=REDUCTION, interpolation=cv2.INTER_CUBIC) > 127
        depth = np.asarray(cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 5), np.float32)
        sheath = float(np.clip(0.34 * depth.max(), 16, 62))
        lamellae = 66 - 30 * np.cos(depth * np.float32(2 * np.pi / 7))
        cover = _edge(depth - 1, 2) * _edge(np.float32(sheath) - depth, 2)
        corner = ((box[1].start - 4) * REDUCTION, (box[0].start - 4) * REDUCTION)
        _blend(canvas, corner, lamellae.astype(np.float32), cover)
        core = depth[4 * REDUCTION : -4 * REDUCTION : REDUCTION, 4 * REDUCTION : -4 * REDUCTION : REDUCTION]
        free[box][place] = np.maximum(core[place] - sheath, 0) / REDUCTION


def _draw_mitochondria(
    canvas: NDArray[np.uint8], profiles: Profiles, free: NDArray[np.float32], rng: np.random.Generator
) -> None:
    """Ellipses with a double membrane and cristae, along the profile they lie in."""
    height, width = free.shape
    count = height * width // 36**2
    places = (rng.uniform(0, 1, (count, 2)) * (width, height)).astype(int)
    sizes = rng.uniform(26, 58, count)
    ratios = rng.uniform(1.2, 4.5, count)
    phases = rng.uniform(0, 2 * np.pi, (count, 2))
    room = free.copy()
    for (x, y), size, ratio, phase in zip(places, sizes, ratios, phases, strict=True):
        minor = min(size, 0.72 * REDUCTION * float(room[y, x]))
        # cell bodies have more room than mitochondria
        crowded = ratio > 2.1 and profiles.kind_of[profiles.labels[y, x]] == SOMA
        if minor < 22 or crowded:
            continue
        angle = _direction(profiles.labels, x, y)
        major = _fitting_length(room, (x, y), angle, minor, ratio)
        blob = _mitochondrion(canvas, (x * REDUCTION, y * REDUCTION), (major, minor), angle, phase)
        _occupy(free, blob)
        _occupy(room, blob, margin=-44)


def _direction(labels: NDArray[np.int32], x: int, y: int, reach: int = 28) -> float:
    """The angle along which the profile at a place extends, in radians."""
    top, left = max(0, y - reach), max(0, x - reach)
    window = labels[top : y + reach + 1, left : x + reach + 1]
    rows, columns = np.nonzero(window == labels[y, x])
    across = np.cov(np.stack([columns, rows])) if rows.size > 2 else np.eye(2)
    # where the profile fills the window its shape says nothing: any angle will do, the same each time
    if rows.size > 0.8 * window.size:
        return float(x * 0.7 + y * 1.3) % np.pi
    return float(0.5 * np.arctan2(2 * across[0, 1], across[0, 0] - across[1, 1]))


def _fitting_length(
    room: NDArray[np.float32], place_xy: tuple[int, int], angle: float, minor: float, ratio: float
) -> float:
    """Half the length of a mitochondrion, in pixels: shortened until its whole axis has room beside it."""
    last = np.array(room.shape[::-1]) - 1
    direction = np.array([np.cos(angle), np.sin(angle)])
    while ratio > 1.1:
        along = np.linspace(-1, 1, 9)[:, np.newaxis] * minor * (ratio - 1) / REDUCTION
        axis = (place_xy + along * direction).astype(int)
        inside = bool(((axis >= 0) & (axis <= last)).all())
        if inside and room[axis[:, 1], axis[:, 0]].min() * REDUCTION > 0.85 * minor:
            return minor * ratio
        ratio *= 0.82
    return minor


def _mitochondrion(
    canvas: NDArray[np.uint8],
    center_xy: tuple[int, int],
    axes: tuple[float, float],
    angle: float,
    phase: NDArray[np.float64],
) -> _Blob:
    major, minor = axes
    reach = -(-int(major + 48) // REDUCTION) * REDUCTION
    rows, columns = np.indices((2 * reach, 2 * reach), dtype=np.float32, sparse=True)
    rows, columns = rows - reach, columns - reach
    along = np.float32(np.cos(angle)) * columns + np.float32(np.sin(angle)) * rows
    across = np.float32(np.cos(angle)) * rows - np.float32(np.sin(angle)) * columns
    across = across + np.float32(0.14 * minor) * np.sin(
        along / np.float32(0.5 * major) + np.float32(phase[0])
    )
    across *= 1 + np.float32(0.12) * np.sin(along / np.float32(0.45 * major) + np.float32(phase[1]))
    # a capsule: a stroke of the given half width with round ends
    beyond = np.maximum(np.abs(along) - np.float32(major - minor), 0)
    depth = np.float32(minor) - np.hypot(beyond, across)
    tilt = along + np.float32(0.35) * across + 5 * np.sin(across / 11 + np.float32(phase[1]))
    cristae = _edge(np.sin(tilt * np.float32(2 * np.pi / 19)) - np.float32(0.1), 0.9) * _edge(depth - 9, 4)
    cristae *= _edge(np.sin(across / 13 + tilt / 23 + np.float32(phase[1])) + np.float32(0.75), 0.6)
    grey = (
        118
        - 44 * cristae
        - 58 * _line(depth, 1.5, 1.8)
        + 12 * _line(depth, 4.5, 1.2)
        - 52 * _line(depth, 7.5, 1.8)
    )
    corner = (center_xy[0] - reach, center_xy[1] - reach)
    _blend(canvas, corner, grey, _edge(depth + 1, 2))
    return _Blob(corner, depth)


def _draw_reticulum(
    canvas: NDArray[np.uint8], profiles: Profiles, free: NDArray[np.float32], rng: np.random.Generator
) -> None:
    """Flat sacs of endoplasmic reticulum: crooked double lines in the larger profiles and cell bodies."""
    import cv2

    height, width = free.shape
    count = height * width // 22**2
    places = (rng.uniform(0, 1, (count, 2)) * (width, height)).astype(int)
    turns = np.cumsum(rng.normal(0, 0.45, (count, 9)), axis=1) + rng.uniform(0, 2 * np.pi, (count, 1))
    lengths = rng.uniform(3, 13, count)
    for (x, y), turn, length in zip(places, turns, lengths, strict=True):
        if free[y, x] < 11 or profiles.kind_of[profiles.labels[y, x]] == VESSEL:
            continue
        steps = np.stack([np.cos(turn), np.sin(turn)], axis=1) * length * REDUCTION * 0.5
        path = np.array([x, y]) * REDUCTION + np.cumsum(steps, axis=0)
        cells = np.clip((path / REDUCTION).astype(int), 0, (width - 1, height - 1))
        path = path[np.logical_and.accumulate(free[cells[:, 1], cells[:, 0]] > 6)]
        if len(path) < 3:
            continue
        line = np.round(path * 16).astype(np.int32)[:, np.newaxis]
        cv2.polylines(canvas, [line], False, 112, 8, cv2.LINE_AA, 4)
        cv2.polylines(canvas, [line], False, 164, 4, cv2.LINE_AA, 4)


def _draw_dots(
    canvas: NDArray[np.uint8], profiles: Profiles, free: NDArray[np.float32], rng: np.random.Generator
) -> None:
    """Dots: microtubules cut across, in some profiles, and the ribosomes of cell bodies, in clusters."""
    import cv2

    height, width = free.shape
    count = height * width // 8**2
    places = (rng.uniform(0, 1, (count, 2)) * (width, height)).astype(int)
    tubular = rng.uniform(0, 1, len(profiles.kind_of)) < 0.45
    labels = profiles.labels[places[:, 1], places[:, 0]]
    room = free[places[:, 1], places[:, 0]]
    in_soma = profiles.kind_of[labels] == SOMA
    chosen = (room > 4) & (tubular[labels] | in_soma) & (profiles.kind_of[labels] != VESSEL)
    for place, soma in zip(places[chosen], in_soma[chosen], strict=True):
        centers = place * REDUCTION * 16 + rng.integers(-128, 128, (5 if soma else 1, 2))
        for center in centers.tolist():
            if soma:
                cv2.circle(canvas, center, 34, 105, cv2.FILLED, cv2.LINE_AA, 4)
            else:
                cv2.circle(canvas, center, 44, 118, 2, cv2.LINE_AA, 4)
