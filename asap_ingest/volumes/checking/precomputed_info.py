"""`info` of the precomputed format, and files beside the scales: provenance, labels, meshes, skeletons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import mul
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from asap_ingest.volumes.axes import per_axis
from asap_ingest.volumes.checking.faults import FaultError, Findings
from asap_ingest.volumes.checking.json_fields import Fields, read_json
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Description

INFO = "info"
PROVENANCE = "provenance"
#: Fields of `info` that name a folder, with the types that the folder's own `info` may have.
_SIDE_TYPES = {
    "mesh": ("neuroglancer_legacy_mesh", "neuroglancer_multilod_draco"),
    "skeletons": ("neuroglancer_skeletons",),
    "segment_properties": ("neuroglancer_segment_properties",),
}
_SAMPLES = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64", "float32")
_OTHER_ENCODINGS = (
    *("jpeg", "png", "jxl", "compressed_segmentation"),
    # of cloud-volume
    *("compresso", "crackle", "fpzip", "kempressed", "zfpc"),
)
_FIELDS = ("@type", "type", "data_type", "num_channels", "scales")
_MOST_BITS, _MOST_MINISHARD_BITS = 64, 32
_MOST_ID = 2**64


def read_info(files: VolumeFiles, findings: Findings) -> Description:
    """The volume as `info` describes it; defects that do not prevent this are added to the findings.

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
    dtype = np.dtype(fields.expect("data_type", *_SAMPLES)).newbyteorder("<")
    channels = fields.whole_number("num_channels", 1)
    described = fields.filled_list("scales")
    scales = tuple(_scale(scale, number, dtype, channels) for number, scale in enumerate(described))
    keys = [scale.key for scale in scales]
    if len(set(keys)) < len(keys):
        raise FaultError(INFO, f"scales: two have the same key: {', '.join(keys)}")
    names = [name for name in info if name not in (*_FIELDS, *_SIDE_TYPES)]
    if names:
        findings.not_known.append(f"{INFO}: fields {', '.join(names)}")
    _check_side_folders(files, info, findings)
    for scale, its_json in zip(scales, described, strict=True):
        if len(its_json["chunk_sizes"]) > 1:
            sizes = f"chunks of other sizes than the first, {scale.chunk_size}"
            findings.not_known.append(f"scale {scale.key}: {sizes}")
    return Description(kind == "segmentation", scales, (INFO,), tuple(_side_folders(info)))


def _side_folders(info: dict[str, Any]) -> Iterator[str]:
    """Folders that fields of `info` name, also fields whose meaning is not known."""
    for name, value in info.items():
        if name not in _FIELDS and isinstance(value, str) and value.strip("/"):
            yield value.strip("/")


def _scale(scale: Any, number: int, dtype: np.dtype[Any], channels: int) -> CheckedScale:
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
        dtype=dtype,
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
    bits = [fields.whole_number(name, 0) for name in ("preshift_bits", "minishard_bits", "shard_bits")]
    if bits[0] > _MOST_BITS or bits[1] > _MOST_MINISHARD_BITS or sum(bits[1:]) > _MOST_BITS:
        limits = f"{_MOST_BITS} in all, {_MOST_MINISHARD_BITS} of a minishard"
        raise FaultError(INFO, f"{fields.path[:-1]}: has {bits} bits; known are {limits}")
    return dict(fields.values)


def provenance_faults(files: VolumeFiles) -> Iterator[FaultError]:
    """Differences of `provenance` from cloud-volume's schema."""
    if files.size(PROVENANCE) is None:
        return
    try:
        record = read_json(files, PROVENANCE)
    except FaultError as error:
        yield error
        return
    if not isinstance(record.get("description", ""), str):
        yield _unreadable("description must be a string")
    for name in ("sources", "owners"):
        values = record.get(name, [])
        is_list = isinstance(values, list) and all(isinstance(value, str) for value in values)
        if not is_list or len(set(values)) < len(values):
            yield _unreadable(f"{name} must be a list of different strings")
    steps = record.get("processing", [])
    if not isinstance(steps, list) or not all(
        isinstance(step, dict) and {"by", "method"} <= step.keys() for step in steps
    ):
        yield _unreadable("processing must be a list of objects with by and method")


def _unreadable(problem: str) -> FaultError:
    return FaultError(PROVENANCE, f"{problem}, or cloud-volume and igneous may not open the volume")


def _check_side_folders(files: VolumeFiles, info: Mapping[str, Any], findings: Findings) -> None:
    """Check the `info` of the folders of meshes, skeletons and properties that the volume's `info` names."""
    for name in _SIDE_TYPES:
        if info.get(name):
            try:
                _check_side_folder(files, name, Fields(INFO, "", info).get(name, str), findings)
            except FaultError as error:
                findings.add(error)


def _check_side_folder(files: VolumeFiles, name: str, folder: str, findings: Findings) -> None:
    file = f"{folder}/info"
    if files.size(file) is not None:
        fields = Fields(file, "", read_json(files, file))
        fields.expect("@type", *_SIDE_TYPES[name])
        if name == "segment_properties":
            _check_properties(fields.within("inline"))
            return
        reason = "only its info is read"
    else:
        exists = files.has_folder(folder)
        # meshes of older programs have no info; meshes and skeletons may be made later than the labels
        if name == "segment_properties" or (name == "skeletons" and exists):
            raise FaultError(file, f"missing; the volume's info names the folder as {name}")
        reason = "info names it, but it is not there" if exists is False else "it has no info"
    findings.not_known.append(f"folder {folder} ({name}): {reason}")


def _check_properties(inline: Fields) -> None:
    """Raise a FaultError unless ids are labels, each occurs once, and each property has a value for each."""
    ids = inline.get("ids", list)
    for label in ids:
        if not (isinstance(label, str) and label.isdecimal() and int(label) < _MOST_ID):
            raise FaultError(
                inline.file, f"inline.ids: has {label!r}; labels are written as strings of digits"
            )
    if len(set(ids)) < len(ids):
        raise FaultError(inline.file, "inline.ids: a label occurs twice")
    for number, each in enumerate(inline.get("properties", list)):
        values = Fields.of(inline.file, f"inline.properties[{number}]", each).get("values", list)
        if len(values) != len(ids):
            problem = f"inline.properties[{number}].values: has {len(values)} values for {len(ids)} ids"
            raise FaultError(inline.file, problem)
