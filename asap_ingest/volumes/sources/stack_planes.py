"""The sections of a stack as planes of a volume; the extent of a stack, and the time of its last change."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import ServiceError
from asap_ingest.render.box_images import Drawing, DrawnBox, draw_box
from asap_ingest.render.stack import Stack
from asap_ingest.volumes.axes import Triple, ceil_div
from asap_ingest.volumes.grid import Box


@dataclass(frozen=True)
class StackPlanes:
    """A part of a stack as the service draws it; a `PlaneSource` of `writing`.

    Attributes
    ----------
    extent : Box
        In world coordinates.
    sections : tuple of float or None
        z of the section that each plane of the extent shows; None for a black plane.
    box_side : int
        Most pixels along x and y of one request.
    step : int
        Side of a pixel in world coordinates, a power of 2.
    """

    stack: Stack
    drawing: Drawing
    extent: Box
    sections: tuple[float | None, ...]
    box_side: int
    step: int = 1

    @property
    def size(self) -> Triple:
        width, height, depth = self.extent.size
        return ceil_div(width, self.step), ceil_div(height, self.step), depth

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.drawing.dtype)

    def part(self, first: int, end: int) -> StackPlanes:
        return self

    def read(self, z: int, rows: slice, columns: slice) -> NDArray[Any] | None:
        """Samples (height, width) of a part of a plane, drawn box by box; None without a section.

        Raises
        ------
        BoxImageError, ServiceUnreachableError
        """
        section = self.sections[z]
        if section is None:
            return None
        plane = np.empty((rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        left, top, _ = self.extent.begin
        for down, across in product(_parts(rows, self.box_side), _parts(columns, self.box_side)):
            box = DrawnBox(
                section,
                left + across.start * self.step,
                top + down.start * self.step,
                (across.stop - across.start) * self.step,
                (down.stop - down.start) * self.step,
                self.step,
            )
            plane[_from(down, rows), _from(across, columns)] = draw_box(self.stack, box, self.drawing)
        return plane


def _parts(whole: slice, length: int) -> Iterator[slice]:
    for start in range(whole.start, whole.stop, length):
        yield slice(start, min(start + length, whole.stop))


def _from(part: slice, whole: slice) -> slice:
    return slice(part.start - whole.start, part.stop - whole.start)


def stack_bounds(stack: Stack, z_values: Sequence[float]) -> dict[str, float]:
    """minX, minY, maxX and maxY of a stack; minima are inclusive, maxima exclusive.

    A stack that has not been completed has no bounds of its own: they are taken from its sections.
    """
    try:
        return stack_json(stack, "/bounds")
    except ServiceError as error:
        if error.status != 400:
            raise
    sections = [stack_json(stack, f"/z/{z}/bounds") for z in z_values]
    folds = (("minX", min), ("minY", min), ("maxX", max), ("maxY", max))
    return {name: fold(bounds[name] for bounds in sections) for name, fold in folds}


def stack_json(stack: Stack, path: str) -> Any:
    """The JSON that the service answers for a path below that of a stack."""
    return stack.connection.session.get(stack.url + path).json()


def whole_extent(bounds: dict[str, float], z_values: Sequence[int]) -> Box:
    """The smallest box of voxels that holds bounds and sections."""
    begin = (math.floor(bounds["minX"]), math.floor(bounds["minY"]), min(z_values))
    return Box(begin, (math.ceil(bounds["maxX"]), math.ceil(bounds["maxY"]), max(z_values) + 1))


def sections_of_planes(extent: Box, z_values: Sequence[int], fill_gaps: bool) -> tuple[int | None, ...]:
    """The section that each plane of an extent shows; in gaps None, or the one before."""
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
