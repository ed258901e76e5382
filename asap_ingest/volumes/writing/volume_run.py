"""One run: which units of a volume are left to do, and what became of them.

The file that makes the folder a volume (`info`) is written last: whoever sees it finds every chunk.
What the volume is made of is written first, as `provenance`, so that a later run knows whether the
chunks it finds are its own.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson

from asap_ingest import storage
from asap_ingest.errors import MissingFileError, VolumeError
from asap_ingest.execution import Executor, Outcome
from asap_ingest.execution.progress import Progress
from asap_ingest.secrets import with_masked_texts
from asap_ingest.volumes.info import DESCRIPTIONS
from asap_ingest.volumes.writing.sharded_writer import Shard, build_shard
from asap_ingest.volumes.writing.unit import Unit, UnitResult, build_unit
from asap_ingest.volumes.writing.volume_resume import Files
from asap_ingest.volumes.writing.write_plan import VolumePlan

PROVENANCE = "provenance"
#: Where descriptions say the size of a voxel.
_VOXEL_SIZE_FIELDS = ("resolution", "coordinateTransformations")

Part = TypeVar("Part", Unit, Shard)


@dataclass(frozen=True)
class VolumeRun:
    """What is to be done.

    Attributes
    ----------
    origin : mapping
        What the volume is made of, as JSON: its sources, and the parameters that decide its voxels.
        A run that finds another origin in the folder refuses to mix.
    force_redo : bool
        False leaves units whose chunks are all there.
    planes : sequence of str
        For each plane of the finest scale, what changes when the plane does; empty where nobody can tell.
        Chunks that planes are part of which changed since the last run are written again.
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
        """Files beside the chunks; the last makes the folder a volume."""
        settings = self.plan.settings
        dtype = self.plan.units[0].source.dtype
        return DESCRIPTIONS[settings.chunk_format](self.plan.scales, dtype, settings.kind)


@dataclass(frozen=True)
class UnitFailure:
    """A part of the volume that could not be written, and why."""

    box: str
    reason: str


@dataclass
class VolumeReport:
    """What a run did."""

    units: int = 0
    planes_changed: int = 0
    units_skipped: int = 0
    chunks_written: int = 0
    shards_written: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    seconds: float = 0.0
    failures: list[UnitFailure] = field(default_factory=list)

    def count(self, outcome: Outcome[Part, UnitResult]) -> int:
        """Take in what became of a part; the bytes that it moved."""
        result = outcome.value
        if result is None:
            begin, end = outcome.item.box.begin, outcome.item.box.end
            reason = str(outcome.error) or type(outcome.error).__name__
            self.failures.append(UnitFailure(f"x, y, z from {begin} to {end}", reason))
            return 0
        self.chunks_written += result.chunks
        self.shards_written += result.shards
        self.bytes_read += result.bytes_read
        self.bytes_written += result.bytes_written
        return result.bytes_read + result.bytes_written


