"""Missing planes: numbers that file names skip, and files that cannot be read."""

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
#: Rows that are decoded at once in the search for damage.
_ROWS = 2048
_SHOWN_RANGES = 6


@dataclass(frozen=True)
class Gap:
    """Numbers that are missing between a file and the one before it."""

    file: str
    numbers: range


def gaps_between(files: Sequence[str]) -> list[Gap]:
    """Gaps in the numbers of file names, which must be the same but for one ascending number.

    Numbers advance by the greatest common divisor of their differences: 10, 20, 40 lacks only 30.
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
    """The number in which file names differ, of each name; empty if they differ in more than one."""
    parts = [re.split(r"(\d+)", file) for file in files]  # text and numbers alternate
    if len({tuple(part[::2]) for part in parts}) != 1:
        return []
    columns = zip(*(part[1::2] for part in parts), strict=True)
    differing = [column for column in columns if len(set(column)) > 1]
    return [int(number) for number in differing[0]] if len(differing) == 1 else []


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

    Uncompressed planes are not read: the preflight has checked that their files are long enough.
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


def without_damaged(planes: ImagePlanes, damaged: Sequence[int]) -> ImagePlanes:
    """The planes, with None for those whose z is in `damaged`."""
    left: list[PlaneFile | None] = list(planes.planes)
    for z in damaged:
        left[z] = None
    return replace(planes, planes=tuple(left))


def with_repeats(planes: ImagePlanes) -> ImagePlanes:
    """The planes, with each missing one replaced by the one before; at the beginning, by the first one."""
    shown = next(plane for plane in planes.planes if plane is not None)
    filled = []
    for plane in planes.planes:
        shown = plane or shown
        filled.append(shown)
    return replace(planes, planes=tuple(filled))
