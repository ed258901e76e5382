"""The whole check of a volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from asap_ingest.errors import VolumeError
from asap_ingest.execution.progress import Progress
from asap_ingest.volumes.checking.chunk_files import ZarrChunks, files_of
from asap_ingest.volumes.checking.chunk_places import Place
from asap_ingest.volumes.checking.comparison import Means, Modes
from asap_ingest.volumes.checking.faults import Fault, FaultError, Findings, NotKnownError
from asap_ingest.volumes.checking.precomputed_info import INFO, read_info
from asap_ingest.volumes.checking.scale_sizes import comparable, scale_faults
from asap_ingest.volumes.checking.shard_files import ShardedChunks
from asap_ingest.volumes.checking.side_files import PROVENANCE, provenance_faults
from asap_ingest.volumes.checking.volume_metadata import Description
from asap_ingest.volumes.checking.walk import Level, Walk, read_chunk
from asap_ingest.volumes.checking.zarr_arrays import ARRAY_FILES
from asap_ingest.volumes.checking.zarr_metadata import GROUP_FILES, read_zarr

#: How much is looked at, with what that is.
DEPTHS = {
    "voxels": "every voxel is read and compared",
    "chunks": "chunks are looked up, not read",
    "levels": "only what the volume says of its scales",
}


@dataclass(frozen=True)
class Check:
    """What a check found.

    Attributes
    ----------
    description : Description or None
        None where the volume's own could not be read.
    """

    findings: Findings
    description: Description | None = None
    chunks: int = 0


def check_volume(place: Place, depth: str, progress: Progress, root: str = "") -> Check:
    """Find every fault of a volume.

    Parameters
    ----------
    depth : name in `DEPTHS`

    Raises
    ------
    VolumeError
        It is no volume.
    StorageError
        The server cannot be reached.
    """
    findings = Findings()
    try:
        volume = description_of(place, root)
    except FaultError as error:
        findings.add(error.fault)
        return Check(findings)
    except NotKnownError as error:
        findings.not_known.append(str(error))
        return Check(findings)
    for fault in (*volume.faults, *provenance_faults(place), *scale_faults(volume)):
        findings.add(fault)
    findings.not_known += volume.not_known
    findings.not_known += [f"scale {scale.key}: {scale.unread}" for scale in volume.scales if scale.unread]
    levels = [level_of(place, volume, number) for number in range(len(volume.scales))]
    if depth == "levels":
        return Check(findings, volume)
    chunks = sum(scale.chunks for scale in volume.scales)
    progress.expect(chunks)
    look = _compare if depth == "voxels" else _look
    look(volume, levels, findings, lambda size: progress.advance(bytes_=size))
    _find_other_files(place, volume, levels, findings)
    return Check(findings, volume, chunks)


def description_of(place: Place, root: str) -> Description:
    """What the volume at a place says of itself; `root` is its name in errors.

    Raises
    ------
    FaultError, NotKnownError
        It says it wrongly, or in a way that is not known here.
    VolumeError
        It is no volume.
    """
    if place.size(INFO) is not None:
        return read_info(place)
    for zarr_format, files in GROUP_FILES.items():
        if place.size(files[0]) is not None:
            return read_zarr(place, zarr_format)
    if place.size(PROVENANCE) is not None:
        raise FaultError(
            INFO, "missing, as are zarr.json and .zgroup: what makes the volume has not come to its end"
        )
    if place.size(ARRAY_FILES[2][0]) is not None:
        raise NotKnownError(f"{ARRAY_FILES[2][0]}: an array without a group of OME-Zarr")
    names = [INFO, *(files[0] for files in GROUP_FILES.values())]
    raise VolumeError(root, f"is no volume: it has none of {', '.join(names)}")


def level_of(place: Place, volume: Description, number: int) -> Level:
    """A scale with the reader for the way in which its chunks are stored."""
    scale, dtype = volume.scales[number], np.dtype(volume.dtype).newbyteorder("<")
    if "zarr" in scale.layout:
        return Level(scale, ZarrChunks(place, scale, dtype))
    if "sharding" in scale.layout:
        return Level(scale, ShardedChunks(place, scale, dtype))
    return Level(scale, files_of(place, scale, dtype))


def _compare(
    volume: Description, levels: list[Level], findings: Findings, seen: Callable[[int], None]
) -> None:
    count, reason = comparable(volume.scales)
    if volume.uncompared:
        count, reason = min(count, 1), volume.uncompared
    uncompared = [level.scale.key for level in levels[count:] if not level.scale.unread]
    if uncompared:
        findings.notes.append(f"voxels of scale {', '.join(uncompared)} are read, not compared: {reason}")
    comparison = Modes if volume.is_segmentation else Means
    if count:
        Walk(levels[:count], np.dtype(volume.dtype), comparison, findings, seen).run()
    for level in levels[count:]:
        for index in level.scale.indices():
            chunk = read_chunk(level, index, findings)
            seen(0 if chunk is None else chunk.nbytes)


def _look(volume: Description, levels: list[Level], findings: Findings, seen: Callable[[int], None]) -> None:
    for level in levels:
        for index in level.scale.indices():
            try:
                level.reader.look(index)
            except FaultError as error:
                findings.add(error.fault, f"scale {level.scale.key}")
            seen(0)


def _find_other_files(place: Place, volume: Description, levels: list[Level], findings: Findings) -> None:
    names = place.names()
    if names is None:
        findings.notes.append("files beside the volume's are not looked for: a server lists no files")
        return
    findings.notes += [f"link out of the folder: {link}" for link in place.links_out()]
    known = {PROVENANCE, *volume.files}
    sides = tuple(f"{folder}/" for folder in volume.side_folders)
    others: dict[str, None] = {}
    for name in names:
        folder = name.partition("/")[0]
        if name in known or name.startswith(sides) or folder in others or _is_of_a_scale(name, levels):
            continue
        if _is_node_of_zarr(place, folder, volume):
            others[folder] = None
        else:
            findings.add(Fault(name, "is no file of the volume"), folder if folder != name else "files")
    findings.not_known += [f"folder {folder}: part of the zarr that is no scale" for folder in others]


def _is_of_a_scale(name: str, levels: list[Level]) -> bool:
    return any(
        name.startswith(f"{level.scale.key}/")
        and level.reader.is_expected(name.removeprefix(f"{level.scale.key}/"))
        for level in levels
    )


def _is_node_of_zarr(place: Place, folder: str, volume: Description) -> bool:
    """Whether a folder of a zarr is a group or array beside the scales, like `labels`."""
    if "zarr" not in volume.scales[0].layout or any(
        scale.key.partition("/")[0] == folder for scale in volume.scales
    ):
        return False
    return any(place.size(f"{folder}/{name}") is not None for name in ("zarr.json", ".zgroup", ".zarray"))
