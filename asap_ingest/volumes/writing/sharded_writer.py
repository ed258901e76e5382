"""One job: the raw chunks of one shard become its file."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from asap_ingest import storage
from asap_ingest.errors import ParameterError
from asap_ingest.volumes.grid import Box, Scale, Sharding
from asap_ingest.volumes.shard_grid import (
    chunk_number,
    shard_boxes,
    shard_name,
    sharding_json,
)
from asap_ingest.volumes.writing.unit import UnitResult, VolumeSettings

#: A shard is in memory so many times while it is made, as chunks and as file; measured.
SHARD_COPIES = 3


@dataclass(frozen=True)
class Shard:
    """A file of chunks that one job writes.

    Attributes
    ----------
    box : Box
        In voxels of the scale.
    """

    scale: Scale
    sharding: Sharding
    box: Box
    settings: VolumeSettings
    itemsize: int

    @property
    def uri(self) -> str:
        """Where it lies."""
        name = shard_name(self.scale, self.sharding, self.box)
        return storage.join(self.settings.root, f"{self.scale.key}/{name}")

    @property
    def chunk_uris(self) -> list[str]:
        """Where the chunks lie that it is made of."""
        chunks = self.scale.chunks_in(self.box)
        return [self.settings.chunk_uri(self.scale, chunk) for chunk in chunks]

    @property
    def sample_bytes(self) -> int:
        return self.box.voxels * self.itemsize

    @property
    def memory_bytes(self) -> int:
        """What the job takes at most."""
        return self.sample_bytes * SHARD_COPIES


def shards_of(scale: Scale, settings: VolumeSettings, itemsize: int) -> list[Shard]:
    """The shards of a scale; none where it has no sharding."""
    if scale.sharding is None:
        return []
    return [
        Shard(scale, scale.sharding, box, settings, itemsize) for box in shard_boxes(scale, scale.sharding)
    ]


def require_tensorstore() -> None:
    """Find out before any work that shards cannot be made here.

    Raises
    ------
    ParameterError
        tensorstore is not installed.
    """
    if find_spec("tensorstore") is None:
        problem = "sharded needs tensorstore: pip install asap_ingest[volumes]; or take another format"
        raise ParameterError("format", problem)


def build_shard(shard: Shard) -> UnitResult:
    """Write the file of a shard as a whole, then remove the chunks that it is made of.

    Raises
    ------
    MissingFileError, StorageError
    """
    with storage.options(shard.settings.storage_options):
        content = _shard_bytes(shard)
        storage.write_bytes(shard.uri, content)
        for uri in shard.chunk_uris:
            storage.remove(uri)
    return UnitResult(0, shard.sample_bytes, len(content), shards=1)


def _shard_bytes(shard: Shard) -> bytes:
    """The file, made in memory: so it can be written wherever `storage` writes."""
    import tensorstore

    spec = {
        "driver": "neuroglancer_uint64_sharded",
        "metadata": sharding_json(shard.sharding),
        "base": "memory://",
    }
    chunks = tensorstore.KvStore.open(spec).result()
    # in one transaction: each write of its own would make the whole file again
    with tensorstore.Transaction() as transaction:
        writer = chunks.with_transaction(transaction)
        for chunk in shard.scale.chunks_in(shard.box):
            number = chunk_number(shard.scale, chunk).to_bytes(8, "big")
            content = storage.read_bytes(shard.settings.chunk_uri(shard.scale, chunk))
            writer.write(number, content).result()
    files: Any = chunks.base
    (name,) = files.list().result()
    return bytes(files[name])
