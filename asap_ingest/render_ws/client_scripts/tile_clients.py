"""Clients that import, change or validate the tiles of a stack."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.client_scripts.client_json import get_json, read_list, send
from asap_ingest.render_ws.client_scripts.client_options import (
    ClientError,
    flag,
    main_list,
    option,
    required,
)
from asap_ingest.render_ws.client_scripts.client_tiles import (
    Validator,
    ValidatorOptions,
    changed,
    invalid_ids,
    put_tiles,
    referenced,
    tiles_by_id,
    transforms_by_id,
    valid_rows,
    with_boxes,
)
from asap_ingest.render_ws.client_scripts.web_stack import StackOptions, TargetOptions, WebStack
from asap_ingest.render_ws.transforms.classes import build_leaf
from asap_ingest.render_ws.wire.tile_rows import TileRow
from asap_ingest.render_ws.wire.transform_specs import read_transform

Spec = dict[str, Any]
MODES = ("APPEND", "REPLACE_LAST", "CONCATENATE_TO_LAST", "REPLACE_ALL")
#: This method computes with the transform; all others put a reference to it into the list.
CONCATENATING = "PRE_CONCATENATE_LAST"
METHODS = ("APPEND", "INSERT_AS_FIRST", "INSERT_BEFORE_LAST", "REPLACE_LAST", CONCATENATING)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImportOptions(ValidatorOptions, StackOptions):
    """Options of ImportJsonClient."""

    transform_file: str | None = option("transformFile", "list of the transform specs that tiles refer to")
    tile_files: tuple[str, ...] = main_list("file of tile specs")


def import_tiles(options: ImportOptions) -> None:
    """Import files of tile specs; boxes are computed here.

    The stack is LOADING afterwards, also after a failure.
    """
    validator, path = options.validator, options.transform_file
    shared = transforms_by_id(read_list(path)) if path else {}
    options.source.open_for_tiles()
    for file in options.tile_files:
        _import_file(options.source, file, shared, validator)


def _import_file(stack: WebStack, file: str, shared: Mapping[str, Spec], validator: Validator | None) -> None:
    """Import one list of tile specs; an empty one changes nothing."""
    sent = read_list(file)
    rows = with_boxes(shared, tiles_by_id(sent).values()) if sent else []
    if validator is not None and rows:
        rows = valid_rows(validator, rows)
        shared = referenced(shared, rows)
        if not rows:
            raise ClientError(f"{file}: none of its tiles is valid")
    if rows:
        put_tiles(stack.url("/resolvedTiles"), shared, rows)
    logger.info("%s: imported %d of %d tiles", file, len(rows), len(sent))


@dataclass(frozen=True, kw_only=True)
class ChangeOptions(ValidatorOptions, TargetOptions):
    """Options of ImportTransformChangesClient."""

    target_stack: str = required("targetStack", "stack that receives the changed tiles; created if missing")
    transform_file: str = required("transformFile", 'list of {"tileId": ..., "transform": ...}')
    change_mode: str = option("changeMode", ", ".join(MODES), str.upper, "REPLACE_LAST", choices=MODES)


def change_tiles(options: ChangeOptions) -> None:
    """Store tiles of a stack, with one transform each changed, in another stack.

    The target is created, or set LOADING, before the file is read. All layers are changed before the first
    is stored.
    """
    options.target.derive_from(options.source)
    transforms = read_changes(options.transform_file)
    z_values = _z_values_of(options.source, transforms)
    for layer in [_changed_layer(options, transforms, z) for z in z_values]:
        put_tiles(*layer)


def read_changes(path: str) -> dict[str, Spec]:
    """Transforms by tile id; ClientError for an empty list, a tile listed twice, an entry without both."""
    transforms: dict[str, Spec] = {}
    for entry in read_list(path):
        match entry:
            case {"tileId": str(tile_id), "transform": transform}:
                if tile_id in transforms:
                    raise ClientError(f"{path}: tile {tile_id!r} is listed twice")
                transforms[tile_id] = read_transform(transform)
            case _:
                raise ClientError(
                    f"{path}: an entry needs a tileId, which is text, and a transform: {str(entry)[:200]}"
                )
    if not transforms:
        raise ClientError(f"{path}: lists no tiles")
    return transforms


def _z_values_of(source: WebStack, transforms: Mapping[str, Spec]) -> list[float]:
    """z of the listed tiles, ascending; ClientError for tiles that the stack does not have."""
    tiles = get_json(source.url("/tile-specs-with-ids"), list(transforms))
    missing = sorted(set(transforms) - {tile["tileId"] for tile in tiles})
    if missing:
        raise ClientError(f"{source} has no tile {', '.join(missing[:5])} ({len(missing)} tiles missing)")
    return sorted({float(tile["z"]) for tile in tiles})


def _changed_layer(
    options: ChangeOptions, transforms: Mapping[str, Spec], z: float
) -> tuple[str, dict[str, Spec], list[TileRow]]:
    """What `put_tiles` needs to store the listed tiles of a layer, changed: URL, shared transforms, tiles."""
    shared, tiles = _layer(options.source, z)
    listed = [tile_id for tile_id in tiles if tile_id in transforms]
    new_tiles = [changed(tiles[tile_id], options.change_mode, transforms[tile_id]) for tile_id in listed]
    rows = valid_rows(options.validator, with_boxes(shared, new_tiles))
    if not rows:
        raise ClientError(f"none of the {len(listed)} changed tiles at z {z} of {options.source} is valid")
    logger.info("z %s: %d of %d tiles changed", z, len(rows), len(tiles))
    return options.target.layer_url(z, "/resolvedTiles"), referenced(shared, rows), rows


def _layer(stack: WebStack, z: float) -> tuple[dict[str, Spec], dict[str, Spec]]:
    """The shared transforms and the tiles of a layer, by their ids."""
    collection = stack.layer_tiles(z)
    shared = transforms_by_id(collection["transformIdToSpecMap"].values())
    return shared, tiles_by_id(collection["tileIdToSpecMap"].values())


@dataclass(frozen=True, kw_only=True)
class TransformOptions(TargetOptions):
    """Options of TransformSectionClient."""

    transform_id: str = required("transformId", "id of the shared transform")
    transform_class: str = required("transformClass", "Java class of the transform")
    transform_data: str = required("transformData", "its data, with commas for blanks")
    method: str = option(
        "transformApplicationMethod", ", ".join(METHODS), str.upper, "APPEND", choices=METHODS
    )
    complete_target_stack: bool = flag("completeTargetStack", "set the target COMPLETE at the end")
    z_values: tuple[float, ...] = main_list("z value", float)


def transform_layers(options: TransformOptions) -> None:
    """Apply one shared transform to all tiles of layers, one layer after the other.

    The target is LOADING afterwards unless it is completed.
    """
    class_name, data = options.transform_class, options.transform_data.replace(",", " ")
    build_leaf(class_name, data)  # RequestError for one that cannot be built
    spec = {"type": "leaf", "id": options.transform_id, "className": class_name, "dataString": data}
    added = spec if options.method == CONCATENATING else {"type": "ref", "refId": options.transform_id}
    if options.target == options.source:
        options.target.open_for_tiles()
    else:
        options.target.derive_from(options.source)
    for z in options.z_values:
        shared, tiles = _layer(options.source, z)
        shared[options.transform_id] = spec
        moved = [changed(tile, options.method, added) for tile in tiles.values()]
        put_tiles(options.target.layer_url(z, "/resolvedTiles"), shared, with_boxes(shared, moved))
        logger.info("z %s: %d tiles transformed", z, len(moved))
    if options.complete_target_stack:
        options.target.set_state("COMPLETE")


@dataclass(frozen=True, kw_only=True)
class ValidateOptions(ValidatorOptions, StackOptions):
    """Options of ValidateTilesClient."""

    remove_invalid_tiles: bool = flag("removeInvalidTiles", "remove what the validator refuses")
    complete_after_removal: bool = flag("completeStackAfterRemoval", "set the stack COMPLETE after a removal")
    z_values: tuple[float, ...] = main_list("z value", float)


def validate_tiles(options: ValidateOptions) -> None:
    """Log the tiles of layers that a validator refuses, and remove them on request; the exit code stays 0."""
    stack, validator = options.source, options.validator
    invalid: set[str] = set()
    for z in options.z_values:
        tiles = stack.layer_tiles(z)["tileIdToSpecMap"]
        refused = invalid_ids(validator, tiles.values())
        logger.info("z %s: %d of %d tiles are invalid", z, len(refused), len(tiles))
        invalid |= refused
    if not (invalid and options.remove_invalid_tiles):
        return
    stack.open_for_tiles()
    for tile_id in sorted(invalid):
        send("DELETE", stack.tile_url(tile_id))
        logger.info("removed tile %s", tile_id)
    if options.complete_after_removal:
        stack.set_state("COMPLETE")
