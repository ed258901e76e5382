"""Where sources under affine transforms lie on the canvas: for many of them at once.

Coverage: that of render-ws 4.0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.warp import SNAP, Patch, Reach, blocks
from asap_ingest.render_ws.transforms.classes import Affine, Matrix

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """The pixels of the canvas that the corners of a source enclose.

    Attributes
    ----------
    rows, columns : range
        Not empty.
    back : tuple of float
        Matrix from the canvas to the source.
    reach : Reach
        Source positions at these pixels, least and greatest.
    """

    rows: range
    columns: range
    back: Matrix
    reach: Reach


def affine_patches(
    forward: Affine, source_yx: tuple[int, int], canvas_yx: tuple[int, int]
) -> Iterator[Patch]:
    """Patches of a source under an affine transform from its pixels to those of the canvas.

    A singular transform gives none.
    """
    (place,) = places(np.array([forward.matrix]).T, [source_yx], canvas_yx)
    return iter(()) if place is None else place_patches(place, source_yx)


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
    with np.errstate(all="ignore"):
        back = _snapped(_inverse(forward))
        rows, columns = _enclosed_pixels(forward, np.array(sources_yx, np.float64).T, canvas_yx)
        reach = np.concatenate([_reach(back[:3], rows, columns), _reach(back[3:], rows, columns)])
    seen = (rows[0] <= rows[1]) & (columns[0] <= columns[1]) & np.isfinite(back).all(axis=0)
    limits = np.concatenate([rows, columns])
    limits[:, ~seen] = 0
    return [
        Place(range(top, bottom + 1), range(left, right + 1), tuple(matrix), tuple(ends)) if reached else None
        for reached, (top, bottom, left, right), matrix, ends in zip(
            seen.tolist(), limits.T.astype(int).tolist(), back.T.tolist(), reach.T.tolist(), strict=True
        )
    ]


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


def _reach(back: Any, rows: Any, columns: Any) -> Any:
    """Least and greatest source position along one axis.

    Positions grow or shrink along rows and columns, also as rounded: the corners tell for all.
    """
    along, down, constant = back
    sums = [along * x + (down * y + constant) for x in columns for y in rows]
    return np.array([np.minimum.reduce(sums), np.maximum.reduce(sums)])


def place_patches(place: Place, source_yx: tuple[int, int]) -> Iterator[Patch]:
    """Patches of a source at its place."""
    a, b, c, d, e, f = place.back
    rows, columns = place.rows, place.columns
    if (a, b, d, e) == (1.0, 0.0, 0.0, 1.0) and c == round(c) and f == round(f):
        shift = (columns.start + round(c), rows.start + round(f))
        yield Patch(_slice(rows), _slice(columns), shift=shift)
        return
    for block_rows, block_columns in blocks(rows, columns):
        if (block_rows, block_columns) == (rows, columns):
            yield _block(place, source_yx)
            continue
        ends = [(float(axis.start), float(axis.stop - 1)) for axis in (block_rows, block_columns)]
        reach = [*_reach((a, b, c), *ends).tolist(), *_reach((d, e, f), *ends).tolist()]
        yield _block(Place(block_rows, block_columns, place.back, tuple(reach)), source_yx)


def _block(place: Place, source_yx: tuple[int, int]) -> Patch:
    a, b, c, d, e, f = place.back
    rows, columns = place.rows, place.columns
    x = np.arange(columns.start, columns.stop, dtype=np.float64)
    y = np.arange(rows.start, rows.stop, dtype=np.float64)[:, None]
    parts = ((a * x, b * y + c), (d * x, e * y + f))
    least_u, greatest_u, least_v, greatest_v = place.reach
    height, width = source_yx
    sides = [
        (0, np.greater_equal, -SNAP, least_u >= -SNAP),
        (0, np.less_equal, width - 1 + SNAP, greatest_u <= width - 1 + SNAP),
        (1, np.greater_equal, -SNAP, least_v >= -SNAP),
        (1, np.less_equal, height - 1 + SNAP, greatest_v <= height - 1 + SNAP),
    ]
    covered = None
    if (b == 0 and d == 0) or all(side[3] for side in sides):
        u, v = (_sums(*part) for part in parts)
    else:
        exact = [along + down for along, down in parts]
        for axis, compare, limit, always in sides:
            if not always:
                reached = compare(exact[axis], limit)
                covered = reached if covered is None else np.logical_and(covered, reached, out=covered)
        u, v = (sums.astype(np.float32) for sums in exact)
    return Patch(_slice(rows), _slice(columns), u, v, covered, reach=place.reach)


def _sums(along: Numbers, down: Numbers) -> NDArray[np.float32]:
    """Sums in double precision, rounded once."""
    sums = np.empty((len(down), len(along)), np.float32)
    return np.add(along, down, out=sums, dtype=np.float64, casting="same_kind")


def _slice(positions: range) -> slice:
    return slice(positions.start, positions.stop)
