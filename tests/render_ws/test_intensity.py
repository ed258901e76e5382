"""Ranges of finished pictures: 16-bit gray and float ones."""

from __future__ import annotations

import numpy as np
import pytest

from asap_ingest.render_ws.drawing.canvas import Canvas
from asap_ingest.render_ws.drawing.intensity import IntensityRange, range_for_canvas


def shown(values: list[float], dtype: type, low: float, high: float) -> list[int]:
    """What values in a row look like in 8 bits, shown in a range."""
    row = np.array([values], dtype)
    gray = Canvas(1, len(values), values=row, intensity_range=IntensityRange(low, high)).gray8()
    assert gray is not None
    return gray[0].tolist()


def ranged(values: list[int], low: int, high: int) -> list[int]:
    """The formula of 16-bit samples, for limits that are integers already."""
    return [min(255, int(max(value - low, 0) * 256 / (high - low + 1) + 0.5)) for value in values]


@pytest.mark.parametrize(
    ("asked", "counts"),
    [
        ((1000.0, 2000.0), (1000, 2000)),
        ((1000.9, 2000.9), (1000, 2000)),
        ((0.5, 300.5), (0, 300)),
        ((-5000.0, 2000.0), (0, 2000)),
        ((-0.5, 999.9), (0, 999)),
        ((1000.0, 1e6), (1000, 65535)),
        ((-1e9, 1e9), (0, 65535)),
        ((float("-inf"), float("inf")), (0, 65535)),
    ],
)
def test_limits_of_16_bit_pictures_are_cut_to_integers_of_16_bits(
    asked: tuple[float, float], counts: tuple[int, int]
) -> None:
    values = [0, 1, 299, 300, 999, 1000, 1001, 1003, 1500, 1997, 2001, 30000, 65535]
    assert shown(values, np.uint16, *asked) == ranged(values, *counts)


@pytest.mark.parametrize("asked", [(0.0, 0.0), (0.5, 0.5), (-5.0, 0.0), (-0.5, 0.9)])
def test_a_range_cut_to_nothing_gives_way_to_that_of_the_picture(asked: tuple[float, float]) -> None:
    values = [100, 150, 200, 355]
    assert shown(values, np.uint16, *asked) == ranged(values, 100, 355)


def test_a_range_of_exactly_nothing_gives_way_to_that_of_the_source() -> None:
    nothing = IntensityRange(0.0, 0.0)
    source = np.array([[300, 700]], np.uint16)
    assert range_for_canvas(nothing, source, "gray16", widened=False) == IntensityRange(300.0, 700.0)
    narrow = np.array([[3, 7]], np.uint8)
    assert range_for_canvas(nothing, narrow, "gray16", widened=True) == IntensityRange(768.0, 1792.0)


@pytest.mark.parametrize(
    ("dtype", "canvas", "widened", "asked"),
    [
        (np.uint16, "gray8", False, (0.0, 0.0)),
        (np.uint8, "gray16", False, (0.0, 0.0)),
        (np.uint16, "gray16", False, (0.5, 0.5)),
        (np.uint16, "gray16", False, (0.0, 255.0)),
    ],
)
def test_other_sources_and_ranges_leave_what_was_asked(
    dtype: type, canvas: str, widened: bool, asked: tuple[float, float]
) -> None:
    source = np.array([[3, 7]], dtype)
    assert range_for_canvas(IntensityRange(*asked), source, canvas, widened) == IntensityRange(*asked)


def test_float_samples_below_the_minimum_are_black_also_where_it_lies_above_the_maximum() -> None:
    values = [-10.0, 0.0, 100.0, 255.0, 299.9]
    assert shown(values, np.float32, 300.0, 255.0) == [0] * 5
    assert shown(values, np.float32, 100.0, 255.0) == [0, 0, 0, 255, 255]
