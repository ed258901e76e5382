"""Sampling under affine transforms: what is done in blocks and left out equals the plain formulas."""

from __future__ import annotations

from itertools import product

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from asap_ingest.render_ws.drawing import warp
from asap_ingest.render_ws.drawing.affine_warp import affine_patches
from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.warp import SNAP, sample
from asap_ingest.render_ws.transforms.classes import Affine

SOURCE = np.random.default_rng(3).integers(0, 256, (37, 53)).astype(np.uint8)
CANVAS_YX = (40, 61)
LINEAR = st.sampled_from((0.0, 1.0, -1.0, 0.5, 2.0)) | st.floats(-3, 3)
SHIFT = st.sampled_from((0.0, 7.0, -5.0, 0.25)) | st.floats(-60, 60)


def drawn(forward: Affine, image: np.ndarray, nearest: bool) -> np.ndarray:
    canvas = Canvas(*CANVAS_YX)
    canvas.start("gray8", has_masks=False, noise=False)
    for patch in affine_patches(forward, image.shape, CANVAS_YX):
        canvas.paste(patch, sample(image, patch, nearest), None)
    return canvas.values


def plainly_drawn(forward: Affine, image: np.ndarray, nearest: bool) -> np.ndarray:
    """Every pixel of the canvas by the formulas, over the whole image."""
    height, width = image.shape
    inverse = forward.inverse()
    picture = np.zeros(CANVAS_YX, np.uint8)
    corners = np.array(list(product((0.0, width - 1.0), (0.0, height - 1.0))))
    enclosing = forward.apply(corners)
    if inverse is None or not np.all(np.isfinite(enclosing)):
        return picture
    a, b, c, d, e, f = (round(m) if abs(m - round(m)) < SNAP / 100 else m for m in inverse.matrix)
    y, x = np.mgrid[0.0 : CANVAS_YX[0], 0.0 : CANVAS_YX[1]]
    u, v = a * x + (b * y + c), d * x + (e * y + f)
    (left, top), (right, bottom) = enclosing.min(axis=0) - SNAP, enclosing.max(axis=0) + SNAP
    covered = (x >= left) & (x <= right) & (y >= top) & (y <= bottom)
    if b or d:
        covered &= (u >= -SNAP) & (u <= width - 1 + SNAP) & (v >= -SNAP) & (v <= height - 1 + SNAP)
    u, v = u.astype(np.float32), v.astype(np.float32)
    if nearest:
        u, v = np.floor(u + np.float32(0.5)), np.floor(v + np.float32(0.5))
        outside = (u < 0) | (v < 0) | (u >= width) | (v >= height)
    else:
        outside = (u < -SNAP) | (v < -SNAP) | (u >= width - 1) | (v >= height - 1)
    values = cv2.remap(image.astype(np.float32), u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    picture[:] = np.where(covered & ~outside, np.floor(values + 0.5), 0)
    return picture


@settings(max_examples=100, deadline=None)
@given(st.tuples(*[LINEAR, LINEAR, SHIFT] * 2), st.booleans(), st.sampled_from((16, 500, 2**16)))
def test_blocks_and_short_cuts_draw_what_the_formulas_draw(
    matrix: tuple[float, ...], nearest: bool, block_pixels: int
) -> None:
    forward = Affine(matrix)
    determinant = matrix[0] * matrix[4] - matrix[1] * matrix[3]
    assume(determinant == 0 or abs(determinant) > 1e-3)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(warp, "BLOCK_PIXELS", block_pixels)
        quickly = drawn(forward, SOURCE, nearest)
    assert np.array_equal(quickly, plainly_drawn(forward, SOURCE, nearest))


def test_a_block_inside_the_source_needs_no_mask() -> None:
    within = [*affine_patches(Affine((4.0, 0.1, -40.0, -0.1, 4.0, -30.0)), SOURCE.shape, (20, 20))]
    across = [*affine_patches(Affine((1.0, 0.1, 0.0, -0.1, 1.0, 0.0)), SOURCE.shape, CANVAS_YX)]
    assert [patch.covered is None for patch in within] == [True]
    assert [patch.covered is None for patch in across] == [False]


@pytest.mark.parametrize("long_axis", [0, 1])
def test_long_thin_sources_are_drawn(long_axis: int) -> None:
    """OpenCV takes no sources of 32767 and more pixels a side: a piece of one gives the same."""
    source = np.random.default_rng(0).integers(0, 256, (40_000, 2), np.uint8)
    piece = source[20_000:20_100]
    if long_axis:
        source, piece = source.T, piece.T
    pictures = []
    for image, begin in ((source, 20_010.5), (piece, 10.5)):
        x, y = (begin, 0.0) if long_axis else (0.0, begin)
        pictures.append(drawn(Affine((1.0, 0.0, -x, 0.0, 1.0, -y)), image, False))
    assert pictures[0].any()
    assert np.array_equal(*pictures)
