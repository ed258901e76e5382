"""The metadata of a volume: `info` of the precomputed format, or those of OME-Zarr 0.5 or 0.4.

https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/volume.md,
https://ngff.openmicroscopy.org/0.5, https://ngff.openmicroscopy.org/0.4 and
https://zarr-specs.readthedocs.io/en/latest (core of version 3, and version 2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import orjson

from asap_ingest.volumes.grid import Scale
from asap_ingest.volumes.shard_grid import sharding_json

INFO = "info"
ZARR = "zarr.json"
#: Fast rather than small: electron micrographs hardly shrink further.
ZSTD_LEVEL = 1
#: `type` of OME-Zarr, the way in which coarser scales are made.
_ZARR_KINDS = {"image": "mean", "segmentation": "mode"}


def precomputed_files(scales: Sequence[Scale], dtype: np.dtype[Any], kind: str) -> dict[str, bytes]:
    """`info`. The encoding of TIFF chunks is `raw` too: they are served as raw samples."""
    info = {
        "@type": "neuroglancer_multiscale_volume",
        "type": kind,
        "data_type": dtype.name,
        "num_channels": 1,
        "scales": [
            {
                "key": scale.key,
                "size": scale.size,
                "resolution": scale.resolution_nm,
                "voxel_offset": scale.offset,
                "chunk_sizes": [scale.chunk_size],
                "encoding": "raw",
                **({} if scale.sharding is None else {"sharding": sharding_json(scale.sharding)}),
            }
            for scale in scales
        ],
    }
    return {INFO: _json(info)}


def _multiscales(scales: Sequence[Scale], kind: str) -> dict[str, Any]:
    """Scales with axes z, y, x in nanometers, as both versions of OME-Zarr have them."""
    return {
        "name": "volume",
        "type": _ZARR_KINDS[kind],
        "axes": [{"name": name, "type": "space", "unit": "nanometer"} for name in "zyx"],
        "datasets": [_dataset(scale, scales[0]) for scale in scales],
    }


def _dataset(scale: Scale, finest: Scale) -> dict[str, Any]:
    # OME-Zarr's translation is the centre of the first voxel; that of the finest scale is its offset
    translation = [
        finest.resolution_nm[axis] * (finest.offset[axis] + (scale.factor[axis] - 1) / 2)
        for axis in (2, 1, 0)
    ]
    transformations = [
        {"type": "scale", "scale": scale.resolution_nm[::-1]},
        {"type": "translation", "translation": translation},
    ]
    return {"path": scale.key, "coordinateTransformations": transformations}


def _zarr_array(scale: Scale, dtype: np.dtype[Any]) -> dict[str, Any]:
    """`zarr.json` of one scale."""
    return {
        "zarr_format": 3,
        "node_type": "array",
        "shape": scale.size[::-1],
        "data_type": dtype.name,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": scale.chunk_size[::-1]}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": "/"}},
        "fill_value": 0,
        "codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "zstd", "configuration": {"level": ZSTD_LEVEL, "checksum": False}},
        ],
        "dimension_names": ["z", "y", "x"],
        "attributes": {},
    }


def _zarr_2_array(scale: Scale, dtype: np.dtype[Any]) -> dict[str, Any]:
    """`.zarray` of one scale."""
    return {
        "zarr_format": 2,
        "shape": scale.size[::-1],
        "chunks": scale.chunk_size[::-1],
        "dtype": dtype.newbyteorder("<").str,
        "compressor": {"id": "zstd", "level": ZSTD_LEVEL},
        "fill_value": 0,
        "order": "C",
        "filters": None,
        "dimension_separator": "/",
    }


def zarr_files(scales: Sequence[Scale], dtype: np.dtype[Any], kind: str) -> dict[str, bytes]:
    """`zarr.json` of the arrays and of the group, which is OME-Zarr 0.5."""
    arrays = {f"{scale.key}/{ZARR}": _json(_zarr_array(scale, dtype)) for scale in scales}
    attributes = {"ome": {"version": "0.5", "multiscales": [_multiscales(scales, kind)]}}
    return {**arrays, ZARR: _json({"zarr_format": 3, "node_type": "group", "attributes": attributes})}


def zarr_2_files(scales: Sequence[Scale], dtype: np.dtype[Any], kind: str) -> dict[str, bytes]:
    """`.zarray` of the arrays; `.zattrs` and `.zgroup` of the group, which is OME-Zarr 0.4."""
    arrays = {f"{scale.key}/.zarray": _json(_zarr_2_array(scale, dtype)) for scale in scales}
    multiscales = {"version": "0.4", **_multiscales(scales, kind)}
    group = {".zattrs": _json({"multiscales": [multiscales]}), ".zgroup": _json({"zarr_format": 2})}
    return {**arrays, **group}


def _json(value: dict[str, Any]) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2) + b"\n"
