"""Requests about the contents of a stack: layers, sections, boxes, tile ids; and deletion of tiles.

Some read section ids as numbers and compare them with z: a section is acquired as `3407.0`, and parts of it
that are imaged again as `3407.1`. Layers with the same integer part belong together and can be merged.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.http.answers import TEXT
from asap_ingest.render_ws.http.calls import Call
from asap_ingest.render_ws.http.operations import AREA, DVID_BOX, LAYER, STACK, TILE, Operations
from asap_ingest.render_ws.http.queries import ZRange
from asap_ingest.render_ws.stacks.stack_states import (
    BOUND_FIELDS,
    require_data,
    require_loading,
    require_stack,
    section_data,
)
from asap_ingest.render_ws.store import TileFilter
from asap_ingest.render_ws.wire.java_numbers import double_or_none, double_text, json_double
from asap_ingest.render_ws.wire.json_types import json_values
from asap_ingest.render_ws.wire.patterns import BrokenPatternError, texts_with_pattern
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError, NotFoundError

#: Tile count and box of a section, with its id and z.
Section = dict[str, Any]
SECTION = f"{STACK}/section/{{section}}"
SECTION_OPERATIONS = Operations("Contents of a stack")
answers = SECTION_OPERATIONS.answers


@answers("GET", f"{STACK}/bounds")
def get_stack_bounds(call: Call) -> Any:
    """Get the bounds of a stack as of its last COMPLETE."""
    with call.reading() as session:
        record = require_stack(session, call.stack_id)
    if record.stats is None:
        raise IllegalArgumentError(f"{record.stack_id} has no stats: it must be COMPLETE")
    return record.stats["stackBounds"]


@answers("GET", f"{STACK}/zValues", query=ZRange)
def get_z_values(call: Call) -> Any:
    """List the distinct z values in ascending order."""
    with call.reading() as session:
        values = session.z_values(require_stack(session, call.stack_id).key)
    return [json_double(z) for z in values if call.query.holds(z)]


def _sections(call: Call) -> list[Section]:
    """Section data within limits of z; IllegalArgumentError for a stack that was never COMPLETE."""
    with call.reading() as session:
        record = require_data(session, call.stack_id)
    if record.sections is None:
        raise IllegalArgumentError(f"{record.stack_id} has no section data: it was never COMPLETE")
    return [section for section in record.sections if call.query.holds(float(section["z"]))]


@answers("GET", f"{STACK}/sectionData", query=ZRange)
def get_section_data(call: Call) -> Any:
    """List tile count and bounds of each section as of the last COMPLETE."""
    return _sections(call)


@answers("GET", f"{STACK}/reorderedSectionData", query=ZRange)
def get_reordered_section_data(call: Call) -> Any:
    """List the sections whose z differs from their section id in its integer part."""
    return [section for section in _sections(call) if _is_reordered(section)]


def _is_reordered(section: Section) -> bool:
    """Whether section id and z differ; IllegalArgumentError unless both are finite numbers."""
    section_id, z = double_or_none(section["sectionId"]), float(section["z"])
    if section_id is None or not math.isfinite(section_id) or not math.isfinite(z):
        raise IllegalArgumentError(
            "only sections whose ids are numbers can be compared with z, but there is "
            f"sectionId '{section['sectionId']}' at z {section['z']}"
        )
    return math.trunc(section_id) != math.trunc(z)


@answers("GET", f"{STACK}/mergedZValues", query=ZRange)
def get_merged_z_values(call: Call) -> Any:
    """List the z of layers that hold several sections."""
    ids = {(float(section["z"]), section["sectionId"]) for section in _sections(call)}
    counts = Counter(z for z, _ in ids)
    return sorted(z for z, count in counts.items() if count > 1)


@answers("GET", f"{STACK}/mergeableZValues", query=ZRange)
def get_mergeable_z_values(call: Call) -> Any:
    """List the z of layers that differ in their fraction only."""
    return _mergeable_z_values(_sections(call))


def _mergeable_z_values(sections: list[Section]) -> list[float]:
    finite = sorted(filter(math.isfinite, {float(section["z"]) for section in sections}))
    layers = Counter(map(math.trunc, finite))
    return [z for z in finite if layers[math.trunc(z)] > 1]


@answers("GET", f"{STACK}/mergeableData", TEXT, query=ZRange)
def get_mergeable_data(call: Call) -> Any:
    """Get a table of the sections in layers that differ in their fraction only.

    Columns: integer part of z, z, section id, tile count.
    """
    sections = _sections(call)
    mergeable = set(_mergeable_z_values(sections))
    rows = sorted((float(section["z"]), section["sectionId"], section["tileCount"]) for section in sections)
    lines = (
        f"{math.trunc(z)}\t{double_text(z)}\t{section_id}\t{count}\n"
        for z, section_id, count in rows
        if z in mergeable
    )
    return "".join(lines)


@answers("GET", f"{LAYER}/sectionData")
def get_layer_section_data(call: Call) -> Any:
    """List tile count and bounds of the sections of a layer, computed now."""
    with call.reading() as session:
        return section_data(session, require_stack(session, call.stack_id), call.path["z"])


@answers("GET", f"{LAYER}/bounds")
def get_layer_bounds(call: Call) -> Any:
    """Get the bounds of a layer, computed now."""
    stack_id, z = call.stack_id, call.path["z"]
    with call.reading() as session:
        box = session.box(require_stack(session, stack_id).key, TileFilter(z=z))
    if box is None:
        raise IllegalArgumentError(f"{stack_id} has no tiles at z {z}")
    bounds = {**box, "minZ": z, "maxZ": z}
    return json_values({name: bounds[name] for name in BOUND_FIELDS})


@answers("GET", f"{SECTION}/tileBounds")
@answers("GET", f"{LAYER}/tileBounds")
def get_tile_bounds(call: Call) -> Any:
    """List the stored bounds of the tiles of a layer or section."""
    which = TileFilter(z=call.path.get("z"), section_id=call.path.get("section"))
    with call.reading() as session:
        rows = session.tile_bounds(require_stack(session, call.stack_id).key, which)
    return [
        {name: value for name, value in json_values(row).items() if value not in (None, b"")} for row in rows
    ]


@answers("GET", f"{SECTION}/z")
def get_section_z(call: Call) -> Any:
    """Get the z of a section."""
    stack_id, section_id = call.stack_id, call.path["section"]
    with call.reading() as session:
        z = session.z_of_section(require_stack(session, stack_id).key, section_id)
    if z is None:
        raise NotFoundError(f"section '{section_id}' does not exist in {stack_id}")
    return json_double(z)


@dataclass(frozen=True)
class TileIdQuery(ZRange):
    """A part of the tile ids: within limits of z, and with a match of a regular expression."""

    match_pattern: str | None = None


@answers("GET", f"{STACK}/tileIds", query=TileIdQuery)
def get_tile_ids(call: Call) -> Any:
    """List tile ids in ascending order; an empty list without stack."""
    which = TileFilter(min_z=call.query.min_z, max_z=call.query.max_z)
    with call.reading() as session:
        record = session.stack(call.stack_id)
        tile_ids = [] if record is None else session.tile_ids(record.key, which)
    pattern = call.query.match_pattern
    if pattern and tile_ids:
        try:
            tile_ids = texts_with_pattern("matchPattern", pattern, tile_ids)
        except BrokenPatternError as error:  # an error of the database in render-ws
            raise IllegalStateError(str(error)) from error
    return tile_ids


@answers("GET", f"{LAYER}/box/{AREA}/tile-count")
@answers("GET", f"{STACK}/{DVID_BOX}/tile-count")
def get_tile_count(call: Call) -> Any:
    """Count the tiles whose stored bounds meet a box."""
    with call.reading() as session:
        return session.tile_count(require_stack(session, call.stack_id).key, box_filter(call))


def box_filter(call: Call) -> TileFilter:
    """The tiles that meet the box in the path, its edges included."""
    path = call.path
    return TileFilter(
        z=path["z"],
        min_x=path["x"],
        max_x=path["x"] + path["width"],
        min_y=path["y"],
        max_y=path["y"] + path["height"],
        group_id=path.get("group"),
    )


@answers("DELETE", SECTION, None)
@answers("DELETE", LAYER, None)
@answers("DELETE", TILE, None)
def delete_tiles(call: Call) -> None:
    """Delete the tiles of a layer or section, or one tile, if there are any."""
    path = call.path
    which = TileFilter(z=path.get("z"), section_id=path.get("section"), tile_id=path.get("tile"))
    with call.writing() as session:
        record = require_loading(session, call.stack_id, IllegalArgumentError)
        session.delete_tiles(record.key, which)
