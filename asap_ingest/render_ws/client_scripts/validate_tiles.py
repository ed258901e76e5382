"""ValidateTilesClient: which tiles of layers a validator refuses, and on demand their removal."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from asap_ingest.render_ws.client_scripts.client_json import send
from asap_ingest.render_ws.client_scripts.client_options import flag, main_list
from asap_ingest.render_ws.client_scripts.client_tiles import ValidatorOptions, invalid_ids
from asap_ingest.render_ws.client_scripts.web_stack import StackOptions

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options(ValidatorOptions, StackOptions):
    """Options of ValidateTilesClient."""

    remove_invalid_tiles: bool = flag("removeInvalidTiles", "remove what the validator refuses")
    complete_after_removal: bool = flag("completeStackAfterRemoval", "set the stack COMPLETE after a removal")
    z_values: tuple[float, ...] = main_list("z value", float)


def run(options: Options) -> None:
    """Validate the layers one after the other; invalid tiles are logged and are no failure."""
    stack, validator = options.source, options.validator()
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
