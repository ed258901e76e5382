"""Sections that were moved to another layer, share a layer, or could share one.

Section ids count as numbers here: a section is acquired as `3407.0`, parts that were imaged anew as
`3407.1`. Layers that belong together have the same integer part.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from asap_ingest.render_ws.wire.java_numbers import double_or_none, double_text
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

#: Entries of the section data of a stack: `sectionId`, `z`, `tileCount` and a box.
Sections = Sequence[dict[str, Any]]


def reordered_sections(sections: Sections) -> list[dict[str, Any]]:
    """Entries whose section id and z differ in their integer part.

    Raises
    ------
    IllegalArgumentError
        For a section id or z that is not a finite number.
    """
    return [section for section in sections if _acquired_at(section) != _integer_part(section["z"])]


def _acquired_at(section: dict[str, Any]) -> int:
    section_id, z = double_or_none(section["sectionId"]), _integer_part(section["z"])
    if section_id is None or not math.isfinite(section_id) or z is None:
        raise IllegalArgumentError(
            "reordered sections are found by number, but there is "
            f"sectionId '{section['sectionId']}' at z {section['z']}"
        )
    return math.trunc(section_id)


def _integer_part(z: float | str) -> int | None:
    number = float(z)
    return math.trunc(number) if math.isfinite(number) else None


def merged_z_values(sections: Sections) -> list[float]:
    """The z of layers that hold several sections, ascending."""
    ids_by_z = defaultdict(set)
    for section in sections:
        ids_by_z[float(section["z"])].add(section["sectionId"])
    return sorted(z for z, ids in ids_by_z.items() if len(ids) > 1)


def mergeable_z_values(sections: Sections) -> list[float]:
    """The z of layers whose integer part is also that of another layer, ascending."""
    z_by_part = defaultdict(set)
    for z in {float(section["z"]) for section in sections}:
        z_by_part[_integer_part(z)].add(z)
    return sorted(
        z for part, group in z_by_part.items() if part is not None and len(group) > 1 for z in group
    )


def mergeable_table(sections: Sections) -> str:
    """A line per section of these layers: integer part, z, section id, tile count, separated by tabs."""
    wanted = set(mergeable_z_values(sections))
    rows = sorted(
        (float(section["z"]), section["sectionId"], section["tileCount"])
        for section in sections
        if float(section["z"]) in wanted
    )
    return "".join(
        f"{math.trunc(z)}\t{double_text(z)}\t{section_id}\t{count}\n" for z, section_id, count in rows
    )
