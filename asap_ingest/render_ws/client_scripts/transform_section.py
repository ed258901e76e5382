"""TransformSectionClient: one shared transform applied to all tiles of layers."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.client_scripts.client_options import flag, main_list, one_of, option, required
from asap_ingest.render_ws.client_scripts.client_tiles import (
    changed,
    put_tiles,
    tiles_by_id,
    transforms_by_id,
    with_boxes,
)
from asap_ingest.render_ws.client_scripts.web_stack import TargetOptions
from asap_ingest.render_ws.transforms.classes import build_leaf

Spec = dict[str, Any]
#: This one computes with the transform itself; all others put a reference to it into the list.
CONCATENATING = "PRE_CONCATENATE_LAST"
METHODS = ("APPEND", "INSERT_AS_FIRST", "INSERT_BEFORE_LAST", "REPLACE_LAST", CONCATENATING)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options(TargetOptions):
    """Options of TransformSectionClient."""

    transform_id: str = required("transformId", "id of the shared transform")
    transform_class: str = required("transformClass", "Java class of the transform")
    transform_data: str = required("transformData", "its data, with commas for blanks")
    method: str = option("transformApplicationMethod", ", ".join(METHODS), one_of(*METHODS), "APPEND")
    complete_target_stack: bool = flag("completeTargetStack", "set the target COMPLETE at the end")
    z_values: tuple[float, ...] = main_list("z value", float)


def run(options: Options) -> None:
    """Transform the layers one after the other; the target is LOADING afterwards unless it is completed."""
    class_name, data = options.transform_class, options.transform_data.replace(",", " ")
    build_leaf(class_name, data)  # RequestError for one that cannot be built
    spec = {"type": "leaf", "id": options.transform_id, "className": class_name, "dataString": data}
    if options.target == options.source:
        options.target.open_for_tiles()
    else:
        options.target.derive_from(options.source)
    for z in options.z_values:
        transform_layer(options, z, spec)
    if options.complete_target_stack:
        options.target.set_state("COMPLETE")


def transform_layer(options: Options, z: float, spec: Spec) -> None:
    """Apply a transform to the tiles of a layer and store them in the target."""
    collection = options.source.layer_tiles(z)
    shared = transforms_by_id([*collection["transformIdToSpecMap"].values(), spec])
    tiles = tiles_by_id(collection["tileIdToSpecMap"].values()).values()
    added = spec if options.method == CONCATENATING else {"type": "ref", "refId": spec["id"]}
    moved = [changed(tile, options.method, added) for tile in tiles]
    put_tiles(options.target.layer_url(z, "/resolvedTiles"), shared, with_boxes(shared, moved))
    logger.info("z %s: %d tiles transformed", z, len(moved))
