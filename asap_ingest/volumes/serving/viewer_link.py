"""The address that opens volumes in the Neuroglancer client that is served beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

import orjson

from asap_ingest.volumes.serving.contrast import display_range
from asap_ingest.volumes.serving.served_volume import ServedVolume

#: The client takes what stands between `/v/` and the next slash for its viewer's name; any name works.
CLIENT_PATH = "/neuroglancer/v/volume"
#: Pixels along the shorter side of a viewer's panel, about.
_PANEL_PIXELS = 500
_LAYER = "volume"


def source_url(volume: ServedVolume, base_url: str) -> str:
    """The source URL for Neuroglancer."""
    return f"{volume.scheme}://{base_url}{quote(f'/{volume.name}') if volume.name else ''}"


def viewer_url(volumes: Sequence[ServedVolume], base_url: str, query: str = "") -> str:
    """The client with volumes as its layers, the whole of the first in view; `query` starts with `?`."""
    state = orjson.dumps(viewer_state(volumes, base_url))
    return f"{base_url}{CLIENT_PATH}/index.html{query}#!{quote(state.decode())}"


def viewer_state(volumes: Sequence[ServedVolume], base_url: str) -> dict[str, Any]:
    """State of the client, as Neuroglancer keeps it in its address; labels lie over images."""
    ordered = sorted(volumes, key=lambda volume: volume.kind == "segmentation")
    layers = [_layer(volume, base_url) for volume in ordered]
    return {
        **_view(ordered[0]),
        "layers": layers,
        "selectedLayer": {"layer": layers[0]["name"]},
    }


def _layer(volume: ServedVolume, base_url: str) -> dict[str, Any]:
    layer: dict[str, Any] = {
        "type": "segmentation" if volume.kind == "segmentation" else "image",
        "name": volume.name or _LAYER,
        "source": source_url(volume, base_url),
    }
    shown = display_range(volume)
    if shown is not None:
        layer["shaderControls"] = {"normalized": {"range": shown}}
    return layer


def _view(volume: ServedVolume) -> dict[str, Any]:
    """Units, position and zoom that show all of a volume; left to the client without spatial axes."""
    axes = volume.axes
    if not axes:
        return {"layout": "4panel"}
    # position n is the lower corner of voxel n, in OME-Zarr its centre
    middle = 0.5 if volume.scheme == "precomputed" else 0.0
    shortest = min(axis.length for axis in axes)
    lengths = [axis.size * axis.length / shortest for axis in axes]
    return {
        "dimensions": {axis.name: [axis.length, axis.unit] for axis in axes},
        "position": [axis.start + axis.size // 2 + middle for axis in axes],
        "crossSectionScale": max(lengths[:2]) / _PANEL_PIXELS,
        "projectionScale": 2 * max(lengths),
        "layout": "4panel" if len(axes) > 2 and axes[2].size > 1 else "xy",
    }
