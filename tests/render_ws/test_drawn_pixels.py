"""Compiled drawing: what the loops draw equals the plain formulas, pixel by pixel."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.positions import TOLERANCE
from asap_ingest.render_ws.drawing.tile_kernels import SOURCE, draw_mesh, draw_tiles
from asap_ingest.render_ws.drawing.warps import Warp
from asap_ingest.render_ws.transforms.classes import Affine
from asap_ingest.render_ws.transforms.triangle_mesh import triangle_mesh
from tests.examples import examples
from tests.render_ws.client import leaf

CANVAS_YX = (40, 61)
NO_NODES = np.zeros((0, 0, 2), np.float32)
LINEAR = st.sampled_from((0.0, 1.0, -1.0, 0.5, 2.0)) | st.floats(-3, 3)
SHIFT = st.sampled_from((0.0, 7.0, -5.0, 0.25)) | st.floats(-60, 60)
MATRIX = st.tuples(*[LINEAR, LINEAR, SHIFT] * 2)
KINDS = ("gray8", "gray16", "float", "color")
POLYNOMIAL = "mpicbg.trakem2.transform.PolynomialTransform2D"
TYPES = {"gray8": np.uint8, "gray16": np.uint16, "float": np.float32, "color": np.uint8}


@dataclass(frozen=True)
class How:
    """What a picture may ask for."""

    nearest: bool = False
    binary: bool = False


def random_image(kind: str, height: int, width: int, seed: int = 3) -> np.ndarray:
    shape = (height, width, 3) if kind == "color" else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape).astype(TYPES[kind]) * (kind == "gray16" or 1)


def source_of(image: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """A row for the compiled loops, of a whole image."""
    height, width = image.shape[:2]
    addresses = image.ctypes.data, 0 if mask is None else mask.ctypes.data
    return np.array([(*addresses, height, width, 0)], SOURCE)


def canvas_of(kind: str, masked: bool) -> Canvas:
    canvas = Canvas(*CANVAS_YX)
    canvas.start(kind, masked, noise=False)
    return canvas


def draw_on(canvas: Canvas, image: np.ndarray, mask: np.ndarray | None, forward: Affine, how: How) -> None:
    matrices = np.array([forward.matrix])
    draw_tiles(canvas.target(), source_of(image, mask), matrices, NO_NODES, (how.nearest, how.binary))


def positions(forward: Affine, source_yx: tuple[int, int]) -> tuple[np.ndarray, np.ndarray] | None:
    """Source column and row of every pixel of the canvas, NaN where the source does not reach."""
    height, width = source_yx
    inverse = forward.inverse()
    corners = forward(np.array(list(product((0.0, width - 1.0), (0.0, height - 1.0)))))
    if inverse is None or not np.isfinite(inverse.matrix).all() or not np.isfinite(corners).all():
        return None
    a, b, c, d, e, f = (round(m) if abs(m - round(m)) < TOLERANCE / 100 else m for m in inverse.matrix)
    y, x = np.mgrid[0.0 : CANVAS_YX[0], 0.0 : CANVAS_YX[1]]
    u, v = a * x + (b * y + c), d * x + (e * y + f)
    (left, top), (right, bottom) = corners.min(axis=0) - TOLERANCE, corners.max(axis=0) + TOLERANCE
    covered = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    covered &= (
        (u >= -TOLERANCE) & (u <= width - 1 + TOLERANCE) & (v >= -TOLERANCE) & (v <= height - 1 + TOLERANCE)
    )
    return np.where(covered, u, np.nan).astype(np.float32), v.astype(np.float32)


def sampled(image: np.ndarray, u: np.ndarray, v: np.ndarray, nearest: bool) -> tuple[np.ndarray, np.ndarray]:
    """Values in the image's type, and where there are any."""
    height, width = image.shape[:2]
    if nearest:
        u, v = np.floor(u + np.float32(0.5)), np.floor(v + np.float32(0.5))
        there = (u >= 0) & (v >= 0) & (u < width) & (v < height)
    else:
        there = (
            (u >= np.float32(-TOLERANCE)) & (v >= np.float32(-TOLERANCE)) & (u < width - 1) & (v < height - 1)
        )
    i, j = (np.where(there, positions, 0).astype(int) for positions in (u, v))
    across, down = (
        (np.where(there, positions, 0) - whole).astype(np.float32) for positions, whole in ((u, i), (v, j))
    )
    if image.ndim == 3:
        across, down = across[..., None], down[..., None]
    step = 0 if nearest else 1
    k, m = np.minimum(i + step, width - 1), np.minimum(j + step, height - 1)
    pixels = image.astype(np.float32)
    above = pixels[j, i] + (pixels[j, k] - pixels[j, i]) * across
    below = pixels[m, i] + (pixels[m, k] - pixels[m, i]) * across
    values = above + (below - above) * down
    return (values if image.dtype == np.float32 else np.floor(values + np.float32(0.5))), there


