"""Positions of tiles in their sections: from coordinates of a table, or of a grid, to pixels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import ParameterError
from asap_ingest.tile_tables.table_records import PIXEL, UNITS_NM, Faults, TableContent, TableRow

# division by units in floating point moves whole pixels by 1e-11: rounding undoes that
_DECIMALS = 6
#: render has boxes of 32-bit integers.
_FARTHEST = 2**31 - 1


@dataclass(frozen=True)
class Placement:
    """What a user specifies about the coordinates of a table; None where the table specifies it.

    Attributes
    ----------
    units : str or None
        `pixel`, or a name in `UNITS_NM`; by default `pixel`.
    pixel_size_nm : float or None
    overlap_percent : float or None
        Overlap of neighbours on a grid, of a tile's side.
    y_axis : str or None
        `down`, or `up`: y grows upwards, and is that of a tile's lower edge.
    """

    units: str | None = None
    pixel_size_nm: float | None = None
    overlap_percent: float | None = None
    y_axis: str | None = None


def positions(
    content: TableContent, sizes: Sequence[tuple[int, int]], placement: Placement, source: str
) -> NDArray[np.float64]:
    """Upper left corners of the tiles, before rotation.

    Positions in pixels with y downwards are kept. With y upwards, the upper edges are counted downwards from
    the highest one; positions of centres are counted from the leftmost and highest tile. On a grid, the first
    row and the first column begin at 0, and the step is the tile's side less the overlap, in whole pixels.

    Parameters
    ----------
    sizes : sequence of n (width, height), in pixels

    Returns
    -------
    ndarray of float64, shape (n, 2), columns x and y, pixels of level 0

    Raises
    ------
    ParameterError
        A pixel size or an overlap is required.
    TileTableError
        Tiles on a grid that differ in size, positions beyond 2**31 pixels.
    """
    faults = Faults(source)
    shape_xy = np.array(sizes, np.float64)
    y_up = placement.y_axis == "up" if placement.y_axis else content.y_up
    if content.rows[0].x is None:
        if placement.units not in (None, PIXEL):
            raise ParameterError("units", f"{placement.units!r}: rows and columns have no unit; leave it out")
        corners = _grid(content.rows, sizes, placement.overlap_percent, faults, y_up)
    else:
        if placement.overlap_percent is not None:
            raise ParameterError("overlap_percent", f"{source} has x and y; leave it out")
        corners = np.array([(row.x, row.y) for row in content.rows], np.float64) * _pixels_per_unit(
            content, placement
        )
        corners = _upper_left(corners, shape_xy, y_up, content.is_centre)
    corners = np.round(corners, _DECIMALS) + 0.0
    far = (np.abs(corners) + shape_xy > _FARTHEST).any(axis=1)
    for index in np.flatnonzero(far).tolist():
        problem = f"lies at {corners[index].tolist()} pixels"
        faults.add(
            content.rows[index].place, problem, "give smaller numbers, or correct units and pixel_size_nm"
        )
    faults.refuse()
    return corners


def affine_about_centre(
    tile_xy: tuple[float, float], size: tuple[int, int], degrees: float
) -> dict[str, float]:
    """The affine that moves a tile to its position and rotates it clockwise on the screen about its centre.

    The rotation about a point, x' = R (x - c) + c, written out for y downwards: with c = cos and s = sin of
    the angle, a pixel (u, v) of a tile of (width, height) is mapped to

        x' = x + cx + c (u - cx) - s (v - cy)        cx = (width - 1) / 2
        y' = y + cy + s (u - cx) + c (v - cy)        cy = (height - 1) / 2

    Coordinates of pixels are those of their centres, which are whole numbers.

    Returns
    -------
    dict
        M00, M10, M01, M11, B0, B1 of render's AffineModel2D.
    """
    quarters, rest = divmod(degrees, 90)
    # turns by 90 degrees are exact: with a sine of 1e-16, every pixel would be interpolated from two
    cosine, sine = (math.cos(math.radians(rest)), math.sin(math.radians(rest)))
    for _ in range(int(quarters) % 4):
        cosine, sine = -sine, cosine
    centre_x, centre_y = (size[0] - 1) / 2, (size[1] - 1) / 2
    return {
        "M00": cosine + 0.0,
        "M10": sine + 0.0,
        "M01": -sine + 0.0,
        "M11": cosine + 0.0,
        "B0": tile_xy[0] + centre_x - cosine * centre_x + sine * centre_y,
        "B1": tile_xy[1] + centre_y - sine * centre_x - cosine * centre_y,
    }


def _pixels_per_unit(content: TableContent, placement: Placement) -> float:
    """Pixels for one unit of x and y."""
    if placement.units and content.unit and placement.units != content.unit:
        raise ParameterError(
            "units", f"{placement.units!r}: the table has x and y in {content.unit}; leave it out"
        )
    unit = placement.units or content.unit or PIXEL
    if unit == PIXEL:
        return 1.0
    size_nm = placement.pixel_size_nm or content.pixel_size_nm
    if size_nm is None:
        raise ParameterError("pixel_size_nm", f"is required: x and y are in {unit}; give the nm of a pixel")
    return UNITS_NM[unit] / size_nm


def _upper_left(
    points: NDArray[np.float64], shape_xy: NDArray[np.float64], y_up: bool, is_centre: bool
) -> NDArray[np.float64]:
    corners = points * (1, -1) if y_up else points.copy()
    if is_centre:
        corners -= shape_xy / 2
        return corners - corners.min(axis=0)
    if y_up:
        corners[:, 1] -= shape_xy[:, 1]
        corners[:, 1] -= corners[:, 1].min()
    return corners


def _grid(
    rows: Sequence[TableRow],
    sizes: Sequence[tuple[int, int]],
    overlap_percent: float | None,
    faults: Faults,
    y_up: bool,
) -> NDArray[np.float64]:
    if overlap_percent is None:
        raise ParameterError(
            "overlap_percent", "is required: there are rows and columns but no x and y; 0 is none"
        )
    for row, (width, height) in zip(rows, sizes, strict=True):
        if (width, height) != sizes[0]:
            problem = f"is {width} x {height} pixels, {rows[0].place} {sizes[0][0]} x {sizes[0][1]}"
            faults.add(row.place, problem, "crop it, or give a table with x and y")
    faults.refuse()
    places = np.array([(row.column, row.row) for row in rows], np.float64)
    places -= places.min(axis=0)
    if y_up:
        places[:, 1] = places[:, 1].max() - places[:, 1]
    return places * np.floor(np.array(sizes[0]) * (1 - overlap_percent / 100) + 0.5)
