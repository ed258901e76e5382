"""Triangles on the canvas: the compiled loop fills what NumPy fills, triangle by triangle."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ingest.render_ws.drawing.positions import TOLERANCE, rasterise
from asap_ingest.render_ws.transforms.triangle_mesh import triangle_mesh
from tests.examples import examples

CANVAS_YX = (50, 60)
SOURCE = triangle_mesh(40, 30, 4)


def filled(mapped: np.ndarray) -> np.ndarray:
    """u, v and what is covered, over the canvas."""
    u, v = np.zeros((2, *CANVAS_YX), np.float32)
    rasterise(SOURCE.points, mapped, SOURCE.triangles, 0, 0, u, v)
    covered = np.isfinite(u)
    return np.array([np.where(covered, u, 0), np.where(covered, v, 0), covered])


def reference(mapped: np.ndarray) -> np.ndarray:
    """Each triangle over the whole canvas: a pixel is inside where it is left of all edges, or nearly so."""
    picture = np.zeros((3, *CANVAS_YX))
    y, x = np.mgrid[: CANVAS_YX[0], : CANVAS_YX[1]].astype(float)
    for triangle in SOURCE.triangles:
        target, source = mapped[triangle], SOURCE.points[triangle]
        if not np.isfinite(target).all():
            continue
        (dx, dy), (ex, ey) = target[1] - target[0], target[2] - target[0]
        area = dx * ey - dy * ex
        if area == 0:
            continue
        target = target if area > 0 else target[[0, 2, 1]]
        inside = (y >= target[:, 1].min() - TOLERANCE) & (y <= target[:, 1].max() + TOLERANCE)
        for (ax, ay), (bx, by) in zip(target, np.roll(target, -1, axis=0), strict=True):
            with np.errstate(all="ignore"):
                edge = ax + (bx - ax) * (y - ay) / (by - ay)
            inside &= (by == ay) | np.where(by > ay, x <= edge + TOLERANCE, x >= edge - TOLERANCE)
        shares = np.linalg.solve(np.vstack([target.T, [1, 1, 1]]), np.stack([x, y, 0 * x + 1]).reshape(3, -1))
        target_source = source if area > 0 else source[[0, 2, 1]]
        for values, found in zip(picture, target_source.T @ shares, strict=False):
            values[inside] = found.reshape(CANVAS_YX)[inside]
        picture[2][inside] = 1
    return picture


@settings(max_examples=examples(150), deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from((0.0, 0.3, 3.0, 30.0)),
    st.booleans(),
    st.sampled_from((None, np.nan, np.inf)),
)
def test_triangles_lie_one_over_the_other(seed: int, bend: float, whole: bool, missing: float | None) -> None:
    """Slightly bent meshes, folded ones, ones whose corners lie on whole pixels, ones with holes."""
    random = np.random.default_rng(seed)
    mapped = SOURCE.points * random.uniform(0.5, 2) + random.normal(0, bend, SOURCE.points.shape)
    mapped = np.rint(mapped) if whole else mapped
    if missing is not None:
        mapped[random.integers(len(mapped))] = missing
    found, expected = filled(mapped), reference(mapped)
    np.testing.assert_array_equal(found[2], expected[2])
    # flat triangles reach far beyond their source: single precision is relative
    np.testing.assert_allclose(found[:2], expected[:2], rtol=1e-5, atol=1e-3)


def test_parts_of_the_canvas_make_up_the_whole() -> None:
    mapped = SOURCE.points * 1.3 + np.random.default_rng(0).normal(0, 2, SOURCE.points.shape)
    whole = filled(mapped)
    u, v = np.empty((2, 20, 25), np.float32)
    rasterise(SOURCE.points, mapped, SOURCE.triangles, 11, 17, u, v)
    covered = np.isfinite(u)
    part = np.array([np.where(covered, u, 0), np.where(covered, v, 0), covered])
    np.testing.assert_allclose(part, whole[:, 11:31, 17:42], rtol=1e-6, atol=1e-5)
