"""A stack for Python programs: its sections, its tiles as a table, its pixels as arrays.

Pixels are those that the service draws: `stack[z, y0:y1, x0:x1]`, in world coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.arrays.dask_arrays import LazySource, lazy_array
from asap_ingest.arrays.world_index import Ranges, world_index
from asap_ingest.errors import NoSectionsError, ParameterError
from asap_ingest.render.box_images import BOX_FORMS, Drawing
from asap_ingest.render.stack import RenderConnection, Stack
from asap_ingest.volumes.axes import per_axis
from asap_ingest.volumes.grid import Box
from asap_ingest.volumes.sources.stack_planes import StackPlanes, stack_bounds, whole_extent

_API = "/render-ws"
#: Pixels along x and y of one request, and of a chunk of a Dask array.
_BOX_SIDE = 2048
#: Fields of a tilespec, and of its layout, that a record has.
_TILE_FIELDS = (
    *("tileId", "z", "minX", "minY", "maxX", "maxY", "width", "height"),
    *("minIntensity", "maxIntensity"),
)
_LAYOUT_FIELDS = (
    *("sectionId", "camera", "temca", "imageRow", "imageCol", "stageX", "stageY", "rotation"),
    "pixelsize",
)


def open_stack(url: str, path: str, dtype: str = "uint8") -> StackReader:
    """Open a stack of a render service to read it.

    Parameters
    ----------
    url : str
        Of the service, like `http://localhost:8080`; a path from `/render-ws` on is left out.
    path : str
        `owner/project/stack`.
    dtype : `uint8` or `uint16`
        Of the pixels. As uint8, tiles of 16 bits are drawn with their minIntensity as 0 and maxIntensity as
        255, and colours as their mean; as uint16, samples are as they are in the files.

    Raises
    ------
    ParameterError
        `path` does not have three names, or `dtype` is another one.
    StackNotFoundError
        Names the stacks of the project.
    ServiceUnreachableError
    """
    names = path.strip("/").split("/")
    if len(names) != 3 or not all(names):
        raise ParameterError("path", f"{path!r} is not owner/project/stack")
    owner, project, name = names
    dtype = _drawable(dtype)
    address = url.partition(_API)[0].rstrip("/")
    stack = Stack(RenderConnection(address, None, owner, project), name)
    stack.require()
    return StackReader(stack, dtype)


@dataclass(frozen=True)
class StackReader:
    """A stack, read-only; `open_stack` makes it. Pickles are small.

    An index is in world coordinates, half open: `stack[z, y0:y1, x0:x1]` has the pixels that the service
    draws at scale 1 from x0 up to, not including, x1. Negative numbers are coordinates too. Open ends take
    the bounds of the stack. A number for z gives (height, width), or NoSectionsError without such a section;
    a slice of z gives (planes, height, width), with a plane for every whole z, which is 0 without a section.
    Pixels without tile are 0.
    """

    stack: Stack
    dtype: str = "uint8"

    @property
    def z_values(self) -> list[float]:
        """z of the sections, ascending, as they are now."""
        return self.stack.z_values()

    @property
    def bounds(self) -> dict[str, float]:
        """minX, minY, maxX, maxY: tiles lie from the minima up to, not including, the maxima."""
        return stack_bounds(self.stack, self.z_values)

    @property
    def metadata(self) -> dict[str, Any]:
        """Metadata of the stack as render's JSON: state, resolution, number of tiles."""
        return self.stack.require()

    def tilespecs(self, z: float) -> list[dict[str, Any]]:
        """Tilespecs of a section as render's JSON; NoSectionsError if the stack has no such section."""
        tiles = self.stack.tiles(z)
        if not tiles:
            raise NoSectionsError(self.stack.name, f"z {z:g}", self.z_values)
        return list(tiles.values())

    def tiles(self, z: float, *, as_frame: bool | None = None) -> Any:
        """Tiles of a section as a table: position, size, grey values, layout, image of level 0, level count.

        Parameters
        ----------
        as_frame : bool, optional
            Whether to return a pandas DataFrame, or a list of dicts; left out: a DataFrame where pandas is
            installed.

        Raises
        ------
        NoSectionsError
            The stack has no section at z.
        ParameterError
            A DataFrame is requested, and pandas is not installed.
        """
        records = [_record(tile) for tile in self.tilespecs(z)]
        has_pandas = find_spec("pandas") is not None
        if as_frame and not has_pandas:
            raise ParameterError("as_frame", "needs pandas: pip install pandas")
        if as_frame is False or not has_pandas:
            return records
        import pandas as pd

        return pd.DataFrame.from_records(records)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        first, *others = key if isinstance(key, tuple) else (key,)
        extent = cache(self._extent)
        if isinstance(first, slice):
            ranges, picked = world_index(key, extent)
            sections: dict[int, float] = {int(z): z for z in self.z_values if z.is_integer()}
        else:
            sections = {0: self._section(first)}
            ranges, picked = world_index((0, *others), extent)
        z, y, x = ranges
        planes = self._planes(Box((x.start, y.start, 0), (x.stop, y.stop, len(z))), map(sections.get, z))
        return _drawn(planes, per_axis(lambda along: range(len(along)), ranges))[picked]

    def to_dask(self, scale: float = 1.0) -> Any:
        """All sections as a Dask array (sections, height, width) that is drawn when it is computed.

        Plane n shows section `z_values[n]`. Row 0 and column 0 are at the whole numbers below minY and minX
        of `bounds`; a pixel is 1/scale wide.

        Parameters
        ----------
        scale : float
            1, 0.5, 0.25, and so on.

        Raises
        ------
        ParameterError
            dask is not installed, or the scale is another one.
        """
        z_values, (_, y, x) = self.z_values, self._extent()
        extent = Box((x.start, y.start, 0), (x.stop, y.stop, len(z_values)))
        planes = self._planes(extent, z_values, _step_of(scale))
        width, height, depth = planes.size
        source = LazySource((depth, height, width), planes.dtype, partial(_drawn, planes))
        return lazy_array(source, (1, _BOX_SIDE, _BOX_SIDE))

    def _section(self, z: Any) -> float:
        z_values = self.z_values
        if not isinstance(z, (int, float, np.number)) or float(z) not in z_values:
            raise NoSectionsError(self.stack.name, f"z {z}", z_values)
        return float(z)

    def _extent(self) -> Ranges:
        z_values = self.z_values
        if not z_values:
            raise NoSectionsError(self.stack.name, "any z", z_values)
        box = whole_extent(stack_bounds(self.stack, z_values), [math.floor(z) for z in z_values])
        x, y, z = (range(begin, end) for begin, end in zip(box.begin, box.end, strict=True))
        return z, y, x

    def _planes(self, extent: Box, sections: Iterable[float | None], step: int = 1) -> StackPlanes:
        return StackPlanes(self.stack, Drawing(self.dtype), extent, tuple(sections), _BOX_SIDE, step)


