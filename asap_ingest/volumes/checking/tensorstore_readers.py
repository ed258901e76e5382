"""Chunks that tensorstore reads: those of zarr arrays, and those in shards of the precomputed format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from asap_ingest.volumes.axes import Triple, ceil_div, per_axis
from asap_ingest.volumes.checking.chunk_readers import (
    Chunk,
    PrecomputedChunks,
    bytes_of,
    decompress,
    samples_of,
)
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.checking.volume_metadata import CheckedScale
from asap_ingest.volumes.checking.zarr_metadata import (
    ARRAY_FILES,
    TENSORSTORE_ERRORS,
    chunk_naming,
    open_in_memory,
    problem_of,
)
from asap_ingest.volumes.tensorstore_extra import require_tensorstore

#: Indices of shards are kept in memory.
_SHARD_CONTEXT = {"cache_pool": {"total_bytes_limit": 2**22}, "http_request_retries": {"max_retries": 3}}


class ZarrChunks:
    """Chunks of a zarr array, decoded by tensorstore; the methods are those of `PrecomputedChunks`."""

    def __init__(self, files: VolumeFiles, scale: CheckedScale, metadata: Mapping[str, Any]) -> None:
        self._files, self._scale, self._metadata = files, scale, metadata
        self._prefix, self._separator = chunk_naming(metadata)

    def read(self, index: Triple) -> Chunk:
        name = self._name(index)
        content = self._files.read(f"{self._scale.key}/{name}")
        if content is None and not self._scale.lacks_chunks:
            raise FaultError(f"{self._scale.key}/{name}", "missing")
        begin, shape = self._scale.begin(index), self._scale.shape_xyz(index)
        x, y, z = per_axis(lambda start, length: slice(start, start + length), begin, shape)
        memory = self._array.kvstore
        if content is not None:
            memory[name] = content
        try:
            return np.asarray(self._array[z, y, x].read().result())
        except TENSORSTORE_ERRORS as error:
            problem = f"cannot be decoded: {problem_of(error)}"
            raise FaultError(f"{self._scale.key}/{name}", problem) from error
        finally:
            del memory[name]

    def look_up(self, index: Triple) -> None:
        name = f"{self._scale.key}/{self._name(index)}"
        size = self._files.size(name)
        if size == 0 or (size is None and not self._scale.lacks_chunks):
            raise FaultError(name, "missing or empty")

    def is_expected(self, name: str) -> bool:
        if name in ARRAY_FILES[self._metadata["zarr_format"]]:
            return True
        numbers = name.removeprefix(self._prefix).split(self._separator)
        if len(numbers) != 3 or not all(number.isdecimal() for number in numbers):
            return False
        z, y, x = map(int, numbers)
        return self._scale.has((x, y, z)) and self._name((x, y, z)) == name

    def _name(self, index: Triple) -> str:
        """File of a chunk below the folder of the array."""
        return self._prefix + self._separator.join(map(str, index[::-1]))

    @cached_property
    def _array(self) -> Any:
        return open_in_memory(self._metadata)


class ShardedChunks:
    """Chunks in shards of the precomputed format; the methods are those of `PrecomputedChunks`.

    tensorstore looks them up in the shards.

    https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md
    """

    def __init__(self, files: VolumeFiles, scale: CheckedScale) -> None:
        require_tensorstore("volume", "reading shards")
        self._files, self._scale, self._sharding = files, scale, scale.sharding or {}
        self._is_gzipped = self._sharding.get("data_encoding") == "gzip"

    def read(self, index: Triple) -> Chunk:
        content = self._stored(index, slice(None))
        try:
            if self._is_gzipped:
                content = decompress(content, ".gz", "", bytes_of(self._scale, index))
            return samples_of(content, "", self._scale, index)
        except FaultError as error:
            raise self._fault(index, error.problem) from error

    def look_up(self, index: Triple) -> None:
        if self._scale.unread or self._is_gzipped:
            self._stored(index, slice(-1, None))
            return
        try:
            is_right = len(self._stored(index, slice(bytes_of(self._scale, index) - 1, None))) == 1
        except FaultError:
            is_right = False
        if not is_right:
            self.read(index)  # raises why

    def is_expected(self, name: str) -> bool:
        bits = self._sharding["shard_bits"]
        digits = max(1, ceil_div(bits, 4))
        match = re.fullmatch(f"([0-9a-f]{{{digits}}})[.]shard", name)
        return match is not None and int(match[1], 16) < 1 << bits

    def _stored(self, index: Triple, part: slice) -> bytes:
        """A part of the bytes of a chunk, as they are stored in the shard."""
        try:
            result = self._shards.read(self._number(index), byte_range=part).result()
        except TENSORSTORE_ERRORS as error:
            raise self._fault(index, f"cannot be read: {problem_of(error)}") from error
        if result.state == "missing":
            raise self._fault(index, "missing")
        return bytes(result.value)

    def _fault(self, index: Triple, problem: str) -> FaultError:
        """A fault of a chunk, or of its shard if that is missing; StorageError without its server."""
        # written to memory, the chunk comes to lie in a file with the name of its shard
        shards = self._open("memory://")
        shards[self._number(index)] = b""
        shard = f"{self._scale.key}/{shards.base.list().result()[0].decode()}"
        if self._files.size(shard) is None:
            return FaultError(shard, "missing")
        return FaultError(f"{shard} chunk {index}", problem)

    @cached_property
    def _shards(self) -> Any:
        return self._open(self._files.store(f"{self._scale.key}/"))

    def _open(self, base: Any) -> Any:
        """The shards of a scale as a mapping from the numbers of chunks to their stored bytes."""
        import tensorstore

        # chunks are decompressed here, where a damaged one is named
        metadata = {**self._sharding, "data_encoding": "raw"}
        spec = {"driver": "neuroglancer_uint64_sharded", "base": base, "metadata": metadata}
        return tensorstore.KvStore.open(spec, context=tensorstore.Context(_SHARD_CONTEXT)).result()

    def _number(self, index: Triple) -> bytes:
        """The compressed Morton code of a chunk: bits of x, y and z in turn, while an axis has more bits."""
        counts, number, position = self._scale.chunk_counts, 0, 0
        for bit in range(max(counts).bit_length()):
            for at, count in zip(index, counts, strict=True):
                if 1 << bit < count:
                    number |= (at >> bit & 1) << position
                    position += 1
        return number.to_bytes(8)


ChunkReader = PrecomputedChunks | ZarrChunks | ShardedChunks


def reader_of(files: VolumeFiles, scale: CheckedScale) -> ChunkReader:
    """The reader of a scale's chunks, for the way in which they are stored; not to be shared by threads.

    Raises
    ------
    ParameterError
        They are in shards, and tensorstore is not installed.
    """
    if scale.zarr is not None:
        return ZarrChunks(files, scale, scale.zarr)
    return PrecomputedChunks(files, scale) if scale.sharding is None else ShardedChunks(files, scale)
