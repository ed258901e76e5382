"""Named lists of image filters. Filters are part of render parameters, but none is applied.

Images that ask for filters of `OMITTED_FILTERS` come unfiltered, which clients accept; others are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

_PACKAGE = "org.janelia.alignment.filter."


def _noise_instead_of(value: float) -> dict[str, Any]:
    parameters = {"value": str(value), "min": "64.0", "max": "191.0"}
    return {"className": f"{_PACKAGE}ValueToNoise", "parameters": parameters}


FILTER_LISTS: dict[str, list[dict[str, Any]]] = {
    "simpleTest": [
        {
            "className": f"{_PACKAGE}CLAHE",
            "parameters": {"fast": "true", "blockRadius": "500", "bins": "256", "slope": "2.5"},
        }
    ],
    "default": [
        _noise_instead_of(0.0),
        _noise_instead_of(255.0),
        {
            "className": f"{_PACKAGE}NormalizeLocalContrast",
            "parameters": {
                "blockRadiusX": "500",
                "blockRadiusY": "500",
                "meanFactor": "3.0",
                "center": "true",
                "stretch": "true",
            },
        },
    ],
}

#: Filters that may be omitted: they are random, or change only the contrast.
OMITTED_FILTERS = {f"{_PACKAGE}ValueToNoise", f"{_PACKAGE}NormalizeLocalContrast"}


def named_filters(name: str) -> list[dict[str, Any]]:
    """The filters of a list; raises IllegalArgumentError for an unknown name."""
    if name not in FILTER_LISTS:
        raise IllegalArgumentError(f"filter list {name!r} not found; there are {sorted(FILTER_LISTS)}")
    return FILTER_LISTS[name]


def check_filters(specs: Sequence[dict[str, Any]]) -> None:
    """Raise IllegalStateError for a filter that may not be omitted."""
    for spec in specs:
        if spec.get("className") not in OMITTED_FILTERS:
            raise IllegalStateError(f"filter {spec.get('className')!r} is not available in this service")
