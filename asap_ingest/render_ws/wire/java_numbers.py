"""Numbers as the original service rounds and cuts them, where that differs from Python.

Source of the rules: the language specification of Java for `Float.parseFloat` and for casts to int.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.wire import json_types

LARGEST_INT = 2**31 - 1
SMALLEST_INT = -(2**31)


def parse_double(text: str) -> float:
    """Read a double with blanks around it, `NaN`, `Infinity`, suffixes; ValueError for anything else."""
    value = json_types.parse_double(text)
    if value is None:
        raise ValueError(f"not a number: {text!r}")
    return value


def parse_float32(text: str) -> float:
    """Read a number rounded to 32 bits (`16777217` gives 16777216.0); ValueError if it is none."""
    with np.errstate(over="ignore"):
        return float(np.float32(parse_double(text)))


def truncate_to_int(value: float) -> int:
    """Cut toward zero; NaN gives 0, what 32 bits cannot hold the nearest limit."""
    if math.isnan(value):
        return 0
    return math.trunc(max(SMALLEST_INT, min(LARGEST_INT, value)))


def truncate_all(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """`truncate_to_int` on an array; the results are whole numbers kept as float64, never -0.0."""
    return np.nan_to_num(np.trunc(np.clip(values, SMALLEST_INT, LARGEST_INT)), nan=0.0) + 0.0
