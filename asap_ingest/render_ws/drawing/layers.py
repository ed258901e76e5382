"""Tiles that are drawn together, and what drawing needs of each, which is derived once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.channels import TileSources, tile_sources
from asap_ingest.render_ws.drawing.layer_files import LayerFiles
from asap_ingest.render_ws.drawing.mipmap_levels import LinearPart, fit_linear_part
from asap_ingest.render_ws.drawing.warps import Warp
from asap_ingest.render_ws.transforms.classes import Affine, Matrix
from asap_ingest.render_ws.transforms.specs import Spec, build_steps, merged
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS

JsonObject = dict[str, Any]

#: Mesh cell size of all pictures that are not asked for with render parameters.
CELL = 64.0


@dataclass(frozen=True)
class Geometry:
    """A tile's way to world coordinates: a warp, if it is not affine, and the matrix behind it."""

    warp: Warp | None
    matrix: Matrix
    linear: LinearPart | None


def geometry_of(specs: Sequence[Spec], width: float, height: float, cell: float) -> Geometry:
    """Geometry of a tile of flattened transform specifications; errors as `transforms.build`."""
    steps = build_steps(specs)
    warped = max((index + 1 for index, step in enumerate(steps) if not isinstance(step, Affine)), default=0)
    behind = merged(steps[warped:])
    assert isinstance(behind, Affine)
    if not warped:
        return Geometry(None, behind.matrix, fit_linear_part(behind, width, height, cell))
    warp = Warp(orjson.dumps(specs[:warped]), width, height, cell)
    linear = warp.linear_part()
    return Geometry(warp, behind.matrix, None if linear is None else linear.then(behind))


@dataclass
class DrawnTile:
    """What drawing needs of a tile: its channels, and its geometry once that was asked for."""

    tile_id: str
    sources: TileSources
    geometry: Geometry | None = None


class Layer(Sequence[JsonObject]):
    """Tiles in drawing order.

    Parameters
    ----------
    tiles : sequence of dict
        Flattened tile specs. One is asked for when it is needed, so that it may be made then.
    """

    def __init__(self, tiles: Sequence[JsonObject], cell: float = CELL) -> None:
        self._tiles = tiles
        self._drawn: list[DrawnTile | None] = [None] * len(tiles)
        # tiles share warps, whose texts may be long
        self._warps: dict[Warp, Warp] = {}
        self.cell = cell
        self._files = LayerFiles(len(tiles))

    def __len__(self) -> int:
        return len(self._tiles)

    def __getitem__(self, index: Any) -> Any:
        return self._tiles[index]

    @cached_property
    def boxes(self) -> NDArray[np.float64]:
        """minX, minY, maxX, maxY of the tiles, shape (n, 4); 0 for what a tile does not say."""
        return np.array([[float(tile.get(name) or 0.0) for name in BOX_FIELDS] for tile in self._tiles])

    def check_files(
        self,
        which: Sequence[int],
        look: Callable[[str], bool],
        leave_out: Callable[[int, IllegalArgumentError], None] | None = None,
    ) -> None:
        """Look for the files of some tiles: see `LayerFiles.check`."""
        self._files.check(
            np.array(which, int), lambda index: self.sources(index).sources.urls, look, leave_out
        )

    def sources(self, index: int) -> DrawnTile:
        """A tile with its channels."""
        drawn = self._drawn[index]
        if drawn is None:
            tile = self._tiles[index]
            drawn = self._drawn[index] = DrawnTile(str(tile.get("tileId")), tile_sources(tile))
        return drawn

    def geometry(self, index: int, size: Callable[[], tuple[float, float]]) -> Geometry:
        """Geometry of a tile; `size` tells width and height of one whose spec does not say them.

        What files tell is not kept.
        """
        drawn = self.sources(index)
        if drawn.geometry is not None:
            return drawn.geometry
        tile = self._tiles[index]
        specs = tile["transforms"]["specList"]
        if tile.get("width") is None or tile.get("height") is None:
            return geometry_of(specs, *size(), self.cell)
        width, height = float(tile["width"]), float(tile["height"])
        geometry = geometry_of(specs, width, height, self.cell)
        if geometry.warp is not None:
            geometry = replace(geometry, warp=self._warps.setdefault(geometry.warp, geometry.warp))
        drawn.geometry = geometry
        return geometry


class LayerTiles(Sequence[JsonObject]):
    """Some tiles of a layer in memory."""

    def __init__(self, layer: Layer, which: Sequence[int]) -> None:
        self.layer = layer
        self.which = which

    def __len__(self) -> int:
        return len(self.which)

    def __getitem__(self, index: Any) -> Any:
        return self.layer[self.which[index]]


def layer_of(tiles: Sequence[JsonObject], cell: float = CELL) -> tuple[Layer, Sequence[int]]:
    """The layer that tiles are of, and which they are there; tiles of no layer make one."""
    if isinstance(tiles, LayerTiles) and tiles.layer.cell == cell:
        return tiles.layer, tiles.which
    return Layer(tiles, cell), range(len(tiles))


def bounds_of(tiles: Sequence[JsonObject]) -> dict[str, float]:
    """`minX`, `minY`, `maxX`, `maxY` over some tiles."""
    layer, which = layer_of(tiles)
    boxes = layer.boxes[[*which]]
    return dict(zip(BOX_FIELDS, [*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)], strict=True))
