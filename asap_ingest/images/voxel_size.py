"""The size of a voxel in the metadata of a TIFF."""

from __future__ import annotations

import math
import re
from typing import Any

from asap_ingest.images.file_claims import OME_PIXELS

#: nm of a unit, as OME, ImageJ and people spell them.
NM_OF_UNITS = {
    **dict.fromkeys(("nm", "nanometer"), 1.0),
    **dict.fromkeys(("µm", "μm", "um", "micron", "microns", "micrometer"), 1e3),
    **dict.fromkeys(("mm", "millimeter"), 1e6),
    **dict.fromkeys(("cm", "centimeter"), 1e7),
    **dict.fromkeys(("Å", "angstrom"), 0.1),
}


def voxel_size_of(tiff: Any) -> tuple[float, float, float] | None:
    """Size of a voxel in nm from OME or ImageJ metadata; None where they have no valid one."""
    size = _ome_voxel_size(tiff.ome_metadata) if tiff.ome_metadata else _imagej_voxel_size(tiff)
    return size if size and all(math.isfinite(length) and length > 0 for length in size) else None


def _ome_voxel_size(metadata: str) -> tuple[float, float, float] | None:
    pixels = OME_PIXELS.search(metadata)
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
    """Size by ImageJ: resolution tags are pixels per unit along x and y, `spacing` is the distance of planes.

    `unit` is that of x; `yunit` and `zunit` exist where the other axes differ.
    """
    metadata = tiff.imagej_metadata or {}
    units = [metadata.get(name) or metadata.get("unit", "") for name in ("unit", "yunit", "zunit")]
    lengths = [NM_OF_UNITS.get(str(unit).replace("\\u00B5", "µ")) for unit in units]
    tags = tiff.pages.first.tags
    if None in lengths or "spacing" not in metadata or "XResolution" not in tags or "YResolution" not in tags:
        return None
    x_nm, y_nm, z_nm = (nm for nm in lengths if nm is not None)
    per_unit = [tags[name].value for name in ("XResolution", "YResolution")]
    if any(0 in pair for pair in per_unit):
        return None
    x, y = (nm * below / above for nm, (above, below) in zip((x_nm, y_nm), per_unit, strict=True))
    return x, y, _number(metadata["spacing"]) * z_nm


def _number(value: Any) -> float:
    """NaN for a value that is not a number."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan
