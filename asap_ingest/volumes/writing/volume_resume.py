"""The files of a volume that exist before a run; each folder is listed once."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import replace

from asap_ingest import storage
from asap_ingest.volumes.grid import Box, Scale
from asap_ingest.volumes.shard_grid import shard_name
from asap_ingest.volumes.writing.sharded_writer import Shard
from asap_ingest.volumes.writing.unit import Unit
from asap_ingest.volumes.writing.write_plan import VolumePlan


class ExistingFiles:
    """The chunks and shards of a planned volume that exist."""

    def __init__(self, plan: VolumePlan) -> None:
        self._plan = plan
        self._listings: dict[str, set[str]] = {}

    def units_to_do(self) -> list[Unit]:
        """Units whose chunks do not all exist, as files or in shards; they write only the missing ones."""
        return [unit for unit in map(self._with_missing_only, self._plan.units) if unit is not None]

    def _with_missing_only(self, unit: Unit) -> Unit | None:
        chunks = list(_chunks_of(unit))
        missing = [self._chunk_uri(*chunk) for chunk in chunks if not self._is_done(*chunk)]
        if len(missing) == len(chunks):
            return unit
        return replace(unit, wanted=frozenset(missing)) if missing else None

    def shards_to_do(self) -> list[Shard]:
        """Shards that do not exist."""
        return [shard for shard in self._plan.shards if not self._exists(shard.uri)]

    def remove(self, planes: Sequence[int] | None) -> None:
        """Remove chunks and shards: all, or those that hold one of the planes (ascending z, finest scale)."""
        chunks = (chunk for unit in self._plan.units for chunk in _chunks_of(unit))
        parts = [
            *((scale, box, self._chunk_uri(scale, box)) for scale, box in chunks),
            *((shard.scale, shard.box, shard.uri) for shard in self._plan.shards),
        ]
        for scale, box, uri in parts:
            if (planes is None or _holds_one(scale, box, planes)) and self._exists(uri):
                storage.remove(uri)

    def _is_done(self, scale: Scale, chunk: Box) -> bool:
        if self._exists(self._chunk_uri(scale, chunk)):
            return True
        if scale.sharding is None:
            return False
        name = shard_name(scale, scale.sharding, chunk)
        return self._exists(storage.join(self._plan.settings.root, f"{scale.key}/{name}"))

    def _chunk_uri(self, scale: Scale, chunk: Box) -> str:
        return self._plan.settings.chunk_uri(scale, chunk)

    def _exists(self, uri: str) -> bool:
        folder, _, name = uri.rpartition("/")
        if folder not in self._listings:
            self._listings[folder] = storage.file_names_in(folder)
        return name in self._listings[folder]


def _holds_one(scale: Scale, box: Box, planes: Sequence[int]) -> bool:
    """Whether a box of a scale reaches into one of the planes."""
    depth = scale.factor[2]
    return bisect_left(planes, box.begin[2] * depth) < bisect_left(planes, box.end[2] * depth)


def _chunks_of(unit: Unit) -> Iterator[tuple[Scale, Box]]:
    for scale in unit.scales:
        for chunk in scale.chunks_in(unit.box_at(scale)):
            yield scale, chunk
