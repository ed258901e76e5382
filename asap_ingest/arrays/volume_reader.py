"""A volume for Python programs: its scales as arrays (z, y, x), from a folder or a URL.

Samples are read as `check_precomputed` reads them: this package reads the precomputed format (files, also if
compressed, shards, TIFF chunks); tensorstore, which the extra `volumes` installs, reads OME-Zarr and other
encodings.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cached_property
from itertools import product
from operator import mul
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.arrays.dask_arrays import LazySource, lazy_array
from asap_ingest.arrays.world_index import AXES, Ranges, world_index
from asap_ingest.errors import ParameterError, VolumeError
from asap_ingest.volumes.axes import Triple, ceil_div, per_axis
from asap_ingest.volumes.checking.chunk_readers import ChunkReader
from asap_ingest.volumes.checking.faults import FaultError, NotKnownError
from asap_ingest.volumes.checking.volume_check import description_of, reader_of
from asap_ingest.volumes.checking.volume_files import address_of, open_files
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Description
from asap_ingest.volumes.checking.zarr_arrays import DRIVERS
from asap_ingest.volumes.tensorstore_extra import require_tensorstore
from asap_ingest.web.access_token import authorization


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
    try:
        return VolumeReader(volume, description_of(open_files(volume), volume))
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

    def __init__(self, path_or_url: str, description: Description) -> None:
        self.is_segmentation = description.is_segmentation
        self.scales = tuple(
            ScaleReader(path_or_url, description, number) for number in range(len(description.scales))
        )

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

    def __init__(self, path_or_url: str, description: Description, number: int) -> None:
        self._volume, self._description, self._number = path_or_url, description, number
        scale = description.scales[number]
        self._scale = scale
        self._threads = threading.local()
        self.key = scale.key
        self.shape = scale.size[::-1]
        self.chunk_shape = scale.chunk_size[::-1]
        self.voxel_size_nm = scale.resolution_nm[::-1]
        self.begin = _begin_xyz(scale)[::-1]
        self.dtype = np.dtype(description.dtype)

    def __repr__(self) -> str:
        return f"<scale {self.key}: {self.dtype} {self.shape} from {self.begin}, {self.voxel_size_nm} nm>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self._volume, self._number)

    def __getitem__(self, key: Any) -> NDArray[Any]:
        index = world_index(key, lambda: self._extent)
        for axis, along, whole in zip(AXES, index.ranges, self._extent, strict=True):
            if along.start < whole.start or along.stop > whole.stop:
                problem = f"{along.start}:{along.stop} reaches beyond the volume's {whole.start}:{whole.stop}"
                raise ParameterError(axis, problem)
        ranges = per_axis(
            lambda along, start: range(along.start - start, along.stop - start), index.ranges, self.begin
        )
        return index.of(self.read(ranges))

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
        if self._scale.unread:
            z, y, x = (slice(along.start, along.stop) for along in ranges)
            return np.asarray(self._tensorstore[z, y, x].read().result())
        samples = np.empty(per_axis(len, ranges), self.dtype)
        for index in _chunks(ranges, self.chunk_shape) if samples.size else ():
            try:
                chunk = self._reader.read(index[::-1])
            except FaultError as error:
                raise VolumeError(self._volume, str(error)) from error
            # ends of the part of the chunk that lies in the box, from the volume's first voxel
            starts = per_axis(mul, index, self.chunk_shape)
            low = per_axis(lambda along, start: max(along.start, start), ranges, starts)
            high = per_axis(
                lambda along, start, length: min(along.stop, start + length), ranges, starts, chunk.shape
            )
            begin = per_axis(lambda along: along.start, ranges)
            samples[_slices(low, high, begin)] = chunk[_slices(low, high, starts)]
        return samples

    @property
    def _reader(self) -> ChunkReader:
        """The reader of this thread: readers cache indices of shards, and are not shared."""
        if not hasattr(self._threads, "reader"):
            self._threads.reader = reader_of(open_files(self._volume), self._description, self._number)
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

        try:
            array = tensorstore.open(self._spec, open=True, read=True).result()
        except (ValueError, NotImplementedError) as error:
            problem = f"scale {self.key}: {self._scale.unread}; tensorstore cannot read it: {error}"
            raise VolumeError(self._volume, problem) from error
        if array.rank == 4:
            if array.shape[3] > 1:
                raise VolumeError(self._volume, f"scale {self.key}: {self._scale.unread}; one can be read")
            array = array[..., 0].T
        return array[tensorstore.d[:].translate_to[0]]

    @property
    def _spec(self) -> dict[str, Any]:
        address = address_of(self._volume)
        store: Any = f"file://{address}/"
        if address.startswith("http"):
            headers = [f"{name}: {value}" for name, value in authorization().items()]
            store = {"driver": "http", "base_url": address, "path": "/", "headers": headers}
        array = self._scale.array
        if array is None:
            return {"driver": "neuroglancer_precomputed", "kvstore": store, "scale_index": self._number}
        return {"driver": DRIVERS[array.zarr_format], "kvstore": store, "path": f"{self.key}/"}


def _reopened(volume: str, number: int) -> ScaleReader:
    return open_volume(volume).scales[number]


def _begin_xyz(scale: CheckedScale) -> Triple:
    """First voxel: the offset in `info`, or the position by the translation of OME-Zarr."""
    if scale.array is None:
        return scale.offset
    return per_axis(lambda corner, length: round(corner / length + 0.5), scale.corner_nm, scale.resolution_nm)


def _chunks(ranges: Ranges, chunk_shape: Triple) -> Iterator[Triple]:
    """Indices (z, y, x), z slowest, of the chunks that hold a part of a box."""
    return product(
        *per_axis(
            lambda along, length: range(along.start // length, ceil_div(along.stop, length)),
            ranges,
            chunk_shape,
        )
    )


def _slices(low: Triple, high: Triple, begin: Triple) -> tuple[slice, slice, slice]:
    """Slices between two corners, counted from a third one."""
    return per_axis(lambda first, end, start: slice(first - start, end - start), low, high, begin)
