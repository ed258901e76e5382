"""Indices in world coordinates: `array[z, y0:y1, x0:x1]`, half open; negative numbers are coordinates too."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from asap_ingest.errors import ParameterError
from asap_ingest.volumes.axes import per_axis

AXES = ("z", "y", "x")
#: Whole numbers along z, y and x.
Ranges = tuple[range, range, range]
#: An index of NumPy for an array (z, y, x).
Picked = tuple[int | slice, int | slice, int | slice]


def world_index(key: Any, extent: Callable[[], Ranges]) -> tuple[Ranges, Picked]:
    """Split an index into the box to read, and the index into the samples of this box.

    Parameters
    ----------
    key : int, slice or tuple of these
        Up to three axes, z first; axes that are left out are read in full.
    extent : callable
        Returns the whole extent; called only for open ends of slices and for axes that are left out.

    Returns
    -------
    pair of Ranges and Picked
        The second drops the axes for which the index has a number, as NumPy does.

    Raises
    ------
    ParameterError
        It has too many axes, a step, an end before its start, or numbers that are not whole.
    """
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) > len(AXES):
        raise ParameterError("index", f"has {len(keys)} axes; there are z, y, x")
    keys = (*keys, *[slice(None)] * (len(AXES) - len(keys)))
    ranges = per_axis(lambda number, key: _range(number, key, extent), range(3), keys)
    return ranges, per_axis(lambda key: slice(None) if isinstance(key, slice) else 0, keys)


def _range(number: int, key: Any, extent: Callable[[], Ranges]) -> range:
    axis = AXES[number]
    if not isinstance(key, slice):
        position = _whole(axis, key)
        return range(position, position + 1)
    if key.step not in (None, 1):
        raise ParameterError(
            axis, f"slices have no step, not {key.step}; take every n-th pixel of the result"
        )
    start = extent()[number].start if key.start is None else _whole(axis, key.start)
    stop = extent()[number].stop if key.stop is None else _whole(axis, key.stop)
    if stop < start:
        problem = f"{start}:{stop} ends before it starts; negative numbers are coordinates too"
        raise ParameterError(axis, problem)
    return range(start, stop)


def _whole(axis: str, value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    try:
        return operator.index(value)
    except TypeError as error:
        raise ParameterError(
            axis, f"{value!r} is not a whole number, nor a slice of whole numbers"
        ) from error
