"""Compiled loops that draw a row of a canvas: values of an image at the position of each pixel.

Interpolation, borders and masks: those of render-ws 4.0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.images.compiled import compiled
from asap_ingest.render_ws.drawing.positions import TOLERANCE

_Rows = NDArray[Any]
_Positions = NDArray[np.float32]
#: The canvas to draw on: its samples; its alpha, uint8 of shape (height, width), or (0, 0) if it is opaque
#: (then pixels outside the source become 0); and a tuple with one number per component of a pixel. Only the
#: length of the tuple counts: it is part of its type, so the compiler unrolls loops over components.
Target = tuple[_Rows, _Rows, tuple[int, ...]]
#: A tile to draw: a record of `tile_kernels.SOURCE`, and its image and mask as arrays.
Samples = tuple[Any, _Rows, _Rows]
#: How pixels are sampled: `nearest` takes the nearest pixel instead of interpolating between four; `binary`
#: makes every mask value above 0 opaque.
Sampling = tuple[bool, bool]

#: Shortest run that is worth a loop of its own, and pixels that are drawn one by one before the next search.
_LEAST_RUN, _BETWEEN_RUNS = 8, 32


@compiled()
def _bilinear(rows: _Rows, upper: Any, lower: Any, left: Any, right: Any, across: Any, down: Any) -> Any:
    """Bilinear interpolation between four samples, in single precision."""
    first, second = np.float32(rows[upper, left]), np.float32(rows[lower, left])
    above = first + (np.float32(rows[upper, right]) - first) * across
    below = second + (np.float32(rows[lower, right]) - second) * across
    return above + (below - above) * down


@compiled()
def _blended(below: float, below_opacity: float, value: float, opacity: float) -> tuple[float, float]:
    """A masked value over the one on the canvas, and the opacity of both together (0 to 1)."""
    if below == 0:  # counts as empty, as in render-ws
        return opacity * value, opacity
    rest = below_opacity * (1 - opacity)
    return (opacity * value + below * rest) / (opacity + rest), opacity + rest


@compiled()
def draw_row(target: Target, y: int, x: int, positions: Any, samples: Samples, sampling: Sampling) -> None:
    """Draw pixels of row `y` of the canvas, from column `x` on.

    Parameters
    ----------
    positions : two ndarrays of float32, shape (n,)
        Source column u and row v of each pixel; rounded in place if the nearest pixel is taken. Where u is
        NaN, the canvas stays as it is. On an opaque canvas, positions outside
        [0, width - 1) x [0, height - 1) become 0: the last row and column are black (unless `nearest`).
    """
    u, v = positions
    nearest, _ = sampling
    if nearest:
        for index in range(u.size):
            u[index], v[index] = np.floor(u[index] + np.float32(0.5)), np.floor(v[index] + np.float32(0.5))
    canvas, alpha, components = target
    if alpha.size > 0 or nearest or not _has_runs(u):
        _draw_pixels(target, y, x, positions, samples, sampling)
        return
    source, image, _ = samples
    index = 0
    while index < u.size:
        length = _length_of_run(u, v, index, source)
        if length > 0:
            run = u[index : index + length], v[index : index + length]
            _draw_run(canvas[y], components, x + index, run, image)
        else:
            length = min(_BETWEEN_RUNS, u.size - index)
            some = u[index : index + length], v[index : index + length]
            _draw_pixels(target, y, x + index, some, samples, sampling)
        index += length


@compiled()
def _has_runs(u: _Positions) -> bool:
    """Whether somewhere in the row neighbouring pixels come from neighbouring columns of the source."""
    for index in range(0, u.size - _LEAST_RUN, _LEAST_RUN):
        if abs(u[index + _LEAST_RUN] - u[index] - _LEAST_RUN) < 1:
            return True
    return False


@compiled()
def _length_of_run(u: _Positions, v: _Positions, index: int, source: Any) -> int:
    """Number of pixels, from `index` on, that come from neighbouring columns of one row of the source.

    0 where they are fewer than `_LEAST_RUN`, or the first lies outside the source.
    """
    ahead = index + _LEAST_RUN
    right, bottom = np.float32(source.width - 1), np.float32(source.height - 1)
    if not (ahead < u.size and u[index] >= 0 and u[index] < right and v[index] >= 0 and v[index] < bottom):
        return 0
    i, j = np.int32(u[index]), np.int32(v[index])
    if np.int32(u[ahead]) != i + _LEAST_RUN or np.int32(v[ahead]) != j:
        return 0
    length, most = 1, min(u.size - index, source.width - 1 - i)
    while length < most:
        here = index + length
        if np.int32(u[here]) != i + length or np.int32(v[here]) != j or v[here] < 0:
            break
        length += 1
    return length


@compiled()
def _draw_run(target: _Rows, components: tuple[int, ...], x: int, positions: Any, image: _Rows) -> None:
    """Draw a run; the loop has no branches, so the compiler vectorises it."""
    u, v = positions
    size = len(components)
    i, j = np.int32(u[0]), np.int32(v[0])
    upper = image[j][i * size : (i + u.size + 1) * size]
    lower = image[j + 1][i * size : (i + u.size + 1) * size]
    out = target[x * size : (x + u.size) * size]
    half = np.float32(0.5)
    up = half if out.dtype.type(half) == 0 else np.float32(0.0)  # whole numbers are rounded
    for index in range(u.size):
        across, down = u[index] - np.float32(np.int32(i + index)), v[index] - np.float32(j)
        for component in range(size):
            here, there = index * size + component, (index + 1) * size + component
            above = np.float32(upper[here]) + (np.float32(upper[there]) - np.float32(upper[here])) * across
            below = np.float32(lower[here]) + (np.float32(lower[there]) - np.float32(lower[here])) * across
            out[here] = out.dtype.type(above + (below - above) * down + up)


@compiled()
def _draw_pixels(
    target: Target, y: int, x: int, positions: Any, samples: Samples, sampling: Sampling
) -> None:
    """Draw pixels one after the other: every kind of canvas, mask and sampling."""
    canvas, alpha, components = target
    u, v = positions
    source, image, mask = samples
    nearest, binary = sampling
    size = len(components)
    masked = alpha.size > 0
    step = np.uint32(not nearest)
    least = np.float32(0.0 if nearest else -TOLERANCE)
    right, bottom = np.float32(source.width - step), np.float32(source.height - step)
    # a source of one row has values where rounding puts a position above it
    last_x, last_y = np.uint32(source.width - 1), np.uint32(source.height - 1)
    half = np.float32(0.5)
    up = half if canvas.dtype.type(half) == 0 else np.float32(0.0)
    for index in range(u.size):
        column, row = u[index], v[index]
        if not (column >= least and column < right and row >= least and row < bottom):
            if not masked and column == column:  # noqa: PLR0124 - not NaN
                for component in range(size):
                    canvas[y, (x + index) * size + component] = 0
            continue
        i, j = np.int32(column), np.int32(row)
        across, down = column - np.float32(i), row - np.float32(j)
        near_x, near_y = np.uint32(i), np.uint32(j)  # signed indices would be checked for being negative
        far_x, far_y = min(np.uint32(near_x + step), last_x), min(np.uint32(near_y + step), last_y)
        opaque = np.uint8(255)
        if masked and source.mask != 0:
            opaque = np.uint8(_bilinear(mask, near_y, far_y, near_x, far_x, across, down) + half)
            if opaque == 0:
                continue
            if binary:
                opaque = np.uint8(255)
        total = 0.0
        for component in range(size):
            at = (x + index) * size + component
            near, far = np.uint32(near_x * size + component), np.uint32(far_x * size + component)
            value = canvas.dtype.type(_bilinear(image, near_y, far_y, near, far, across, down) + up)
            if masked:
                mixed, together = float(value), 1.0
                if opaque < 255:
                    below, below_opacity = float(canvas[y, at]), alpha[y, x + index] / 255.0
                    mixed, together = _blended(below, below_opacity, mixed, opaque / 255.0)
                value = canvas.dtype.type(np.floor(mixed + 0.5))
                total = max(total, together)
            canvas[y, at] = value
        if masked:
            alpha[y, x + index] = np.uint8(np.floor(255.0 * total + 0.5))
