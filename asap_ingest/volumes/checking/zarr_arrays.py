"""Arrays of zarr 2 and 3: their metadata, and how their chunks are decompressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from asap_ingest.volumes.checking.chunk_places import Place
from asap_ingest.volumes.checking.decompression import DECODERS
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.volumes.checking.volume_metadata import Fields, Index, read_json

#: Files that describe an array, the first of which must be there.
ARRAY_FILES = {3: ("zarr.json",), 2: (".zarray", ".zattrs")}
_SAMPLES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32")
_OTHER_SAMPLES = ("bool", "float16", "float64", "complex64", "complex128")
_BYTE_ORDERS: dict[Any, Literal["<", ">"]] = {"little": "<", "big": ">"}


@dataclass(frozen=True)
class ZarrArray:
    """One array; shapes are (z, y, x).

    Attributes
    ----------
    first, separator : str
        Chunks are files named `first` (if any), then their places along z, y, x, with the separator between.
    codecs : tuple of str
        Names in `DECODERS`, in the order of compression.
    fill_value : number
        Sample of chunks without a file.
    unread : str
        Why chunks cannot be read here; empty where they can.
    files : tuple of str
        Files that describe the array.
    """

    shape: Index
    chunk_shape: Index
    dtype: np.dtype[Any]
    first: str
    separator: str
    codecs: tuple[str, ...]
    fill_value: Any
    unread: str
    files: tuple[str, ...]

    def name(self, place: Index) -> str:
        """File of the chunk at a place (z, y, x), below the array's folder."""
        parts = [self.first] if self.first else []
        return self.separator.join([*parts, *map(str, place)])

    def place(self, name: str) -> Index | None:
        """Place (z, y, x) of the chunk that a file holds; None for other files."""
        numbers = name.removeprefix(f"{self.first}{self.separator}" if self.first else "").split(
            self.separator
        )
        if len(numbers) != 3 or not all(number.isascii() and number.isdecimal() for number in numbers):
            return None
        z, y, x = map(int, numbers)
        return (z, y, x) if self.name((z, y, x)) == name else None


def read_array(place: Place, zarr_format: int, key: str) -> ZarrArray:
    """The array in a folder.

    Raises
    ------
    FaultError
        Metadata are missing or ill-formed.
    """
    file = f"{key}/{ARRAY_FILES[zarr_format][0]}"
    fields = Fields(file, "", read_json(place, file))
    fields.expect("zarr_format", zarr_format)
    return _of_zarr_3(fields) if zarr_format == 3 else _of_zarr_2(fields)


def _of_zarr_3(fields: Fields) -> ZarrArray:
    fields.expect("node_type", "array")
    grid = fields.within("chunk_grid")
    grid.expect("name", "regular")
    encoding = fields.within("chunk_key_encoding")
    is_default = encoding.expect("name", "default", "v2") == "default"
    separator = "/" if is_default else "."
    if "separator" in (encoding.values.get("configuration") or {}):
        separator = encoding.within("configuration").expect("separator", "/", ".")
    codecs = _codecs(fields)
    order = (codecs[0].values.get("configuration") or {}).get("endian", "little")
    return _array(
        fields,
        chunk_shape=grid.within("configuration").whole_numbers("chunk_shape", 1),
        sample_type=fields.get("data_type", str),
        byte_order=_BYTE_ORDERS.get(order, "<"),
        naming=("c" if is_default else "", separator),
        codecs=[codec.get("name", str) for codec in codecs],
    )


def _codecs(fields: Fields) -> list[Fields]:
    codecs = fields.get("codecs", list)
    if not codecs:
        raise fields.wrong("codecs", "; there must be one at least")
    return [Fields.of(fields.file, f"codecs[{number}]", codec) for number, codec in enumerate(codecs)]


def _of_zarr_2(fields: Fields) -> ZarrArray:
    written = fields.get("dtype", str)
    try:
        dtype = np.dtype(written)
    except TypeError as error:
        raise fields.wrong("dtype") from error
    codecs = ["bytes" if fields.expect("order", "C", "F") == "C" else "order F"]
    steps = [*(fields.values.get("filters") or []), fields.values.get("compressor")]
    for step in steps:
        if step is not None:
            codecs.append(Fields.of(fields.file, "compressor", step).get("id", str))
    separator = (
        fields.expect("dimension_separator", "/", ".") if "dimension_separator" in fields.values else "."
    )
    return _array(
        fields,
        chunk_shape=fields.whole_numbers("chunks", 1),
        sample_type=dtype.name,
        byte_order=">" if written.startswith(">") else "<",
        naming=("", separator),
        codecs=codecs,
    )


def _array(
    fields: Fields,
    *,
    chunk_shape: Index,
    sample_type: str,
    byte_order: Literal["<", ">"],
    naming: tuple[str, str],
    codecs: list[str],
) -> ZarrArray:
    """What both versions have in common; the first codec makes bytes of samples."""
    if sample_type not in (*_SAMPLES, *_OTHER_SAMPLES):
        raise FaultError(fields.file, f"sample type: is {sample_type!r}; known are {', '.join(_SAMPLES)}")
    others = [name for name in codecs[1:] if name not in DECODERS]
    if codecs[0] != "bytes":
        others.insert(0, codecs[0])
    unread = f"codec {', '.join(others)}" if others else ""
    if sample_type in _OTHER_SAMPLES:
        unread = f"samples of {sample_type}"
    version = fields.values["zarr_format"]
    return ZarrArray(
        shape=fields.whole_numbers("shape", 1),
        chunk_shape=chunk_shape,
        dtype=np.dtype(sample_type).newbyteorder(byte_order),
        first=naming[0],
        separator=naming[1],
        codecs=tuple(codecs[1:]),
        fill_value=_fill_value(fields, sample_type),
        unread=unread,
        files=ARRAY_FILES[version],
    )


def _fill_value(fields: Fields, sample_type: str) -> Any:
    value = fields.values.get("fill_value")
    if sample_type in _OTHER_SAMPLES:
        return 0
    if isinstance(value, str) and value.startswith("0x"):
        return np.array(int(value, 16), f"u{np.dtype(sample_type).itemsize}").view(sample_type)[()]
    try:
        return np.dtype(sample_type).type(0 if value is None else value)
    except (TypeError, ValueError, OverflowError) as error:
        raise fields.wrong("fill_value", f"; it must be a sample of {sample_type}") from error
