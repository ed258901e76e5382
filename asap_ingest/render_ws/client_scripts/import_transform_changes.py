"""ImportTransformChangesClient: tiles of a stack, with one transform each changed, into another stack."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from asap_ingest.render_ws.client_scripts.boxed_tiles import (
    TileListError,
    put_tiles,
    referenced,
    tiles_by_id,
    transforms_by_id,
    with_boxes,
)
from asap_ingest.render_ws.client_scripts.json_files import JsonFileError, read_list
from asap_ingest.render_ws.client_scripts.options import STACK_OPTIONS, Arguments, Option, Syntax, one_of
from asap_ingest.render_ws.client_scripts.stack_operations import (
    TARGET_OPTIONS,
    derive,
    layer_tiles,
    target_of,
)
from asap_ingest.render_ws.client_scripts.transform_changes import CHANGE_MODES, Change, changed
from asap_ingest.render_ws.client_scripts.validators import (
    VALIDATOR_OPTIONS,
    Validator,
    chosen_validator,
    invalid_ids,
)
from asap_ingest.render_ws.client_scripts.web import WebStack, ask_json, stack_of
from asap_ingest.render_ws.wire.tile_rows import TileRow
from asap_ingest.render_ws.wire.transform_specs import read_transform

Spec = dict[str, Any]
SYNTAX = Syntax(
    (
        *STACK_OPTIONS,
        *TARGET_OPTIONS,
        Option("targetStack", "stack that receives the changed tiles; made if it is missing", required=True),
        Option("transformFile", 'list of {"tileId": ..., "transform": ...}', required=True),
        Option("changeMode", ", ".join(CHANGE_MODES), one_of(*CHANGE_MODES), "REPLACE_LAST"),
        *VALIDATOR_OPTIONS,
    )
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """Transforms by tile id, and how each is applied to its tile."""

    by_tile: Mapping[str, Spec]
    mode: Change
    validator: Validator | None


def run(arguments: Arguments) -> None:
    """Change all layers, then store them; the target is made, or LOADING, before the file is read."""
    validator = chosen_validator(arguments)
    source = stack_of(arguments)
    target = target_of(arguments, source)
    derive(source, target)
    changes = Changes(
        read_changes(arguments["transformFile"]), CHANGE_MODES[arguments["changeMode"]], validator
    )
    puts = [changed_layer(source, target, changes, z) for z in z_values_of(source, changes)]
    for put in puts:
        put()


def read_changes(path: str) -> dict[str, Spec]:
    """Transforms by tile id; JsonFileError for an empty list, a tile listed twice, an entry without both."""
    found: dict[str, Spec] = {}
    for entry in read_list(path):
        if not isinstance(entry, dict) or not {"tileId", "transform"} <= set(entry):
            raise JsonFileError(path, f"an entry lacks tileId or transform: {str(entry)[:200]}")
        if entry["tileId"] in found:
            raise JsonFileError(path, f"tile {entry['tileId']!r} is listed twice")
        found[entry["tileId"]] = read_transform(entry["transform"])
    if not found:
        raise JsonFileError(path, "lists no tiles")
    return found


def z_values_of(source: WebStack, changes: Changes) -> list[float]:
    """Where the listed tiles lie, ascending; TileListError for tiles that the stack does not have."""
    found = ask_json(source.url("/tile-specs-with-ids"), list(changes.by_tile))
    missing = sorted(set(changes.by_tile) - {tile["tileId"] for tile in found})
    if missing:
        raise TileListError(f"{source} has no tile {', '.join(missing[:5])} ({len(missing)} tiles missing)")
    return sorted({float(tile["z"]) for tile in found})


def changed_layer(source: WebStack, target: WebStack, changes: Changes, z: float) -> partial[None]:
    """The listed tiles of a layer, changed, as a request that remains to be sent."""
    collection = layer_tiles(source, z)
    shared = transforms_by_id(collection["transformIdToSpecMap"].values())
    tiles = tiles_by_id(collection["tileIdToSpecMap"].values())
    listed = [tile_id for tile_id in tiles if tile_id in changes.by_tile]
    rows = with_boxes(
        shared,
        [changed(tiles[tile_id], changes.mode, changes.by_tile[tile_id]) for tile_id in listed],
    )
    rows = _valid(changes.validator, rows)
    if not rows:
        raise TileListError(f"none of the {len(listed)} changed tiles at z {z} of {source} is valid")
    logger.info("z %s: %d of %d tiles changed", z, len(rows), len(tiles))
    return partial(put_tiles, target.layer_url(z, "/resolvedTiles"), referenced(shared, rows), rows)


def _valid(validator: Validator | None, rows: list[TileRow]) -> list[TileRow]:
    refused = invalid_ids(validator, (row.parsed() for row in rows))
    return [row for row in rows if row.tile_id not in refused]
