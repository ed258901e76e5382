"""A volume for Python programs: its scales as arrays (z, y, x), from a folder or a URL.

Samples are read as `check_precomputed` reads them: the precomputed format (files, also if compressed, shards,
TIFF chunks) and OME-Zarr. Encodings and codecs that it does not know are read by tensorstore, which the extra
`volumes` installs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import cached_property
from importlib.util import find_spec
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.arrays.dask_arrays import LazySource, lazy_array
from asap_ingest.arrays.world_index import AXES, Ranges, world_index
from asap_ingest.errors import ParameterError, VolumeError
from asap_ingest.volumes.checking.chunk_files import ChunkReader
from asap_ingest.volumes.checking.chunk_places import address_of, place_of
from asap_ingest.volumes.checking.faults import FaultError, NotKnownError
from asap_ingest.volumes.checking.volume_check import description_of, level_of
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Description
from asap_ingest.volumes.checking.zarr_arrays import ARRAY_FILES
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
    return VolumeReader(volume, _described(volume))


def _described(volume: str) -> Description:
    try:
        return description_of(place_of(volume), volume)
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
        """A scale, by its place in `scales`, as a Dask array."""
        if not 0 <= scale < len(self.scales):
            raise ParameterError("scale", f"{scale} is not a place in scales: 0 to {len(self.scales) - 1}")
        return self.scales[scale].to_dask()


class ScaleReader:
    """One resolution of a volume; all triples are along z, y and x.

    An index is in voxels of the scale, half open, where the volume's metadata place them: in a volume that
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
        for axis, asked, whole in zip(AXES, index.ranges, self._extent, strict=True):
            if asked.start < whole.start or asked.stop > whole.stop:
                problem = f"{asked.start}:{asked.stop} reaches beyond the volume's {whole.start}:{whole.stop}"
                raise ParameterError(axis, problem)
        z, y, x = (
            range(asked.start - start, asked.stop - start)
            for asked, start in zip(index.ranges, self.begin, strict=True)
        )
        return index.of(self.read((z, y, x)))

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
        z_size, y_size, x_size = map(len, ranges)
        samples = np.empty((z_size, y_size, x_size), self.dtype)
        for place in _chunks(ranges, self.chunk_shape) if samples.size else ():
            chunk = self._chunk(place)
            starts = [count * length for count, length in zip(place, self.chunk_shape, strict=True)]
            target, source = _overlap(ranges, starts, chunk.shape)
            samples[target] = chunk[source]
        return samples

    def _chunk(self, place: tuple[int, int, int]) -> NDArray[Any]:
        z, y, x = place
        try:
            chunk = self._reader.read((x, y, z))
        except FaultError as error:
            raise VolumeError(self._volume, str(error)) from error
        assert chunk is not None, "only scales that can be read come here"
        return chunk

    @property
    def _reader(self) -> ChunkReader:
        """Of this thread: readers keep what they have learned of the files."""
        if not hasattr(self._threads, "reader"):
            self._threads.reader = level_of(place_of(self._volume), self._description, self._number).reader
        reader: ChunkReader = self._threads.reader
        return reader

    @property
    def _extent(self) -> Ranges:
        z, y, x = (range(start, start + length) for start, length in zip(self.begin, self.shape, strict=True))
        return z, y, x

    @cached_property
    def _tensorstore(self) -> Any:
        """The scale (z, y, x), its first voxel at 0."""
        if find_spec("tensorstore") is None:
            problem = f"scale {self.key}: {self._scale.unread}; reading it needs tensorstore: pip install "
            raise VolumeError(self._volume, f"{problem}'asap_ingest[volumes]'")
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
        if "zarr" not in self._scale.layout:
            return {"driver": "neuroglancer_precomputed", "kvstore": store, "scale_index": self._number}
        is_zarr_3 = self._scale.layout["zarr"].files == ARRAY_FILES[3]
        return {"driver": "zarr3" if is_zarr_3 else "zarr", "kvstore": store, "path": f"{self.key}/"}


def _reopened(volume: str, number: int) -> ScaleReader:
    return open_volume(volume).scales[number]


def _begin_xyz(scale: CheckedScale) -> tuple[int, int, int]:
    """First voxel: what `info` says, or where the translation of OME-Zarr leads."""
    if "zarr" not in scale.layout:
        return scale.offset
    x, y, z = (
        round(corner / length + 0.5)
        for corner, length in zip(scale.corner_nm, scale.resolution_nm, strict=True)
    )
    return x, y, z


def _chunks(ranges: Ranges, chunk_shape: tuple[int, ...]) -> Iterator[tuple[int, int, int]]:
    """Places in the grid, z slowest, of the chunks that hold a part of a box."""
    counts = (
        range(along.start // length, -(-along.stop // length))
        for along, length in zip(ranges, chunk_shape, strict=True)
    )
    yield from product(*counts)


def _overlap(
    ranges: Ranges, starts: list[int], shape: tuple[int, ...]
) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
    """Where the part of a chunk that lies in a box goes in the box, and where it is in the chunk."""
    lows = [max(along.start, start) for along, start in zip(ranges, starts, strict=True)]
    highs = [
        min(along.stop, start + length) for along, start, length in zip(ranges, starts, shape, strict=True)
    ]
    in_box = tuple(
        slice(low - along.start, high - along.start)
        for low, high, along in zip(lows, highs, ranges, strict=True)
    )
    in_chunk = tuple(
        slice(low - start, high - start) for low, high, start in zip(lows, highs, starts, strict=True)
    )
    return in_box, in_chunk
