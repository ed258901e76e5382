"""ImportJsonClient: tile specs from files into a stack, with boxes derived here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.client_scripts.boxed_tiles import (
    TileListError,
    box_of,
    put_tiles,
    referenced,
    tiles_by_id,
    transforms_by_id,
    with_boxes,
)
from asap_ingest.render_ws.client_scripts.json_files import read_list
from asap_ingest.render_ws.client_scripts.options import STACK_OPTIONS, Arguments, Option, Syntax
from asap_ingest.render_ws.client_scripts.stack_operations import open_for_tiles
from asap_ingest.render_ws.client_scripts.validators import (
    VALIDATOR_OPTIONS,
    Validator,
    chosen_validator,
    invalid_ids,
)
from asap_ingest.render_ws.client_scripts.web import WebStack, stack_of
from asap_ingest.render_ws.wire.tile_rows import TileRow

Spec = dict[str, Any]
SYNTAX = Syntax(
    (
        *STACK_OPTIONS,
        Option("transformFile", "list of the transform specs that tiles refer to"),
        *VALIDATOR_OPTIONS,
    ),
    main="file of tile specs",
    main_required=True,
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Import:
    """Where tiles go, the shared transforms by id, and who decides on tiles."""

    stack: WebStack
    shared: Mapping[str, Spec]
    validator: Validator | None


def run(arguments: Arguments) -> None:
    """Import the files one after the other; the stack is LOADING afterwards, also after a failure."""
    validator = chosen_validator(arguments)
    path = arguments["transformFile"]
    shared = transforms_by_id(read_list(path)) if path else {}
    job = Import(stack_of(arguments), shared, validator)
    open_for_tiles(job.stack)
    for file in arguments.main:
        import_file(job, file)


def import_file(job: Import, file: str) -> None:
    """Import one list of tile specs; an empty one changes nothing."""
    sent = read_list(file)
    rows = with_boxes(job.shared, tiles_by_id(sent).values()) if sent else []
    shared = job.shared
    if job.validator is not None and rows:
        rows = valid_rows(job.validator, sent, rows)
        shared = referenced(job.shared, rows)
        if not rows:
            raise TileListError(f"{file}: none of its tiles is valid")
    if rows:
        put_tiles(job.stack.url("/resolvedTiles"), shared, rows)
    logger.info("%s: imported %d of %d tiles", file, len(rows), len(sent))


def valid_rows(validator: Validator, sent: Sequence[Spec], rows: Sequence[TileRow]) -> list[TileRow]:
    """Rows of the tiles that the validator lets pass; it sees a tile as sent, with its new box."""
    as_sent = {str(tile["tileId"]): tile for tile in sent}
    refused = invalid_ids(validator, [{**as_sent[str(row.tile_id)], **box_of(row)} for row in rows])
    return [row for row in rows if row.tile_id not in refused]
