"""What of a volume is there already; each folder is listed once."""

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


class Files:
    """The files of a volume that are there when they are first asked for."""

    def __init__(self, plan: VolumePlan) -> None:
        self._plan = plan
        self._listings: dict[str, set[str]] = {}

    def units_to_do(self) -> list[Unit]:
        """Units of which chunks are missing that no shard holds; they write these alone."""
        return [unit for unit in map(self._rest_of, self._plan.units) if unit is not None]

    def _rest_of(self, unit: Unit) -> Unit | None:
        chunks = list(_chunks_of(unit))
        missing = [self._chunk_uri(*chunk) for chunk in chunks if not self._is_done(*chunk)]
        if len(missing) == len(chunks):
            return unit
        return replace(unit, wanted=frozenset(missing)) if missing else None

    def shards_to_do(self) -> list[Shard]:
        """Shards that are missing."""
        return [shard for shard in self._plan.shards if not self._is_there(shard.uri)]

    def remove(self, planes: Sequence[int] | None = None) -> None:
        """Remove all chunks and shards, or those that planes are part of: ascending z in the finest scale."""
        for uri in self._uris_with(planes):
            if self._is_there(uri):
                storage.remove(uri)

    def _uris_with(self, planes: Sequence[int] | None) -> Iterator[str]:
        for unit in self._plan.units:
            for scale, chunk in _chunks_of(unit):
                if planes is None or _holds_one(scale, chunk, planes):
                    yield self._chunk_uri(scale, chunk)
        for shard in self._plan.shards:
            if planes is None or _holds_one(shard.scale, shard.box, planes):
                yield shard.uri

    def _is_done(self, scale: Scale, chunk: Box) -> bool:
        return self._is_there(self._chunk_uri(scale, chunk)) or (
            scale.sharding is not None
            and self._is_there(self._in_scale(scale, shard_name(scale, scale.sharding, chunk)))
        )

    def _chunk_uri(self, scale: Scale, chunk: Box) -> str:
        return self._plan.settings.chunk_uri(scale, chunk)

    def _in_scale(self, scale: Scale, name: str) -> str:
        return storage.join(self._plan.settings.root, f"{scale.key}/{name}")

    def _is_there(self, uri: str) -> bool:
        folder, _, name = uri.rpartition("/")
        if folder not in self._listings:
            self._listings[folder] = storage.file_names_in(folder)
        return name in self._listings[folder]


def _holds_one(scale: Scale, box: Box, planes: Sequence[int]) -> bool:
    """Whether a box of a scale has a part in one of the planes."""
    depth = scale.factor[2]
    return bisect_left(planes, box.begin[2] * depth) < bisect_left(planes, box.end[2] * depth)


def _chunks_of(unit: Unit) -> Iterator[tuple[Scale, Box]]:
    for scale in unit.scales:
        for chunk in scale.chunks_in(unit.box_at(scale)):
            yield scale, chunk
