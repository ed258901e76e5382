"""OME-Zarr, 0.5 in zarr 3 and 0.4 in zarr 2. Arrays are those that tensorstore can open."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from operator import mul
from typing import Any

import numpy as np

from asap_ingest.volumes.axes import Lengths, per_axis
from asap_ingest.volumes.checking.faults import FaultError, Findings, NotKnownError
from asap_ingest.volumes.checking.json_fields import Fields, read_json
from asap_ingest.volumes.checking.precomputed_info import PROVENANCE
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Description
from asap_ingest.volumes.tensorstore_extra import require_tensorstore

#: Files that describe a group, the first of which marks a folder as one.
GROUP_FILES = {3: ("zarr.json",), 2: (".zgroup", ".zattrs", ".zmetadata")}
#: Files that describe an array, the first of which must exist.
ARRAY_FILES = {3: ("zarr.json",), 2: (".zarray", ".zattrs")}
DRIVERS = {3: "zarr3", 2: "zarr"}
_NM = {"nanometer": 1.0, "micrometer": 1e3, "millimeter": 1e6, "angstrom": 0.1}
_MADE_BY = ("mean", "mode")
_NO_CODECS: dict[int, dict[str, Any]] = {
    3: {"codecs": [{"name": "bytes"}]},
    2: {"compressor": None, "filters": None},
}
#: Sample types that are compared.
_SAMPLES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32")
#: What tensorstore raises for metadata and chunks that it cannot read.
TENSORSTORE_ERRORS = (ValueError, NotImplementedError, LookupError, OverflowError)
#: What tensorstore's messages have around the problem: status, driver, file, spec.
_AROUND_PROBLEM = re.compile(
    r"^[A-Z_]+: |Error opening \"\w+\" driver: |Error reading \"[^\"]*\": "
    r"| in (local file \"[^\"]*\"|https?://[^ ]*)(?=: )| \[tensorstore_spec=.*",
    re.S,
)


def read_zarr(files: VolumeFiles, zarr_format: int, findings: Findings) -> Description:
    """The volume as its group and arrays describe it; features not known here are added to the findings.

    Raises
    ------
    FaultError
        Metadata are missing or ill-formed.
    NotKnownError
        It is not an image of OME-Zarr with axes z, y, x.
    ParameterError
        tensorstore is not installed.
    """
    multiscales = _multiscales(files, zarr_format)
    fields = multiscales[0]
    if len(multiscales) > 1:
        findings.not_known.append(f"{fields.file}: multiscales beside the first")
    unit_nm = _units(fields, findings)
    # our commands write every chunk; other programs leave out those that hold the fill value only
    lacks_chunks = files.size(PROVENANCE) is None
    scales = tuple(
        _scale(files, zarr_format, dataset, unit_nm, lacks_chunks) for dataset in fields.objects("datasets")
    )
    types = sorted({scale.dtype.name for scale in scales})
    if len(types) > 1:
        raise FaultError(fields.file, f"scales have several sample types: {', '.join(types)}")
    made_by = fields.values.get("type")
    return Description(
        made_by == "mode",
        scales,
        GROUP_FILES[zarr_format],
        uncompared="" if made_by in _MADE_BY else _uncompared(made_by),
    )


def _uncompared(made_by: Any) -> str:
    """Why voxels are not compared: other programs may take single voxels, or smooth images."""
    if made_by is None:
        return "the group has no type that says how scales are made"
    return f"made by {made_by!r}, which is not known"


def _multiscales(files: VolumeFiles, zarr_format: int) -> list[Fields]:
    """The multiscales in the attributes of the group."""
    file = GROUP_FILES[zarr_format][0]
    group = Fields(file, "", read_json(files, file))
    group.expect("zarr_format", zarr_format)
    if zarr_format == 3:
        if group.expect("node_type", "group", "array") == "array":
            raise NotKnownError(f"{file}: an array without a group of OME-Zarr")
        attributes = group.within("attributes")
        if "ome" not in attributes.values:
            raise NotKnownError(f"{file}: a group without attributes of OME-Zarr")
        attributes = attributes.within("ome")
        attributes.expect("version", "0.5")
    else:
        file = ".zattrs"
        attributes = Fields(file, "", read_json(files, file))
    if "multiscales" not in attributes.values:
        raise NotKnownError(
            f"{file}: a group of OME-Zarr without multiscales: {', '.join(attributes.values)}"
        )
    multiscales = attributes.objects("multiscales")
    if zarr_format == 2 and "version" in multiscales[0].values:
        multiscales[0].expect("version", "0.4")
    return multiscales


def _units(fields: Fields, findings: Findings) -> Lengths:
    """nm of the unit of each axis, x first; 1 where the unit is absent or not known."""
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in fields.get("axes", list)]
    names = [axis.get("name") for axis in axes]
    if names != ["z", "y", "x"]:
        raise NotKnownError(f"{fields.file}: axes {', '.join(map(str, names))}; known are z, y, x")
    units = [str(axis.get("unit") or "none") for axis in axes]
    others = sorted({unit for unit in units if unit not in _NM})
    if others:
        problem = f"unit {', '.join(others)} of axes; scales are compared as if it were nm"
        findings.not_known.append(f"{fields.file}: {problem}")
    return per_axis(lambda unit: _NM.get(unit, 1.0), units[::-1])


def _scale(
    files: VolumeFiles, zarr_format: int, dataset: Fields, unit_nm: Lengths, lacks_chunks: bool
) -> CheckedScale:
    key = dataset.get("path", str)
    length, centre = _position(dataset)
    resolution = per_axis(mul, length[::-1], unit_nm)
    corner = (0.0, 0.0, 0.0)
    if centre is not None:
        corner = per_axis(lambda at, unit, side: at * unit - side / 2, centre[::-1], unit_nm, resolution)
    file = f"{key}/{ARRAY_FILES[zarr_format][0]}"
    fields = Fields(file, "", read_json(files, file))
    fields.expect("zarr_format", zarr_format)
    size = fields.whole_numbers("shape", 1)[::-1]
    if zarr_format == 3:
        fields.within("chunk_key_encoding").expect("name", "default", "v2")
    array, unread = _opened(fields, zarr_format)
    # a file has the voxels that are written together; with shards, fewer are read together
    z, y, x = array.chunk_layout.write_chunk.shape
    if array.chunk_layout.read_chunk.shape != (z, y, x):
        unread = "codec sharding_indexed"
    dtype = np.dtype(array.dtype.numpy_dtype)
    if dtype.name not in _SAMPLES:
        unread = f"samples of {dtype.name}"
    return CheckedScale(
        key=key,
        size=size,
        chunk_size=(x, y, z),
        resolution_nm=resolution,
        corner_nm=corner,
        dtype=dtype,
        zarr=fields.values,
        lacks_chunks=lacks_chunks,
        unread=unread,
    )


def _position(dataset: Fields) -> tuple[Lengths, Lengths | None]:
    """(scale, translation) along z, y, x; without a translation, which many leave out, None."""
    numbers: dict[str, Lengths] = {}
    for transformation in dataset.get("coordinateTransformations", list):
        fields = Fields.of(dataset.file, f"{dataset.path}coordinateTransformations", transformation)
        kind = fields.expect("type", "scale", "translation")
        numbers[kind] = fields.numbers(kind)
    if min(numbers.get("scale", (0,))) <= 0:
        raise dataset.wrong("coordinateTransformations", "; there must be a scale above 0")
    return numbers["scale"], numbers.get("translation")


def _opened(fields: Fields, zarr_format: int) -> tuple[Any, str]:
    """The array without chunks, and why its codecs cannot decode samples; empty if they can."""
    codecs = _codecs(fields, zarr_format)
    try:
        return open_in_memory(fields.values), ""
    except TENSORSTORE_ERRORS as error:
        # if the array opens without its codecs, they are only not known here, and may be right
        unread = f"codec {', '.join(codecs)}: {problem_of(error)}"
    try:
        return open_in_memory({**fields.values, **_NO_CODECS[zarr_format]}), unread
    except TENSORSTORE_ERRORS as error:
        raise FaultError(fields.file, problem_of(error)) from error


def _codecs(fields: Fields, zarr_format: int) -> list[str]:
    """Names of all codecs."""
    if zarr_format == 3:
        return [codec.get("name", str) for codec in fields.objects("codecs")]
    filters = [] if fields.values.get("filters") is None else fields.get("filters", list)
    codecs = [codec for codec in (*filters, fields.values.get("compressor")) if codec is not None]
    return [Fields.of(fields.file, "compressor", codec).get("id", str) for codec in codecs]


def open_in_memory(metadata: Mapping[str, Any]) -> Any:
    """An array with these metadata and no chunks, as tensorstore opens it.

    Raises
    ------
    ParameterError
        tensorstore is not installed.
    """
    require_tensorstore("volume", "reading zarr")
    import tensorstore

    context, zarr_format = tensorstore.Context(), metadata["zarr_format"]
    memory = tensorstore.KvStore.open("memory://", context=context).result()
    memory[ARRAY_FILES[zarr_format][0]] = json.dumps(metadata).encode()
    spec = {"driver": DRIVERS[zarr_format], "kvstore": "memory://"}
    return tensorstore.open(spec, context=context, open=True, read=True).result()


def problem_of(error: Exception) -> str:
    """The problem in an error of tensorstore, without the names of files."""
    return _AROUND_PROBLEM.sub("", str(error))


def chunk_naming(metadata: Mapping[str, Any]) -> tuple[str, str]:
    """The prefix of the names of an array's chunks, and the separator of their numbers."""
    if metadata["zarr_format"] == 2:
        return "", metadata.get("dimension_separator") or "."
    encoding = metadata["chunk_key_encoding"]
    is_default = encoding["name"] == "default"
    separator = (encoding.get("configuration") or {}).get("separator", "/" if is_default else ".")
    return f"c{separator}" if is_default else "", separator
