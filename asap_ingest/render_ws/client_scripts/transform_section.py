"""TransformSectionClient: one shared transform applied to all tiles of layers."""

from __future__ import annotations

import logging
from typing import Any

from asap_ingest.render_ws.client_scripts.boxed_tiles import (
    put_tiles,
    tiles_by_id,
    transforms_by_id,
    with_boxes,
)
from asap_ingest.render_ws.client_scripts.options import (
    STACK_OPTIONS,
    Arguments,
    Option,
    Syntax,
    Takes,
    one_of,
    z_values,
)
from asap_ingest.render_ws.client_scripts.stack_operations import (
    TARGET_OPTIONS,
    derive,
    layer_tiles,
    open_for_tiles,
    set_state,
    target_of,
)
from asap_ingest.render_ws.client_scripts.transform_changes import (
    JOINING_METHOD,
    REFERENCE_METHODS,
    changed,
    join_to_last,
)
from asap_ingest.render_ws.client_scripts.web import WebStack, stack_of
from asap_ingest.render_ws.transforms.classes import build_leaf

Spec = dict[str, Any]
METHODS = (*REFERENCE_METHODS, JOINING_METHOD)
SYNTAX = Syntax(
    (
        *STACK_OPTIONS,
        *TARGET_OPTIONS,
        Option(
            "targetStack", "stack that receives the tiles (default: the same stack); made if it is missing"
        ),
        Option("transformId", "id of the shared transform", required=True),
        Option("transformClass", "Java class of the transform", required=True),
        Option("transformData", "its data, with commas for blanks", required=True),
        Option("transformApplicationMethod", ", ".join(METHODS), one_of(*METHODS), "APPEND"),
        Option("completeTargetStack", "set the target COMPLETE at the end", takes=Takes.NOTHING),
    ),
    main="z value",
    main_required=True,
)

logger = logging.getLogger(__name__)


def run(arguments: Arguments) -> None:
    """Transform the layers one after the other; the target is LOADING afterwards unless told otherwise."""
    source = stack_of(arguments)
    target = target_of(arguments, source)
    layers = z_values(arguments)
    spec = shared_transform(arguments)
    if target == source:
        open_for_tiles(target)
    else:
        derive(source, target)
    for z in layers:
        transform_layer(source, target, z, (spec, arguments["transformApplicationMethod"]))
    if arguments["completeTargetStack"]:
        set_state(target, "COMPLETE")


def shared_transform(arguments: Arguments) -> Spec:
    """The transform that the options describe; RequestError for one that cannot be built."""
    class_name, data = arguments["transformClass"], arguments["transformData"].replace(",", " ")
    build_leaf(class_name, data)
    return {"type": "leaf", "id": arguments["transformId"], "className": class_name, "dataString": data}


def transform_layer(source: WebStack, target: WebStack, z: float, change: tuple[Spec, str]) -> None:
    """Apply a transform, given with the method, to the tiles of a layer and store them in the target."""
    spec, method = change
    collection = layer_tiles(source, z)
    shared = transforms_by_id([*collection["transformIdToSpecMap"].values(), spec])
    tiles = tiles_by_id(collection["tileIdToSpecMap"].values()).values()
    if method == JOINING_METHOD:
        moved = [changed(tile, join_to_last, spec) for tile in tiles]
    else:
        reference = {"type": "ref", "refId": spec["id"]}
        moved = [changed(tile, REFERENCE_METHODS[method], reference) for tile in tiles]
    put_tiles(target.layer_url(z, "/resolvedTiles"), shared, with_boxes(shared, moved))
    logger.info("z %s: %d tiles transformed", z, len(moved))
