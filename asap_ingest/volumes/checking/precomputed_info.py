"""`info` of the precomputed format."""

from __future__ import annotations

from collections.abc import Iterator
from operator import mul
from pathlib import PurePosixPath
from typing import Any

from asap_ingest.volumes.axes import per_axis
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.volumes.checking.json_fields import Fields, read_json
from asap_ingest.volumes.checking.side_files import SIDE_TYPES, not_known_folders, side_faults
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Description

INFO = "info"
_SAMPLES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32")
_OTHER_ENCODINGS = (
    *("jpeg", "png", "jxl", "compressed_segmentation"),
    # of cloud-volume
    *("compresso", "crackle", "fpzip", "kempressed", "zfpc"),
)
_FIELDS = ("@type", "type", "data_type", "num_channels", "scales")
_MOST_BITS = 64


def read_info(files: VolumeFiles) -> Description:
    """The volume as `info` describes it.

    Raises
    ------
    FaultError
        It is missing or ill-formed.
    """
    info = read_json(files, INFO)
    fields = Fields(INFO, "", info)
    if "@type" in info:
        fields.expect("@type", "neuroglancer_multiscale_volume")
    kind = fields.expect("type", "image", "segmentation")
    dtype = fields.expect("data_type", *_SAMPLES)
    channels = fields.whole_number("num_channels", 1)
    scales = enumerate(fields.filled_list("scales"))
    checked = tuple(_scale(scale, number, channels) for number, scale in scales)
    keys = [scale.key for scale in checked]
    if len(set(keys)) < len(keys):
        raise FaultError(INFO, f"scales: two have the same key: {', '.join(keys)}")
    return Description(
        kind == "segmentation",
        dtype,
        checked,
        files=(INFO,),
        side_folders=tuple(_side_folders(info)),
        faults=tuple(side_faults(files, info)),
        not_known=tuple(_not_known(files, info, checked)),
    )


def _side_folders(info: dict[str, Any]) -> Iterator[str]:
    """Folders that fields name, also those whose meaning is not known."""
    for name, value in info.items():
        if name not in _FIELDS and isinstance(value, str) and value.strip("/"):
            yield value.strip("/")


def _not_known(files: VolumeFiles, info: dict[str, Any], scales: tuple[CheckedScale, ...]) -> Iterator[str]:
    names = [name for name in info if name not in (*_FIELDS, *SIDE_TYPES)]
    if names:
        yield f"{INFO}: fields {', '.join(names)}"
    yield from not_known_folders(files, info)
    for scale, described in zip(scales, info["scales"], strict=True):
        if len(described["chunk_sizes"]) > 1:
            yield f"scale {scale.key}: chunks of other sizes than the first, {scale.chunk_size}"


def _scale(scale: Any, number: int, channels: int) -> CheckedScale:
    fields = Fields.of(INFO, f"scales[{number}]", scale)
    key = fields.get("key", str)
    if not key or key.startswith("/") or ".." in PurePosixPath(key).parts:
        raise fields.wrong("key", "; it must be a folder in that of the volume")
    encoding = fields.expect("encoding", "raw", *_OTHER_ENCODINGS)
    chunk_sizes = fields.filled_list("chunk_sizes")
    resolution = fields.numbers("resolution")
    if min(resolution) <= 0:
        raise fields.wrong("resolution", "; sides of voxels must be above 0")
    offset = fields.whole_numbers("voxel_offset", -(2**63)) if "voxel_offset" in scale else (0, 0, 0)
    unread = f"encoding {encoding!r}" if encoding != "raw" else f"{channels} channels" if channels > 1 else ""
    return CheckedScale(
        key=key,
        size=fields.whole_numbers("size", 1),
        chunk_size=Fields(INFO, fields.path, {"chunk_sizes": chunk_sizes[0]}).whole_numbers("chunk_sizes", 1),
        resolution_nm=resolution,
        corner_nm=per_axis(mul, offset, resolution),
        offset=offset,
        sharding=None if scale.get("sharding") is None else _sharding(fields.within("sharding")),
        unread=unread,
    )


def _sharding(fields: Fields) -> dict[str, Any]:
    fields.expect("@type", "neuroglancer_uint64_sharded_v1")
    fields.expect("hash", "identity", "murmurhash3_x86_128")
    for name in ("minishard_index_encoding", "data_encoding"):
        if name in fields.values:
            fields.expect(name, "raw", "gzip")
    bits = [fields.get(name, int) for name in ("preshift_bits", "minishard_bits", "shard_bits")]
    if min(bits) < 0 or sum(bits[1:]) > _MOST_BITS or bits[0] > _MOST_BITS:
        raise FaultError(INFO, f"{fields.path[:-1]}: has {bits} bits, of {_MOST_BITS} in all")
    return dict(fields.values)
