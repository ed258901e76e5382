"""Tiles as drawing needs them, and a cache of the layers of stacks that are not being written to."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.channels import Channel, source_urls, tile_channels
from asap_ingest.render_ws.drawing.image_urls import local_file_or_none
from asap_ingest.render_ws.drawing.mipmap_levels import fit_affine, pixel_size
from asap_ingest.render_ws.drawing.warps import Warp, shared_warp
from asap_ingest.render_ws.memory.bounded_cache import BoundedCache, CacheState
from asap_ingest.render_ws.memory.limits import MOST_TILES
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.store.resolved_tiles import TransformLookup
from asap_ingest.render_ws.transforms.classes import Affine
from asap_ingest.render_ws.transforms.specs import Spec, build_steps, merged, warped_steps
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError
from asap_ingest.render_ws.wire.stack_records import StackRecord, State
from asap_ingest.render_ws.wire.tile_rows import TileRow, counted
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS, DEFAULT_MESH_CELL_SIZE

JsonObject = dict[str, Any]
#: minX, minY, maxX, maxY of a tile, as stored.
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Geometry:
    """A tile's map to world coordinates: a warp, if its transforms are not all affine, then `affine`.

    `linear` is the affine transform nearest to both together, up to its shift; None for a tile that is too
    small to fit one.
    """

    warp: Warp | None
    affine: Affine
    linear: Affine | None

    @cached_property
    def pixel_size(self) -> float:
        """Length in world pixels of the longer side of a pixel of level 0; infinite without `linear`."""
        return math.inf if self.linear is None else pixel_size(self.linear, 1.0)


def geometry_of(specs: Sequence[Spec], width: float, height: float, cell: float) -> Geometry:
    """Geometry of a tile of flattened transform specifications; errors as `specs.build`."""
    steps = build_steps(specs)
    warped = warped_steps(steps)
    affine = merged(steps[warped:])
    assert isinstance(affine, Affine)
    if not warped:
        return Geometry(None, affine, fit_affine(affine, width, height, cell))
    warp = shared_warp(orjson.dumps(specs[:warped]), width, height, cell)
    linear = warp.nearest_affine()
    return Geometry(warp, affine, None if linear is None else linear.then(affine))


class LayerTile:
    """A tile, and what drawing derives from its spec: each once, when it is first needed.

    Parameters
    ----------
    make_spec : callable
        Returns the flattened tile spec. That of a stored tile is parsed again by each call: its text takes
        much less memory than its objects.
    cell : float
        Mesh cell size in pixels.
    """

    def __init__(self, make_spec: Callable[[], JsonObject], bounds: Bounds, cell: float) -> None:
        self.make_spec = make_spec
        self.bounds = bounds
        self._cell = cell
        self._geometry: Geometry | None = None
        #: States of `folders` when all files were there, for `layer_files.check_files`.
        self.checked: Any = None

    @cached_property
    def _sources(self) -> tuple[str, list[Channel]]:
        spec = self.make_spec()
        return str(spec.get("tileId")), tile_channels(spec)

    @property
    def tile_id(self) -> str:
        """Its id; the text `None` for a tile without one."""
        return self._sources[0]

    @property
    def channels(self) -> list[Channel]:
        """Its channels, at least one."""
        return self._sources[1]

    @cached_property
    def urls(self) -> tuple[str, ...]:
        """URLs of all its images and masks."""
        return source_urls(self.channels)

    @cached_property
    def folders(self) -> tuple[str, ...] | None:
        """The folders of its files; None if a URL is malformed."""
        try:
            paths = [local_file_or_none(url) for url in self.urls]
        except IllegalArgumentError:
            return None
        return tuple(dict.fromkeys(str(Path(path).parent) for path in paths if path is not None))

    @cached_property
    def has_masks(self) -> bool:
        """Whether any of its images has a mask."""
        images = (image for channel in self.channels for image in channel.images.values())
        return any(image.get("maskUrl") is not None for image in images)

    def geometry(self, size: Callable[[], tuple[float, float]]) -> Geometry:
        """Its geometry.

        `size` returns width and height of level 0; it is called if the spec lacks them. Then the geometry is
        not cached, because the image may be replaced by a larger one.
        """
        if self._geometry is not None:
            return self._geometry
        spec = self.make_spec()
        specs = spec["transforms"]["specList"]
        if spec.get("width") is None or spec.get("height") is None:
            return geometry_of(specs, *size(), self._cell)
        self._geometry = geometry_of(specs, float(spec["width"]), float(spec["height"]), self._cell)
        return self._geometry


class LayerTiles(Sequence[JsonObject]):
    """Some tiles in drawing order; as a sequence, their specs, each of which is parsed when it is read."""

    def __init__(self, tiles: Sequence[LayerTile]) -> None:
        self.tiles = tiles

    def __len__(self) -> int:
        return len(self.tiles)

    def __getitem__(self, index: Any) -> Any:
        return self.tiles[index].make_spec()

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """minX, minY, maxX, maxY of the tiles, shape (n, 4)."""
        return np.array([tile.bounds for tile in self.tiles], np.float64).reshape(-1, 4)

    def within(self, box: TileFilter) -> LayerTiles:
        """The tiles whose bounds meet a box, edges included."""
        min_x, min_y, max_x, max_y = self.bounds.T
        seen = np.ones(len(self), bool)
        if box.min_x is not None:
            seen &= max_x >= box.min_x
        if box.max_x is not None:
            seen &= min_x <= box.max_x
        if box.min_y is not None:
            seen &= max_y >= box.min_y
        if box.max_y is not None:
            seen &= min_y <= box.max_y
        return LayerTiles([self.tiles[index] for index in np.flatnonzero(seen).tolist()])


def layer_of(specs: Sequence[JsonObject], cell: float = DEFAULT_MESH_CELL_SIZE) -> LayerTiles:
    """Tiles of flattened specs in drawing order; a `LayerTiles` is returned as it is."""
    if isinstance(specs, LayerTiles) and cell == DEFAULT_MESH_CELL_SIZE:
        return specs
    return LayerTiles([_tile_of(spec, cell) for spec in specs])


def _tile_of(spec: JsonObject, cell: float) -> LayerTile:
    return LayerTile(lambda: spec, _bounds(spec), cell)


def _bounds(spec: JsonObject) -> Bounds:
    """The bounds in a spec; 0 for those that it lacks, as a client may send."""
    min_x, min_y, max_x, max_y = (float(spec.get(name) or 0.0) for name in BOX_FIELDS)
    return min_x, min_y, max_x, max_y


def bounds_of(specs: Sequence[JsonObject]) -> dict[str, float]:
    """`minX`, `minY`, `maxX`, `maxY` over all tiles, of which there is at least one."""
    bounds = layer_of(specs).bounds
    return dict(zip(BOX_FIELDS, [*bounds[:, :2].min(axis=0), *bounds[:, 2:].max(axis=0)], strict=True))


#: Bytes of a tile in memory, with what is derived from it, per byte of its row.
_DERIVED = 8
#: Bytes of a row besides its texts, and of an entry of the cache.
_ROW_BYTES, _ENTRY_BYTES = 125, 1000
#: Conditions of a `TileFilter` that can be applied to a cached layer.
_ANSWERED = {"z", "min_x", "max_x", "min_y", "max_y"}
#: A cached layer; False if it is larger than the whole cache, so that it is not read again to find out.
_Layer = LayerTiles | Literal[False]


class _NoRoomError(Exception):
    """A layer is larger than the whole cache."""


class StackLayers:
    """A cache of layers of COMPLETE and READ_ONLY stacks, of at most `room` bytes. Thread-safe."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._layers: BoundedCache[_Layer] = BoundedCache(room)

    def tiles(self, session: Session, record: StackRecord, which: TileFilter) -> LayerTiles | None:
        """The tiles that meet the conditions; None if they must be read from the store instead."""
        conditions = {name for name in TileFilter.CONDITIONS if getattr(which, name) is not None}
        if record.state not in (State.COMPLETE, State.READ_ONLY) or not {"z"} <= conditions <= _ANSWERED:
            return None
        # every change of a stack changes the time
        key = record.key, record.modified, which.z
        layer = self._layers.get(key)
        if layer is None:
            whole = TileFilter(z=which.z)
            if session.tile_count(record.key, whole) > MOST_TILES:
                return None
            layer = self._read(session, key, whole)
        return None if layer is False else layer.within(which)

    def _read(self, session: Session, key: tuple[int, int, float | None], whole: TileFilter) -> _Layer:
        size = _ENTRY_BYTES

        def count(read: int) -> None:
            nonlocal size
            size += _DERIVED * read
            if size > self._room:
                raise _NoRoomError

        layer: _Layer = False
        try:
            rows = [*counted(session.each_tile(key[0], whole), lambda read: count(_ROW_BYTES + read))]
            layer = _stored_layer(rows, TransformLookup(session, key[0], count))
        except _NoRoomError:
            size = _ENTRY_BYTES
        self._layers.keep(key, layer, size)
        return layer

    @property
    def cache_state(self) -> CacheState:
        """Counts and size of the cache."""
        return self._layers.state


def _stored_layer(rows: Sequence[TileRow], lookup: TransformLookup) -> LayerTiles:
    """Tiles of stored rows; the references in them are resolved when a spec is parsed."""
    for refs in {row.refs for row in rows if row.refs is not None}:
        for transform_id in orjson.loads(refs):
            # read while the database is open; a missing one is an error of the tile that needs it
            with suppress(IllegalStateError):
                lookup.flattened_reference(transform_id)
    bounds = ((row.min_x, row.min_y, row.max_x, row.max_y) for row in rows)
    specs = (partial(lookup.flattened, row) for row in rows)
    return LayerTiles([LayerTile(*tile, DEFAULT_MESH_CELL_SIZE) for tile in zip(specs, bounds, strict=True)])
