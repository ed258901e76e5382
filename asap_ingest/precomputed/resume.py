"""What of a volume is there already; each folder is listed once."""

from __future__ import annotations

from collections.abc import Iterator

from asap_ingest import storage
from asap_ingest.precomputed.build import Unit
from asap_ingest.precomputed.grid import Box, Scale
from asap_ingest.precomputed.plan import VolumePlan
from asap_ingest.precomputed.shard_grid import shard_name
from asap_ingest.precomputed.sharded import Shard


class Files:
    """The files of a volume that are there when they are first asked for."""

    def __init__(self, plan: VolumePlan) -> None:
        self._plan = plan
        self._listings: dict[str, set[str]] = {}

    def units_to_do(self) -> list[Unit]:
        """Units of which a chunk is missing that no shard holds."""
        return [
            unit
            for unit in self._plan.units
            if not all(self._is_done(scale, chunk) for scale, chunk in _chunks_of(unit))
        ]

    def shards_to_do(self) -> list[Shard]:
        """Shards that are missing."""
        return [shard for shard in self._plan.shards if not self._is_there(shard.uri)]

    def remove(self) -> None:
        """Remove all chunks and shards."""
        chunks = (self._chunk_uri(*chunk) for unit in self._plan.units for chunk in _chunks_of(unit))
        for uris in (chunks, (shard.uri for shard in self._plan.shards)):
            for uri in uris:
                if self._is_there(uri):
                    storage.remove(uri)

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
            self._listings[folder] = storage.names_in(folder)
        return name in self._listings[folder]


def _chunks_of(unit: Unit) -> Iterator[tuple[Scale, Box]]:
    for scale in unit.scales:
        for chunk in scale.chunks_in(unit.box_at(scale)):
            yield scale, chunk
