"""The address that opens a volume in the Neuroglancer client that is served beside it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import orjson

from asap_ingest.precomputed.serving.served_volume import ServedVolume

#: The client finds its viewer's name between `/v/` and the next slash; any will do.
CLIENT_PATH = "/neuroglancer/v/volume"
_METERS = 1e-9
#: About the pixels that a panel of the viewer has along its shorter side.
_PANEL_PIXELS = 500
_LAYER = "volume"


def source_url(volume: ServedVolume, base_url: str) -> str:
    """What a person pastes into Neuroglancer."""
    return f"{volume.scheme}://{base_url}"


def viewer_url(volume: ServedVolume, base_url: str, display_range: tuple[float, float] | None = None) -> str:
    """The client, with the whole volume in view.

    Parameters
    ----------
    display_range : pair of float or None
        Samples that are shown black and white; None leaves it to the viewer.
    """
    state = orjson.dumps(viewer_state(volume, base_url, display_range))
    return f"{base_url}{CLIENT_PATH}/index.html#!{quote(state.decode())}"


def viewer_state(
    volume: ServedVolume, base_url: str, display_range: tuple[float, float] | None
) -> dict[str, Any]:
    """What the client is to show, as its address says it."""
    extent = volume.extent
    # positions of OME-Zarr are those of the middles of voxels
    middle = 0.0 if volume.scheme == "zarr3" else 0.5
    shortest = min(extent.resolution_nm)
    lengths = [size * nm / shortest for size, nm in zip(extent.size, extent.resolution_nm, strict=True)]
    layer: dict[str, Any] = {
        "type": "segmentation" if extent.kind == "segmentation" else "image",
        "name": _LAYER,
        "source": source_url(volume, base_url),
    }
    if display_range is not None:
        layer["shaderControls"] = {"normalized": {"range": display_range}}
    return {
        "dimensions": {
            axis: [nm * _METERS, "m"] for axis, nm in zip("xyz", extent.resolution_nm, strict=True)
        },
        "position": [
            start + size // 2 + middle for start, size in zip(extent.offset, extent.size, strict=True)
        ],
        "crossSectionScale": max(lengths[:2]) / _PANEL_PIXELS,
        "projectionScale": 2 * max(lengths),
        "layers": [layer],
        "selectedLayer": {"layer": _LAYER},
        "layout": "4panel" if extent.size[2] > 1 else "xy",
    }
