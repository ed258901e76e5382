"""The pixel loops of the tissue: which balls compete where, the grey of a pixel, and dots."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from asap_ingest.images.compiled import compiled

#: Pixels of the picture for one of the grid, in each axis.
GRID = 4
#: How far around its radius, in pixels, a ball may own pixels; as much noise may move a pixel.
REACH = 48
#: Distance from a membrane, in pixels, from which it is not seen.
_FAR = 15
NEURITE, MYELINATED, SOMA, VESSEL = range(4)


@compiled()
def nearest_balls(balls: Any, top: Any, shape_yx: Any, beyond: Any) -> Any:
    """For each place of a grid, the two balls of different cells with the smallest power; -1 for none.

    Parameters
    ----------
    balls : ndarray of float32, shape (n, 5)
        x, y, distance from the cut, radius, cell.
    top : int
        The row of the picture at which the grid begins; it begins at column -`REACH`.
    shape_yx : (rows, columns) of the grid
    beyond : int
        How far around its radius, in pixels, a ball may own pixels.

    Returns
    -------
    ndarray of int32, shape (2, rows, columns)
    """
    rows, columns = shape_yx
    nearest = np.full((2, rows, columns), -1, np.int32)
    powers = np.full((2, rows, columns), np.float32(1e30), np.float32)
    for ball in range(len(balls)):
        x, y, z, radius, cell = balls[ball]
        reach = math.sqrt(max((radius + beyond) ** 2 - z * z, 0.0))
        first_row, last_row = int((y - reach - top) / GRID), int((y + reach - top) / GRID) + 1
        first_column, last_column = int((x - reach + REACH) / GRID), int((x + reach + REACH) / GRID) + 1
        for row in range(max(first_row, 0), min(last_row, rows)):
            dy = row * GRID + top - y
            base = np.float32(dy * dy + z * z - radius * radius)
            for column in range(max(first_column, 0), min(last_column, columns)):
                dx = np.float32(column * GRID - REACH) - x
                power = dx * dx + base
                if power < powers[1, row, column]:
                    best = nearest[0, row, column]
                    is_same = best >= 0 and balls[best, 4] == cell
                    if power < powers[0, row, column]:
                        if not is_same:
                            powers[1, row, column] = powers[0, row, column]
                            nearest[1, row, column] = best
                        powers[0, row, column] = power
                        nearest[0, row, column] = ball
                    elif not is_same:
                        powers[1, row, column] = power
                        nearest[1, row, column] = ball
    return nearest


@compiled()
def _apart(balls: Any, first: Any, second: Any) -> Any:
    """How far the middles of two balls lie apart in the cut, and in space."""
    dx, dy = balls[first, 0] - balls[second, 0], balls[first, 1] - balls[second, 1]
    dz = balls[first, 2] - balls[second, 2]
    flat = dx * dx + dy * dy
    return math.sqrt(flat), math.sqrt(flat + dz * dz) + np.float32(1e-3)


@compiled()
def _competing(x: Any, y: Any, top: Any, nearest: Any, chosen: Any) -> Any:
    """Set `chosen` to the balls that compete around a place, each once; their number."""
    row = min(max(int(y - top + REACH) // GRID, 0), nearest.shape[1] - 2)
    column = min(max(int(x + REACH) // GRID, 0), nearest.shape[2] - 2)
    count = 0
    for rank in range(2):
        for corner in range(4):
            ball = nearest[rank, row + corner // 2, column + corner % 2]
            is_new = ball >= 0
            for other in range(count):
                is_new = is_new and chosen[other] != ball
            if is_new:
                chosen[count] = ball
                count += 1
    return count


@compiled()
def _owner(x: Any, y: Any, balls: Any, chosen: Any, count: Any) -> Any:
    """The ball that a pixel belongs to, of the first `count` balls in `chosen`.

    Returns
    -------
    tuple
        Number and power of the ball, distance to the surface between it and the next cell, and the sine of
        the angle between that surface and the cut.
    """
    first, second = -1, -1
    least, next_least = np.float32(1e30), np.float32(1e30)
    for number in range(count):
        ball = chosen[number]
        dx, dy, z, radius = balls[ball, 0] - x, balls[ball, 1] - y, balls[ball, 2], balls[ball, 3]
        power = dx * dx + dy * dy + z * z - radius * radius
        if power < next_least:
            is_same = first >= 0 and balls[first, 4] == balls[ball, 4]
            if power < least:
                if not is_same:
                    second, next_least = first, least
                first, least = ball, power
            elif not is_same:
                second, next_least = ball, power
    if second < 0:
        return first, least, np.float32(1000), np.float32(1)
    flat, apart = _apart(balls, first, second)
    return first, least, (next_least - least) / (2 * apart), flat / apart


@compiled()
def _depth(balls: Any, ball: Any, power: Any) -> Any:
    """How deep in a ball a pixel lies that has this power."""
    radius = balls[ball, 3]
    return radius - math.sqrt(max(power + radius * radius, np.float32(0)))


@compiled()
def _between(fields: Any, row: Any, column: Any, number: Any, b: Any, a: Any) -> Any:
    """A field in a cell of its grid, at the parts `b` and `a` of the cell's height and width."""
    above = fields[row, column, number] * (1 - a) + fields[row, column + 1, number] * a
    below = fields[row + 1, column, number] * (1 - a) + fields[row + 1, column + 1, number] * a
    return above * (1 - b) + below * b


