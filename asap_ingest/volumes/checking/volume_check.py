"""The whole check of a volume."""

from __future__ import annotations

from dataclasses import dataclass

from asap_ingest.errors import VolumeError
from asap_ingest.execution.progress import Progress
from asap_ingest.volumes.checking.faults import FaultError, Findings, NotKnownError
from asap_ingest.volumes.checking.precomputed_info import INFO, PROVENANCE, provenance_faults, read_info
from asap_ingest.volumes.checking.tensorstore_readers import reader_of
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.checking.volume_metadata import Description, comparable, scale_faults
from asap_ingest.volumes.checking.walk import Level, Walk
from asap_ingest.volumes.checking.zarr_metadata import ARRAY_FILES, GROUP_FILES, read_zarr

#: How deep a check goes: names, with their descriptions in the help.
DEPTHS = {
    "voxels": "every voxel is read and compared",
    "chunks": "chunks are looked up, not read",
    "levels": "only the description of the scales is checked",
}


@dataclass(frozen=True)
class Check:
    """Results of a check; `description` is None where the metadata could not be read."""

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
        volume = description_of(files, root, findings)
    except FaultError as error:
        findings.add(error)
        return Check(findings)
    except NotKnownError as error:
        findings.not_known.append(str(error))
        return Check(findings)
    for fault in (*provenance_faults(files), *scale_faults(volume)):
        findings.add(fault)
    findings.not_known += [f"scale {scale.key}: {scale.unread}" for scale in volume.scales if scale.unread]
    if depth == "levels":
        return Check(findings, volume)
    levels = [Level(scale, reader_of(files, scale)) for scale in volume.scales]
    chunks = sum(scale.chunk_count for scale in volume.scales)
    progress.expect(chunks)
    walk = Walk(levels, volume.is_segmentation, findings, lambda size: progress.advance(bytes_=size))
    count = _compared(volume, findings) if depth == "voxels" else 0
    if count:
        walk.compare(count)
    for level in levels[count:]:
        for index in level.scale.indices():
            walk.read(level, index, lookup=depth == "chunks")
    _find_other_files(files, volume, levels, findings)
    return Check(findings, volume, chunks)


def description_of(files: VolumeFiles, root: str, findings: Findings) -> Description:
    """Read the metadata of a volume; defects that do not prevent this are added to the findings.

    Parameters
    ----------
    root : str
        Name of the volume in errors.

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
        return read_info(files, findings)
    for zarr_format, group_files in GROUP_FILES.items():
        if files.size(group_files[0]) is not None:
            return read_zarr(files, zarr_format, findings)
    if files.size(PROVENANCE) is not None:
        raise FaultError(INFO, "missing, as are zarr.json and .zgroup: the volume has not been completed")
    if files.size(ARRAY_FILES[2][0]) is not None:
        raise NotKnownError(f"{ARRAY_FILES[2][0]}: an array without a group of OME-Zarr")
    names = [INFO, *(group_files[0] for group_files in GROUP_FILES.values())]
    raise VolumeError(root, f"is not a volume: it has none of {', '.join(names)}")


def _compared(volume: Description, findings: Findings) -> int:
    """How many scales, from the finest on, are compared; a note says why the others are not."""
    count, reason = comparable(volume.scales)
    if volume.uncompared:
        count, reason = min(count, 1), volume.uncompared
    uncompared = [scale.key for scale in volume.scales[count:] if not scale.unread]
    if uncompared:
        findings.notes.append(f"voxels of scale {', '.join(uncompared)} are read, not compared: {reason}")
    return count


def _find_other_files(
    files: VolumeFiles, volume: Description, levels: list[Level], findings: Findings
) -> None:
    """Add files that do not belong to the volume, and links that lead out of it, to the findings."""
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
        try:
            is_node = _is_other_zarr_node(files, folder, volume)
        except FaultError as error:
            findings.add(error, folder)
            continue
        if is_node:
            others[folder] = None
        else:
            where = folder if folder != name else "files"
            findings.add(FaultError(name, "does not belong to the volume"), where)
    findings.not_known += [f"folder {folder}: part of the zarr that is not a scale" for folder in others]


def _is_of_a_scale(name: str, levels: list[Level]) -> bool:
    folders = [(f"{level.scale.key}/", level.reader) for level in levels]
    return any(
        name.startswith(folder) and reader.is_expected(name.removeprefix(folder))
        for folder, reader in folders
    )


def _is_other_zarr_node(files: VolumeFiles, folder: str, volume: Description) -> bool:
    """Whether a folder of a zarr is a group or array beside the scales, like `labels`."""
    if any(scale.zarr is None or scale.key.partition("/")[0] == folder for scale in volume.scales):
        return False
    return any(files.size(f"{folder}/{name}") is not None for name in ("zarr.json", ".zgroup", ".zarray"))
