"""The whole check of a volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from asap_ingest.errors import VolumeError
from asap_ingest.execution.progress import Progress
from asap_ingest.volumes.checking.chunk_readers import ChunkReader, ZarrChunks, precomputed_reader
from asap_ingest.volumes.checking.comparison import Means, Modes
from asap_ingest.volumes.checking.faults import Fault, FaultError, Findings, NotKnownError
from asap_ingest.volumes.checking.precomputed_info import INFO, read_info
from asap_ingest.volumes.checking.shard_files import ShardedChunks
from asap_ingest.volumes.checking.side_files import PROVENANCE, provenance_faults
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.checking.volume_metadata import Description, comparable, scale_faults
from asap_ingest.volumes.checking.walk import Level, Walk
from asap_ingest.volumes.checking.zarr_arrays import ARRAY_FILES
from asap_ingest.volumes.checking.zarr_metadata import GROUP_FILES, read_zarr

#: How deep a check goes, with its help.
DEPTHS = {
    "voxels": "every voxel is read and compared",
    "chunks": "chunks are looked up, not read",
    "levels": "only the description of the scales is checked",
}


@dataclass(frozen=True)
class Check:
    """Results of a check; `description` is None where the volume's own could not be read."""

    findings: Findings
    description: Description | None = None
    chunks: int = 0


def check_volume(files: VolumeFiles, depth: str, progress: Progress, root: str) -> Check:
    """Find every fault of a volume.

    Parameters
    ----------
    depth : name in `DEPTHS`
    root : str
        Name of the volume in errors.

    Raises
    ------
    VolumeError
        There is no volume.
    ParameterError
        Reading it needs tensorstore, which is not installed.
    StorageError
        The server cannot be reached.
    """
    findings = Findings()
    try:
        volume = description_of(files, root)
    except FaultError as error:
        findings.add(error.fault)
        return Check(findings)
    except NotKnownError as error:
        findings.not_known.append(str(error))
        return Check(findings)
    for fault in (*volume.faults, *provenance_faults(files), *scale_faults(volume)):
        findings.add(fault)
    findings.not_known += volume.not_known
    findings.not_known += [f"scale {scale.key}: {scale.unread}" for scale in volume.scales if scale.unread]
    if depth == "levels":
        return Check(findings, volume)
    levels = [Level(scale, reader_of(files, volume, number)) for number, scale in enumerate(volume.scales)]
    chunks = sum(scale.chunks for scale in volume.scales)
    progress.expect(chunks)
    look = _compare if depth == "voxels" else _look
    look(volume, levels, findings, lambda size: progress.advance(bytes_=size))
    _find_other_files(files, volume, levels, findings)
    return Check(findings, volume, chunks)


def description_of(files: VolumeFiles, root: str) -> Description:
    """Read the metadata of a volume; `root` is its name in errors.

    Raises
    ------
    FaultError, NotKnownError
        They are wrong, or of a kind that cannot be checked.
    VolumeError
        There is no volume.
    ParameterError
        Reading it needs tensorstore, which is not installed.
    """
    if files.size(INFO) is not None:
        return read_info(files)
    for zarr_format, group_files in GROUP_FILES.items():
        if files.size(group_files[0]) is not None:
            return read_zarr(files, zarr_format)
    if files.size(PROVENANCE) is not None:
        raise FaultError(INFO, "missing, as are zarr.json and .zgroup: the volume has not been completed")
    if files.size(ARRAY_FILES[2][0]) is not None:
        raise NotKnownError(f"{ARRAY_FILES[2][0]}: an array without a group of OME-Zarr")
    names = [INFO, *(group_files[0] for group_files in GROUP_FILES.values())]
    raise VolumeError(root, f"is not a volume: it has none of {', '.join(names)}")


def reader_of(files: VolumeFiles, volume: Description, number: int) -> ChunkReader:
    """The reader of a scale's chunks, for the way in which they are stored."""
    scale, dtype = volume.scales[number], np.dtype(volume.dtype).newbyteorder("<")
    if scale.array is not None:
        return ZarrChunks(files, scale, scale.array)
    if scale.sharding is not None:
        return ShardedChunks(files, scale, dtype, scale.sharding)
    return precomputed_reader(files, scale, dtype)


def _compare(
    volume: Description, levels: list[Level], findings: Findings, advance: Callable[[int], None]
) -> None:
    count, reason = comparable(volume.scales)
    if volume.uncompared:
        count, reason = min(count, 1), volume.uncompared
    uncompared = [level.scale.key for level in levels[count:] if not level.scale.unread]
    if uncompared:
        findings.notes.append(f"voxels of scale {', '.join(uncompared)} are read, not compared: {reason}")
    if count:
        comparison = Modes if volume.is_segmentation else Means
        Walk(levels[:count], np.dtype(volume.dtype), comparison, findings, advance).run()
    for level in levels[count:]:
        for index in level.scale.indices():
            chunk = level.read(index, findings)
            advance(0 if chunk is None else chunk.nbytes)


def _look(
    volume: Description, levels: list[Level], findings: Findings, advance: Callable[[int], None]
) -> None:
    for level in levels:
        for index in level.scale.indices():
            level.read(index, findings, lookup=True)
            advance(0)


def _find_other_files(
    files: VolumeFiles, volume: Description, levels: list[Level], findings: Findings
) -> None:
    names = files.names()
    if names is None:
        findings.notes.append("files that do not belong to the volume: not checked, a server lists no files")
        return
    findings.notes += [f"link out of the folder: {link}" for link in files.links_out()]
    known = {PROVENANCE, *volume.files}
    sides = tuple(f"{folder}/" for folder in volume.side_folders)
    others: dict[str, None] = {}
    for name in names:
        folder = name.partition("/")[0]
        if name in known or name.startswith(sides) or folder in others or _is_of_a_scale(name, levels):
            continue
        if _is_other_zarr_node(files, folder, volume):
            others[folder] = None
        else:
            where = folder if folder != name else "files"
            findings.add(Fault(name, "does not belong to the volume"), where)
    findings.not_known += [f"folder {folder}: part of the zarr that is not a scale" for folder in others]


def _is_of_a_scale(name: str, levels: list[Level]) -> bool:
    return any(
        name.startswith(f"{level.scale.key}/")
        and level.reader.is_expected(name.removeprefix(f"{level.scale.key}/"))
        for level in levels
    )


def _is_other_zarr_node(files: VolumeFiles, folder: str, volume: Description) -> bool:
    """Whether a folder of a zarr is a group or array beside the scales, like `labels`."""
    if volume.scales[0].array is None or any(
        scale.key.partition("/")[0] == folder for scale in volume.scales
    ):
        return False
    return any(files.size(f"{folder}/{name}") is not None for name in ("zarr.json", ".zgroup", ".zarray"))
