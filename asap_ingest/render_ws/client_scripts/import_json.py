"""ImportJsonClient: tile specs from files into a stack, with bounding boxes computed here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.client_scripts.client_json import read_list
from asap_ingest.render_ws.client_scripts.client_options import ClientError, main_list, option
from asap_ingest.render_ws.client_scripts.client_tiles import (
    Validator,
    ValidatorOptions,
    box_of,
    invalid_ids,
    put_tiles,
    referenced,
    tiles_by_id,
    transforms_by_id,
    with_boxes,
)
from asap_ingest.render_ws.client_scripts.web_stack import StackOptions, WebStack
from asap_ingest.render_ws.wire.tile_rows import TileRow

Spec = dict[str, Any]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Options(ValidatorOptions, StackOptions):
    """Options of ImportJsonClient."""

    transform_file: str | None = option("transformFile", "list of the transform specs that tiles refer to")
    tile_files: tuple[str, ...] = main_list("file of tile specs")


def run(options: Options) -> None:
    """Import the files one after the other; the stack is LOADING afterwards, also after a failure."""
    validator, path = options.validator(), options.transform_file
    shared = transforms_by_id(read_list(path)) if path else {}
    options.source.open_for_tiles()
    for file in options.tile_files:
        import_file(options.source, file, shared, validator)


def import_file(stack: WebStack, file: str, shared: Mapping[str, Spec], validator: Validator | None) -> None:
    """Import one list of tile specs; an empty one changes nothing."""
    sent = read_list(file)
    rows = with_boxes(shared, tiles_by_id(sent).values()) if sent else []
    if validator is not None and rows:
        rows = _valid_rows(validator, sent, rows)
        shared = referenced(shared, rows)
        if not rows:
            raise ClientError(f"{file}: none of its tiles is valid")
    if rows:
        put_tiles(stack.url("/resolvedTiles"), shared, rows)
    logger.info("%s: imported %d of %d tiles", file, len(rows), len(sent))


def _valid_rows(validator: Validator, sent: Sequence[Spec], rows: Sequence[TileRow]) -> list[TileRow]:
    """Rows of the tiles that the validator accepts; it sees a tile as sent, with its new box."""
    as_sent = {str(tile["tileId"]): tile for tile in sent}
    invalid = invalid_ids(validator, [{**as_sent[str(row.tile_id)], **box_of(row)} for row in rows])
    return [row for row in rows if row.tile_id not in invalid]
