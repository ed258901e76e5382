"""Answers of 500 to generated requests that are right, as render-ws gives them."""

from __future__ import annotations

import re
from dataclasses import dataclass

IMAGES = r"/(z/\{z\}|dvid/\S*|z/\S*box\S*)/(jpeg|png|tiff|tiff16|png16|raw|raw16)-image|/(jpg|png|tif)$"


@dataclass(frozen=True)
class Reason:
    """Patterns of operations and of texts of answers; the section on render-ws that asks for 500 there."""

    operations: str
    text: str
    section: str


REASONS = (
    Reason("^(PUT|POST|DELETE) ", "must be LOADING|is READ_ONLY", "3.5"),
    Reason("^PUT .*/state/", "has no tiles", "3.4"),
    Reason("^PUT .*/cloneTo/", "had tiles before|must be LOADING", "3.7"),
    Reason("^PUT .*tile-specs-with-ids", "no tile ids given", "1.2"),
    Reason("^PUT .*-coordinates/", "no tile spec given", "1.2"),
    Reason("^PUT .*-coordinates|tileIdsForCoordinates", "no coordinates given", "1.2"),
    Reason("^PUT .*-coordinates", "invalid (owner|project|stack)|longer than", "1.2"),
    Reason("^PUT .*tileIdsForCoordinates", "entry [0-9]+ cannot be used", "8"),
    Reason("^(GET|PUT) .*-coordinates", "both are needed to invert", "8"),
    Reason("^GET .*/matchCollections$", "invalid owner", "1.2"),
    Reason("^PUT .*/matches$", "holds a null|lack their weights", "9.2"),
    Reason("^GET .*/matchCollection/", "cannot be merged", "9.1"),
    Reason("^GET .*largeDataTileSource", "filter list|channels|invalid (owner|project|stack)", "1.2"),
    Reason("^GET .*/tileIds", "is not a regular expression", "4"),
    Reason("^PUT .*(resolvedTiles|-image|-coordinates/)", "is null|holds a null", "5.3"),
    Reason("^PUT .*resolvedTiles", "width and height of a tile are needed", "5.3"),
    Reason("^PUT .*-image", "no render parameters given", "1.2"),
    Reason(
        "^(GET|PUT) ", "fields are missing|does not map points of two dimensions|fields instead of", "10.4"
    ),
    Reason("^GET ", "referenced but not stored|cannot be resolved", "1.2"),
    Reason("^(GET|PUT) .*image|/(jpg|png|tif)$", "filter .* is not available", "7.6"),
    Reason("^(GET|PUT) .*image|/(jpg|png|tif)$", "channels cannot be mixed", "7.7"),
    Reason("^GET .*/(source|mask)/", "filter list|channels", "18"),
    Reason(f"^GET .*({IMAGES})", "invalid (owner|project|stack)|longer than|channels|filter list", "1.2"),
)


def is_excused(label: str, text: str) -> bool:
    """Whether an answer of 500 with this text is right for an operation."""
    return any(re.search(why.operations, label) and re.search(why.text, text) for why in REASONS)
