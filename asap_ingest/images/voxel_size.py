"""The size of a voxel, where a TIFF says it."""

from __future__ import annotations

import math
import re
from typing import Any

#: nm of a unit, as OME and ImageJ spell them.
_NM = {
    **dict.fromkeys(("nm", "nanometer"), 1.0),
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer"), 1e3),
    **dict.fromkeys(("mm", "millimeter"), 1e6),
    **dict.fromkeys(("cm", "centimeter"), 1e7),
    **dict.fromkeys(("Å", "angstrom"), 0.1),
}


def voxel_size_of(tiff: Any) -> tuple[float, float, float] | None:
    """Size of a voxel in nm from OME or ImageJ metadata; None where they say nothing that makes sense."""
    found = _ome_voxel_size(tiff.ome_metadata) if tiff.ome_metadata else _imagej_voxel_size(tiff)
    return found if found and all(math.isfinite(length) and length > 0 for length in found) else None


def _ome_voxel_size(metadata: str) -> tuple[float, float, float] | None:
    pixels = re.search(r"<(?:\w+:)?Pixels\b[^>]*>", metadata)
    if pixels is None:
        return None
    lengths = []
    for axis in "XYZ":
        size = re.search(rf'PhysicalSize{axis}="([^"]+)"', pixels[0])
        unit = re.search(rf'PhysicalSize{axis}Unit="([^"]+)"', pixels[0])
        nm = _NM.get(unit[1] if unit else "µm")
        if size is None or nm is None:
            return None
        lengths.append(_number(size[1]) * nm)
    return lengths[0], lengths[1], lengths[2]


def _imagej_voxel_size(tiff: Any) -> tuple[float, float, float] | None:
    """ImageJ: the resolution tags count pixels per unit, `spacing` is the distance of planes in it."""
    said = tiff.imagej_metadata or {}
    nm = _NM.get(str(said.get("unit", "")).replace("\\u00B5", "µ"))
    tags = tiff.pages.first.tags
    if nm is None or "spacing" not in said or "XResolution" not in tags or "YResolution" not in tags:
        return None
    per_unit = [tags[name].value for name in ("XResolution", "YResolution")]
    if any(0 in pair for pair in per_unit):
        return None
    x, y = (nm * below / above for above, below in per_unit)
    return x, y, _number(said["spacing"]) * nm


def _number(said: Any) -> float:
    """What is no number becomes NaN."""
    try:
        return float(said)
    except (TypeError, ValueError):
        return math.nan
