"""A volume of OME-Zarr, 0.5 (zarr 3) or 0.4 (zarr 2), or a single zarr array, read from its metadata."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from asap_ingest.volumes.info import ZARR
from asap_ingest.volumes.serving.served_volume import (
    Axis,
    DescriptionError,
    Folder,
    ServedVolume,
    is_plain_path,
    read_json,
)

#: Names of metadata files, by version of zarr.
_METADATA_FILES = {3: (ZARR,), 2: (".zgroup", ".zattrs", ".zarray", ".zmetadata")}
#: Names of chunks in both versions, with either separator: `c/0/1/2`, `0.1.2`; `c` for an array without axes.
_CHUNK = re.compile(r"(?:c|(?:c[/.])?(?:0|[1-9][0-9]{0,11})(?:[/.](?:0|[1-9][0-9]{0,11}))*)")
#: Meters of the units of length that OME-Zarr names.
_METERS = {
    **{"angstrom": 1e-10, "picometer": 1e-12, "nanometer": 1e-9, "micrometer": 1e-6, "millimeter": 1e-3},
    **{"centimeter": 1e-2, "decimeter": 1e-1, "meter": 1.0, "kilometer": 1e3, "femtometer": 1e-15},
    **{"inch": 0.0254, "foot": 0.3048, "yard": 0.9144, "mile": 1609.344},
}
#: Downsampling method, `type` of a multiscale, that only label volumes have.
_LABEL_METHOD = "mode"


def version_of(root: Path) -> int | None:
    """Version of the zarr in a folder, 3 or 2; None if the folder has no zarr."""
    versions = (3, 2)
    return next((v for v in versions if any((root / name).is_file() for name in _METADATA_FILES[v])), None)


class BareGroupError(DescriptionError):
    """A group that is not a volume itself, but may have volumes below it."""


def open_zarr(root: Path, version: int) -> ServedVolume:
    """Read the metadata; DescriptionError, or what malformed JSON raises, if they describe no volume."""
    attributes = _attributes(root, version)
    multiscale = attributes["multiscales"][0] if attributes else {}
    paths = _paths(multiscale, version) if attributes else [""]
    finest = read_json(root, _below(paths[0], ZARR if version == 3 else ".zarray"))
    _ = finest["data_type" if version == 3 else "dtype"]  # KeyError for an array that has none
    is_labels = "image-label" in attributes or str(multiscale.get("type")).lower() == _LABEL_METHOD
    labels = _labels(root, version) if attributes else ()
    nodes = {"", *(node for path in (*paths, *labels) for node in _with_parents(path))}
    return ServedVolume(
        root,
        "zarr",
        f"zarr{version}",
        "segmentation" if is_labels else "image",
        _axes(multiscale, finest) if attributes else (),
        frozenset(_below(node, name) for node in nodes for name in _METADATA_FILES[version]),
        {path: Folder(_CHUNK) for path in paths},
        tuple(paths),
        labels=labels,
    )


def _attributes(root: Path, version: int) -> Mapping[str, Any]:
    """The OME-Zarr attributes of a group; none for a single array."""
    if version == 3:
        node = read_json(root, ZARR)
        if node["node_type"] != "group":
            return {}
        attributes = node["attributes"].get("ome", {})
    elif (root / ".zarray").is_file():
        return {}
    else:
        attributes = read_json(root, ".zattrs") if (root / ".zattrs").is_file() else {}
    if not attributes.get("multiscales"):
        raise BareGroupError(f"{_attributes_file(version)} is of a group without multiscales of OME-Zarr")
    return dict(attributes)


def _attributes_file(version: int) -> str:
    return ZARR if version == 3 else ".zattrs"


def _paths(multiscale: Mapping[str, Any], version: int) -> list[str]:
    """Paths of the arrays, finest first."""
    paths = [dataset["path"] for dataset in multiscale["datasets"]]
    for path in paths:
        if not is_plain_path(path):
            problem = "arrays lie in the group, without '..' and hidden names"
            raise DescriptionError(f"{_attributes_file(version)} has the path {str(path)[:80]!r}: {problem}")
    return paths


def _labels(root: Path, version: int) -> tuple[str, ...]:
    """Paths of the volumes of labels that lie in the group of an image."""
    name = _below("labels", _attributes_file(version))
    if not (root / name).is_file():
        return ()
    attributes = read_json(root, name)
    group = attributes["attributes"].get("ome", attributes["attributes"]) if version == 3 else attributes
    return tuple(f"labels/{label}" for label in group.get("labels", ()) if is_plain_path(label))


def _axes(multiscale: Mapping[str, Any], array: Mapping[str, Any]) -> tuple[Axis, ...]:
    """Spatial axes as x, y, z; time and channels are left to the viewer."""
    scale = _transformation(multiscale["datasets"][0], "scale", [1.0] * len(array["shape"]))
    translation = _transformation(multiscale["datasets"][0], "translation", [0.0] * len(array["shape"]))
    overall = _transformation(multiscale, "scale", [1.0] * len(array["shape"]))
    named = multiscale.get("axes") or [{"name": name} for name in "tczyx"[-len(array["shape"]) :]]
    axes = []
    for name, step, shift, times, size in zip(
        named, scale, translation, overall, array["shape"], strict=True
    ):
        axis = {"name": name} if isinstance(name, str) else name
        if axis.get("type", "space" if axis["name"] in ("x", "y", "z") else "") == "space":
            meters = _METERS.get(str(axis.get("unit")))
            length = step * times * (meters or 1.0)
            axes.append(Axis(axis["name"], length, "m" if meters else "", shift / step, int(size)))
    return tuple(reversed(axes))


def _transformation(node: Mapping[str, Any], kind: str, default: Sequence[float]) -> Sequence[float]:
    given = node.get("coordinateTransformations", ())
    return next((one[kind] for one in given if one["type"] == kind), default)


def _with_parents(path: str) -> list[str]:
    """A path and all its parents."""
    parts = path.split("/")
    return ["/".join(parts[: count + 1]) for count in range(len(parts))]


def _below(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name
