"""Where sources under affine transforms lie on the canvas: for many of them at once.

Coverage: that of render-ws 4.0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.warp import BLOCK_COLUMNS, BLOCK_PIXELS, SNAP, Patch, Reach, blocks
from asap_ingest.render_ws.transforms.classes import Affine, Matrix

Numbers = NDArray[np.float64]


#: Whether no pixel lies left of the source, right of it, above, below.
Sides = tuple[bool, bool, bool, bool]


class Place(NamedTuple):
    """The pixels of the canvas that the corners of a source enclose.

    Attributes
    ----------
    rows, columns : range
        Not empty.
    back : tuple of float
        Matrix from the canvas to the source.
    reach : Reach
        Source positions at these pixels, least and greatest, rounded to single precision.
    within : Sides
    """

    rows: range
    columns: range
    back: Matrix
    reach: Reach
    within: Sides


def affine_patches(
    forward: Affine, source_yx: tuple[int, int], canvas_yx: tuple[int, int]
) -> Iterable[Patch]:
    """Patches of a source under an affine transform from its pixels to those of the canvas.

    A singular transform gives none.
    """
    (place,) = places(np.array([forward.matrix]).T, [source_yx], canvas_yx)
    return () if place is None else place_patches(place, source_yx)


def then(matrices: Sequence[Matrix], following: Affine) -> Numbers:
    """`Affine.then` of many: an array of shape (6, n)."""
    a, b, c, d, e, f = np.array(matrices, np.float64).T
    m00, m01, m02, m10, m11, m12 = following.matrix
    with np.errstate(all="ignore"):
        first = (m00 * a + m01 * d, m00 * b + m01 * e, m00 * c + m01 * f + m02)
        return np.array([*first, m10 * a + m11 * d, m10 * b + m11 * e, m10 * c + m11 * f + m12])


def places(
    forward: Numbers, sources_yx: Sequence[tuple[int, int]], canvas_yx: tuple[int, int]
) -> list[Place | None]:
    """Where sources lie; None for one that does not reach the canvas, or whose matrix is singular.

    Parameters
    ----------
    forward : ndarray, shape (6, n)
        From pixels of the sources to those of the canvas.
    """
    shapes = np.array(sources_yx, np.float64).T
    with np.errstate(all="ignore"):
        back = _snapped(_inverse(forward))
        rows, columns = _enclosed_pixels(forward, shapes, canvas_yx)
        reach, within = _reach(back, rows, columns, shapes)
    seen = (rows[0] <= rows[1]) & (columns[0] <= columns[1]) & np.isfinite(back).all(axis=0)
    limits = np.concatenate([rows, columns])
    limits[:, ~seen] = 0
    columns_of_each = (
        seen.tolist(),
        _tuples(limits.astype(int)),
        _tuples(back),
        _tuples(reach),
        _tuples(within),
    )
    return [
        Place(range(top, bottom + 1), range(left, right + 1), matrix, ends, inside) if reached else None
        for reached, (top, bottom, left, right), matrix, ends, inside in zip(*columns_of_each, strict=True)
    ]


def _tuples(columns: NDArray[Any]) -> Iterator[Any]:
    """A tuple of Python numbers for each column of an array."""
    return zip(*columns.tolist(), strict=True)


def _inverse(forward: Numbers) -> Numbers:
    """`Affine.inverse` of many; not finite for a singular matrix."""
    a, b, c, d, e, f = forward
    determinant = a * e - b * d
    determinant[determinant == 0] = np.nan
    i00, i01, i10, i11 = e / determinant, -b / determinant, -d / determinant, a / determinant
    return np.array([i00, i01, -(i00 * c + i01 * f), i10, i11, -(i10 * c + i11 * f)])


def _snapped(values: Numbers) -> Numbers:
    nearest = np.rint(values)
    return np.where(np.abs(values - nearest) < SNAP / 100, nearest, values)


def _enclosed_pixels(
    forward: Numbers, sources_yx: Numbers, canvas_yx: tuple[int, int]
) -> tuple[Numbers, Numbers]:
    """First and last row, first and last column, as `warp.enclosed`; first > last where there is none."""
    m00, m01, m02, m10, m11, m12 = forward
    height, width = sources_yx
    corners = [(x, y) for x in (0.0, width - 1.0) for y in (0.0, height - 1.0)]
    across = np.array([x * m00 + y * m01 + m02 for x, y in corners])
    down = np.array([x * m10 + y * m11 + m12 for x, y in corners])
    finite = np.isfinite(across).all(axis=0) & np.isfinite(down).all(axis=0)
    found = []
    for positions, size in ((down, canvas_yx[0]), (across, canvas_yx[1])):
        first = np.maximum(0.0, np.ceil(np.maximum(-1.0, positions.min(axis=0)) - SNAP))
        last = np.minimum(size - 1.0, np.floor(np.minimum(float(size), positions.max(axis=0)) + SNAP))
        found.append(np.array([np.where(finite, first, 0.0), np.where(finite, last, -1.0)]))
    return found[0], found[1]


def _reach(
    back: Numbers, rows: Numbers, columns: Numbers, sources_yx: Numbers
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """`Place.reach` and `Place.within` of many, of shape (4, n).

    Positions grow or shrink along rows and columns, also as rounded: the corners tell for all.
    """
    ends = []
    for along, down, constant in (back[:3], back[3:]):
        sums = [along * x + (down * y + constant) for x in columns for y in rows]
        ends += [np.minimum.reduce(sums), np.maximum.reduce(sums)]
    least_u, greatest_u, least_v, greatest_v = ends
    bottom, right = sources_yx - 1 + SNAP
    within = [least_u >= -SNAP, greatest_u <= right, least_v >= -SNAP, greatest_v <= bottom]
    return np.array(ends, np.float32), np.array(within)


def place_patches(place: Place, source_yx: tuple[int, int]) -> Iterable[Patch]:
    """Patches of a source at its place."""
    rows, columns, (a, b, c, d, e, f), _, _ = place
    if (a, b, d, e) == (1.0, 0.0, 0.0, 1.0) and c == round(c) and f == round(f):
        shift = (columns.start + round(c), rows.start + round(f))
        return (Patch(_slice(rows), _slice(columns), shift=shift),)
    if len(rows) * len(columns) <= BLOCK_PIXELS and len(columns) <= BLOCK_COLUMNS:
        return (_block(place, source_yx),)
    return (_block(_part(place, *block, source_yx), source_yx) for block in blocks(rows, columns))


def _part(place: Place, rows: range, columns: range, source_yx: tuple[int, int]) -> Place:
    first_last = np.array([[[axis.start], [axis.stop - 1]] for axis in (rows, columns)], np.float64)
    shape = np.array([source_yx], np.float64).T
    reach, within = _reach(np.array([place.back]).T, first_last[0], first_last[1], shape)
    return Place(rows, columns, place.back, *_tuples(reach), *_tuples(within))


def _block(place: Place, source_yx: tuple[int, int]) -> Patch:
    rows, columns, (a, b, c, d, e, f), reach, within = place
    x = np.arange(columns.start, columns.stop, dtype=np.float64)
    y = np.arange(rows.start, rows.stop, dtype=np.float64)[:, None]
    along_u, down_u, along_v, down_v = a * x, b * y + c, d * x, e * y + f
    if (b == 0 and d == 0) or all(within):
        u, v = _sums(along_u, down_u), _sums(along_v, down_v)
        return Patch(_slice(rows), _slice(columns), u, v, reach=reach)
    exact_u, exact_v = along_u + down_u, along_v + down_v
    covered = _covered(exact_u, exact_v, source_yx, within)
    u, v = exact_u.astype(np.float32), exact_v.astype(np.float32)
    return Patch(_slice(rows), _slice(columns), u, v, covered, reach=reach)


_COMPARE: tuple[Any, ...] = (np.greater_equal, np.less_equal) * 2


def _covered(u: Numbers, v: Numbers, source_yx: tuple[int, int], within: Sides) -> NDArray[np.bool_] | None:
    """Pixels that the source reaches: each side is looked at where a pixel may lie beyond it."""
    bottom, right = (size - 1 + SNAP for size in source_yx)
    covered = None
    for compare, positions, limit, always in zip(
        _COMPARE, (u, u, v, v), (-SNAP, right, -SNAP, bottom), within, strict=True
    ):
        if not always:
            reached = compare(positions, limit)
            covered = reached if covered is None else np.logical_and(covered, reached, out=covered)
    return covered


def _sums(along: Numbers, down: Numbers) -> NDArray[np.float32]:
    """Sums in double precision, rounded once."""
    sums = np.empty((len(down), len(along)), np.float32)
    return np.add(along, down, out=sums, dtype=np.float64, casting="same_kind")


def _slice(positions: range) -> slice:
    return slice(positions.start, positions.stop)