@compiled()
def _line(depth: Any, width: Any) -> Any:
    """1 at depth 0, 0 far from it."""
    part = np.float32(depth / width)
    return math.exp(-part * part) if -2.5 < part < 2.5 else np.float32(0)


@compiled()
def _cover(depth: Any, width: Any) -> Any:
    """0 outside, 1 inside, with an edge of this width."""
    return np.float32(min(max(depth / width + 0.5, 0.0), 1.0))


@compiled()
def _mitochondrion(depth: Any, x: Any, y: Any, phase: Any) -> Any:
    """Grey of a double membrane with cristae across, at a depth below the outer one."""
    turned = x * math.cos(phase) + y * math.sin(phase)
    across = y * math.cos(phase) - x * math.sin(phase)
    tilt = turned + 5 * math.sin(across / 11 + phase)
    cristae = _cover(math.sin(tilt * 0.33) - 0.1, 0.9) * _cover(depth - 9, 4.0)
    cristae *= _cover(math.sin(across / 13 + tilt / 23 + phase) + 0.75, 0.6)
    return (
        118
        - 44 * cristae
        - 58 * _line(depth - 1.5, 1.8)
        + 12 * _line(depth - 4.5, 1.2)
        - 52 * _line(depth - 7.5, 1.8)
    )


@compiled()
def _nucleus(depth: Any, lumps: Any, sheets: Any) -> Any:
    """Grey of pale chromatin with clumps, dark at the rim, and of an envelope of two membranes."""
    clumps = lumps + 0.45 * sheets + 2.2 * math.exp(-max(depth, 0.0) / 45) - 1.35
    body = 160 - 32 * _cover(clumps, 1.3)
    return body - 85 * (_line(depth + 6, 2.2) + _line(depth - 3, 2.2)) + 14 * _line(depth + 1.5, 2.0)


@compiled()
def _inside(
    kind: Any, grey: Any, size: Any, depth: Any, distance: Any, lumps: Any, sheets: Any, stain: Any
) -> Any:
    """Grey of a place in a cell, and whether mitochondria may lie there.

    Parameters
    ----------
    kind, grey, size : of the cell, `size` being its radius
    depth, distance : in the ball, and from the membrane
    lumps, sheets, stain : the noise fields at that place
    """
    grey += 3 * lumps
    if kind == MYELINATED and -12 < depth < min(0.34 * size, 45):
        return 66 - 30 * math.cos(depth * 0.9), False
    if kind == VESSEL:
        wall = depth - 50 - 15 * lumps
        return 132 + 72 * _cover(wall, 3.0) - 70 * _line(wall + 1, 2.6), False
    nucleus = depth - 0.26 * size + 25 * lumps
    if kind == SOMA and nucleus > -12:
        return grey + _cover(nucleus + 10, 3.0) * (_nucleus(nucleus, lumps, sheets) - grey), nucleus < -12
    if distance > 16 and -0.3 < sheets < 0.3:
        room = _cover(60 * stain + (0.5 if kind == SOMA else -0.6), 1.0)
        grey -= 50 * room * _line(sheets, 0.1) * _cover(distance - 20, 8.0)
    return grey, True


