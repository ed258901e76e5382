"""Compiled loops that draw tiles on a canvas, row by row.

Images, masks and canvases are rows of samples, shape (height, width x components).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, types  # type: ignore[attr-defined]
from numba.extending import intrinsic
from numpy.typing import NDArray

from asap_ingest.images.compiled import compiled
from asap_ingest.render_ws.drawing.positions import (
    inverse,
    map_to_canvas,
    positions_by_matrix,
    positions_by_nodes,
    rasterise,
)
from asap_ingest.render_ws.drawing.rows import Sampling, Target, draw_row
from asap_ingest.render_ws.transforms.classes import Matrix

_Rows = NDArray[Any]
_Positions = NDArray[np.float32]
#: Points of a mesh on the source and after the warp, both of shape (n, 2), and triangles, shape (m, 3).
MappedMesh = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]

#: Pixels of a canvas whose positions by a mesh are computed at once: they stay in the processor's cache.
_BLOCK_PIXELS = 2**16

#: The samples of a tile. `image` and `mask` are addresses of C-contiguous arrays of `height` x `width` pixels
#: of a mipmap `level`; a mask of 0 means opaque.
SOURCE = np.dtype([(name, np.int64) for name in ("image", "mask", "height", "width", "level")])


def _typed_pointer(context: Any, address: Any, like: Any) -> Any:
    """A pointer to samples of the type of those of an array."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(like.dtype)(address, like), code


_pointer: Any = intrinsic(_typed_pointer)


@compiled()
def _image_and_mask(source: Any, canvas: _Rows, alpha: _Rows, size: int) -> tuple[_Rows, _Rows]:
    image = carray(_pointer(source.image, canvas), (source.height, source.width * size))
    return image, carray(_pointer(source.mask, alpha), (source.height, source.width))


@compiled()
def _is_shift(back: Matrix) -> bool:
    """Whether a matrix only shifts, by whole pixels."""
    a, b, c, d, e, f = back
    return a == 1 and b == 0 and d == 0 and e == 1 and c == np.floor(c) and f == np.floor(f)


@compiled()
def _copy_row(
    canvas: _Rows, size: int, y: int, x: int, end: int, u: int, v: int, source: Any, image: _Rows, step: int
) -> None:
    """Copy to columns `x` to `end` of row `y` the pixels of row `v` of a source, from its column `u` on.

    The last `step` rows and columns of the source become 0, as where pixels are interpolated.
    """
    black = min(end, x + source.width - step - u)
    if v >= source.height - step:
        black = x
    offset = (u - x) * size
    for at in range(x * size, black * size):
        canvas[y, at] = image[v, offset + at]
    canvas[y, max(x, black) * size : end * size] = 0


@compiled()
def draw_tiles(
    target: Target, sources: NDArray[Any], forward: NDArray[np.float64], nodes: _Positions, sampling: Sampling
) -> None:
    """Draw affine tiles, or tiles that share an inverse map, one over the other.

    Singular matrices draw nothing.

    Parameters
    ----------
    sources : ndarray of `SOURCE`, shape (n,)
    forward : ndarray, shape (n, 6)
        Matrices (m00, m01, m02, m10, m11, m12) to the canvas, from pixels of sources or nodes.
    nodes : ndarray of float32, shape (rows, columns, 2)
        Of the inverse map: positions (u, v) in level 0. Shape (0, 0, 2) if the tiles are affine.
    """
    canvas, alpha, components = target
    size = len(components)
    width = canvas.shape[1] // size
    u, v = np.empty(width, np.float32), np.empty(width, np.float32)
    corners, on_canvas = np.zeros((4, 2)), np.empty((4, 2))
    for number in range(sources.size):
        source = sources[number]
        image, mask = _image_and_mask(source, canvas, alpha, size)
        is_regular, back = inverse(forward[number])
        if not is_regular:
            continue
        right, bottom = source.width - 1.0, source.height - 1.0
        if nodes.size:
            right, bottom = nodes.shape[1] - 1.0, nodes.shape[0] - 1.0
        corners[1::2, 0], corners[2:, 1] = right, bottom
        canvas_yx = canvas.shape[0], width
        top, end_row, left, end = map_to_canvas(corners, forward[number], on_canvas, canvas_yx)
        if end_row <= top or end <= left:
            continue
        copied = nodes.size == 0 and alpha.size == 0 and _is_shift(back)
        for y in range(top, end_row):
            if copied:
                u0, v0 = left + int(back[2]), y + int(back[5])
                _copy_row(canvas, size, y, left, end, u0, v0, source, image, 0 if sampling[0] else 1)
                continue
            row_u, row_v = u[: end - left], v[: end - left]
            if nodes.size:
                positions_by_nodes(back, nodes, source, y, left, row_u, row_v)
            else:
                positions_by_matrix(back, right, bottom, y, left, row_u, row_v)
            draw_row(target, y, left, (row_u, row_v), (source, image, mask), sampling)


@compiled()
def draw_mesh(
    target: Target, sources: NDArray[Any], forward: NDArray[np.float64], mesh: MappedMesh, sampling: Sampling
) -> None:
    """Draw one tile by a mesh.

    Parameters
    ----------
    sources : ndarray of `SOURCE`, shape (1,)
    forward : ndarray, shape (1, 6)
        Matrix to the canvas, from the points after the warp.
    """
    canvas, alpha, components = target
    points, mapped, triangles = mesh
    size = len(components)
    samples = sources[0], *_image_and_mask(sources[0], canvas, alpha, size)
    on_canvas = np.empty_like(mapped)
    canvas_yx = canvas.shape[0], canvas.shape[1] // size
    top, end_row, left, end = map_to_canvas(mapped, forward[0], on_canvas, canvas_yx)
    if end_row <= top or end <= left:
        return
    rows = min(end_row - top, max(1, _BLOCK_PIXELS // (end - left)))
    u, v = np.empty((rows, end - left), np.float32), np.empty((rows, end - left), np.float32)
    for begin in range(top, end_row, rows):
        count = min(rows, end_row - begin)
        rasterise(points, on_canvas, triangles, begin, left, u[:count], v[:count])
        for row in range(count):
            draw_row(target, begin + row, left, (u[row], v[row]), samples, sampling)
