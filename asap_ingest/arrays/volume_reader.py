"""A volume for Python programs: its scales as arrays (z, y, x), from a folder or a URL.

Samples are read as `check_precomputed` reads them: this package reads the chunks of the precomputed format
that are files, also if compressed, and TIFF chunks; tensorstore, which the extra `volumes` installs, reads
shards, OME-Zarr and other encodings.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from functools import cached_property
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asap_ingest.arrays.dask_arrays import LazySource, lazy_array
from asap_ingest.arrays.world_index import AXES, Ranges, world_index
from asap_ingest.errors import ParameterError, VolumeError
from asap_ingest.volumes.axes import Triple, ceil_div, per_axis
from asap_ingest.volumes.checking.faults import FaultError, Findings, NotKnownError
from asap_ingest.volumes.checking.tensorstore_readers import ChunkReader, reader_of
from asap_ingest.volumes.checking.volume_check import description_of
from asap_ingest.volumes.checking.volume_files import VolumeFiles, open_files
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Description
from asap_ingest.volumes.checking.zarr_metadata import DRIVERS, TENSORSTORE_ERRORS
from asap_ingest.volumes.tensorstore_extra import require_tensorstore


def open_volume(path_or_url: str) -> VolumeReader:
    """Open a volume of the precomputed format or of OME-Zarr (0.4, 0.5; axes z, y, x) to read it.

    Parameters
    ----------
    path_or_url : str
        Its folder, or an http(s) URL, with or without `precomputed://` before it.

    Raises
    ------
    ParameterError, VolumeError, StorageError
        There is no volume, its metadata are wrong, or it cannot be reached.
    """
    volume = str(path_or_url)
    files = open_files(volume)
    try:
        return VolumeReader(volume, files, description_of(files, volume, Findings()))
    except (FaultError, NotKnownError) as error:
        raise VolumeError(volume, str(error)) from error


class VolumeReader:
    """A volume, read-only; `open_volume` makes it. `volume[...]` and `to_dask` are those of its finest scale.

    Attributes
    ----------
    scales : tuple of ScaleReader
        Finest first.
    is_segmentation : bool
        Samples are labels.
    """

    def __init__(self, path_or_url: str, files: VolumeFiles, description: Description) -> None:
        self.is_segmentation = description.is_segmentation
        scales = enumerate(description.scales)
        self.scales = tuple(ScaleReader(path_or_url, files, number, scale) for number, scale in scales)

    def __repr__(self) -> str:
        return f"VolumeReader({self.scales})"

    def __getitem__(self, key: Any) -> NDArray[Any]:
        return self.scales[0][key]

    def to_dask(self, scale: int = 0) -> Any:
        """A scale, by its position in `scales`, as a Dask array."""
        if not 0 <= scale < len(self.scales):
            raise ParameterError("scale", f"{scale} is not a position in scales, 0 to {len(self.scales) - 1}")
        return self.scales[scale].to_dask()


class ScaleReader:
    """One resolution of a volume; all triples are along z, y and x.

    An index is in voxels of the scale, half open, at the positions of the volume's metadata: in a volume that
    `export_to_precomputed` made, `scales[0][z, y0:y1, x0:x1]` are world coordinates of the stack. Negative
    numbers are coordinates too. Open ends reach to the ends of the scale. An index beyond them is a
    ParameterError; a chunk that is missing or damaged is a VolumeError that names its file.

    Attributes
    ----------
    begin : triple of int
        First voxel.
    shape, chunk_shape : triple of int
    voxel_size_nm : triple of float
    dtype : numpy.dtype
    """

    ndim = 3

    def __init__(self, path_or_url: str, files: VolumeFiles, number: int, scale: CheckedScale) -> None:
        self._volume, self._files, self._number, self._scale = path_or_url, files, number, scale
        self._threads = threading.local()
        self.key = scale.key
        self.shape = scale.size[::-1]
        self.chunk_shape = scale.chunk_size[::-1]
        self.voxel_size_nm = scale.resolution_nm[::-1]
        self.begin = _begin_xyz(scale)[::-1]
        self.dtype = scale.dtype.newbyteorder("=")

    def __repr__(self) -> str:
        return f"<scale {self.key}: {self.dtype} {self.shape} from {self.begin}, {self.voxel_size_nm} nm>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self._volume, self._number)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        ranges, picked = world_index(key, lambda: self._extent)
        for axis, along, whole in zip(AXES, ranges, self._extent, strict=True):
            if along.start < whole.start or along.stop > whole.stop:
                problem = f"{along.start}:{along.stop} reaches beyond the volume's {whole.start}:{whole.stop}"
                raise ParameterError(axis, problem)
        inner = per_axis(
            lambda along, start: range(along.start - start, along.stop - start), ranges, self.begin
        )
        return self.read(inner)[picked]

    def to_dask(self) -> Any:
        """The scale as a Dask array (z, y, x), chunk by chunk; its first sample is the voxel `begin`.

        Raises
        ------
        ParameterError
            dask is not installed.
        """
        return lazy_array(LazySource(self.shape, self.dtype, self.read), self.chunk_shape)

    def read(self, ranges: Ranges) -> NDArray[Any]:
        """Samples (z, y, x) of a box that counts from the first voxel."""
        try:
            return self._read_by_tensorstore(ranges) if self._scale.unread else self._read_chunks(ranges)
        except (FaultError, NotKnownError) as error:
            raise VolumeError(self._volume, str(error)) from error

    def _read_chunks(self, ranges: Ranges) -> NDArray[Any]:
        samples = np.empty(per_axis(len, ranges), self.dtype)
        for z, y, x in self._chunks(ranges):
            chunk = self._reader.read((x.position, y.position, z.position))
            samples[z.target, y.target, x.target] = chunk[z.inside, y.inside, x.inside]
        return samples

    def _chunks(self, ranges: Ranges) -> Iterable[tuple[_Part, _Part, _Part]]:
        return product(*per_axis(_parts, ranges, self.chunk_shape)) if all(ranges) else ()

    def _read_by_tensorstore(self, ranges: Ranges) -> NDArray[Any]:
        for z, y, x in self._chunks(ranges):  # tensorstore would read a missing chunk as zeros
            self._reader.look_up((x.position, y.position, z.position))
        block = per_axis(lambda along: slice(along.start, along.stop), ranges)
        try:
            return np.asarray(self._tensorstore[block].read().result())
        except TENSORSTORE_ERRORS as error:
            raise VolumeError(self._volume, f"scale {self.key}: {error}") from error

    @property
    def _reader(self) -> ChunkReader:
        """The reader of this thread: readers are not shared."""
        if not hasattr(self._threads, "reader"):
            self._threads.reader = reader_of(self._files, self._scale)
        reader: ChunkReader = self._threads.reader
        return reader

    @property
    def _extent(self) -> Ranges:
        return per_axis(lambda start, length: range(start, start + length), self.begin, self.shape)

    @cached_property
    def _tensorstore(self) -> Any:
        """The scale (z, y, x), its first voxel at 0."""
        require_tensorstore("volume", f"scale {self.key}: reading {self._scale.unread}")
        import tensorstore

        store = self._files.store()
        spec = {"driver": "neuroglancer_precomputed", "kvstore": store, "scale_index": self._number}
        if self._scale.zarr is not None:
            driver = DRIVERS[self._scale.zarr["zarr_format"]]
            spec = {"driver": driver, "kvstore": store, "path": f"{self.key}/"}
        try:
            array = tensorstore.open(spec, open=True, read=True).result()
        except TENSORSTORE_ERRORS as error:
            problem = f"scale {self.key}: {self._scale.unread}; tensorstore cannot read it: {error}"
            raise VolumeError(self._volume, problem) from error
        if array.rank == 4:
            if array.shape[3] > 1:
                raise VolumeError(self._volume, f"scale {self.key}: {self._scale.unread}; one can be read")
            array = array[..., 0].T
        return array[tensorstore.d[:].translate_to[0]]


def _reopened(volume: str, number: int) -> ScaleReader:
    return open_volume(volume).scales[number]


def _begin_xyz(scale: CheckedScale) -> Triple:
    """First voxel: the offset in `info`, or the position by the translation of OME-Zarr."""
    if scale.zarr is None:
        return scale.offset
    return per_axis(lambda corner, length: round(corner / length + 0.5), scale.corner_nm, scale.resolution_nm)


class _Part(NamedTuple):
    """A chunk along one axis: its position, the part of it that is read, and where that goes."""

    position: int
    inside: slice
    target: slice


def _parts(along: range, step: int) -> list[_Part]:
    """The chunks of `step` voxels that a range has a part of."""
    parts = []
    for position in range(along.start // step, ceil_div(along.stop, step)):
        start = position * step
        low, high = max(along.start, start), min(along.stop, start + step)
        inside, target = slice(low - start, high - start), slice(low - along.start, high - along.start)
        parts.append(_Part(position, inside, target))
    return parts
