"""Which sections a run ingests, at which z, and an estimate of the work."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from shutil import disk_usage
from tempfile import TemporaryDirectory
from typing import Any

from asap_ingest import storage
from asap_ingest.errors import AsapIngestError, MissingFileError, ParameterError, describe_bytes
from asap_ingest.images.downsample import level_shape
from asap_ingest.mipmaps.pyramid import PyramidJob, PyramidSettings, build_pyramid
from asap_ingest.mipmaps.tile_images import Source, TileImage
from asap_ingest.sections.section_list import ZRule
from asap_ingest.sections.section_state import SUPERSEDED, RunState, SectionRecord
from asap_ingest.storage.folder_listings import FolderListings
from asap_ingest.temca.metafile import Metafile, read_metafile

#: Seconds that a section takes besides its tiles: for requests, the metafile and listings.
_SECONDS_PER_SECTION = 0.2


def plan(metafiles: Sequence[str], state: RunState, rule: ZRule, z_start: int) -> list[SectionRecord]:
    """The records of metafiles, which are added to the state: new and changed metafiles are planned.

    Sections keep the z that they have in the state. A region that was imaged again replaces its earlier
    imaging, which is SUPERSEDED.

    Raises
    ------
    ParameterError
        A metafile is missing; the rule gives no z for it, or another z than before.
    """
    listings = FolderListings()
    records = []
    for metafile in metafiles:
        stamp = listings.stamp(metafile)
        if stamp is None:
            raise ParameterError("metafiles", str(MissingFileError(metafile)))
        known, z = state.of(metafile), rule(metafile)
        if known is not None and z is not None and known.z != z:
            raise ParameterError(
                "z_from",
                f"{metafile} was ingested at z {known.z:g}, and would be at z {z:g} now: remove it there, "
                "and name another state_file",
            )
        if known is not None and known.stamp == list(stamp):
            record = known
            record.metafile = metafile  # the state file has it without user and password
        else:
            record = _new_record(metafile, list(map(float, stamp)))
            if known is not None:
                record.z = known.z
            else:
                record.z = _next_z(record, state, z_start) if z is None else z
        state.add(record)
        records.append(record)
    _mark_superseded(state)
    return records


def _new_record(metafile: str, stamp: list[float]) -> SectionRecord:
    """A record with the values of a metafile; reading one that is invalid fails when it is ingested."""
    record = SectionRecord(metafile, 0.0, stamp)
    with suppress(AsapIngestError):
        content = read_metafile(metafile)
        record.tiles, record.created = len(content.tiles), content.created
        if content.region is not None:
            record.region = [content.region.specimen, content.region.grid, content.region.number]
    return record


def _next_z(record: SectionRecord, state: RunState, z_start: int) -> float:
    """The z of the earlier imaging of the same region, or the first z after all others."""
    for other in state:
        if record.region is not None and other.region == record.region:
            return other.z
    return max((other.z for other in state), default=z_start - 1.0) + 1.0


def _mark_superseded(state: RunState) -> None:
    newest: dict[Any, SectionRecord] = {}
    for record in state:
        if record.region is None:
            continue
        key = (record.z, *record.region)
        other = newest.setdefault(key, record)
        if (record.created, record.stamp) > (other.created, other.stamp):
            newest[key] = record
    for record in state:
        if record.region is not None and newest[record.z, *record.region] is not record:
            record.status, record.failures, record.error = SUPERSEDED, [], None


def refuse_shared_z(records: Iterable[SectionRecord]) -> None:
    """Raise ParameterError if two records of different sections have the same z."""
    first: dict[float, SectionRecord] = {}
    for record in records:
        if record.status == SUPERSEDED:
            continue
        other = first.setdefault(record.z, record)
        is_same = record.section is not None and record.section == other.section
        if other is not record and not is_same:
            raise ParameterError(
                "z_from",
                f"{other.metafile} and {record.metafile} are of different sections and would both be at z "
                f"{record.z:g}; correct it, or set append to have both there",
            )


@dataclass
class Estimate:
    """The work that is left.

    Attributes
    ----------
    read, written : int
        Bytes.
    free : int or None
        Bytes where levels are written; None for an object store.
    seconds : float or None
        None if no image can be read.
    """

    sections: int = 0
    tiles: int = 0
    missing_images: int = 0
    read: int = 0
    written: int = 0
    free: int | None = None
    seconds: float | None = None

    def lines(self, all_sections: int, workers: int) -> list[str]:
        missing = f", {self.missing_images} of their images missing" if self.missing_images else ""
        free = "" if self.free is None else f"; {describe_bytes(self.free)} free"
        lines = [
            f"{self.sections} of {all_sections} sections to do, {self.tiles:,} tiles{missing}",
            f"{describe_bytes(self.read)} to read, {describe_bytes(self.written)} to write{free}",
        ]
        if self.seconds is not None:
            lines.append(f"about {_duration(self.seconds)} with {workers} workers")
        if self.free is not None and self.written > self.free:
            lines.append("the levels do not fit: free some space, or name another output_dir")
        return lines


def estimate(
    records: Iterable[SectionRecord], settings: PyramidSettings, image_directory: str | None, workers: int
) -> Estimate:
    """Estimate bytes and seconds of the records that are not finished.

    Metafiles are read and folders of images listed. One pyramid is built in a temporary folder, and its time
    multiplied by the number of tiles.
    """
    total = Estimate(free=_free_bytes(settings.levels.root))
    listings = FolderListings()
    probe: str | None = None
    for record in records:
        if record.is_finished:
            continue
        total.sections += 1
        try:
            metafile = read_metafile(record.metafile)
        except AsapIngestError:
            continue
        folder = image_directory or storage.parent(record.metafile)
        uris = [storage.join(folder, tile.image) for tile in metafile.tiles]
        sizes = {uri: stamp[1] for uri in uris if (stamp := listings.stamp(uri)) is not None}
        probe = probe or next(iter(sizes), None)
        total.tiles += len(uris)
        total.missing_images += len(uris) - len(sizes)
        total.read += sum(sizes.values())
        total.written += len(sizes) * _level_bytes(metafile, settings)
    if probe is not None:
        total.seconds = total.tiles * _seconds_per_tile(probe, settings) / workers
        total.seconds += total.sections * _SECONDS_PER_SECTION
    return total


def _level_bytes(metafile: Metafile, settings: PyramidSettings) -> int:
    """Size of the levels of a tile, without compression."""
    shape = metafile.height, metafile.width
    bytes_per_sample = 1 if settings.convert_to_8bit else metafile.bytes_per_sample or 1
    shapes = (level_shape(shape, level) for level in range(1, settings.levels.count + 1))
    return sum(height * width * bytes_per_sample for height, width in shapes)


def _seconds_per_tile(image: str, settings: PyramidSettings) -> float:
    """Time of building a pyramid; 0 if it fails. It is built twice, because the first time loads code."""
    with TemporaryDirectory() as folder:
        job = PyramidJob(
            TileImage(Source(image), ("",)), replace(settings, levels=replace(settings.levels, root=folder))
        )
        try:
            build_pyramid(job)
            start = time.perf_counter()
            build_pyramid(job)
        except AsapIngestError:
            return 0.0
        return time.perf_counter() - start


def _free_bytes(folder: str) -> int | None:
    path = storage.local_path(folder)
    if path is None:
        return None
    return disk_usage(next(each for each in (path, *path.parents) if each.exists())).free


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
