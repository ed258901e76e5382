"""What lies beside the scales of a volume: the record of its making, names of labels, meshes, skeletons."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from asap_ingest.volumes.checking.chunk_places import Place
from asap_ingest.volumes.checking.faults import Fault, FaultError
from asap_ingest.volumes.checking.volume_metadata import Fields, read_json

PROVENANCE = "provenance"
#: Fields of `info` that name a folder, with the types that the folder's own `info` may have.
SIDE_TYPES = {
    "mesh": ("neuroglancer_legacy_mesh", "neuroglancer_multilod_draco"),
    "skeletons": ("neuroglancer_skeletons",),
    "segment_properties": ("neuroglancer_segment_properties",),
}
_MOST_ID = 2**64


def provenance_faults(place: Place) -> Iterator[Fault]:
    """Where `provenance` is not as cloud-volume's schema has it."""
    if place.size(PROVENANCE) is None:
        return
    try:
        record = read_json(place, PROVENANCE)
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


def side_faults(place: Place, info: Mapping[str, Any]) -> Iterator[Fault]:
    """What is wrong with the folders that `info` names, as far as their own `info` shows it."""
    for name, types in SIDE_TYPES.items():
        folder = info.get(name)
        if not folder:
            continue
        try:
            _check_folder(place, name, Fields("info", "", info).get(name, str), types)
        except FaultError as error:
            yield error.fault


def not_known_folders(place: Place, info: Mapping[str, Any]) -> Iterator[str]:
    """Folders that `info` names, of which no more than their own `info` is read."""
    for name in ("mesh", "skeletons"):
        folder = info.get(name)
        if not folder:
            continue
        if place.size(f"{folder}/info") is not None:
            yield f"folder {folder} ({name}): only its info is read"
        elif place.has_folder(folder) is False:
            yield f"folder {folder} ({name}): info names it, but it is not there"
        else:
            yield f"folder {folder} ({name}): it has no info"


def _check_folder(place: Place, name: str, folder: str, types: tuple[str, ...]) -> None:
    file = f"{folder}/info"
    if place.size(file) is None:
        # meshes of older programs have no info; meshes and skeletons may be made later than the labels
        if name == "segment_properties" or (name == "skeletons" and place.has_folder(folder)):
            raise FaultError(file, f"missing; the volume's info names the folder as {name}")
        return
    fields = Fields(file, "", read_json(place, file))
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
