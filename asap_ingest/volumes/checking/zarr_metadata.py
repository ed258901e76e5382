"""Groups of OME-Zarr: 0.5 in zarr 3, and 0.4 in zarr 2. Arrays are read by `zarr_arrays`."""

from __future__ import annotations

from operator import mul
from typing import Any

from asap_ingest.volumes.axes import Lengths, per_axis
from asap_ingest.volumes.checking.faults import FaultError, NotKnownError
from asap_ingest.volumes.checking.json_fields import Fields, read_json
from asap_ingest.volumes.checking.side_files import PROVENANCE
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Description
from asap_ingest.volumes.checking.zarr_arrays import read_array

#: Files that describe a group, the first of which marks a folder as one.
GROUP_FILES = {3: ("zarr.json",), 2: (".zgroup", ".zattrs", ".zmetadata")}
_NM = {"nanometer": 1.0, "micrometer": 1e3, "millimeter": 1e6, "angstrom": 0.1}
_MADE_BY = ("mean", "mode")


def read_zarr(files: VolumeFiles, zarr_format: int) -> Description:
    """The volume as its group and arrays describe it.

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
    fields, not_known = multiscales[0], []
    if len(multiscales) > 1:
        not_known.append(f"{fields.file}: multiscales beside the first")
    unit_nm = _units(fields, not_known)
    datasets = [
        Fields.of(fields.file, f"multiscales[0].datasets[{number}]", dataset)
        for number, dataset in enumerate(fields.filled_list("datasets"))
    ]
    # our commands write every chunk; other programs leave out those that hold the fill value only
    lacks_chunks = files.size(PROVENANCE) is None
    scales = [_scale(files, zarr_format, dataset, unit_nm, lacks_chunks) for dataset in datasets]
    types = sorted({dtype for _, dtype in scales})
    if len(types) > 1:
        raise FaultError(fields.file, f"scales have several sample types: {', '.join(types)}")
    made_by = fields.values.get("type")
    return Description(
        made_by == "mode",
        types[0],
        tuple(scale for scale, _ in scales),
        files=GROUP_FILES[zarr_format],
        not_known=tuple(not_known),
        uncompared="" if made_by in _MADE_BY else _uncompared(made_by),
    )


def _uncompared(made_by: Any) -> str:
    """Why voxels are not compared; other programs take single voxels, or smooth images."""
    if made_by is None:
        return "the group has no type that says how scales are made"
    return f"made by {made_by!r}, which is not known"


def _multiscales(files: VolumeFiles, zarr_format: int) -> list[Fields]:
    """Multiscales of the group."""
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
    multiscales = [
        Fields.of(file, f"multiscales[{number}]", each)
        for number, each in enumerate(attributes.filled_list("multiscales"))
    ]
    if zarr_format == 2 and "version" in multiscales[0].values:
        multiscales[0].expect("version", "0.4")
    return multiscales


def _units(fields: Fields, not_known: list[str]) -> Lengths:
    """nm of the unit of each axis, x first; 1 where the unit is absent or not known."""
    axes = [axis if isinstance(axis, dict) else {"name": axis} for axis in fields.get("axes", list)]
    names = [axis.get("name") for axis in axes]
    if names != ["z", "y", "x"]:
        raise NotKnownError(f"{fields.file}: axes {', '.join(map(str, names))}; known are z, y, x")
    units = [str(axis.get("unit") or "none") for axis in axes]
    others = sorted({unit for unit in units if unit not in _NM})
    if others:
        not_known.append(
            f"{fields.file}: unit {', '.join(others)} of axes; scales are compared as if it were nm"
        )
    return per_axis(lambda unit: _NM.get(unit, 1.0), units[::-1])


def _scale(
    files: VolumeFiles, zarr_format: int, dataset: Fields, unit_nm: Lengths, lacks_chunks: bool
) -> tuple[CheckedScale, str]:
    """A scale, and the name of its sample type."""
    key = dataset.get("path", str)
    length, centre = _position(dataset)
    resolution = per_axis(mul, length[::-1], unit_nm)
    corner = (0.0, 0.0, 0.0)
    if centre is not None:
        corner = per_axis(lambda at, unit, side: at * unit - side / 2, centre[::-1], unit_nm, resolution)
    array = read_array(files, zarr_format, key)
    scale = CheckedScale(
        key=key,
        size=array.shape[::-1],
        chunk_size=array.chunk_shape[::-1],
        resolution_nm=resolution,
        corner_nm=corner,
        array=array,
        lacks_chunks=lacks_chunks,
        unread=array.unread,
    )
    return scale, array.dtype.name


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
