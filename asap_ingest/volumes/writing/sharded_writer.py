"""One job: pack the chunks of one shard into its file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from asap_ingest import storage
from asap_ingest.volumes.grid import Box, Scale, Sharding
from asap_ingest.volumes.shard_grid import chunk_number, shard_boxes, shard_name, sharding_json
from asap_ingest.volumes.writing.unit import UnitResult, VolumeSettings

#: Copies of a shard in memory while it is packed (measured): as chunks and as a file.
SHARD_COPIES = 3


@dataclass(frozen=True)
class Shard:
    """A file of chunks, which one job writes; `box` is in voxels of the scale."""

    scale: Scale
    sharding: Sharding
    box: Box
    settings: VolumeSettings
    itemsize: int

    @property
    def uri(self) -> str:
        """Path or URI of the file."""
        name = shard_name(self.scale, self.sharding, self.box)
        return storage.join(self.settings.root, f"{self.scale.key}/{name}")

    @property
    def sample_bytes(self) -> int:
        return self.box.voxels * self.itemsize

    @property
    def memory_bytes(self) -> int:
        """Memory of the job at most."""
        return self.sample_bytes * SHARD_COPIES


def shards_of(scale: Scale, settings: VolumeSettings, itemsize: int) -> list[Shard]:
    """The shards of a scale; none if it is not sharded."""
    sharding = scale.sharding
    if sharding is None:
        return []
    return [Shard(scale, sharding, box, settings, itemsize) for box in shard_boxes(scale, sharding)]


def build_shard(shard: Shard) -> UnitResult:
    """Write the file of a shard as a whole, then remove its chunks.

    Raises
    ------
    MissingFileError, StorageError
    """
    chunks = list(shard.scale.chunks_in(shard.box))
    uris = [shard.settings.chunk_uri(shard.scale, chunk) for chunk in chunks]
    content = _packed(shard, zip(chunks, uris, strict=True))
    storage.write_bytes(shard.uri, content)
    for uri in uris:
        storage.remove(uri)
    return UnitResult(0, shard.sample_bytes, len(content), shards=1)


def _packed(shard: Shard, chunks: Iterable[tuple[Box, str]]) -> bytes:
    """The file, made in memory, so that `storage` can write it anywhere."""
    import tensorstore

    spec = {
        "driver": "neuroglancer_uint64_sharded",
        "metadata": sharding_json(shard.sharding),
        "base": "memory://",
    }
    packed = tensorstore.KvStore.open(spec).result()
    # in one transaction: a write without one makes the whole file again
    with tensorstore.Transaction() as transaction:
        writer = packed.with_transaction(transaction)
        for chunk, uri in chunks:
            number = chunk_number(shard.scale, chunk).to_bytes(8, "big")
            writer.write(number, storage.read_bytes(uri)).result()
    files: Any = packed.base
    (name,) = files.list().result()
    return bytes(files[name])
