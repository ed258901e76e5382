"""Triples along x, y and z, and arithmetic on them axis by axis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

Triple = tuple[int, int, int]
Lengths = tuple[float, float, float]
Value = TypeVar("Value")


def per_axis(function: Callable[..., Value], *triples: Sequence[Any]) -> tuple[Value, Value, Value]:
    """Apply a function axis by axis: (f(ax, bx), f(ay, by), f(az, bz)) for a function f and triples a, b."""
    x, y, z = map(function, *triples)
    return x, y, z


def ceil_div(length: int, step: int) -> int:
    """A length over a step, rounded up."""
    return -(-length // step)


def ceil_to(length: int, step: int) -> int:
    """The smallest multiple of a step that is at least a length."""
    return ceil_div(length, step) * step
