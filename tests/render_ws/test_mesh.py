"""Triangles on the canvas: filled side by side, they are what they are one over the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asap_ingest.render_ws.drawing import mesh
from asap_ingest.render_ws.transforms.triangle_mesh import triangle_mesh

CANVAS_YX = (50, 60)
SOURCE = triangle_mesh(40, 30, 4)


def filled(mapped: np.ndarray) -> np.ndarray:
    """u, v and what is covered, over the canvas."""
    picture = np.full((3, *CANVAS_YX), -1.0)
    picture[2] = 0
    for patch in mesh.mesh_patches(SOURCE, mapped, CANVAS_YX):
        covered = np.ones(patch.u.shape) if patch.covered is None else patch.covered
        picture[:, patch.rows, patch.columns] = patch.u, patch.v, covered
    return picture


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from((0.0, 0.3, 3.0, 30.0)), st.booleans())
def test_side_by_side_equals_on_top(seed: int, bend: float, whole: bool) -> None:
    """Slightly bent meshes, folded ones, and ones whose corners lie on whole pixels."""
    random = np.random.default_rng(seed)
    mapped = SOURCE.points * random.uniform(0.5, 2) + random.normal(0, bend, SOURCE.points.shape)
    mapped = np.rint(mapped) if whole else mapped
    quickly = filled(mapped)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(mesh, "_side_by_side", lambda spans, pixels: None)
        assert np.array_equal(filled(mapped), quickly)


def test_a_block_inside_the_mesh_needs_no_mask() -> None:
    inside = [*mesh.mesh_patches(SOURCE, SOURCE.points * 5.3 - 17.1, CANVAS_YX)]
    assert [patch.covered is None for patch in inside] == [True]
