"""The whole check of a volume."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from asap_ingest.errors import VolumeError
from asap_ingest.progress import Progress
from asap_ingest.volume_check.chunk_files import ZarrChunks, files_of
from asap_ingest.volume_check.comparison import Means, Modes
from asap_ingest.volume_check.description import Description
from asap_ingest.volume_check.faults import FaultError, Findings
from asap_ingest.volume_check.places import Place
from asap_ingest.volume_check.precomputed_info import INFO, read_info
from asap_ingest.volume_check.scale_sizes import comparable, scale_faults
from asap_ingest.volume_check.shards import ShardedChunks
from asap_ingest.volume_check.walk import Level, Walk, read_chunk
from asap_ingest.volume_check.zarr_metadata import ZARR, read_zarr

_PROVENANCE = "provenance"
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
        volume = _description(place, root)
    except FaultError as error:
        findings.add_error(error)
        return Check(findings)
    for fault in scale_faults(volume):
        findings.add(fault.place, fault.problem)
    levels = [_level(place, volume, number) for number in range(len(volume.scales))]
    if depth == "levels":
        return Check(findings, volume)
    chunks = sum(scale.chunks for scale in volume.scales)
    progress.expect(chunks)
    look = _compare if depth == "voxels" else _look
    look(volume, levels, findings, lambda size: progress.advance(bytes_=size))
    _find_other_files(place, volume, levels, findings)
    return Check(findings, volume, chunks)


def _description(place: Place, root: str) -> Description:
    if place.size(INFO) is not None:
        return read_info(place)
    if place.size(ZARR) is not None:
        return read_zarr(place)
    if place.size(_PROVENANCE) is not None:
        raise FaultError(INFO, "missing, as is zarr.json: what makes the volume has not come to its end")
    raise VolumeError(root, f"is no volume: it has neither {INFO} nor {ZARR}")


def _level(place: Place, volume: Description, number: int) -> Level:
    scale, dtype = volume.scales[number], np.dtype(volume.dtype).newbyteorder("<")
    if volume.style == "zarr":
        return Level(scale, ZarrChunks(place, scale, dtype))
    if "sharding" in scale.layout:
        return Level(scale, ShardedChunks(place, scale, dtype))
    return Level(scale, files_of(place, scale, dtype))


def _compare(
    volume: Description, levels: list[Level], findings: Findings, seen: Callable[[int], None]
) -> None:
    count, reason = comparable(volume.scales)
    if count < len(levels):
        names = ", ".join(level.scale.key for level in levels[count:])
        findings.notes.append(
            f"voxels of scale {names} are read, not compared: of {levels[count].scale.key} {reason}"
        )
    comparison = Modes if volume.is_segmentation else Means
    dtype = np.dtype(volume.dtype)
    Walk(levels[:count], dtype, comparison, findings, seen).run()
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
                findings.add_error(error)
            seen(0)


def _find_other_files(place: Place, volume: Description, levels: list[Level], findings: Findings) -> None:
    names = place.names()
    if names is None:
        findings.notes.append("files beside the volume's are not looked for: a server lists no files")
        return
    known = {_PROVENANCE, ZARR if volume.style == "zarr" else INFO}
    sides = tuple(f"{folder}/" for folder in volume.side_folders)
    for name in names:
        if name in known or name.startswith(sides):
            continue
        if not any(
            name.startswith(f"{level.scale.key}/")
            and level.reader.is_expected(name.removeprefix(f"{level.scale.key}/"))
            for level in levels
        ):
            findings.add(name, "is no file of the volume")
