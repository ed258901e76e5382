"""Chunks in shards of the precomputed format.

https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.checking.chunk_files import Chunk, check_length, samples_of
from asap_ingest.volumes.checking.chunk_places import Place
from asap_ingest.volumes.checking.decompression import decompress
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.volumes.checking.murmur import murmurhash3_x86_128_low
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Index

_KEPT_INDICES = 256
_ENTRY_BYTES = 24
_PAIR_BYTES = 16

#: For the number of a chunk the place of its bytes in the shard's file: (begin, length).
Entries = dict[int, tuple[int, int]]


@dataclass
class ShardedChunks:
    """Chunks of a scale with `sharding`."""

    place: Place
    scale: CheckedScale
    dtype: np.dtype[Any]
    _indices: dict[tuple[int, int], Entries | FaultError] = field(default_factory=dict)

    def read(self, index: Index) -> Chunk | None:
        name, begin, length = self._find(index)
        where = f"{name} chunk {index}"
        content = self.place.read_range(name, begin, length)
        if content is None or len(content) < length:
            raise FaultError(where, f"bytes {begin} to {begin + length} are beyond the end of the file")
        if self.scale.unread:
            return None
        if self._gzipped("data_encoding"):
            content = decompress(content, ("gzip",), where)
        return samples_of(content, where, self.scale.shape_xyz(index), self.dtype)

    def look(self, index: Index) -> None:
        name, _, length = self._find(index)
        if not self.scale.unread and not self._gzipped("data_encoding"):
            check_length(f"{name} chunk {index}", length, self.scale.shape_xyz(index), self.dtype)

    def is_expected(self, name: str) -> bool:
        number, _, extension = name.partition(".")
        if extension != "shard" or set(number) - set("0123456789abcdef") or not number:
            return False
        shard = int(number, 16)
        return self._file(shard) == f"{self.scale.key}/{name}" and shard in self._shards

    @cached_property
    def _shards(self) -> set[int]:
        """Shards that hold a chunk."""
        return {self._shard_of(self._number(index))[0] for index in self.scale.indices()}

    def _find(self, index: Index) -> tuple[str, int, int]:
        """(file, begin, length) of a chunk's bytes."""
        number = self._number(index)
        shard, minishard = self._shard_of(number)
        name = self._file(shard)
        entries = self._entries(shard, minishard)
        if number not in entries:
            raise FaultError(f"{name} chunk {index}", "missing")
        return (name, *entries[number])

    def _entries(self, shard: int, minishard: int) -> Entries:
        key = (shard, minishard)
        if key not in self._indices:
            while len(self._indices) >= _KEPT_INDICES:
                del self._indices[next(iter(self._indices))]
            try:
                self._indices[key] = self._read_entries(shard, minishard)
            except FaultError as error:
                self._indices[key] = error
        found = self._indices[key]
        if isinstance(found, FaultError):
            raise FaultError(found.fault.place, found.fault.problem)
        return found

    def _read_entries(self, shard: int, minishard: int) -> Entries:
        name = self._file(shard)
        pair = self.place.read_range(name, minishard * _PAIR_BYTES, _PAIR_BYTES)
        if pair is None:
            raise FaultError(name, "missing")
        where, data_begin = f"{name} minishard {minishard}", _PAIR_BYTES << self._bits("minishard_bits")
        if len(pair) < _PAIR_BYTES:
            raise FaultError(name, f"ends within its index of {data_begin} bytes")
        begin, end = (int(number) for number in np.frombuffer(pair, "<u8"))
        if begin == end:
            return {}
        size = self.place.size(name) or 0
        if not begin < end <= size - data_begin:
            raise FaultError(where, f"its index is at {begin} to {end} in {size - data_begin} bytes")
        content = self.place.read_range(name, data_begin + begin, end - begin) or b""
        if self._gzipped("minishard_index_encoding"):
            content = decompress(content, ("gzip",), where, "its index ")
        if len(content) % _ENTRY_BYTES:
            raise FaultError(where, f"its index has {len(content)} bytes, no multiple of {_ENTRY_BYTES}")
        entries = _entries_of(np.frombuffer(content, "<u8").reshape(3, -1), data_begin)
        self._check(entries, (shard, minishard), size)
        return entries

    def _check(self, entries: Entries, home: tuple[int, int], size: int) -> None:
        """A FaultError for chunks that do not belong there, or lie beyond the end."""
        where = f"{self._file(home[0])} minishard {home[1]}"
        for number, (begin, length) in entries.items():
            index = self._index(number)
            if index is None or self._shard_of(number) != home:
                raise FaultError(where, f"its index has chunk {number}, which does not belong there")
            if begin + length > size:
                problem = f"chunk {index} is at {begin} to {begin + length} in a file of {size} bytes"
                raise FaultError(where, problem)

    def _shard_of(self, number: int) -> tuple[int, int]:
        """(shard, minishard) of a chunk."""
        hashed = number >> self._bits("preshift_bits")
        if self.scale.layout["sharding"]["hash"] != "identity":
            hashed = murmurhash3_x86_128_low(hashed)
        minishard_bits, shard_bits = self._bits("minishard_bits"), self._bits("shard_bits")
        return hashed >> minishard_bits & (1 << shard_bits) - 1, hashed & (1 << minishard_bits) - 1

    def _file(self, shard: int) -> str:
        digits = max(1, -(-self._bits("shard_bits") // 4))
        return f"{self.scale.key}/{shard:0{digits}x}.shard"

    def _bits(self, name: str) -> int:
        return int(self.scale.layout["sharding"][name])

    def _gzipped(self, name: str) -> bool:
        return bool(self.scale.layout["sharding"].get(name) == "gzip")

    def _number(self, index: Index) -> int:
        """Bits of x, y and z in turn, lowest first, as long as an axis has bits."""
        return sum(
            (index[axis] >> bit & 1) << position for position, (bit, axis) in enumerate(self._bit_order)
        )

    def _index(self, number: int) -> Index | None:
        """The chunk of a number; None where the grid has none."""
        found = [0, 0, 0]
        for bit, axis in self._bit_order:
            found[axis] |= (number & 1) << bit
            number >>= 1
        index = (found[0], found[1], found[2])
        return index if not number and self.scale.has(index) else None

    @cached_property
    def _bit_order(self) -> list[tuple[int, int]]:
        return [
            (bit, axis)
            for bit in range(64)
            for axis, count in enumerate(self.scale.counts)
            if 1 << bit < count
        ]


def _entries_of(columns: NDArray[np.uint64], data_begin: int) -> Entries:
    """From differences to numbers: chunk, gap after the chunk before, length."""
    entries: Entries = {}
    number, end = 0, data_begin
    for difference, gap, length in columns.T.tolist():
        number += difference
        entries[number] = (end + gap, length)
        end += gap + length
    return entries
