"""Resolved tiles: tiles with the shared transforms that they refer to, checked, stored and read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from asap_ingest.render_ws.store import Session
from asap_ingest.render_ws.transforms.bounds import TileFrame, derive_boxes
from asap_ingest.render_ws.transforms.specs import flatten, resolve_in_payload
from asap_ingest.render_ws.wire.json_types import dump
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError, RequestError
from asap_ingest.render_ws.wire.tile_rows import NO_ID, TileRow, tile_row
from asap_ingest.render_ws.wire.tile_specs import BOX_FIELDS, ResolvedTiles

Spec = dict[str, Any]


def accept(sent: ResolvedTiles, derive: bool, z: float | None) -> list[TileRow]:
    """Check a collection that is to be stored and, with `derive`, compute the boxes of its tiles.

    Returns
    ------
    list of TileRow
        One row per tile, in the order sent; with `derive` the box replaces what was sent.

    Raises
    ------
    IllegalArgumentError
        For no tiles, a tile without box or at another z than `z` (None: any), a reference to a transform that
        the collection does not hold, and with `derive` for a transform that cannot be built.
    IllegalStateError
        With `derive` for a tile without width or height.
    """
    tiles = _with_boxes(sent) if derive else sent.tiles
    if not tiles:
        raise IllegalArgumentError("the collection holds no tiles")
    for tile in tiles:
        _check_tile(tile, z)
    rows = [tile_row(tile) for tile in tiles]
    if not derive:
        for tile, row in zip(tiles, rows, strict=True):
            if row.refs is not None:
                _resolved(tile, sent.shared)
    return rows


def _check_tile(tile: Spec, z: float | None) -> None:
    if any(name not in tile for name in BOX_FIELDS):
        raise IllegalArgumentError(f"tile '{tile.get('tileId')}' lacks one of {', '.join(BOX_FIELDS)}")
    if z is not None and ("z" not in tile or float(tile["z"]) != z):
        raise IllegalArgumentError(
            f"all tiles must have z {z} but tile '{tile.get('tileId')}' has z {tile.get('z')}"
        )


def _resolved(tile: Spec, shared: dict[str, Spec]) -> list[Spec]:
    try:
        return resolve_in_payload(tile["transforms"], shared)
    except IllegalArgumentError as error:
        raise IllegalArgumentError(f"tile '{tile.get('tileId')}': {error}") from error


def _with_boxes(sent: ResolvedTiles) -> list[Spec]:
    frames = [_frame(tile, sent.shared) for tile in sent.tiles]
    try:
        boxes: list[list[float]] = derive_boxes(frames).tolist()
    except RequestError:
        # derived again one by one to name the tile
        for tile, frame in zip(sent.tiles, frames, strict=True):
            _require_box(tile, frame)
        raise
    return [
        {**tile, **dict(zip(BOX_FIELDS, box, strict=True))}
        for tile, box in zip(sent.tiles, boxes, strict=True)
    ]


def _frame(tile: Spec, shared: dict[str, Spec]) -> TileFrame:
    width, height = (
        None if (size := tile.get(name)) is None else float(size) for name in ("width", "height")
    )
    return width, height, float(tile["meshCellSize"]), _resolved(tile, shared)


def _require_box(tile: Spec, frame: TileFrame) -> None:
    try:
        derive_boxes([frame])
    except RequestError as error:
        problem = IllegalArgumentError if error.status == IllegalArgumentError.status else IllegalStateError
        raise problem(f"tile '{tile.get('tileId')}': {error}") from error


def transform_rows(shared: dict[str, Spec]) -> list[tuple[str | bytes, bytes]]:
    """Rows of shared transforms: their own id, which may differ from their key, and their JSON."""
    return [(spec.get("id", NO_ID), dump(spec)) for spec in shared.values()]


class TransformLookup:
    """Shared transforms of a stack by id, each read and parsed once.

    Parameters
    ----------
    count : callable
        Called with the size of each in bytes; may raise.

    Attributes
    ----------
    contents : dict
        JSON of the transforms that were read so far, by id.
    """

    def __init__(self, session: Session, key: int, count: Callable[[int], None] = lambda size: None) -> None:
        self._session = session
        self._key = key
        self._count = count
        self._specs: dict[str, Spec | None] = {}
        self.contents: dict[str, bytes] = {}

    def __call__(self, transform_id: str) -> Spec | None:
        """The parsed spec, None if the stack has no such transform."""
        if transform_id not in self._specs:
            content = self._session.transform(self._key, transform_id)
            self._count(0 if content is None else len(content))
            self._specs[transform_id] = None if content is None else orjson.loads(content)
            if content is not None:
                self.contents[transform_id] = content
        return self._specs[transform_id]

    def require(self, rows: Iterable[TileRow]) -> None:
        """Read all transforms that rows refer to, directly or not; IllegalStateError for a missing one."""
        for refs in {row.refs: None for row in rows if row.refs is not None}:
            for transform_id in orjson.loads(refs):
                self.flattened_reference(transform_id)

    def flattened_reference(self, transform_id: str) -> list[Spec]:
        """A shared transform, flattened; IllegalStateError if it or what it needs is missing."""
        return flatten({"type": "ref", "refId": transform_id}, self)

    def flattened(self, row: TileRow) -> Spec:
        """Parsed tile spec with its transforms flattened; IllegalStateError names the tile."""
        spec = row.parsed()
        if not row.flat:
            try:
                spec["transforms"] = {"type": "list", "specList": flatten(spec["transforms"], self)}
            except IllegalStateError as error:
                raise IllegalStateError(f"tile '{spec.get('tileId')}' cannot be resolved: {error}") from error
        return spec

    def flattened_json(self, row: TileRow) -> bytes:
        """JSON of the flattened tile spec; the stored bytes where they are flat already."""
        return row.spec if row.flat else dump(self.flattened(row))


def collection_json(rows: Sequence[TileRow], lookup: TransformLookup) -> bytes:
    """The resolved-tile collection of these tiles; tiles without id cannot be part of it.

    Raises
    ------
    IllegalStateError
        When a tile refers to a transform that the stack does not have.
    """
    lookup.require(rows)
    return joined_collection(lookup.contents, rows)


def joined_collection(transforms: Mapping[str, bytes], rows: Iterable[TileRow]) -> bytes:
    """JSON of a resolved-tile collection, from the JSON of its transforms by id and the rows of its tiles."""
    tiles = ((row.tile_id, row.spec) for row in rows if isinstance(row.tile_id, str))
    members = _members(transforms.items()), _members(tiles)
    return b'{"transformIdToSpecMap":{%b},"tileIdToSpecMap":{%b}}' % members


def _members(entries: Iterable[tuple[str, bytes]]) -> bytes:
    return b",".join(dump(key) + b":" + value for key, value in entries)
