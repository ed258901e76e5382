"""The sections of a stack as planes of a volume; extents and versions of stacks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby, product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.box_images import Drawing, DrawnBox, draw_box
from asap_ingest.errors import ServiceError
from asap_ingest.images.volumes import Carry, MeanReduction, Step
from asap_ingest.precomputed.grid import Box, Triple
from asap_ingest.stacks import Stack


@dataclass(frozen=True)
class StackPlanes:
    """A part of a stack, drawn at a scale, as a `PlaneSource`.

    Along z, sections are averaged; planes without section do not count, as those beyond the last do not.

    Attributes
    ----------
    extent : Box
        In world coordinates.
    sections : tuple of int or None
        z of the section that each plane of the extent shows; None for one that stays black.
    factor : triple of int
        World pixels and planes in one voxel; that along x is that along y.
    box_side : int
        Pixels along x and y that one request asks for at most.
    """

    stack: Stack
    drawing: Drawing
    extent: Box
    sections: tuple[int | None, ...]
    factor: Triple
    box_side: int

    @property
    def size(self) -> Triple:
        x, y, z = (-(-length // n) for length, n in zip(self.extent.size, self.factor, strict=True))
        return x, y, z

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.drawing.dtype)

    def part(self, first: int, end: int) -> StackPlanes:
        return self

    def read(self, z: int, rows: slice, columns: slice) -> NDArray[Any] | None:
        """Samples (height, width) of a part of a plane, drawn box by box; None where there is no section.

        Raises
        ------
        BoxImageError, ServiceUnreachableError
        """
        depth = self.factor[2]
        shown = [section for section in self.sections[z * depth : (z + 1) * depth] if section is not None]
        if len(set(shown)) <= 1:
            return self._drawn(shown[0], rows, columns) if shown else None
        shape_yx = (rows.stop - rows.start, columns.stop - columns.start)
        whole = (len(shown), 1, 1)
        mean = MeanReduction(Step(whole, whole, shape_yx, self.dtype))
        for section, times in groupby(shown):
            plane = self._drawn(section, rows, columns)
            for _ in times:
                sums = mean.add(Carry(plane, 1))
        assert sums is not None  # all planes of the block are in it
        return mean.values(sums)

    def _drawn(self, section: int, rows: slice, columns: slice) -> NDArray[Any]:
        plane = np.empty((rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        (left, top, _), times = self.extent.begin, self.factor[0]
        for down, across in product(_parts(rows, self.box_side), _parts(columns, self.box_side)):
            box = DrawnBox(
                section,
                left + across.start * times,
                top + down.start * times,
                across.stop - across.start,
                down.stop - down.start,
                times,
            )
            place = (_from(down, rows), _from(across, columns))
            plane[place] = draw_box(self.stack, box, self.drawing)
        return plane


def _parts(whole: slice, length: int) -> Iterator[slice]:
    for start in range(whole.start, whole.stop, length):
        yield slice(start, min(start + length, whole.stop))


def _from(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)


def stack_bounds(stack: Stack, z_values: Sequence[float]) -> dict[str, float]:
    """minX, minY, maxX and maxY of a stack; of its sections, where it has not been completed.

    Tiles lie from the minima up to, not including, the maxima.
    """
    try:
        return stack_json(stack, "/bounds")
    except ServiceError as error:
        if error.status != 400:
            raise
    found = [stack_json(stack, f"/z/{z}/bounds") for z in z_values]
    folds = (("minX", min), ("minY", min), ("maxX", max), ("maxY", max))
    return {name: fold(bounds[name] for bounds in found) for name, fold in folds}


def stack_json(stack: Stack, path: str) -> Any:
    """What the service answers below a stack."""
    return stack.connection.session.get(stack.url + path).json()


def whole_extent(bounds: dict[str, float], z_values: Sequence[int]) -> Box:
    """The voxels that hold bounds and sections."""
    begin = (math.floor(bounds["minX"]), math.floor(bounds["minY"]), min(z_values))
    return Box(begin, (math.ceil(bounds["maxX"]), math.ceil(bounds["maxY"]), max(z_values) + 1))


def aligned(extent: Box, factor: Triple) -> Box:
    """The extent, begun earlier so that it begins at multiples of a factor."""
    x, y, z = (begin // times * times for begin, times in zip(extent.begin, factor, strict=True))
    return Box((x, y, z), extent.end)


def sections_of_planes(extent: Box, z_values: Sequence[int], fill_gaps: bool) -> tuple[int | None, ...]:
    """Which section each plane of an extent shows; in gaps none, or again the one before."""
    existing = set(z_values)
    shown: list[int | None] = []
    for z in range(extent.begin[2], extent.end[2]):
        before = shown[-1] if shown and fill_gaps else None
        shown.append(z if z in existing else before)
    return tuple(shown)


def modified_of(metadata: dict[str, Any]) -> str | None:
    """Milliseconds of a stack's last change, as the ETags of its images have them; None if unknown."""
    modified = metadata.get("lastModifiedTimestamp")
    if not isinstance(modified, str):
        return None
    try:
        moment = datetime.fromisoformat(modified.replace("Z", "+00:00"))
    except ValueError:
        return None
    return str(round(moment.timestamp() * 1000))
