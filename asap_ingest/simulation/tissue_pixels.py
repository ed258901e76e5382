"""The pixel loops of the tissue: which balls compete where, and the grey of a pixel."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from asap_ingest.images.compiled import compiled

#: Pixels of the picture for one of the grid, in each axis.
GRID = 4
#: Side of the pattern that gives the picture its grain.
GRAIN_SIDE = 512
#: How far around its radius, in pixels, a ball may own pixels; as much noise may move a pixel.
REACH = 48
#: Columns of an array of balls, in pixels: middle, with z from the cut; radius; a random number from 0 to 1,
#: which balls of one cell share; kind and radius of the cell; radius of the mitochondrion inside, 0 for none.
COLUMNS = X, Y, Z, RADIUS, CELL, KIND, SIZE, MITOCHONDRION = range(8)
NEURITE, MYELINATED, SOMA, VESSEL = range(4)


@compiled()
def nearest_balls(balls: Any, top: Any, shape_yx: Any) -> Any:
    """For each place of a grid, the two balls of different cells with the smallest power; -1 for none.

    Parameters
    ----------
    balls : ndarray of float32, shape (n, 8), see `COLUMNS`
    top : int
        The row of the picture at which the grid begins; it begins at column -`REACH`.
    shape_yx : (rows, columns) of the grid

    Returns
    -------
    ndarray of int32, shape (rows, columns, 2)
    """
    rows, columns = shape_yx
    nearest = np.full((rows, columns, 2), -1, np.int32)
    powers = np.full((rows, columns, 2), np.float32(1e30), np.float32)
    for ball in range(len(balls)):
        x, y, z, radius = balls[ball, X], balls[ball, Y], balls[ball, Z], balls[ball, RADIUS]
        reach = math.sqrt(max((radius + REACH) ** 2 - z * z, 0.0))
        first_row, last_row = int((y - reach - top) / GRID), int((y + reach - top) / GRID) + 1
        first_column, last_column = int((x - reach + REACH) / GRID), int((x + reach + REACH) / GRID) + 1
        for row in range(max(first_row, 0), min(last_row, rows)):
            dy = row * GRID + top - y
            base = np.float32(dy * dy + z * z - radius * radius)
            for column in range(max(first_column, 0), min(last_column, columns)):
                dx = np.float32(column * GRID - REACH) - x
                power = dx * dx + base
                if power < powers[row, column, 1]:
                    best = nearest[row, column, 0]
                    is_same = best >= 0 and balls[best, CELL] == balls[ball, CELL]
                    rank = 0 if power < powers[row, column, 0] else 1
                    if rank == 0 and not is_same:
                        powers[row, column, 1], nearest[row, column, 1] = powers[row, column, 0], best
                    if rank == 0 or not is_same:
                        powers[row, column, rank], nearest[row, column, rank] = power, ball
    return nearest


@compiled()
def _candidates(x: Any, y: Any, top: Any, balls: Any, nearest: Any, chosen: Any) -> Any:
    """Write the balls that compete around a place into `chosen`, each once; return their number."""
    row = min(max(int(y - top + REACH), 0) // GRID, nearest.shape[0] - 2)
    column = min(max(int(x + REACH), 0) // GRID, nearest.shape[1] - 2)
    count = 0
    for candidate in range(8):
        chosen[count] = nearest[row + candidate // 4, column + candidate // 2 % 2, candidate % 2]
        is_new = chosen[count] >= 0
        for other in range(count):
            is_new = is_new and chosen[other] != chosen[count]
        count += is_new
    ball, _, distance, _ = _owner(x, y, balls, chosen, count)
    if ball >= 0 and distance > 26:  # no other cell is near
        chosen[0], count = ball, 1
    return count


@compiled()
def _owner(x: Any, y: Any, balls: Any, chosen: Any, count: Any) -> Any:
    """The ball that a place belongs to, of the first `count` balls in `chosen`.

    Returns
    -------
    tuple
        Number and power of the ball, distance to the surface between it and the next cell, and the sine of
        the angle between that surface and the cut.
    """
    first, second = -1, -1
    least, next_least = np.float32(1e30), np.float32(1e30)
    for ball in chosen[:count]:
        dx, dy, z, radius = balls[ball, X] - x, balls[ball, Y] - y, balls[ball, Z], balls[ball, RADIUS]
        power = dx * dx + dy * dy + z * z - radius * radius
        is_same = first >= 0 and balls[first, CELL] == balls[ball, CELL]
        if power < least:
            if not is_same:
                second, next_least = first, least
            first, least = ball, power
        elif power < next_least and not is_same:
            second, next_least = ball, power
    if second < 0:
        return first, least, np.float32(1000), np.float32(1)
    dx, dy = balls[first, X] - balls[second, X], balls[first, Y] - balls[second, Y]
    flat, dz = dx * dx + dy * dy, balls[first, Z] - balls[second, Z]
    apart = math.sqrt(flat + dz * dz) + np.float32(1e-3)
    return first, least, (next_least - least) / (2 * apart), math.sqrt(flat) / apart


@compiled()
def _interpolated(fields: Any, number: Any, row: Any, column: Any, down: Any, right: Any) -> Any:
    """A field between places of its grid; `down` and `right` are fractions of the step to the next place."""
    above = fields[number, row, column] * (1 - right) + fields[number, row, column + 1] * right
    below = fields[number, row + 1, column] * (1 - right) + fields[number, row + 1, column + 1] * right
    return above * (1 - down) + below * down


@compiled()
def _line(depth: Any, width: Any) -> Any:
    """A bell curve over depth: 1 at 0, less than 0.002 (taken as 0) from 2.5 widths on."""
    part = np.float32(depth / width)
    return math.exp(-part * part) if -2.5 < part < 2.5 else np.float32(0)


@compiled()
def _cover(depth: Any, width: Any) -> Any:
    """0 at negative depths (outside), 1 at positive ones, with a ramp of this width between them."""
    return np.float32(min(max(depth / width + 0.5, 0.0), 1.0))


@compiled()
def _scattered(x: Any, y: Any, z: Any, spacing: Any) -> Any:
    """The nearest of points that are scattered in space.

    Only four points are examined: a point that is further than half of the spacing may not be the nearest.

    Returns
    -------
    tuple
        Offset of the point in x, y and z; a random number from 0 to 1 that belongs to it.
    """
    layer, nearest = round(z / spacing), np.float32(1e30)
    offset_x, offset_y, chance = np.float32(0), np.float32(0), np.float32(0)
    for place in range(4):
        column, row = math.floor(x / spacing - 0.5) + place % 2, math.floor(y / spacing - 0.5) + place // 2
        # a hash of the three numbers
        number = (column * 73856093) ^ (row * 19349663) ^ (layer * 83492791)
        number = (number ^ (number >> 13)) * 1274126177 & 0xFFFFFFFF
        dx = (column + (number & 0x3FF) / 1024) * spacing - x
        dy = (row + (number >> 10 & 0x3FF) / 1024) * spacing - y
        if dx * dx + dy * dy < nearest:
            nearest, offset_x, offset_y, chance = dx * dx + dy * dy, dx, dy, (number >> 20) / 4096
    return offset_x, offset_y, layer * spacing - z, chance


@compiled()
def _mitochondrion(depth: Any, x: Any, y: Any, phase: Any) -> Any:
    """Grey of a double membrane with cristae across, at a depth below the outer one."""
    turned = x * math.cos(phase) + y * math.sin(phase)
    across = y * math.cos(phase) - x * math.sin(phase)
    tilt = turned + 5 * math.sin(across / 11 + phase)
    cristae = _cover(math.sin(tilt * 0.33) - 0.1, 0.9) * _cover(depth - 9, 4.0)
    cristae *= _cover(math.sin(across / 13 + tilt / 23 + phase) + 0.75, 0.6)
    membranes = 58 * _line(depth - 1.5, 1.8) - 12 * _line(depth - 4.5, 1.2) + 52 * _line(depth - 7.5, 1.8)
    return 118 - 44 * cristae - membranes


@compiled()
def _nucleus(depth: Any, lumps: Any, sheets: Any) -> Any:
    """Grey of pale chromatin with clumps, dark at the rim, and of an envelope of two membranes."""
    clumps = lumps + 0.45 * sheets + 2.2 * math.exp(-max(depth, 0.0) / 45) - 1.35
    chromatin = 160 - 32 * _cover(clumps, 1.3)
    return chromatin - 85 * (_line(depth + 6, 2.2) + _line(depth - 3, 2.2)) + 14 * _line(depth + 1.5, 2.0)


@compiled()
def _cell_grey(ball: Any, x: Any, y: Any, z: Any, power: Any, distance: Any, lumps: Any, sheets: Any) -> Any:
    """Grey of a place in a cell.

    Parameters
    ----------
    ball : of the place; `power` is that of the ball there
    x, y, z : of the place in the tissue
    distance : from the membrane
    lumps, sheets : the noise fields at the place
    """
    cell, kind, size = ball[CELL], ball[KIND], ball[SIZE]
    from_middle = math.sqrt(max(power + ball[RADIUS] ** 2, np.float32(0)))
    depth = ball[RADIUS] - from_middle
    if kind == MYELINATED and -12 < depth < min(0.34 * size, 45):
        return 66 - 30 * math.cos(depth * 0.9)
    if kind == VESSEL:
        wall = depth - 50 - 15 * lumps
        return 132 + 72 * _cover(wall, 3.0) - 70 * _line(wall + 1, 2.6)
    grey = 158 + 3 * lumps if kind == SOMA else 150 + 42 * cell + 3 * lumps
    nucleus = depth - 0.26 * size + 25 * lumps
    if kind == SOMA and nucleus > -12:
        return grey + _cover(nucleus + 10, 3.0) * (_nucleus(nucleus, lumps, sheets) - grey)
    if distance > 16 and (kind == SOMA or lumps < -0.4):  # endoplasmic reticulum
        grey -= 50 * _line(sheets, 0.1) * _cover(distance - 20, 8.0)
    # how deep the place lies in a mitochondrion; -9: there is none
    within = ball[MITOCHONDRION] - from_middle if ball[MITOCHONDRION] > 0 else np.float32(-9)
    if kind == SOMA:
        dx, dy, dz, chance = _scattered(x, y, z, 190)
        cell, long = chance, dx * math.cos(6 * chance) + dy * math.sin(6 * chance)
        within = (36 if chance < 0.7 else -9) - math.sqrt(dx * dx + dy * dy + dz * dz / 9 - 0.7 * long * long)
    within = min(within, distance - 8)
    if within > -3:
        grey += _cover(within + 1, 2.0) * (_mitochondrion(within, x, y, 40 * cell) - grey)
    elif (
        kind == NEURITE and distance > 11 and (sheets > 0.3 if size > 55 else lumps > 0.5 and _is_axon(cell))
    ):
        dx, dy, dz, chance = _scattered(x, y, z, 17)
        radius = 2.8 if size > 55 else math.sqrt(max(40 - dz * dz, 0.0))
        if radius > 2.5 and chance < (0.15 if size > 55 else 0.8):  # microtubules, vesicles
            grey -= 60 * _line(math.sqrt(dx * dx + dy * dy) - radius, 1.4)
    return grey


@compiled()
def _is_axon(cell: Any) -> Any:
    """Whether a neurite has vesicles and synapses: half of them do."""
    return int(cell * 1000) % 2 == 0


@compiled()
def _membrane(distance: Any, steep: Any, density: Any) -> Any:
    """How dark a membrane is, from 0 to 1; paler where it is oblique, as dark as the density of a synapse."""
    dark = 172 * (_line(distance - 2.5, 1.25) + 0.62 * _line(distance, 1.6)) * min(1, 0.3 + steep)
    return min(max(dark, 165 * density * _cover(8 - distance, 3.0)), 250) / 255


@compiled()
def shade(band: Any, top: Any, depth: Any, balls: Any, nearest: Any, fields: Any, grain: Any) -> None:
    """Draw cytoplasm, organelles and membranes into a band of rows of the picture.

    Parameters
    ----------
    band : ndarray of uint8, shape (rows, width); changed
    top : first row of the band
    depth : of the cut
    balls, nearest : as `nearest_balls` takes and gives them
    fields : ndarray of float32, shape (5, rows, columns), see `tissue.FIELDS`
    grain : ndarray of float32, shape (`GRAIN_SIDE`, `GRAIN_SIDE`), repeated over the picture
    """
    chosen = np.zeros(9, np.int32)
    for first_row in range(0, band.shape[0], GRID):
        at = (first_row + top) // GRID
        for first_column in range(0, band.shape[1], GRID):
            beside = first_column // GRID
            x, y = first_column + fields[0, at, beside], first_row + top + fields[1, at, beside]
            count = _candidates(x + GRID / 2, y + GRID / 2, top, balls, nearest, chosen)
            for row in range(first_row, min(first_row + GRID, band.shape[0])):
                down = np.float32((row - first_row) / GRID)
                for column in range(first_column, min(first_column + GRID, band.shape[1])):
                    right = np.float32((column - first_column) / GRID)
                    x = column + _interpolated(fields, 0, at, beside, down, right)
                    y = row + top + _interpolated(fields, 1, at, beside, down, right)
                    ball, power, distance, steep = _owner(x, y, balls, chosen, count)
                    lumps = _interpolated(fields, 2, at, beside, down, right)
                    sheets = _interpolated(fields, 3, at, beside, down, right)
                    grey = np.float32(172)
                    if ball >= 0:
                        grey = _cell_grey(balls[ball], x, y, depth, power, distance, lumps, sheets)
                    if distance < 15:
                        is_axon = balls[ball, KIND] == NEURITE and _is_axon(balls[ball, CELL])
                        density = _cover(lumps - 1.2, 0.25) if is_axon else np.float32(0)
                        grey *= 1 - _membrane(distance, steep, density)
                    grey *= 1 + fields[4, at, beside]
                    grey *= grain[(row + top) % GRAIN_SIDE, column % GRAIN_SIDE]
                    band[row, column] = int(min(max(grey, 0), 255) + 0.5)
