"""Arrays of zarr 2 and 3, as tensorstore reads their metadata and chunks."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from asap_ingest.volumes.axes import Triple
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.volumes.checking.json_fields import Fields, read_json
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.tensorstore_extra import require_tensorstore

#: Files that describe an array, the first of which must exist.
ARRAY_FILES = {3: ("zarr.json",), 2: (".zarray", ".zattrs")}
DRIVERS = {3: "zarr3", 2: "zarr"}
_NO_CODECS: dict[int, dict[str, Any]] = {
    3: {"codecs": [{"name": "bytes"}]},
    2: {"compressor": None, "filters": None},
}
#: What tensorstore raises for metadata and chunks that it cannot read.
TENSORSTORE_ERRORS = (ValueError, NotImplementedError, LookupError, OverflowError)
#: Sample types that are compared.
_SAMPLES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32")
#: Parts of tensorstore's messages besides the problem: status, driver, file in memory, spec.
_AROUND_PROBLEM = re.compile(
    r"^[A-Z_]+: |Error opening \"\w+\" driver: |Error reading \"[^\"]*\": | \[tensorstore_spec=.*", re.S
)


@dataclass(frozen=True)
class ZarrArray:
    """The metadata of one array; shapes are (z, y, x).

    Attributes
    ----------
    chunk_shape : triple of int
        Voxels of a file.
    unread : str
        Why the check cannot read samples; empty where it can.
    """

    zarr_format: int
    metadata: dict[str, Any]
    shape: Triple
    chunk_shape: Triple
    dtype: np.dtype[Any]
    unread: str

    @property
    def files(self) -> tuple[str, ...]:
        """Files that describe the array."""
        return ARRAY_FILES[self.zarr_format]

    def chunk_name(self, position: Triple) -> str:
        """File of the chunk at a position (z, y, x), below the array's folder."""
        prefix, separator = self._naming
        return prefix + separator.join(map(str, position))

    def chunk_position(self, name: str) -> Triple | None:
        """Position (z, y, x) of the chunk that a file holds; None for other files."""
        prefix, separator = self._naming
        match = re.fullmatch(re.escape(prefix) + re.escape(separator).join([r"(\d+)"] * 3), name, re.A)
        if match is None:
            return None
        z, y, x = map(int, match.groups())
        return (z, y, x) if self.chunk_name((z, y, x)) == name else None

    def open_in_memory(self) -> Any:
        """The array as tensorstore opens it, in memory and without chunks."""
        return _open_in_memory(self.zarr_format, self.metadata)

    @property
    def _naming(self) -> tuple[str, str]:
        """The prefix of the names of chunks, and the separator of their numbers."""
        if self.zarr_format == 2:
            return "", self.metadata.get("dimension_separator") or "."
        encoding = self.metadata["chunk_key_encoding"]
        is_default = encoding["name"] == "default"
        separator = (encoding.get("configuration") or {}).get("separator", "/" if is_default else ".")
        return f"c{separator}" if is_default else "", separator


def read_array(files: VolumeFiles, zarr_format: int, key: str) -> ZarrArray:
    """The array in a folder.

    Raises
    ------
    FaultError
        Metadata are missing or ill-formed.
    ParameterError
        tensorstore is not installed.
    """
    require_tensorstore("volume", "reading zarr")
    file = f"{key}/{ARRAY_FILES[zarr_format][0]}"
    metadata = read_json(files, file)
    fields = Fields(file, "", metadata)
    fields.expect("zarr_format", zarr_format)
    shape, codecs = fields.whole_numbers("shape", 1), _codecs(fields, zarr_format)
    if zarr_format == 3:
        fields.within("chunk_key_encoding").expect("name", "default", "v2")
    unread = ""
    try:
        opened = _open_in_memory(zarr_format, metadata)
    except TENSORSTORE_ERRORS as error:
        # if it opens without the codecs, these are only unknown here, and may be right
        unread = f"codec {', '.join(codecs)}: {problem_of(error)}"
        try:
            opened = _open_in_memory(zarr_format, {**metadata, **_NO_CODECS[zarr_format]})
        except TENSORSTORE_ERRORS as other:
            raise FaultError(file, problem_of(other)) from other
    z, y, x = opened.chunk_layout.write_chunk.shape
    if opened.chunk_layout.read_chunk.shape != (z, y, x):
        unread = "codec sharding_indexed"
    dtype = np.dtype(opened.dtype.numpy_dtype)
    if dtype.name not in _SAMPLES:
        unread = f"samples of {dtype.name}"
    return ZarrArray(zarr_format, metadata, shape, (z, y, x), dtype, unread)


def problem_of(error: Exception) -> str:
    """The problem in an error of tensorstore, without the names of files in memory."""
    return _AROUND_PROBLEM.sub("", str(error))


def _codecs(fields: Fields, zarr_format: int) -> list[str]:
    """Names of all codecs."""
    if zarr_format == 3:
        label, name, codecs = "codecs", "name", fields.filled_list("codecs")
    else:
        label, name = "compressor", "id"
        filters = [] if fields.values.get("filters") is None else fields.get("filters", list)
        codecs = [*filters, fields.values.get("compressor")]
    return [
        Fields.of(fields.file, f"{label}[{number}]" if zarr_format == 3 else label, codec).get(name, str)
        for number, codec in enumerate(codecs)
        if codec is not None
    ]


def _open_in_memory(zarr_format: int, metadata: dict[str, Any]) -> Any:
    """An array with these metadata and no chunks."""
    import tensorstore

    context = tensorstore.Context()
    memory = tensorstore.KvStore.open("memory://", context=context).result()
    memory[ARRAY_FILES[zarr_format][0]] = json.dumps(metadata).encode()
    spec = {"driver": DRIVERS[zarr_format], "kvstore": "memory://"}
    return tensorstore.open(spec, context=context, open=True, read=True).result()
