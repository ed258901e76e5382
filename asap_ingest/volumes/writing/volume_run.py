"""One run: the units of a volume that are left to do, and their results.

`info`, or the group's metadata, is written last: where it exists, every chunk exists. The origin of the
voxels is written first, as `provenance`, from which a later run knows whether the chunks are its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from asap_ingest import storage
from asap_ingest.errors import MissingFileError, VolumeError
from asap_ingest.execution import Executor
from asap_ingest.execution.progress import Progress
from asap_ingest.secrets import with_masked_texts
from asap_ingest.volumes.writing.sharded_writer import Shard, build_shard
from asap_ingest.volumes.writing.unit import Unit, UnitResult, build_unit
from asap_ingest.volumes.writing.volume_resume import ExistingFiles
from asap_ingest.volumes.writing.write_plan import VolumePlan

PROVENANCE = "provenance"
#: Fields of metadata that hold the size of a voxel.
_VOXEL_SIZE_FIELDS = ("resolution", "coordinateTransformations")

Part = TypeVar("Part", Unit, Shard)


@dataclass(frozen=True)
class VolumeRun:
    """A plan with the origin of its voxels.

    Attributes
    ----------
    origin : mapping
        The sources of the volume and the parameters that decide its voxels, as JSON. A run refuses a
        folder with another origin.
    force_redo : bool
        Write all chunks again, also those that exist.
    planes : sequence of str
        Fingerprints of the planes of the finest scale; empty if they have none. Chunks of planes whose
        fingerprint changed since the last run are written again.
    """

    plan: VolumePlan
    origin: Mapping[str, Any]
    force_redo: bool = False
    planes: Sequence[str] = ()

    @property
    def root(self) -> str:
        return self.plan.settings.root

    @property
    def description(self) -> dict[str, bytes]:
        """Files beside the chunks: name to content; the last makes the folder a volume."""
        settings = self.plan.settings
        dtype = self.plan.units[0].source.dtype
        return settings.format.describe(self.plan.scales, dtype, settings.kind)


@dataclass(frozen=True)
class UnitFailure:
    """A part of the volume that could not be written, with the reason."""

    box: str
    reason: str


@dataclass
class VolumeReport:
    """Counts of a run."""

    units: int = 0
    planes_changed: int = 0
    units_skipped: int = 0
    chunks_written: int = 0
    shards_written: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    failures: list[UnitFailure] = field(default_factory=list)


def build_volume(run: VolumeRun, executor: Executor, progress: Progress) -> VolumeReport:
    """Write the missing chunks of a volume, then its description.

    After a failure the folder is not a volume; a rerun writes the rest.

    Raises
    ------
    VolumeError
        The folder holds something else.
    StorageError
        The folder cannot be written.
    """
    start = time.perf_counter()
    storage.ensure_writable_folder(run.root)
    report = VolumeReport(planes_changed=_prepare(run))
    plan, files = run.plan, ExistingFiles(run.plan)
    units = plan.units if run.force_redo else files.units_to_do()
    shards = plan.shards if run.force_redo else files.shards_to_do()
    if units or shards:
        _withdraw(run)
    report.units = len(plan.units)
    report.units_skipped = report.units - len(units)
    progress.expect(len(units) + len(shards))

    def run_jobs(job: Callable[[Part], UnitResult], parts: Sequence[Part]) -> None:
        if report.failures:  # these jobs read what earlier ones write
            return
        for outcome in executor.run(job, parts):
            result = outcome.value
            if result is None:
                begin, end = outcome.item.box.begin, outcome.item.box.end
                report.failures.append(UnitFailure(f"x, y, z from {begin} to {end}", outcome.reason))
                progress.advance(failures=1)
                continue
            report.chunks_written += result.chunks
            report.shards_written += result.shards
            report.bytes_read += result.bytes_read
            report.bytes_written += result.bytes_written
            progress.advance(bytes_=result.bytes_read + result.bytes_written)

    run_jobs(build_unit, [unit for unit in units if unit.finest is None])
    run_jobs(build_unit, [unit for unit in units if unit.finest is not None])
    run_jobs(build_shard, shards)
    if not report.failures:
        _complete(run)
    report.seconds = time.perf_counter() - start
    return report


def _complete(run: VolumeRun) -> None:
    """Make the folder a volume: remove chunks that shards hold, write the files beside the chunks.

    Where one of these files exists, it is right and stays: others may have added meshes or names of labels.
    """
    settings = run.plan.settings
    if settings.format.is_sharded:
        storage.remove_folder(settings.chunk_root)
    for name, content in run.description.items():
        uri = storage.join(run.root, name)
        if _read(uri) is None:
            storage.write_bytes(uri, content)


def _prepare(run: VolumeRun) -> int:
    """Refuse a folder that holds another volume; write provenance before any chunk.

    Removes the chunks of changed planes, and returns the number of these planes; 0 for a new volume.
    """
    uri = storage.join(run.root, PROVENANCE)
    provenance, stored = provenance_json(run), _read(uri)
    if stored is not None and _method_of(stored) == _method_of(provenance):
        return 0
    changed = _planes_to_redo(run, stored, provenance)
    _withdraw(run)
    # before the new provenance is written: otherwise a rerun after a kill would keep the old chunks
    ExistingFiles(run.plan).remove(changed)
    storage.write_bytes(uri, provenance)
    return 0 if changed is None else len(changed)


def _planes_to_redo(run: VolumeRun, stored: bytes | None, provenance: bytes) -> list[int] | None:
    """z of the changed planes; None for all.

    Raises
    ------
    VolumeError
        The folder holds something else, or every plane changed; `force_redo` allows this for a volume of the
        same size and layout.
    """
    names = storage.names_in(run.root)
    if not names:
        return None
    if stored is None:
        shown = ", ".join(sorted(names)[:3])
        problem = f"is not empty and holds no volume of this program ({shown}); name an empty folder"
        raise VolumeError(run.root, problem)
    ours, theirs = _method_of(provenance), _method_of(stored)
    same_layout = theirs is not None and _layout_of(ours) == _layout_of(theirs)
    if run.force_redo:
        if not same_layout:
            problem = "holds a volume of another size or layout; remove it first, or name another folder"
            raise VolumeError(run.root, problem)
        return None
    if same_layout and _parameters_of(ours) == _parameters_of(theirs):
        old, new = theirs["planes"], ours["planes"]
        changed = [z for z, (before, now) in enumerate(zip(old, new, strict=True)) if before != now]
        if not new or len(changed) < len(new):
            return changed
    problem = "holds a volume of other sources or parameters; name another folder, or set force_redo"
    raise VolumeError(run.root, problem)


def _method_of(provenance: bytes) -> Any:
    """Parameters, layout, planes and sources in a `provenance` of this program; None for any other."""
    try:
        record = orjson.loads(provenance)
        method = record["processing"][0]["method"]
        return {**method, "planes": list(method["planes"]), "sources": record["sources"]}
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None


def _parameters_of(method: Any) -> Any:
    """(parameters that decide the voxels, number of planes).

    Sources are left out if planes have fingerprints, which depend on them.
    """
    left_out = {"layout", "planes"} | ({"sources"} if method["planes"] else set())
    return {name: value for name, value in method.items() if name not in left_out}, len(method["planes"])


def _layout_of(method: Any) -> Any:
    """The files beside the chunks, without the size of a voxel, which does not change the chunks."""
    return _without_voxel_size(method.get("layout"))


def _without_voxel_size(value: Any) -> Any:
    if isinstance(value, dict):
        names = (name for name in value if name not in _VOXEL_SIZE_FIELDS)
        return {name: _without_voxel_size(value[name]) for name in names}
    return [_without_voxel_size(item) for item in value] if isinstance(value, list) else value


def _withdraw(run: VolumeRun) -> None:
    """Remove the description, so that no reader takes the folder for a complete volume."""
    for name in reversed(run.description):
        storage.remove(storage.join(run.root, name))


def _read(uri: str) -> bytes | None:
    try:
        return storage.read_bytes(uri)
    except MissingFileError:
        return None


def provenance_json(run: VolumeRun) -> bytes:
    """`provenance` in cloud-volume's schema; without dates, so that a rerun recognises it."""
    parameters = {name: value for name, value in run.origin.items() if name != "sources"}
    layout = {name: orjson.loads(content) for name, content in run.description.items()}
    record = {
        "description": "",
        "owners": [],
        "sources": run.origin.get("sources", []),
        "processing": [
            {"by": "asap_ingest", "method": {**parameters, "layout": layout, "planes": list(run.planes)}}
        ],
    }
    return orjson.dumps(with_masked_texts(record), option=orjson.OPT_INDENT_2) + b"\n"
