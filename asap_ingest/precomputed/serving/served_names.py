"""Which files a volume consists of, by what its `info` says: no other name is ever looked up."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from asap_ingest.precomputed.info import INFO

_CHUNK_NAME = re.compile(r"_".join([r"(-?[0-9]{1,12})-(-?[0-9]{1,12})"] * 3))
_SHARD_NAME = re.compile(r"([0-9a-f]+)\.shard")
_SEGMENT = re.compile(r"[^./\\%\x00-\x1f\x7f][^/\\%\x00-\x1f\x7f]*")
_DATA_TYPE = re.compile(r"(?:u?int|float)(8|16|32|64)")
_HEX_BITS = 4
#: Encodings of samples that are not compressed yet.
_PLAIN_ENCODINGS = ("raw", "compressed_segmentation")
_TIFF_SUFFIX = ".tiff"


class DescriptionError(Exception):
    """What a volume says of itself cannot be served, and why."""


@dataclass(frozen=True)
class Samples:
    """What a chunk holds: its axes, slowest first, and type."""

    shape: tuple[int, ...]
    data_type: str

    @property
    def bytes(self) -> int:
        return math.prod(self.shape) * _bits(self.data_type) // 8


def _bits(data_type: str) -> int:
    match = _DATA_TYPE.fullmatch(data_type)
    if not match:
        raise DescriptionError(f"info has the data_type {data_type!r}, which is not known")
    return int(match[1])


@dataclass(frozen=True)
class ServedFile:
    """A file that a request may name.

    Attributes
    ----------
    path : str
        Below the folder of the volume.
    samples : Samples or None
        What its bytes are, where they are samples and nothing else.
    is_tiff : bool
        The samples lie in it as a TIFF, and are to be decoded.
    may_shrink : bool
        It is not compressed yet.
    """

    path: str
    samples: Samples | None = None
    is_tiff: bool = False
    may_shrink: bool = False
    media_type: str = "application/octet-stream"


class Names(Protocol):
    """The files of a volume."""

    def find(self, name: str) -> ServedFile | None:
        """The file that a name stands for; None when the volume has no such file."""

    def samples(self) -> Iterator[tuple[str, ServedFile]]:
        """Some names of chunks with plain samples, of the coarsest scale."""


def description_file(path: str) -> ServedFile:
    """A file of JSON beside the chunks."""
    return ServedFile(path, may_shrink=True, media_type="application/json")


def is_plain_path(path: Any) -> bool:
    """Whether a path stays below its folder, and is spelled in one way only."""
    return isinstance(path, str) and all(_SEGMENT.fullmatch(part) for part in path.split("/"))


@dataclass(frozen=True)
class ScaleNames:
    """Names of the chunks, or shards, of one scale; sizes in voxels, x first."""

    key: str
    size: tuple[int, ...]
    offset: tuple[int, ...]
    chunk_sizes: tuple[tuple[int, ...], ...]
    encoding: str
    data_type: str
    channels: int
    shard_bits: int | None

    def find(self, name: str, is_tiff: bool) -> ServedFile | None:
        """The file of a chunk or shard by its name below the key."""
        if self.shard_bits is not None:
            return ServedFile(f"{self.key}/{name}") if self._has_shard(name, self.shard_bits) else None
        match = _CHUNK_NAME.fullmatch(name)
        bounds = tuple(map(int, match.groups())) if match else ()
        # the numbers have one spelling: no -0, no 007
        if not match or _spell(bounds) != name or not self._is_on_grid(bounds[::2], bounds[1::2]):
            return None
        is_plain = self.encoding == "raw"
        lengths = (end - begin for begin, end in zip(bounds[::2], bounds[1::2], strict=True))
        samples = Samples((self.channels, *reversed(list(lengths))), self.data_type) if is_plain else None
        path = f"{self.key}/{name}{_TIFF_SUFFIX if is_tiff else ''}"
        return ServedFile(path, samples, is_tiff, self.encoding in _PLAIN_ENCODINGS)

    def _is_on_grid(self, begins: Sequence[int], ends: Sequence[int]) -> bool:
        return any(
            all(map(_is_step, begins, ends, self.offset, self.size, chunk)) for chunk in self.chunk_sizes
        )

    def _has_shard(self, name: str, bits: int) -> bool:
        match = _SHARD_NAME.fullmatch(name)
        # one shard alone is `0.shard` too
        digits = max(1, -(-bits // _HEX_BITS))
        return match is not None and len(match[1]) == digits and int(match[1], 16) < 2**bits

    def some_names(self, count: int) -> Iterator[str]:
        """Names of the first chunks of the first chunk size, then of some in the middle."""
        chunk = self.chunk_sizes[0]
        counts = [-(-size // length) for size, length in zip(self.size, chunk, strict=True)]
        total = math.prod(counts)
        for number in sorted({index * total // count for index in range(count)} if total else set()):
            begin = _position(number, counts, chunk)
            ends = (min(b + c, s) for b, c, s in zip(begin, chunk, self.size, strict=True))
            pairs = [(b + o, e + o) for b, e, o in zip(begin, ends, self.offset, strict=True)]
            yield _spell([value for pair in pairs for value in pair])


def _spell(bounds: Sequence[int]) -> str:
    return "_".join(f"{begin}-{end}" for begin, end in zip(bounds[::2], bounds[1::2], strict=True))


def _position(number: int, counts: Sequence[int], chunk: Sequence[int]) -> list[int]:
    begin = []
    for count, length in zip(counts, chunk, strict=True):
        number, index = divmod(number, count)
        begin.append(index * length)
    return begin


def _is_step(begin: int, end: int, offset: int, size: int, chunk: int) -> bool:
    """Whether a chunk may reach from begin to end along an axis."""
    start = begin - offset
    return 0 <= start < size and start % chunk == 0 and end - offset == min(start + chunk, size)


class PrecomputedNames:
    """The files that an `info` implies.

    Raises
    ------
    DescriptionError
        For an `info` that does not describe a volume, or whose keys lead elsewhere.
    """

    def __init__(self, info: Any, is_tiff: bool = False) -> None:
        self.scales = {scale.key: scale for scale in _scales(info)}
        self._is_tiff = is_tiff

    def find(self, name: str) -> ServedFile | None:
        """The file that a name stands for; None when the volume has no such file."""
        if name == INFO:
            return description_file(name)
        key, _, rest = name.rpartition("/")
        scale = self.scales.get(key)
        return scale.find(rest, self._is_tiff) if scale else None

    def samples(self) -> Iterator[tuple[str, ServedFile]]:
        """Some names of chunks with plain samples, of the coarsest scale."""
        coarsest = min(self.scales.values(), key=lambda scale: math.prod(scale.size))
        for name in coarsest.some_names(8):
            found = coarsest.find(name, self._is_tiff)
            if found and found.samples:
                yield name, found


def _scales(info: Any) -> list[ScaleNames]:
    try:
        scales = [_scale(scale, info) for scale in info["scales"]]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DescriptionError(f"info does not describe a volume: {type(error).__name__} {error}") from error
    if not scales:
        raise DescriptionError("info has no scales")
    return scales


def _scale(scale: Mapping[str, Any], info: Mapping[str, Any]) -> ScaleNames:
    key = scale["key"]
    if not is_plain_path(key):
        raise DescriptionError(
            f"info has the key {key!r}: keys are folders of the volume, without '..' and hidden names"
        )
    sharding = scale.get("sharding")
    _bits(str(info["data_type"]).lower())
    names = ScaleNames(
        key,
        _triple(scale["size"]),
        _triple(scale.get("voxel_offset", (0, 0, 0))),
        tuple(map(_triple, scale["chunk_sizes"])),
        str(scale["encoding"]),
        str(info["data_type"]).lower(),
        int(info["num_channels"]),
        int(sharding["shard_bits"]) if sharding else None,
    )
    if not names.chunk_sizes or min(map(min, names.chunk_sizes)) < 1 or min(names.size) < 0:
        raise DescriptionError(f"info has sizes or chunk sizes below 1 at key {key!r}")
    return names


def _triple(values: Sequence[Any]) -> tuple[int, ...]:
    numbers = tuple(int(value) for value in values)
    if len(numbers) != 3:
        raise ValueError(f"{list(values)} has not three numbers")
    return numbers
