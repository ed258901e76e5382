"""ImportTransformChangesClient: tiles of a stack, with one transform each changed, into another stack."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from asap_ingest.render_ws.client_scripts.client_json import get_json, read_list
from asap_ingest.render_ws.client_scripts.client_options import ClientError, one_of, option, required
from asap_ingest.render_ws.client_scripts.client_tiles import (
    ValidatorOptions,
    changed,
    invalid_ids,
    put_tiles,
    referenced,
    tiles_by_id,
    transforms_by_id,
    with_boxes,
)
from asap_ingest.render_ws.client_scripts.web_stack import TargetOptions, WebStack
from asap_ingest.render_ws.wire.transform_specs import read_transform

Spec = dict[str, Any]
MODES = ("APPEND", "REPLACE_LAST", "CONCATENATE_TO_LAST", "REPLACE_ALL")

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options(ValidatorOptions, TargetOptions):
    """Options of ImportTransformChangesClient."""

    target_stack: str = required("targetStack", "stack that receives the changed tiles; created if missing")
    transform_file: str = required("transformFile", 'list of {"tileId": ..., "transform": ...}')
    change_mode: str = option("changeMode", ", ".join(MODES), one_of(*MODES), "REPLACE_LAST")


def run(options: Options) -> None:
    """Change all layers, then store them; the target is created, or LOADING, before the file is read."""
    options.validator()  # refuses unknown ones before anything is changed
    options.target.derive_from(options.source)
    transforms = read_changes(options.transform_file)
    puts = [changed_layer(options, transforms, z) for z in z_values_of(options.source, transforms)]
    for put in puts:
        put()


def read_changes(path: str) -> dict[str, Spec]:
    """Transforms by tile id; ClientError for an empty list, a tile listed twice, an entry without both."""
    transforms: dict[str, Spec] = {}
    for entry in read_list(path):
        if not isinstance(entry, dict) or not {"tileId", "transform"} <= set(entry):
            raise ClientError(f"{path}: an entry lacks tileId or transform: {str(entry)[:200]}")
        if entry["tileId"] in transforms:
            raise ClientError(f"{path}: tile {entry['tileId']!r} is listed twice")
        transforms[entry["tileId"]] = read_transform(entry["transform"])
    if not transforms:
        raise ClientError(f"{path}: lists no tiles")
    return transforms


def z_values_of(source: WebStack, transforms: Mapping[str, Spec]) -> list[float]:
    """z of the listed tiles, ascending; ClientError for tiles that the stack does not have."""
    tiles = get_json(source.url("/tile-specs-with-ids"), list(transforms))
    missing = sorted(set(transforms) - {tile["tileId"] for tile in tiles})
    if missing:
        raise ClientError(f"{source} has no tile {', '.join(missing[:5])} ({len(missing)} tiles missing)")
    return sorted({float(tile["z"]) for tile in tiles})


def changed_layer(options: Options, transforms: Mapping[str, Spec], z: float) -> partial[None]:
    """The listed tiles of a layer, changed, as a request that remains to be sent."""
    collection = options.source.layer_tiles(z)
    shared = transforms_by_id(collection["transformIdToSpecMap"].values())
    tiles = tiles_by_id(collection["tileIdToSpecMap"].values())
    listed = [tile_id for tile_id in tiles if tile_id in transforms]
    new_tiles = [changed(tiles[tile_id], options.change_mode, transforms[tile_id]) for tile_id in listed]
    rows = with_boxes(shared, new_tiles)
    invalid = invalid_ids(options.validator(), (row.parsed() for row in rows))
    rows = [row for row in rows if row.tile_id not in invalid]
    if not rows:
        raise ClientError(f"none of the {len(listed)} changed tiles at z {z} of {options.source} is valid")
    logger.info("z %s: %d of %d tiles changed", z, len(rows), len(tiles))
    url = options.target.layer_url(z, "/resolvedTiles")
    return partial(put_tiles, url, referenced(shared, rows), rows)
