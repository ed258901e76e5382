"""A volume of the precomputed format, read from its `info`."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from asap_ingest.volumes.info import INFO
from asap_ingest.volumes.serving.served_volume import (
    Axis,
    DescriptionError,
    Folder,
    ServedVolume,
    is_plain_path,
    read_json,
)

#: Numbers in one spelling: no -0, no 007.
_NUMBER = r"(0|-?[1-9][0-9]{0,11})"
_CHUNK = re.compile("_".join([f"{_NUMBER}-{_NUMBER}"] * 3))
_STORED_CHUNK = re.compile(rf"{_CHUNK.pattern}(\.tiff)?(?:\.gz|\.br|\.zstd)?")
_SHARD = re.compile(r"[0-9a-f]+\.shard")
_DATA_TYPES = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64")
#: Encodings whose chunks gzip still makes smaller.
_COMPRESSIBLE_ENCODINGS = ("raw", "compressed_segmentation")
#: Fields of `info` that name a folder beside the scales; all files below it belong to the volume.
_SIDE_FIELDS = ("mesh", "skeletons", "segment_properties")
_NM = 1e-9
_log = logging.getLogger(__name__)


def open_precomputed(root: Path, wanted: str | None) -> ServedVolume:
    """Read `info`; DescriptionError, or what malformed JSON raises, if it describes no volume."""
    info = read_json(root, INFO)
    keys = [_key(scale) for scale in info["scales"]]
    if not keys:
        raise DescriptionError("info has no scales")
    chunk_format = _chunk_format(root, info, wanted)
    side_folders = _side_folders(root, info)
    scales = {_key(scale): _scale_folder(scale, info) for scale in info["scales"]}
    return ServedVolume(
        root,
        chunk_format,
        "precomputed",
        str(info["type"]),
        _axes(info["scales"][0]),
        frozenset({INFO}),
        {**{path: Folder(compressible=True) for path in side_folders.values()}, **scales},
        tuple(keys),
        side_folders,
    )


def _key(scale: Mapping[str, Any]) -> str:
    key = scale["key"]
    if not is_plain_path(key):
        raise DescriptionError(
            f"info has the key {str(key)[:80]!r}: keys are folders of the volume, without '..', hidden and "
            "very long names"
        )
    return str(key)


def _chunk_format(root: Path, info: Any, wanted: str | None) -> str:
    """Format of the first chunk that a folder of a scale has; for a volume without chunks `wanted` or raw."""
    if any(scale.get("sharding") for scale in info["scales"]):
        return "sharded"
    for scale in info["scales"]:
        folder = root / scale["key"]
        if not folder.is_dir():
            continue
        with os.scandir(folder) as entries:
            match = next(filter(None, (_STORED_CHUNK.fullmatch(entry.name) for entry in entries)), None)
        if match:
            return "tiff" if match[7] else "raw"
    return wanted if wanted == "tiff" else "raw"


def _scale_folder(scale: Mapping[str, Any], info: Mapping[str, Any]) -> Folder:
    key, encoding = scale["key"], str(scale["encoding"])
    data_type, channels = str(info["data_type"]).lower(), int(info["num_channels"])
    sizes = [_triple(scale["size"]), *map(_triple, scale["chunk_sizes"])]
    _triple(scale.get("voxel_offset", (0, 0, 0)))
    if len(sizes) < 2 or min(map(min, sizes[1:])) < 1 or min(sizes[0]) < 0:
        raise DescriptionError(f"info has sizes or chunk sizes below 1 at key {key!r}")
    if data_type not in _DATA_TYPES:
        raise DescriptionError(f"info has the data_type {data_type!r}, which is unknown")
    if scale.get("sharding"):
        return Folder(_SHARD)
    samples = data_type if encoding == "raw" else ""
    return Folder(_CHUNK, samples, channels, encoding in _COMPRESSIBLE_ENCODINGS)


def _side_folders(root: Path, info: Mapping[str, Any]) -> dict[str, str]:
    """Paths of the folders of meshes, skeletons and properties by field of `info`, if inside the volume."""
    folders: dict[str, str] = {}
    for name in _SIDE_FIELDS:
        path, problem = info.get(name), ""
        if is_plain_path(path):
            folders[name] = str(path)
            if not (root / str(path)).is_dir():
                problem = "does not exist: left out of the served info"
        elif path is not None:
            problem = "is not below the volume's folder: not served"
        if problem:
            _log.warning("%s: info names %s %r, which %s", root, name, path, problem)
    return folders


def _axes(finest: Mapping[str, Any]) -> tuple[Axis, ...]:
    geometry = (finest["resolution"], finest.get("voxel_offset", (0, 0, 0)), finest["size"])
    return tuple(
        Axis(name, float(nm) * _NM, "m", float(start), int(size))
        for name, nm, start, size in zip("xyz", *geometry, strict=True)
    )


def _triple(values: Any) -> tuple[int, ...]:
    numbers = tuple(int(value) for value in values)
    if len(numbers) != 3:
        raise DescriptionError(f"info has {list(values)} where three numbers are needed")
    return numbers
