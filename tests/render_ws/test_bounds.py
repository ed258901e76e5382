"""Bounding boxes derived from transforms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asap_ingest.render_ws.transforms.bounds import border_points, derive_boxes
from asap_ingest.render_ws.transforms.specs import Spec, build
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

AFFINE = "mpicbg.trakem2.transform.AffineModel2D"
POLYNOMIAL = "mpicbg.trakem2.transform.PolynomialTransform2D"


def specs(*data: str, name: str = AFFINE) -> list[Spec]:
    return [{"type": "leaf", "className": name, "dataString": text} for text in data]


def box(width: float | None, height: float | None, transforms: list[Spec], cell: float = 64.0) -> list[float]:
    return derive_boxes([(width, height, cell, transforms)])[0].tolist()


@pytest.mark.parametrize(
    ("x", "expected"), [(5.0, 5), (5.999, 5), (-3.7, -3), (-0.5, 0), (-0.0, 0), (2147483648.5, 2147483647)]
)
def test_minimum_is_cut_toward_zero(x: float, expected: float) -> None:
    min_x, _, max_x, _ = box(10, 20, specs(f"1 0 0 1 {x} 0"))
    assert (min_x, max_x) == (expected, expected + 10)
    assert math.copysign(1, min_x) == (-1 if expected < 0 else 1)


def test_no_transform_gives_the_tile_itself() -> None:
    assert box(3840.0, 2160.0, []) == [0, 0, 3840, 2160]


def test_far_corner_is_not_sampled() -> None:
    # x + y reaches w + h - 1 on the border, and w + h only in the corner
    assert box(100, 50, specs("1 0 1 1 0 0"))[2] == 149


def test_border_runs_to_the_last_pixel_and_the_opposite_edge() -> None:
    points = border_points(100, 40, 64)
    assert points.tolist() == [
        [0, 0], [99, 0], [0, 40], [99, 40],
        [0, 0], [0, 39], [100, 0], [100, 39],
    ]  # fmt: skip


def test_smaller_cells_see_more_of_a_bulge() -> None:
    bulge = specs("0 1 0 0 0 0 0 0 1 0.01 0 0", name=POLYNOMIAL)
    coarse, fine = (box(101, 101, bulge, cell) for cell in (64.0, 1.0))
    assert coarse[1] == fine[1] == 0
    assert fine[3] >= coarse[3]


def test_cell_size_of_zero_gives_the_box_of_the_original() -> None:
    expected = [2147483647, 2147483647, -1, -1]
    assert box(50, 40, [], 0.0) == expected
    assert box(50, 40, specs("0 1", name=POLYNOMIAL), 0.0) == expected


def test_values_that_are_not_finite_do_not_stop_the_others() -> None:
    boxes = derive_boxes([(10, 10, 64.0, specs("1 0 0 1 5 NaN")), (10, 10, 64.0, specs("1 0 0 1 1 2"))])
    assert boxes[1].tolist() == [1, 2, 11, 12]
    assert boxes[0, [0, 2]].tolist() == [5, 15]


@pytest.mark.parametrize("size", [(None, 10), (10, None)])
def test_missing_size_is_an_illegal_state(size: tuple[float | None, float | None]) -> None:
    with pytest.raises(IllegalStateError):
        box(*size, [])


def test_transform_that_cannot_be_built_is_refused() -> None:
    with pytest.raises(IllegalArgumentError):
        box(10, 10, specs("1 0 0"))


def test_no_tiles_give_no_boxes() -> None:
    assert derive_boxes([]).shape == (0, 4)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([(100.0, 80.0, 64.0), (31.0, 33.0, 16.0)]),
            st.lists(st.tuples(*[st.floats(-2, 2)] * 4, *[st.floats(-1e5, 1e5)] * 2), min_size=0, max_size=2),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_tiles_together_have_the_boxes_of_all_border_points(
    tiles: list[tuple[tuple[float, float, float], list[tuple[float, ...]]]],
) -> None:
    frames = [(*size, specs(*(" ".join(map(repr, row)) for row in rows))) for size, rows in tiles]
    together = derive_boxes(frames)
    for (width, height, cell, transforms), found in zip(frames, together, strict=True):
        points = border_points(width, height, cell)
        for spec in transforms:
            points = build([spec])(points)
        least, greatest = points.min(axis=0), points.max(axis=0)
        expected = np.concatenate([np.trunc(least), np.trunc(least) + np.ceil(greatest - least)])
        assert found == pytest.approx(expected, abs=1)


@pytest.mark.parametrize("points", [1, 10**6])
def test_boxes_do_not_depend_on_how_many_are_derived_at_once(
    monkeypatch: pytest.MonkeyPatch, points: int
) -> None:
    lens = specs("0 1 0.001 0.0002 0 0.001 0 0 1 0 0.0003 0", name=POLYNOMIAL)
    frames = [
        (100.0, 80.0, 16.0, [*shared, *specs(f"1.01 0.02 -0.03 0.99 {n * 3.3} {n * 7.7}")])
        for n in range(5)
        for shared in ([], lens)
    ]
    expected = [derive_boxes([frame])[0].tolist() for frame in frames]
    monkeypatch.setattr("asap_ingest.render_ws.transforms.bounds.BLOCK_POINTS", points)
    assert derive_boxes(frames).tolist() == expected
