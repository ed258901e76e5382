"""Requests about what a stack holds: layers, sections, boxes, ids; and deletion of data."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from asap_ingest.render_ws.http.answers import Call, done, json_answer
from asap_ingest.render_ws.stacks.stack_states import (
    BOUND_FIELDS,
    require_data,
    require_loading,
    require_stack,
    section_data,
)
from asap_ingest.render_ws.store import TileFilter
from asap_ingest.render_ws.wire.json_types import json_double
from asap_ingest.render_ws.wire.patterns import BrokenPatternError, texts_with_pattern
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError, NotFoundError

TILE_BOUND_FIELDS = ("minX", "minY", "maxX", "maxY", "tileId", "sectionId", "z")


def get_stack_bounds(call: Call) -> Response:
    """Box of the whole stack as of the last COMPLETE."""
    with call.service.store.reading() as session:
        record = require_stack(session, call.stack_id)
    if record.stats is None:
        raise IllegalArgumentError(f"{record.stack_id} has no stats: it must be COMPLETE")
    return json_answer(record.stats["stackBounds"])


def get_z_values(call: Call) -> Response:
    """Distinct z in ascending order, within the limits asked for."""
    with call.service.store.reading() as session:
        values = session.z_values(require_stack(session, call.stack_id).key)
    low, high = call.query.double("minZ"), call.query.double("maxZ")
    return json_answer(
        [json_double(z) for z in values if (low is None or z >= low) and (high is None or z <= high)]
    )


def get_section_data(call: Call) -> Response:
    """Section data as of the last COMPLETE, within the limits of z asked for."""
    return json_answer(stored_sections(call))


def stored_sections(call: Call) -> list[dict[str, Any]]:
    """The same as data; IllegalArgumentError for a stack that was never COMPLETE."""
    low, high = call.query.double("minZ"), call.query.double("maxZ")
    with call.service.store.reading() as session:
        record = require_data(session, call.stack_id)
    if record.sections is None:
        raise IllegalArgumentError(f"{record.stack_id} has no section data: it was never COMPLETE")
    return [
        section
        for section in record.sections
        if (low is None or float(section["z"]) >= low) and (high is None or float(section["z"]) <= high)
    ]


def get_layer_section_data(call: Call) -> Response:
    """Section data of one layer, computed now."""
    with call.service.store.reading() as session:
        return json_answer(section_data(session, require_stack(session, call.stack_id), call.path["z"]))


def get_layer_bounds(call: Call) -> Response:
    """Box of one layer, computed now."""
    stack_id, z = call.stack_id, call.path["z"]
    with call.service.store.reading() as session:
        box = session.box(require_stack(session, stack_id).key, TileFilter(z=z))
    if box is None:
        raise IllegalArgumentError(f"{stack_id} has no tiles at z {z}")
    corners = [json_double(side) for side in (*box[:2], z, *box[2:], z)]
    return json_answer(dict(zip(BOUND_FIELDS, corners, strict=True)))


def get_tile_bounds(call: Call) -> Response:
    """Stored boxes of the tiles of a layer or section, by tile id."""
    which = TileFilter(z=call.path.get("z"), section_id=call.path.get("section"))
    with call.service.store.reading() as session:
        rows = session.tile_bounds(require_stack(session, call.stack_id).key, which)
    return json_answer([_bounds(row) for row in rows])


def _bounds(row: tuple[Any, ...]) -> dict[str, Any]:
    named = zip(TILE_BOUND_FIELDS, row, strict=True)
    return {
        name: json_double(value) if isinstance(value, float) else value
        for name, value in named
        if value not in (None, b"")
    }


def get_section_z(call: Call) -> Response:
    """The z of a section."""
    stack_id, section_id = call.stack_id, call.path["section"]
    with call.service.store.reading() as session:
        z = session.z_of_section(require_stack(session, stack_id).key, section_id)
    if z is None:
        raise NotFoundError(f"section '{section_id}' does not exist in {stack_id}")
    return json_answer(json_double(z))


def get_tile_ids(call: Call) -> Response:
    """Tile ids in ascending order, within limits of z, matching a regular expression; `[]` without stack."""
    which = TileFilter(min_z=call.query.double("minZ"), max_z=call.query.double("maxZ"))
    with call.service.store.reading() as session:
        record = session.stack(call.stack_id)
        tile_ids = [] if record is None else session.tile_ids(record.key, which)
    pattern = call.query.text("matchPattern")
    if pattern and tile_ids:
        try:
            tile_ids = texts_with_pattern("matchPattern", pattern, tile_ids)
        except BrokenPatternError as error:  # in render-ws a fault of its database
            raise IllegalStateError(str(error)) from error
    return json_answer(tile_ids)


def get_tile_count(call: Call) -> Response:
    """Number of tiles whose stored box meets a box."""
    with call.service.store.reading() as session:
        return json_answer(session.tile_count(require_stack(session, call.stack_id).key, box_filter(call)))


def box_filter(call: Call) -> TileFilter:
    """The tiles that a box in the path asks for: edges count as inside."""
    path = call.path
    return TileFilter(
        z=path["z"],
        min_x=path["x"],
        max_x=path["x"] + path["width"],
        min_y=path["y"],
        max_y=path["y"] + path["height"],
        group_id=path.get("group"),
    )


def delete_tiles(call: Call) -> Response:
    """Delete the tiles of a layer or section, or one tile; fine when there are none."""
    path = call.path
    which = TileFilter(z=path.get("z"), section_id=path.get("section"), tile_id=path.get("tile"))
    with call.service.store.writing() as session:
        record = require_loading(session, call.stack_id, IllegalArgumentError)
        session.delete_tiles(record.key, which)
    return done()
