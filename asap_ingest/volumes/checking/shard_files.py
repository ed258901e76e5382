"""Chunks in shards of the precomputed format.

https://github.com/google/neuroglancer/blob/master/src/datasource/precomputed/sharded.md
tensorstore writes the shards; as a second opinion, they are read without it here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from asap_ingest.volumes.axes import Triple
from asap_ingest.volumes.checking.chunk_readers import Chunk, check_length, decompress, samples_of
from asap_ingest.volumes.checking.faults import FaultError
from asap_ingest.volumes.checking.volume_files import VolumeFiles
from asap_ingest.volumes.checking.volume_metadata import CheckedScale

_CACHED_INDICES = 256
_ENTRY_BYTES = 24
_PAIR_BYTES = 16
_C1, _C2, _C3 = 0x239B961B, 0xAB0E9789, 0x38B34AE5
_WORD = 0xFFFFFFFF

#: For the number of a chunk the position of its bytes in the shard's file: (begin, length).
Entries = dict[int, tuple[int, int]]


class ShardedChunks:
    """Chunks of a scale with `sharding`."""

    def __init__(
        self, files: VolumeFiles, scale: CheckedScale, dtype: np.dtype[Any], sharding: Mapping[str, Any]
    ) -> None:
        self._files, self._scale, self._dtype, self._sharding = files, scale, dtype, sharding
        self._minishard_bits: int = sharding["minishard_bits"]
        self._shard_bits: int = sharding["shard_bits"]
        self._index = lru_cache(_CACHED_INDICES)(self._index_or_fault)

    def read(self, index: Triple) -> Chunk:
        name, begin, length = self._find(index)
        place = f"{name} chunk {index}"
        content = self._files.read(name, begin, length)
        if content is None or len(content) < length:
            raise FaultError(place, f"bytes {begin} to {begin + length} are beyond the end of the file")
        if self._is_gzipped("data_encoding"):
            content = decompress(content, ".gz", place)
        return samples_of(content, place, self._scale.shape_xyz(index), self._dtype)

    def look(self, index: Triple) -> None:
        name, _, length = self._find(index)
        if not self._scale.unread and not self._is_gzipped("data_encoding"):
            check_length(f"{name} chunk {index}", length, self._scale.shape_xyz(index), self._dtype)

    def is_expected(self, name: str) -> bool:
        number = name.removesuffix(".shard")
        if set(number) - set("0123456789abcdef") or not number:
            return False
        shard = int(number, 16)
        return self._file(shard) == f"{self._scale.key}/{name}" and shard in self._shards

    @cached_property
    def _shards(self) -> set[int]:
        """Shards that hold a chunk."""
        return {self._shard_of(self._number(index))[0] for index in self._scale.indices()}

    def _find(self, index: Triple) -> tuple[str, int, int]:
        """(file, begin, length) of a chunk's bytes."""
        number = self._number(index)
        shard, minishard = self._shard_of(number)
        entries = self._index(shard, minishard)
        if isinstance(entries, FaultError):
            raise FaultError(entries.fault.place, entries.fault.problem)
        if number not in entries:
            raise FaultError(f"{self._file(shard)} chunk {index}", "missing")
        return (self._file(shard), *entries[number])

    def _index_or_fault(self, shard: int, minishard: int) -> Entries | FaultError:
        """The index of a minishard or its fault, so that both are cached."""
        try:
            return self._read_index(shard, minishard)
        except FaultError as error:
            return error

    def _read_index(self, shard: int, minishard: int) -> Entries:
        name = self._file(shard)
        pair = self._files.read(name, minishard * _PAIR_BYTES, _PAIR_BYTES)
        if pair is None:
            raise FaultError(name, "missing")
        place, data_begin = f"{name} minishard {minishard}", _PAIR_BYTES << self._minishard_bits
        if len(pair) < _PAIR_BYTES:
            raise FaultError(name, f"ends within its index of {data_begin} bytes")
        begin, end = (int(number) for number in np.frombuffer(pair, "<u8"))
        if begin == end:
            return {}
        size = self._files.size(name) or 0
        if not begin < end <= size - data_begin:
            raise FaultError(place, f"its index is at {begin} to {end} in {size - data_begin} bytes")
        content = self._files.read(name, data_begin + begin, end - begin) or b""
        if self._is_gzipped("minishard_index_encoding"):
            content = decompress(content, ".gz", place, "its index ")
        if len(content) % _ENTRY_BYTES:
            raise FaultError(place, f"its index has {len(content)} bytes, not a multiple of {_ENTRY_BYTES}")
        entries: Entries = {}
        number, end = 0, data_begin
        # differences: number, gap after the chunk before, length
        for difference, gap, length in np.frombuffer(content, "<u8").reshape(3, -1).T.tolist():
            number, begin, end = number + difference, end + gap, end + gap + length
            index = self._chunk_index(number)
            if index is None or self._shard_of(number) != (shard, minishard):
                raise FaultError(place, f"its index has chunk {number}, which does not belong there")
            if end > size:
                raise FaultError(place, f"chunk {index} is at {begin} to {end} in a file of {size} bytes")
            entries[number] = (begin, length)
        return entries

    def _shard_of(self, number: int) -> tuple[int, int]:
        """(shard, minishard) of a chunk."""
        hashed = number >> self._sharding["preshift_bits"]
        if self._sharding["hash"] != "identity":
            hashed = murmurhash3_x86_128_low(hashed)
        shard = hashed >> self._minishard_bits & (1 << self._shard_bits) - 1
        return shard, hashed & (1 << self._minishard_bits) - 1

    def _file(self, shard: int) -> str:
        digits = max(1, -(-self._shard_bits // 4))
        return f"{self._scale.key}/{shard:0{digits}x}.shard"

    def _is_gzipped(self, name: str) -> bool:
        return self._sharding.get(name) == "gzip"

    def _number(self, index: Triple) -> int:
        """Bits of x, y and z in turn, lowest first, as long as an axis has bits."""
        return sum(
            (index[axis] >> bit & 1) << position for position, (bit, axis) in enumerate(self._bit_order)
        )

    def _chunk_index(self, number: int) -> Triple | None:
        """The chunk with a number; None if the grid has none."""
        x_y_z = [0, 0, 0]
        for bit, axis in self._bit_order:
            x_y_z[axis] |= (number & 1) << bit
            number >>= 1
        index = (x_y_z[0], x_y_z[1], x_y_z[2])
        return index if not number and self._scale.has(index) else None

    @cached_property
    def _bit_order(self) -> list[tuple[int, int]]:
        counts = list(enumerate(self._scale.counts))
        return [(bit, axis) for bit in range(64) for axis, count in counts if 1 << bit < count]


def murmurhash3_x86_128_low(number: int) -> int:
    """The lowest 64 bits of MurmurHash3_x86_128, with seed 0, of a number in 8 little-endian bytes."""
    low, high = number & _WORD, number >> 32 & _WORD
    # 8 bytes are less than one block of 16: only the last step of the hash sees them
    h1 = _rotated(low * _C1, 15) * _C2 & _WORD
    h2 = _rotated(high * _C2, 16) * _C3 & _WORD
    h1, h2, h3, h4 = h1 ^ 8, h2 ^ 8, 8, 8
    h1 = h1 + h2 + h3 + h4 & _WORD
    h2, h3, h4 = (word + h1 & _WORD for word in (h2, h3, h4))
    h1, h2, h3, h4 = (_mixed(word) for word in (h1, h2, h3, h4))
    h1 = h1 + h2 + h3 + h4 & _WORD
    return h1 | (h2 + h1 & _WORD) << 32


def _rotated(word: int, bits: int) -> int:
    word &= _WORD
    return (word << bits | word >> 32 - bits) & _WORD


def _mixed(word: int) -> int:
    word = (word ^ word >> 16) * 0x85EBCA6B & _WORD
    word = (word ^ word >> 13) * 0xC2B2AE35 & _WORD
    return word ^ word >> 16