def build_volume(run: VolumeRun, executor: Executor, progress: Progress) -> VolumeReport:
    """Write what is missing of a volume.

    With a failure the folder does not become a volume; a rerun does what is missing.

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
    plan, files = run.plan, Files(run.plan)
    units = plan.units if run.force_redo else files.units_to_do()
    shards = plan.shards if run.force_redo else files.shards_to_do()
    if units or shards:
        _withdraw(run)
    report.units = len(plan.units)
    report.units_skipped = report.units - len(units)
    progress.expect(len(units) + len(shards))
    counted = _Counted(executor, report, progress)
    counted.run(build_unit, [unit for unit in units if unit.finest is None])
    if not report.failures:
        counted.run(build_unit, [unit for unit in units if unit.finest is not None])
    if not report.failures:
        counted.run(build_shard, shards)
    if not report.failures:
        _complete(run)
    report.seconds = time.perf_counter() - start
    return report


@dataclass(frozen=True)
class _Counted:
    """Runs jobs, and counts what became of them."""

    executor: Executor
    report: VolumeReport
    progress: Progress

    def run(self, job: Callable[[Part], UnitResult], parts: Sequence[Part]) -> None:
        for outcome in self.executor.run(job, parts):
            moved = self.report.count(outcome)
            self.progress.advance(bytes_=moved, failures=outcome.error is not None)


def _complete(run: VolumeRun) -> None:
    """Make the folder a volume: chunks that became shards go, the description comes.

    A description that is there, as nothing changed, stays: others may have added meshes or names of labels.
    """
    settings = run.plan.settings
    if settings.chunk_root != settings.root:
        storage.remove_folder(settings.chunk_root)
    for name, content in run.description.items():
        uri = storage.join(run.root, name)
        if _read(uri) is None:
            storage.write_bytes(uri, content)


def _prepare(run: VolumeRun) -> int:
    """Refuse a folder that holds another volume; write provenance before any chunk.

    Chunks of planes that changed are removed. The number of these planes; 0 where all are new.
    """
    uri = storage.join(run.root, PROVENANCE)
    provenance, found = provenance_json(run), _read(uri)
    if found is not None and _method_of(found) == _method_of(provenance):
        return 0
    changed = _planes_to_redo(run, found, provenance)
    _withdraw(run)
    # before the new sources are named: else a rerun after a kill would take the old chunks for theirs
    Files(run.plan).remove(changed)
    storage.write_bytes(uri, provenance)
    return 0 if changed is None else len(changed)


def _planes_to_redo(run: VolumeRun, found: bytes | None, provenance: bytes) -> list[int] | None:
    """z of the planes whose chunks are of no use; None for all.

    Raises
    ------
    VolumeError
        The folder holds something else, or a volume of which no plane stays.
    """
    names = storage.names_in(run.root)
    if not names:
        return None
    ours, theirs = _method_of(provenance), _method_of(found)
    same_layout = theirs is not None and _layout_of(ours) == _layout_of(theirs)
    if same_layout and not run.force_redo and _parameters_of(ours) == _parameters_of(theirs):
        old, new = theirs["planes"], ours["planes"]
        changed = [z for z, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
        if not new or len(changed) < len(new):
            return changed
    if not (run.force_redo and same_layout):
        raise VolumeError(run.root, _whose(found, names, run.force_redo))
    return None


def _method_of(provenance: bytes | None) -> Any:
    """What this program said of how the volume is made, with its sources; None if it said nothing."""
    try:
        record = orjson.loads(provenance or b"")
        method = record["processing"][0]["method"]
        return {**method, "planes": list(method["planes"]), "sources": record["sources"]}
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return None


def _parameters_of(method: Any) -> Any:
    """All that decides the voxels besides the planes, which tell more of files than their names."""
    left_out = {"layout", "planes"} | ({"sources"} if method["planes"] else set())
    return {name: value for name, value in method.items() if name not in left_out}, len(method["planes"])


def _layout_of(method: Any) -> Any:
    """The description without the size of a voxel, which no chunk's place depends on."""
    return _without_voxel_size(method.get("layout"))


def _without_voxel_size(value: Any) -> Any:
    if isinstance(value, dict):
        kept = (name for name in value if name not in _VOXEL_SIZE_FIELDS)
        return {name: _without_voxel_size(value[name]) for name in kept}
    return [_without_voxel_size(item) for item in value] if isinstance(value, list) else value


def _whose(found: bytes | None, names: set[str], force_redo: bool) -> str:
    if found is None:
        shown = ", ".join(sorted(names)[:3])
        return f"is not empty and holds no volume of this program ({shown}); name an empty folder"
    if force_redo:
        return "holds a volume of another size or layout; remove it first, or name another folder"
    return "holds a volume of other sources or parameters; name another folder, or set force_redo"


def _withdraw(run: VolumeRun) -> None:
    """What makes the folder a volume goes first, so that nobody takes what follows for one."""
    for name in reversed(run.description):
        storage.remove(storage.join(run.root, name))


def _read(uri: str) -> bytes | None:
    try:
        return storage.read_bytes(uri)
    except MissingFileError:
        return None


def provenance_json(run: VolumeRun) -> bytes:
    """`provenance` as other programs of this field write it; without dates, so that a rerun knows it."""
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
