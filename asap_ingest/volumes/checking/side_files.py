"""Files beside the scales of a volume: provenance, names of labels, meshes, skeletons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from asap_ingest.volumes.checking.faults import Fault, FaultError
from asap_ingest.volumes.checking.json_fields import Fields, read_json
from asap_ingest.volumes.checking.volume_files import VolumeFiles

PROVENANCE = "provenance"
#: Fields of `info` that name a folder, with the types that the folder's own `info` may have.
SIDE_TYPES = {
    "mesh": ("neuroglancer_legacy_mesh", "neuroglancer_multilod_draco"),
    "skeletons": ("neuroglancer_skeletons",),
    "segment_properties": ("neuroglancer_segment_properties",),
}
_MOST_ID = 2**64


def provenance_faults(files: VolumeFiles) -> Iterator[Fault]:
    """Differences of `provenance` from cloud-volume's schema."""
    if files.size(PROVENANCE) is None:
        return
    try:
        record = read_json(files, PROVENANCE)
    except FaultError as error:
        yield error.fault
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


def _unreadable(problem: str) -> Fault:
    return Fault(PROVENANCE, f"{problem}, or cloud-volume and igneous may not open the volume")


def side_faults(files: VolumeFiles, info: Mapping[str, Any]) -> Iterator[Fault]:
    """Defects of the folders that `info` names, as far as their own `info` shows them."""
    for name, types in SIDE_TYPES.items():
        folder = info.get(name)
        if not folder:
            continue
        try:
            _check_folder(files, name, Fields("info", "", info).get(name, str), types)
        except FaultError as error:
            yield error.fault


def not_known_folders(files: VolumeFiles, info: Mapping[str, Any]) -> Iterator[str]:
    """Folders that `info` names, of which only their own `info` is checked."""
    for name in ("mesh", "skeletons"):
        folder = info.get(name)
        if not folder:
            continue
        if files.size(f"{folder}/info") is not None:
            yield f"folder {folder} ({name}): only its info is read"
        elif files.has_folder(folder) is False:
            yield f"folder {folder} ({name}): info names it, but it is not there"
        else:
            yield f"folder {folder} ({name}): it has no info"


def _check_folder(files: VolumeFiles, name: str, folder: str, types: tuple[str, ...]) -> None:
    file = f"{folder}/info"
    if files.size(file) is None:
        # meshes of older programs have no info; meshes and skeletons may be made later than the labels
        if name == "segment_properties" or (name == "skeletons" and files.has_folder(folder)):
            raise FaultError(file, f"missing; the volume's info names the folder as {name}")
        return
    fields = Fields(file, "", read_json(files, file))
    fields.expect("@type", *types)
    if name == "segment_properties":
        _check_properties(fields.within("inline"))


def _check_properties(inline: Fields) -> None:
    """Ids are those of labels, and each property has a value for each."""
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
