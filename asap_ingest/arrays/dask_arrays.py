"""Dask arrays of sources that are read box by box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.arrays.world_index import Ranges
from asap_ingest.errors import ParameterError
from asap_ingest.volumes.axes import Triple


@dataclass(frozen=True)
class LazySource:
    """A source of chunks for Dask.

    Attributes
    ----------
    read : callable
        Samples (z, y, x) of a box, which counts from 0; it is pickled for workers of a cluster.
    """

    shape: Triple
    dtype: np.dtype[Any]
    read: Callable[[Ranges], NDArray[Any]]

    ndim = 3

    def __getitem__(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        # Dask passes on numbers, steps and reversed slices within a chunk
        ranges = [
            range(*along.indices(length)) if isinstance(along, slice) else range(int(along), int(along) + 1)
            for along, length in zip(key, self.shape, strict=True)
        ]
        z, y, x = (range(min(along, default=0), max(along, default=-1) + 1) for along in ranges)
        picked = tuple(
            slice(None, None, along.step) if isinstance(one, slice) else 0
            for one, along in zip(key, ranges, strict=True)
        )
        samples: NDArray[Any] = self.read((z, y, x))[picked]
        return samples


def lazy_array(source: LazySource, chunks: Triple) -> Any:
    """A Dask array (z, y, x) of a source.

    Raises
    ------
    ParameterError
        dask is not installed.
    """
    if find_spec("dask") is None:
        raise ParameterError("to_dask", "needs dask: pip install 'asap_ingest[dask]'")
    import dask.array

    # with meta and without a name Dask reads no sample and hashes no source
    meta = np.empty((0, 0, 0), source.dtype)
    return dask.array.from_array(source, chunks=chunks, asarray=False, fancy=False, name=False, meta=meta)
