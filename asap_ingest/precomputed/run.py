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
from asap_ingest.parallel import Executor, Outcome
from asap_ingest.precomputed.build import Unit, UnitResult, build_unit
from asap_ingest.precomputed.info import DESCRIPTIONS
from asap_ingest.precomputed.plan import VolumePlan
from asap_ingest.precomputed.resume import Files
from asap_ingest.precomputed.sharded import Shard, build_shard
from asap_ingest.progress import Progress

PROVENANCE = "provenance"

Part = TypeVar("Part", Unit, Shard)


@dataclass(frozen=True)
class VolumeRun:
    """What is to be done.

    Attributes
    ----------
    origin : mapping
        What the volume is made of, as JSON: sources with their times, and the parameters that
        decide its voxels. A run that finds another origin in the folder refuses to mix.
    force_redo : bool
        False leaves units whose chunks are all there.
    """

    plan: VolumePlan
    origin: Mapping[str, Any]
    force_redo: bool = False

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
    _prepare(run)
    report = VolumeReport()
    plan, files = run.plan, Files(run.plan)
    units = plan.units if run.force_redo else files.units_to_do()
    shards = plan.shards if run.force_redo else files.shards_to_do()
    if units or shards:
        _withdraw(run)
    report.units = len(plan.units)
    report.units_skipped = report.units - len(units)
    progress.expect(len(units) + len(shards))
    counted = _Counted(executor, report, progress)
    counted.run(build_unit, units)
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
    """Make the folder a volume: chunks that became shards go, the description comes."""
    settings = run.plan.settings
    if settings.chunk_root != settings.root:
        storage.remove_folder(settings.chunk_root)
    for name, content in run.description.items():
        storage.write_bytes(storage.join(run.root, name), content)


def _prepare(run: VolumeRun) -> None:
    """Leave what another run wrote alone; say what is made before it is."""
    uri = storage.join(run.root, PROVENANCE)
    provenance, found = provenance_json(run), _read(uri)
    if found != provenance:
        names = storage.names_in(run.root)
        if names and not (run.force_redo and found and _same_chunks(found, provenance)):
            raise VolumeError(run.root, _whose(found, names, run.force_redo))
        _withdraw(run)
        # before the new sources are named: else a rerun after a kill would take them for theirs
        Files(run.plan).remove()
        storage.write_bytes(uri, provenance)


def _same_chunks(found: bytes, ours: bytes) -> bool:
    """Whether two runs write the same files, maybe from other sources: then none of the old would stay."""
    try:
        return _layout_of(found) == _layout_of(ours)
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return False


def _layout_of(provenance: bytes) -> Any:
    return orjson.loads(provenance)["processing"][0]["method"]["layout"]


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
        "processing": [{"by": "asap_ingest", "method": {**parameters, "layout": layout}}],
    }
    return orjson.dumps(record, option=orjson.OPT_INDENT_2) + b"\n"