def plainly_drawn(
    canvas: Canvas, image: np.ndarray, mask: np.ndarray | None, forward: Affine, how: How
) -> None:
    """Every pixel of the canvas by the formulas of section 7.2 and 7.4."""
    found = positions(forward, image.shape[:2])
    if found is None:
        return
    values, there = sampled(image, *found, how.nearest)
    if canvas.alpha is None:
        canvas.values[np.isfinite(found[0])] = 0
        canvas.values[there] = values[there]
        return
    opaque = np.full(there.shape, 255.0)
    if mask is not None:
        opaque = sampled(mask, *found, how.nearest)[0]
        opaque = np.where(opaque > 0, 255.0, 0.0) if how.binary else opaque
    there &= opaque > 0
    share, before = opaque[there].astype(np.float64) / 255.0, canvas.alpha[there] / 255.0
    if image.ndim == 3:
        share, before = share[:, None], before[:, None]
    held = canvas.values[there].astype(np.float64)
    rest = np.where(held == 0, 0.0, before * (1 - share))
    total = share + rest
    drawn = values[there].astype(canvas.values.dtype)
    mixed = np.where(held == 0, share * drawn, (share * drawn + held * rest) / total)
    canvas.values[there] = np.floor(mixed + 0.5)
    canvas.alpha[there] = np.floor(255.0 * (total if image.ndim == 2 else total.max(axis=1)) + 0.5)


def usable(matrix: tuple[float, ...]) -> Affine:
    determinant = matrix[0] * matrix[4] - matrix[1] * matrix[3]
    assume(determinant == 0 or abs(determinant) > 1e-3)
    return Affine(matrix)


SIDE = st.sampled_from((1, 2, 37)) | st.integers(1, 60)


@settings(max_examples=examples(300), deadline=None)
@given(st.sampled_from(KINDS), SIDE, SIDE, st.tuples(MATRIX, MATRIX), st.booleans(), st.booleans())
def test_tiles_lie_one_over_the_other(
    kind: str, height: int, width: int, matrices: tuple[tuple[float, ...], ...], nearest: bool, masked: bool
) -> None:
    """Two tiles of any kind, masked or not: the second mixes with the first."""
    pictures = [canvas_of(kind, masked) for _ in range(2)]
    for seed, matrix in enumerate(matrices):
        image = random_image(kind, height, width, seed)
        mask = None
        if masked and seed:
            mask = np.random.default_rng(seed).choice([0, 1, 100, 255], (height, width)).astype(np.uint8)
        how = How(nearest, binary=bool(height % 2))
        draw_on(pictures[0], image, mask, usable(matrix), how)
        plainly_drawn(pictures[1], image, mask, Affine(matrix), how)
    np.testing.assert_array_equal(pictures[0].values, pictures[1].values)
    np.testing.assert_array_equal(pictures[0].alpha, pictures[1].alpha)


#: Beyond what a whole number of 32 or 64 bits can hold.
FAR = [sign * size for size in (2.0**31, 2.0**32, 2.0**63, 2.0**64, 1e300) for sign in (1, -1)]


@pytest.mark.parametrize("x", [-500.0, -37.5, 61.0, 64.98, *FAR, np.inf, np.nan])
@pytest.mark.parametrize("axis", [2, 5])
def test_tiles_beside_the_canvas_leave_it_alone(x: float, axis: int) -> None:
    matrix = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    matrix[axis] = x
    canvas = canvas_of("gray8", False)
    draw_on(canvas, np.full((37, 37), 9, np.uint8), None, Affine(tuple(matrix)), How())
    assert not canvas.values.any()


WILD = st.sampled_from(FAR) | st.floats() | st.floats(-100, 100)


@settings(max_examples=examples(300), deadline=None)
@given(st.lists(WILD, min_size=6, max_size=6), st.lists(WILD, min_size=10, max_size=10), st.booleans())
def test_nothing_is_written_beside_the_canvas(
    matrix: list[float], points: list[float], nearest: bool
) -> None:
    """Whatever numbers transforms give: what cannot be drawn is left out."""
    around = np.full((3 * CANVAS_YX[0], CANVAS_YX[1]), 7, np.uint8)
    image = np.full((37, 37), 9, np.uint8)
    mesh = triangle_mesh(37, 37, 2)
    for mapped in (None, np.array(points).reshape(5, 2)):
        canvas = Canvas(*CANVAS_YX, values=around[CANVAS_YX[0] : 2 * CANVAS_YX[0]])
        target = canvas.target(), source_of(image), np.array([matrix])
        if mapped is None:
            draw_tiles(*target, NO_NODES, (nearest, False))
        else:
            draw_mesh(*target, (mesh.points, mapped, mesh.triangles), (nearest, False))
    assert set(np.unique(canvas.values)) <= {0, 7, 9}
    assert np.all(around[: CANVAS_YX[0]] == 7)
    assert np.all(around[2 * CANVAS_YX[0] :] == 7)