@compiled()
def shade(band: Any, top: Any, fields: Any, kinds: Any, cells: Any, bodies: Any) -> None:
    """Draw cytoplasm, organelles and membranes into a band of rows of the picture.

    It draws one square of the grid after the other: most of them show nothing but cytoplasm.

    Parameters
    ----------
    band : ndarray of uint8, shape (rows, width); changed
    top : first row of the band
    fields : ndarray of float32, shape (rows, columns, 5), see `tissue_noise.FIELDS`
    kinds : ndarray of float32, shape (m, 4): kind, grey, side of synapses and radius of the cells
    cells, bodies : (balls, nearest) of cells and of mitochondria, as `nearest_balls` gives them
    """
    balls, nearest = cells
    mitochondria, nearest_mitochondria = bodies
    chosen, thick = np.zeros(8, np.int32), np.zeros(8, np.int32)
    for first_row in range(0, band.shape[0], GRID):
        at = (first_row + top) // GRID
        for first_column in range(0, band.shape[1], GRID):
            column = first_column // GRID
            x = first_column + GRID / 2 + fields[at, column, 0]
            y = first_row + top + GRID / 2 + fields[at, column, 1]
            count = _competing(x, y, top, nearest, chosen)
            thick_count = _competing(x, y, top, nearest_mitochondria, thick)
            ball, _, distance, _ = _owner(x, y, balls, chosen, count)
            sheets = fields[at, column, 3]
            is_far = ball >= 0 and distance > _FAR and kinds[int(balls[ball, 4]), 0] == NEURITE
            last_row, last_column = (
                min(first_row + GRID, band.shape[0]),
                min(first_column + GRID, band.shape[1]),
            )
            if ball < 0 or (is_far and thick_count == 0 and (sheets < -0.4 or sheets > 0.4)):
                grey = np.float32(172) if ball < 0 else kinds[int(balls[ball, 4]), 1]
                grey = (grey + 3 * fields[at, column, 2]) * (1 + fields[at, column, 4])
                band[first_row:last_row, first_column:last_column] = int(grey + 0.5)
                continue
            for row in range(first_row, last_row):
                b = np.float32((row - first_row) / GRID)
                for x in range(first_column, last_column):
                    a = np.float32((x - first_column) / GRID)
                    here_x = x + _between(fields, at, column, 0, b, a)
                    here_y = row + top + _between(fields, at, column, 1, b, a)
                    lumps = _between(fields, at, column, 2, b, a)
                    sheets = _between(fields, at, column, 3, b, a)
                    stain = _between(fields, at, column, 4, b, a)
                    ball, power, distance, steep = _owner(here_x, here_y, balls, chosen, count)
                    cell = int(balls[ball, 4])
                    kind, grey, side, size = kinds[cell, 0], kinds[cell, 1], kinds[cell, 2], kinds[cell, 3]
                    depth = _depth(balls, ball, power)
                    grey, has_room = _inside(kind, grey, size, depth, distance, lumps, sheets, stain)
                    if has_room and thick_count > 0:
                        body, power, _, _ = _owner(here_x, here_y, mitochondria, thick, thick_count)
                        depth = min(_depth(mitochondria, body, power), distance - 8)
                        if mitochondria[body, 4] == cell and depth > -3:
                            inner = _mitochondrion(depth, here_x, here_y, 0.7 * cell)
                            grey += _cover(depth + 1, 2.0) * (inner - grey)
                    if distance < _FAR:
                        dark = _line(distance - 2.5, 1.25) + 0.62 * _line(distance, 1.6)
                        dark *= 172 * min(1, 0.3 + steep)
                        if side > 0 and kind == NEURITE and lumps > 0.7:
                            dark = max(dark, 165 * _cover(lumps - 1.2, 0.25) * _cover(8 - distance, 3.0))
                        grey *= 1 - min(dark, 250) / 255
                    band[row, x] = int(min(max(grey * (1 + stain), 0), 255) + 0.5)


@compiled()
def draw_dots(band: Any, top: Any, fields: Any, kinds: Any, cells: Any, bodies: Any, dots: Any) -> None:
    """Draw vesicles at synapses and microtubules in dendrites into a band.

    Parameters
    ----------
    dots : ndarray of float32, shape (n, 4)
        x, y, distance from the cut, and a random number from 0 to 1; the others are those of `shade`.
    """
    balls, nearest = cells
    chosen = np.zeros(8, np.int32)
    for dot in range(len(dots)):
        x, y, z, chance = dots[dot]
        row, column = int(y) // GRID, int(x) // GRID
        here_x, here_y = x + fields[row, column, 0], y + fields[row, column, 1]
        count = _competing(here_x, here_y, top, nearest, chosen)
        ball, _, distance, _ = _owner(here_x, here_y, balls, chosen, count)
        if ball < 0 or _competing(here_x, here_y, top, bodies[1], chosen) > 0:
            continue
        cell = int(balls[ball, 4])
        kind, grey, side, size = kinds[cell, 0], kinds[cell, 1], kinds[cell, 2], kinds[cell, 3]
        radius, rim = math.sqrt(max(40 - z * z, 0.0)), 90
        if kind == NEURITE and size > 55 and chance < 0.15:
            radius, rim = 2.8, 120
        elif kind != NEURITE or side > 0 or size > 60 or fields[row, column, 2] < 0.5 or chance > 0.75:
            continue
        if radius < 2.5 or distance < radius + 5:
            continue
        for row in range(max(int(y - 9) - top, 0), min(int(y + 10) - top, band.shape[0])):
            for column in range(max(int(x - 9), 0), min(int(x + 10), band.shape[1])):
                away = math.sqrt((row + top - y) ** 2 + (column - x) ** 2)
                value = band[row, column] + _cover(radius - away, 1.0) * (grey - band[row, column])
                value += _line(away - radius, 1.4) * (rim - value)
                band[row, column] = int(value + 0.5)
