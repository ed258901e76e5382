"""Layers: tiles that are drawn together, and what drawing needs of each, derived once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.channels import Channel, source_urls, tile_channels
from asap_ingest.render_ws.drawing.layer_files import LayerFiles
from asap_ingest.render_ws.drawing.mipmap_levels import fit_affine
from asap_ingest.render_ws.drawing.warps import Warp
from asap_ingest.render_ws.transforms.classes import Affine
from asap_ingest.render_ws.transforms.specs import Spec, build_steps, merged, warped_steps
from asap_ingest.render_ws.wire.problems import IllegalArgumentError
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS

JsonObject = dict[str, Any]

#: Mesh cell size of all pictures but those of render parameters that a client sends.
CELL = 64.0


@dataclass(frozen=True)
class Geometry:
    """A tile's map to world coordinates: a warp, if it is not affine, and the affine transform behind it.

    `linear` is the nearest affine transform to both, up to its shift; None for a tile too small for one.
    """

    warp: Warp | None
    behind: Affine
    linear: Affine | None


def geometry_of(specs: Sequence[Spec], width: float, height: float, cell: float) -> Geometry:
    """Geometry of a tile of flattened transform specifications; errors as `specs.build`."""
    steps = build_steps(specs)
    warped = warped_steps(steps)
    behind = merged(steps[warped:])
    assert isinstance(behind, Affine)
    if not warped:
        return Geometry(None, behind, fit_affine(behind, width, height, cell))
    warp = Warp(orjson.dumps(specs[:warped]), width, height, cell)
    linear = warp.nearest_affine()
    return Geometry(warp, behind, None if linear is None else linear.then(behind))


@dataclass
class TileSources:
    """What a tile is drawn from; its geometry is set by the first use."""

    tile_id: str
    channels: list[Channel]
    urls: tuple[str, ...]
    has_masks: bool
    geometry: Geometry | None = None


class Layer(Sequence[JsonObject]):
    """Flattened tile specs in drawing order; each may be made when it is used."""

    def __init__(self, tiles: Sequence[Any], cell: float = CELL) -> None:
        self._tiles = tiles
        self._sources: list[TileSources | None] = [None] * len(tiles)
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
        """minX, minY, maxX, maxY of the tiles, shape (n, 4); 0 where a tile lacks them."""
        return np.array([[float(tile.get(name) or 0.0) for name in BOX_FIELDS] for tile in self])

    def check_files(
        self,
        which: Iterable[int],
        look: Callable[[str], bool],
        leave_out: Callable[[int, IllegalArgumentError], None] | None = None,
    ) -> None:
        """Look for the files of some tiles: see `LayerFiles.check`."""
        self._files.check(which, lambda index: self.sources(index).urls, look, leave_out)

    def sources(self, index: int) -> TileSources:
        """What a tile is drawn from."""
        sources = self._sources[index]
        if sources is None:
            tile = self[index]
            channels = tile_channels(tile)
            images = (image for channel in channels for image in channel.images.values())
            has_masks = any(image.get("maskUrl") is not None for image in images)
            sources = TileSources(str(tile.get("tileId")), channels, source_urls(channels), has_masks)
            self._sources[index] = sources
        return sources

    def geometry(self, index: int, size: Callable[[], tuple[float, float]]) -> Geometry:
        """Geometry of a tile; `size` reads width and height of its image where the spec lacks them.

        A geometry by the size of an image is not cached.
        """
        sources = self.sources(index)
        if sources.geometry is not None:
            return sources.geometry
        tile = self[index]
        specs = tile["transforms"]["specList"]
        if tile.get("width") is None or tile.get("height") is None:
            return geometry_of(specs, *size(), self.cell)
        geometry = geometry_of(specs, float(tile["width"]), float(tile["height"]), self.cell)
        if geometry.warp is not None:
            geometry = replace(geometry, warp=self._warps.setdefault(geometry.warp, geometry.warp))
        sources.geometry = geometry
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
    """The layer of tiles and their indices in it; a new layer for tiles that are not `LayerTiles`."""
    if isinstance(tiles, LayerTiles) and tiles.layer.cell == cell:
        return tiles.layer, tiles.which
    return Layer(tiles, cell), range(len(tiles))


def bounds_of(tiles: Sequence[JsonObject]) -> dict[str, float]:
    """`minX`, `minY`, `maxX`, `maxY` over some tiles."""
    layer, which = layer_of(tiles)
    boxes = layer.boxes[[*which]]
    return dict(zip(BOX_FIELDS, [*boxes[:, :2].min(axis=0), *boxes[:, 2:].max(axis=0)], strict=True))
