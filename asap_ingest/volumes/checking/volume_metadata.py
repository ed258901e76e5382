"""What a volume says of itself, however it says it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from asap_ingest.storage.json_documents import parse_json
from asap_ingest.volumes.checking.chunk_places import Place
from asap_ingest.volumes.checking.faults import Fault, FaultError

Index = tuple[int, int, int]
Lengths = tuple[float, float, float]


@dataclass(frozen=True)
class CheckedScale:
    """One resolution; triples are along x, y and z.

    Attributes
    ----------
    corner_nm : triple of float
        Position of the lower corner of the first voxel.
    offset : triple of int
        Part of the names of chunks.
    layout : mapping
        How chunks are stored: `sharding` of `info`, or a zarr array's metadata.
    unread : str
        Why samples cannot be read here, though they may be right; empty where they can.
    """

    key: str
    size: Index
    chunk_size: Index
    resolution_nm: Lengths
    corner_nm: Lengths
    offset: Index = (0, 0, 0)
    layout: Mapping[str, Any] = field(default_factory=dict)
    unread: str = ""

    @property
    def counts(self) -> Index:
        """Chunks along each axis."""
        x, y, z = (-(-size // chunk) for size, chunk in zip(self.size, self.chunk_size, strict=True))
        return x, y, z

    @property
    def chunks(self) -> int:
        return math.prod(self.counts)

    def indices(self) -> Iterator[Index]:
        """The place of every chunk in the grid, z slowest."""
        x_count, y_count, z_count = self.counts
        for z, y, x in product(range(z_count), range(y_count), range(x_count)):
            yield x, y, z

    def has(self, index: Index) -> bool:
        return all(0 <= place < count for place, count in zip(index, self.counts, strict=True))

    def begin(self, index: Index) -> Index:
        """First voxel of a chunk, counted from that of the scale."""
        x, y, z = (place * chunk for place, chunk in zip(index, self.chunk_size, strict=True))
        return x, y, z

    def shape_xyz(self, index: Index) -> Index:
        """Voxels of a chunk, fewer at the upper ends."""
        begin = self.begin(index)
        x, y, z = (
            min(chunk, size - start)
            for chunk, size, start in zip(self.chunk_size, self.size, begin, strict=True)
        )
        return x, y, z


@dataclass(frozen=True)
class Description:
    """A volume as it describes itself.

    Attributes
    ----------
    is_segmentation : bool
        Coarser scales hold labels that occur, not means.
    dtype : str
        Name of the sample type.
    files : tuple of str
        Files that describe the volume.
    side_folders : tuple of str
        Folders of other things, like meshes.
    faults : tuple of Fault
        What is wrong with it, though it could be read.
    not_known : tuple of str
        What it says that is not known here.
    uncompared : str
        Why voxels of coarser scales cannot be compared; empty where they can.
    """

    is_segmentation: bool
    dtype: str
    scales: tuple[CheckedScale, ...]
    files: tuple[str, ...]
    side_folders: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    not_known: tuple[str, ...] = ()
    uncompared: str = ""


def read_json(place: Place, name: str) -> dict[str, Any]:
    """The object in a JSON file.

    Raises
    ------
    FaultError
    """
    content = place.read(name)
    if content is None:
        raise FaultError(name, "missing")
    try:
        value = parse_json(content)
    except ValueError as error:
        raise FaultError(name, f"is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise FaultError(name, f"holds a {type(value).__name__}; it must hold an object")
    return value


@dataclass(frozen=True)
class Fields:
    """Fields of a JSON object; what is not as it must be is a FaultError that names it."""

    file: str
    path: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, file: str, path: str, value: Any) -> Fields:
        """Those of a value, which must be an object."""
        if not isinstance(value, dict):
            raise FaultError(file, f"{path}: is {value!r}; it must be an object")
        return cls(file, f"{path}.", value)

    def within(self, name: str) -> Fields:
        return Fields(self.file, f"{self.path}{name}.", self.get(name, dict))

    def get(self, name: str, kind: type | tuple[type, ...]) -> Any:
        value = self.values.get(name)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise self.wrong(name)
        return value

    def whole_number(self, name: str, least: int) -> int:
        value: int = self.get(name, int)
        if value < least:
            raise self.wrong(name, f"; it must be at least {least}")
        return value

    def whole_numbers(self, name: str, least: int) -> Index:
        """Three whole numbers."""
        found = self._three(name)
        if not all(type(number) is int and number >= least for number in found):
            raise self.wrong(name)
        return found[0], found[1], found[2]

    def numbers(self, name: str) -> Lengths:
        """Three finite numbers."""
        found = self._three(name)
        if not all(type(number) in (int, float) and math.isfinite(number) for number in found):
            raise self.wrong(name)
        return found[0], found[1], found[2]

    def expect(self, name: str, *allowed: Any) -> Any:
        """A value, which must be one of those allowed."""
        value = self.values.get(name)
        if value not in allowed:
            raise self.wrong(name, f"; known are {', '.join(map(repr, allowed))}")
        return value

    def wrong(self, name: str, hint: str = "") -> FaultError:
        if name not in self.values:
            return FaultError(self.file, f"{self.path}{name}: missing{hint}")
        return FaultError(self.file, f"{self.path}{name}: is {self.values[name]!r}{hint}")

    def _three(self, name: str) -> list[Any]:
        value = self.values.get(name)
        if not isinstance(value, list) or len(value) != 3:
            raise self.wrong(name, "; it must be three numbers")
        return value