def _drawn(planes: StackPlanes, ranges: Ranges) -> NDArray[Any]:
    """Pixels (planes, height, width) of a box that counts from the first one; 0 without a section."""
    pixels = np.zeros(per_axis(len, ranges), planes.dtype)
    z_range, y, x = ranges
    for position, z in enumerate(z_range if pixels.size else ()):
        plane = planes.read(z, slice(y.start, y.stop), slice(x.start, x.stop))
        if plane is not None:
            pixels[position] = plane
    return pixels


def _drawable(dtype: Any) -> str:
    """The name of a type of samples; ParameterError for one that cannot be drawn."""
    try:
        name = str(np.dtype(dtype))
    except (TypeError, ValueError):
        name = ""
    if name not in BOX_FORMS:
        raise ParameterError("dtype", f"{dtype!r} cannot be drawn; choose from {', '.join(BOX_FORMS)}")
    return name


def _step_of(scale: float) -> int:
    """World coordinates per pixel at a scale, a power of 2; ParameterError for other scales."""
    mantissa, exponent = math.frexp(scale)
    if mantissa != 0.5 or exponent > 1:
        raise ParameterError("scale", f"{scale!r} is not 1, 0.5, 0.25, and so on")
    return 2 ** (1 - exponent)


def _record(tile: dict[str, Any]) -> dict[str, Any]:
    levels = tile.get("mipmapLevels") or {}
    layout = tile.get("layout") or {}
    return {
        **{name: tile.get(name) for name in _TILE_FIELDS},
        **{name: layout.get(name) for name in _LAYOUT_FIELDS},
        "imageUrl": levels.get("0", {}).get("imageUrl"),
        "levels": len(levels),
    }
