"""Query parameters that operations declare: names and types, and how a value of a type is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from asap_ingest.render_ws.http.answers import Query

#: How a query parameter is read, by the name of its type; `texts` and `doubles` may be repeated.
READERS: dict[str, Callable[[Query, str], Any]] = {
    "boolean": Query.flag,
    "double": Query.double,
    "doubles": Query.doubles,
    "integer": Query.integer,
    "text": Query.text,
    "texts": Query.texts,
}


@dataclass(frozen=True)
class QueryParameter:
    """One parameter in the query of a request; none is ever required."""

    name: str
    type: str

    def __post_init__(self) -> None:
        if self.type not in READERS:
            raise ValueError(f"query parameter {self.name} has type {self.type!r}, none of {sorted(READERS)}")


def declared(**types: str) -> tuple[QueryParameter, ...]:
    """Parameters from `name="type"`."""
    return tuple(QueryParameter(name, kind) for name, kind in types.items())


def read_query(query: Query, parameters: Iterable[QueryParameter]) -> dict[str, Any]:
    """The values of the parameters; IllTypedError for one of the wrong type."""
    return {parameter.name: READERS[parameter.type](query, parameter.name) for parameter in parameters}


Z_RANGE = declared(minZ="double", maxZ="double")
#: Of all render parameters and images.
DRAWING_QUERY = declared(
    scale="double",
    channels="text",
    minIntensity="double",
    maxIntensity="double",
    filter="boolean",
    filterListName="text",
    binaryMask="boolean",
    excludeMask="boolean",
    convertToGray="boolean",
    fillWithNoise="boolean",
)
#: Of those of boxes and layers.
BOX_QUERY = (*DRAWING_QUERY, *declared(maxTileSpecsToRender="integer"))
#: Of those of single tiles.
TILE_QUERY = (
    *DRAWING_QUERY,
    *declared(
        width="integer",
        height="integer",
        x="integer",
        y="integer",
        normalizeForMatching="boolean",
        excludeAllTransforms="boolean",
        excludeTransformsAfterLast="texts",
        excludeFirstTransformAndAllAfter="texts",
    ),
)
NEIGHBORHOOD_QUERY = (*DRAWING_QUERY, *declared(widthFactor="double", heightFactor="double"))
#: Of images alone, and of this service alone: draw without tiles that cannot be drawn, and no seams.
VIEW_QUERY = declared(missing="text", seams="text")
