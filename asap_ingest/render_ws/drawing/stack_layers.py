"""Layers of stacks that are not being written to: their tiles are read once, and drawn from memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import Any, Literal

import numpy as np
import orjson
from numpy.typing import NDArray

from asap_ingest.render_ws.drawing.layers import Layer, LayerTiles
from asap_ingest.render_ws.memory.bounded_cache import BoundedCache, CacheState
from asap_ingest.render_ws.memory.limits import MOST_TILES
from asap_ingest.render_ws.store import Session, TileFilter
from asap_ingest.render_ws.store.resolved_tiles import TransformLookup
from asap_ingest.render_ws.wire.problems import IllegalStateError
from asap_ingest.render_ws.wire.stack_records import StackRecord, State
from asap_ingest.render_ws.wire.tile_rows import TileRow, counted

#: Bytes of what is derived from a tile, per byte of its spec.
_DERIVED = 8
#: Fields of `TileFilter` that a layer can answer.
_ANSWERED = {"z", "min_x", "max_x", "min_y", "max_y"}


class StackLayers:
    """Cache of layers of COMPLETE and READ_ONLY stacks, `room` bytes of them; for many threads."""

    def __init__(self, room: int) -> None:
        self._room = room
        #: False for a layer that needs more than all the room.
        self._layers: BoundedCache[StoredLayer | Literal[False]] = BoundedCache(room)

    def tiles(self, session: Session, record: StackRecord, which: TileFilter) -> LayerTiles | None:
        """The tiles of a layer in a box; None where they must be read from the database."""
        conditions = {name for name in TileFilter.CONDITIONS if getattr(which, name) is not None}
        if record.state not in (State.COMPLETE, State.READ_ONLY) or not {"z"} <= conditions <= _ANSWERED:
            return None
        # a change of the stack changes its time
        key = record.key, record.modified, which.z
        layer = self._layers.get(key)
        if layer is None:
            whole = TileFilter(z=which.z)
            if session.tile_count(record.key, whole) > MOST_TILES:
                return None
            size = _Size(self._room)
            try:
                rows = [*counted(session.each_tile(record.key, whole), lambda read: size.add(125 + read))]
                layer = StoredLayer(rows, TransformLookup(session, record.key, size.add))
                self._layers.keep(key, layer, size.bytes)
            except _NoRoomError:
                layer = False
                self._layers.keep(key, layer, 500)
        return None if layer is False else layer.within(which)

    @property
    def cache_state(self) -> CacheState:
        """Counts and size of the cache."""
        return self._layers.state


class _NoRoomError(Exception):
    """A layer that takes more than all the room."""


class _Size:
    """Bytes that a layer takes, at most `room`, counted while it is read."""

    def __init__(self, room: int) -> None:
        self._room = room
        self.bytes = 1000

    def add(self, read: int) -> None:
        """Count some JSON."""
        self.bytes += _DERIVED * read
        if self.bytes > self._room:
            raise _NoRoomError


class StoredLayer(Layer):
    """All tiles of a layer, as stored; each is parsed, and its references resolved, when it is used."""

    def __init__(self, rows: Sequence[TileRow], lookup: TransformLookup) -> None:
        super().__init__(rows)
        self.rows = rows
        self._lookup = lookup
        for refs in {row.refs for row in rows if row.refs is not None}:
            for transform_id in orjson.loads(refs):
                # read while the database is open; a missing one is an error of the tile that needs it
                with suppress(IllegalStateError):
                    lookup.flattened_reference(transform_id)

    def __getitem__(self, index: Any) -> Any:
        return self._lookup.flattened(self.rows[index])

    @cached_property
    def boxes(self) -> NDArray[np.float64]:
        """minX, minY, maxX, maxY of the tiles, shape (n, 4)."""
        sides = [(row.min_x, row.min_y, row.max_x, row.max_y) for row in self.rows]
        return np.array(sides, np.float64).reshape(-1, 4)

    def within(self, box: TileFilter) -> LayerTiles:
        """The tiles that reach into a box, its sides included."""
        min_x, min_y, max_x, max_y = self.boxes.T
        seen = np.ones(len(self), bool)
        for limit, reaches in (
            (box.min_x, max_x.__ge__),
            (box.max_x, min_x.__le__),
            (box.min_y, max_y.__ge__),
            (box.max_y, min_y.__le__),
        ):
            if limit is not None:
                seen &= reaches(limit)
        return LayerTiles(self, np.flatnonzero(seen).tolist())