@pytest.mark.parametrize("long_axis", [0, 1])
def test_long_thin_sources_are_drawn(long_axis: int) -> None:
    """A piece of one gives the same."""
    source = np.random.default_rng(0).integers(0, 256, (40_000, 2), np.uint8)
    piece = source[20_000:20_100]
    pictures = []
    for image, begin in ((source, 20_010.5), (piece, 10.5)):
        turned = np.ascontiguousarray(image.T if long_axis else image)
        x, y = (begin, 0.0) if long_axis else (0.0, begin)
        pictures.append(canvas_of("gray8", False))
        draw_on(pictures[-1], turned, None, Affine((1.0, 0.0, -x, 0.0, 1.0, -y)), How())
    assert pictures[0].values.any()
    assert np.array_equal(pictures[0].values, pictures[1].values)


@settings(max_examples=examples(60), deadline=None)
@given(st.sampled_from(KINDS), MATRIX, st.booleans())
def test_a_mesh_that_is_affine_draws_what_the_matrix_draws(
    kind: str, matrix: tuple[float, ...], masked: bool
) -> None:
    """But for pixels on the border of the source, and values that lie exactly between two."""
    forward = usable(matrix)
    determinant = matrix[0] * matrix[4] - matrix[1] * matrix[3]
    assume(abs(determinant) > 0.05)
    image = np.ascontiguousarray(np.broadcast_to(np.arange(50, dtype=TYPES[kind]), (40, 50)))
    image = np.stack([image] * 3, axis=2) if kind == "color" else image
    mesh = triangle_mesh(50, 40, 5)
    pictures = [canvas_of(kind, masked) for _ in range(2)]
    draw_on(pictures[0], image, None, forward, How())
    same = mesh.points, mesh.points, mesh.triangles
    draw_mesh(pictures[1].target(), source_of(image), np.array([matrix]), same, (False, False))
    u, v = positions(forward, (40, 50))
    within = (u > 1e-4) & (u < 49 - 1e-4) & (v > 1e-4) & (v < 39 - 1e-4)
    differing = np.abs(pictures[0].values.astype(float) - pictures[1].values)[within]
    assert not differing.size or differing.max() <= 1


def test_an_inverse_map_leads_back_as_the_mesh_does() -> None:
    """A lens correction at 1/16: few pixels differ by a grey value, none by more but on the border."""
    data = "3 1 0 4e-6 2e-6 -3e-6 0 0 1 -2e-6 5e-6 3e-6"
    specs = [leaf(className=POLYNOMIAL, dataString=data)]
    warp = Warp(orjson.dumps(specs), 960.0, 800.0, 64.0)
    inverse_map, level = warp.inverse_map(), 4
    assert inverse_map is not None
    image = np.random.default_rng(0).integers(0, 256, (50, 60)).astype(np.uint8)
    source = source_of(image)
    source["level"] = level
    to_canvas = Affine((0.07, 0.002, -1.2, -0.003, 0.07, 0.7))
    pictures = [canvas_of("gray8", False) for _ in range(2)]
    mesh, mapped = warp.mesh(level, image.shape)
    matrix = np.array([to_canvas.matrix])
    draw_mesh(pictures[0].target(), source, matrix, (mesh.points, mapped, mesh.triangles), (False, False))
    forward = np.array([inverse_map.to_warped.then(to_canvas).matrix])
    draw_tiles(pictures[1].target(), source, forward, inverse_map.nodes, (False, False))
    differing = np.abs(pictures[0].values.astype(int) - pictures[1].values)
    assert pictures[0].values.mean() > 60
    assert np.count_nonzero(differing) < 0.02 * differing.size
    assert np.count_nonzero(differing > 1) <= 4


@pytest.mark.parametrize("data", ["0 1 0 -0.002 0 0 0 0 1 0 0 0", "0 1e308 1e308 0 1e308 1e308"])
def test_a_warp_that_folds_the_tile_or_leads_nowhere_has_no_inverse_map(data: str) -> None:
    specs = [leaf(className=POLYNOMIAL, dataString=data)]
    with np.errstate(all="ignore"):
        assert Warp(orjson.dumps(specs), 960.0, 800.0, 64.0).inverse_map() is None
