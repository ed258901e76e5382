"""The size of a voxel, where a TIFF says it."""

from __future__ import annotations

import math
import re
from typing import Any

#: nm of a unit, as OME, ImageJ and people spell them.
NM_OF_UNITS = {
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
        nm = NM_OF_UNITS.get(unit[1] if unit else "µm")
        if size is None or nm is None:
            return None
        lengths.append(_number(size[1]) * nm)
    return lengths[0], lengths[1], lengths[2]


def _imagej_voxel_size(tiff: Any) -> tuple[float, float, float] | None:
    """ImageJ: the resolution tags count pixels per unit, `spacing` is the distance of planes.

    `unit` is that of x; `yunit` and `zunit` are there where those of the other axes differ.
    """
    said = tiff.imagej_metadata or {}
    units = [said.get(name) or said.get("unit", "") for name in ("unit", "yunit", "zunit")]
    lengths = [NM_OF_UNITS.get(str(unit).replace("\\u00B5", "µ")) for unit in units]
    tags = tiff.pages.first.tags
    if None in lengths or "spacing" not in said or "XResolution" not in tags or "YResolution" not in tags:
        return None
    x_nm, y_nm, z_nm = (nm for nm in lengths if nm is not None)
    per_unit = [tags[name].value for name in ("XResolution", "YResolution")]
    if any(0 in pair for pair in per_unit):
        return None
    x, y = (nm * below / above for nm, (above, below) in zip((x_nm, y_nm), per_unit, strict=True))
    return x, y, _number(said["spacing"]) * z_nm


def _number(said: Any) -> float:
    """What is no number becomes NaN."""
    try:
        return float(said)
    except (TypeError, ValueError):
        return math.nan
