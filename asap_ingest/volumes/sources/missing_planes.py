"""Missing planes: gaps in the numbers of file names, files that cannot be read."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from asap_ingest.errors import ImageError, StorageError
from asap_ingest.execution import Executor
from asap_ingest.images.plane_samples import PlaneFile
from asap_ingest.volumes.sources.plane_files import ImagePlanes

#: Replacements for a missing plane.
STAND_INS = ("black", "repeat")
ON_MISSING = ("refuse", *STAND_INS)
#: Rows that are decoded at once, to find out whether they can be.
_ROWS = 2048
_SHOWN_RANGES = 6


@dataclass(frozen=True)
class Gap:
    """Numbers that are missing before a file."""

    file: str
    numbers: range


def gaps_between(files: Sequence[str]) -> list[Gap]:
    """Gaps in the numbers of file names that differ in one number alone; none for other names.

    Numbers that all go in steps, like 10, 20, 30, have no gaps.
    """
    numbers = _numbers_of(files)
    steps = [after - before for before, after in pairwise(numbers)]
    if not steps or min(steps) <= 0:
        return []
    step = math.gcd(*steps)
    return [
        Gap(file, range(before + step, after, step))
        for file, (before, after) in zip(files[1:], pairwise(numbers), strict=True)
        if after > before + step
    ]


def _numbers_of(files: Sequence[str]) -> list[int]:
    parts = [re.split(r"(\d+)", file) for file in files]
    if len({len(names) for names in parts}) != 1 or len({tuple(names[::2]) for names in parts}) != 1:
        return []
    counters = [
        column for column in zip(*(names[1::2] for names in parts), strict=True) if len(set(column)) > 1
    ]
    return [int(number) for number in counters[0]] if len(counters) == 1 else []


def gap_words(gaps: Sequence[Gap]) -> str:
    """The missing numbers in one line, like `3, 7..9`."""
    ranges = [
        f"{gap.numbers[0]}..{gap.numbers[-1]}" if len(gap.numbers) > 1 else str(gap.numbers[0])
        for gap in gaps
    ]
    more = f" and {len(ranges) - _SHOWN_RANGES} more ranges" if len(ranges) > _SHOWN_RANGES else ""
    count = sum(len(gap.numbers) for gap in gaps)
    return f"{count} missing in the numbers of the file names: {', '.join(ranges[:_SHOWN_RANGES])}{more}"


def damaged_planes(planes: ImagePlanes, executor: Executor) -> Iterator[tuple[int, str]]:
    """(z, reason) of planes whose samples cannot be decoded.

    Uncompressed ones are not decoded: the preflight has compared the lengths of their files.
    """
    compressed = (z for z, plane in enumerate(planes.planes) if plane is not None and plane.offset is None)
    for outcome in executor.run(_decode, [planes.part(z, z + 1) for z in compressed]):
        if isinstance(outcome.error, ImageError | StorageError):
            yield outcome.item.first, str(outcome.error)
        elif outcome.error is not None:
            raise outcome.error


def _decode(plane: ImagePlanes) -> None:
    width, height, _ = plane.size
    step = height if plane.whole_planes else _ROWS
    for top in range(0, height, step):
        plane.read(plane.first, slice(top, min(top + step, height)), slice(0, width))


def without(planes: ImagePlanes, damaged: Sequence[int]) -> ImagePlanes:
    """The planes, with None for damaged ones."""
    left: list[PlaneFile | None] = list(planes.planes)
    for z in damaged:
        left[z] = None
    return replace(planes, planes=tuple(left))


def repeated(planes: ImagePlanes) -> ImagePlanes:
    """The planes, with missing ones replaced by the one before; at the beginning, by the first one."""
    shown = next(plane for plane in planes.planes if plane is not None)
    filled = []
    for plane in planes.planes:
        shown = plane or shown
        filled.append(shown)
    return replace(planes, planes=tuple(filled))
