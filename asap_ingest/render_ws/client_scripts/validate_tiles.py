"""ValidateTilesClient: which tiles of layers a validator refuses, and on demand their removal."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from asap_ingest.render_ws.client_scripts.options import (
    STACK_OPTIONS,
    Arguments,
    Option,
    Syntax,
    Takes,
    z_values,
)
from asap_ingest.render_ws.client_scripts.stack_operations import layer_tiles, open_for_tiles, set_state
from asap_ingest.render_ws.client_scripts.validators import VALIDATOR_OPTIONS, chosen_validator, invalid_ids
from asap_ingest.render_ws.client_scripts.web import WebStack, send, stack_of

SYNTAX = Syntax(
    (
        *STACK_OPTIONS,
        *VALIDATOR_OPTIONS,
        Option("removeInvalidTiles", "remove what the validator refuses", takes=Takes.NOTHING),
        Option("completeStackAfterRemoval", "set the stack COMPLETE after a removal", takes=Takes.NOTHING),
    ),
    main="z value",
    main_required=True,
)

logger = logging.getLogger(__name__)


def run(arguments: Arguments) -> None:
    """Look at the layers one after the other; invalid tiles are logged and are no failure."""
    stack, validator = stack_of(arguments), chosen_validator(arguments)
    invalid: set[str] = set()
    for z in z_values(arguments):
        tiles = layer_tiles(stack, z)["tileIdToSpecMap"]
        refused = invalid_ids(validator, tiles.values())
        logger.info("z %s: %d of %d tiles are invalid", z, len(refused), len(tiles))
        invalid |= refused
    if invalid and arguments["removeInvalidTiles"]:
        remove(stack, sorted(invalid))
        if arguments["completeStackAfterRemoval"]:
            set_state(stack, "COMPLETE")


def remove(stack: WebStack, tile_ids: Iterable[str]) -> None:
    """Delete tiles; the stack is LOADING afterwards."""
    open_for_tiles(stack)
    for tile_id in tile_ids:
        send("DELETE", stack.tile_url(tile_id))
        logger.info("removed tile %s", tile_id)
