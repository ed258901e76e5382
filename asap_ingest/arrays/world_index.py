"""Indices in world coordinates: `array[z, y0:y1, x0:x1]`, half open; negative numbers are coordinates too."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from asap_ingest.errors import ParameterError

AXES = ("z", "y", "x")
#: Whole numbers along z, y and x.
Ranges = tuple[range, range, range]


@dataclass(frozen=True)
class WorldIndex:
    """What an index selects.

    Attributes
    ----------
    ranges : triple of range
    is_single : triple of bool
        Axes with a number instead of a slice: the result does not have them.
    """

    ranges: Ranges
    is_single: tuple[bool, bool, bool]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Length along z, y and x."""
        depth, height, width = map(len, self.ranges)
        return depth, height, width

    def of(self, samples: NDArray[Any]) -> NDArray[Any]:
        """Samples (z, y, x) without the axes that have a single number."""
        return samples[tuple(0 if single else slice(None) for single in self.is_single)]


def world_index(key: Any, extent: Callable[[], Ranges]) -> WorldIndex:
    """An index of up to three numbers or slices, z first.

    Parameters
    ----------
    extent : callable
        Where open ends of slices, and axes that are left out, begin and end; called if there are any.

    Raises
    ------
    ParameterError
        It has more axes, a step, an end before its start, or something else than whole numbers.
    """
    keys = key if isinstance(key, tuple) else (key,)
    if len(keys) > len(AXES):
        raise ParameterError("index", f"has {len(keys)} axes; there are z, y, x")
    keys = (*keys, *[slice(None)] * (len(AXES) - len(keys)))
    z, y, x = (
        _range(axis, key, extent, number) for number, (axis, key) in enumerate(zip(AXES, keys, strict=True))
    )
    single_z, single_y, single_x = (not isinstance(key, slice) for key in keys)
    return WorldIndex((z, y, x), (single_z, single_y, single_x))


def _range(axis: str, key: Any, extent: Callable[[], Ranges], number: int) -> range:
    if not isinstance(key, slice):
        position = _whole(axis, key)
        return range(position, position + 1)
    if key.step not in (None, 1):
        raise ParameterError(
            axis, f"slices have no step; {key.step} was given: take every n-th of the result"
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
