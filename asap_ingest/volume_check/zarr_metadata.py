"""`zarr.json` of OME-Zarr 0.5."""

from __future__ import annotations

from typing import Any

from asap_ingest.volume_check.description import CheckedScale, Description, Fields, Lengths, read_json
from asap_ingest.volume_check.faults import FaultError
from asap_ingest.volume_check.places import Place

ZARR = "zarr.json"
_NM = {"nanometer": 1.0, "micrometer": 1e3, "millimeter": 1e6, "angstrom": 0.1}
_SAMPLES = ("uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float32")


def read_zarr(place: Place) -> Description:
    """The volume as its group and arrays describe it.

    Raises
    ------
    FaultError
        Metadata are missing or ill-formed, or of a kind that is not known here.
    """
    group = Fields(ZARR, "", read_json(place, ZARR))
    group.expect("zarr_format", 3)
    group.expect("node_type", "group")
    ome = group.within("attributes").within("ome")
    ome.expect("version", "0.5")
    multiscales = ome.get("multiscales", list)
    if len(multiscales) != 1:
        raise ome.wrong("multiscales", "; there must be one")
    fields = Fields.of(ZARR, "multiscales[0]", multiscales[0])
    unit_nm = _units(fields)
    datasets = fields.get("datasets", list)
    if not datasets:
        raise fields.wrong("datasets")
    scales, types = [], set()
    for number, dataset in enumerate(datasets):
        described = Fields.of(ZARR, f"multiscales[0].datasets[{number}]", dataset)
        scale, dtype = _scale(place, described, unit_nm)
        scales.append(scale)
        types.add(dtype)
    if len(types) > 1:
        raise FaultError(ZARR, f"scales have several sample types: {', '.join(sorted(types))}")
    return Description("zarr", fields.values.get("type") == "mode", types.pop(), tuple(scales))


def _units(fields: Fields) -> Lengths:
    """nm of the unit of each axis, x first."""
    axes = fields.get("axes", list)
    names = [axis.get("name") if isinstance(axis, dict) else axis for axis in axes]
    if names != ["z", "y", "x"]:
        raise FaultError(ZARR, f"axes: are {names}; known are z, y, x")
    found = [Fields(ZARR, f"axes.{axis['name']}.", axis).expect("unit", *_NM) for axis in reversed(axes)]
    return _NM[found[0]], _NM[found[1]], _NM[found[2]]


def _scale(place: Place, dataset: Fields, unit_nm: Lengths) -> tuple[CheckedScale, str]:
    key = dataset.get("path", str)
    length, centre = _position(dataset)
    resolution = _times(length[::-1], unit_nm)
    x, y, z = (
        middle - side / 2 for middle, side in zip(_times(centre[::-1], unit_nm), resolution, strict=True)
    )
    file = f"{key}/{ZARR}"
    array = Fields(file, "", read_json(place, file))
    array.expect("zarr_format", 3)
    array.expect("node_type", "array")
    dtype = array.expect("data_type", *_SAMPLES)
    grid = array.within("chunk_grid")
    grid.expect("name", "regular")
    scale = CheckedScale(
        key=key,
        size=array.whole_numbers("shape", 1)[::-1],
        chunk_size=grid.within("configuration").whole_numbers("chunk_shape", 1)[::-1],
        resolution_nm=resolution,
        corner_nm=(x, y, z),
        layout={"separator": _separator(array), "codecs": _codecs(array, file)},
    )
    return scale, dtype


def _position(dataset: Fields) -> tuple[Lengths, Lengths]:
    """(scale, translation) along z, y, x."""
    found: dict[str, Lengths] = {"translation": (0.0, 0.0, 0.0)}
    for transformation in dataset.get("coordinateTransformations", list):
        fields = Fields.of(dataset.file, f"{dataset.path}coordinateTransformations", transformation)
        kind = fields.expect("type", "scale", "translation")
        found[kind] = fields.numbers(kind)
    if min(found.get("scale", (0,))) <= 0:
        raise dataset.wrong("coordinateTransformations", "; there must be a scale above 0")
    return found["scale"], found["translation"]


def _times(values: Lengths, units: Lengths) -> Lengths:
    x, y, z = (value * unit for value, unit in zip(values, units, strict=True))
    return x, y, z


def _separator(array: Fields) -> str:
    encoding = array.within("chunk_key_encoding")
    encoding.expect("name", "default")
    if "configuration" not in encoding.values:
        return "/"
    return str(encoding.within("configuration").expect("separator", "/", "."))


def _codecs(array: Fields, file: str) -> list[dict[str, Any]]:
    codecs: list[dict[str, Any]] = array.get("codecs", list)
    for number, codec in enumerate(codecs):
        fields = Fields.of(file, f"codecs[{number}]", codec)
        fields.expect("name", *(("bytes",) if number == 0 else ("zstd", "gzip")))
    if not codecs:
        raise array.wrong("codecs", "; the first must be bytes")
    return codecs
