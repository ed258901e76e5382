"""Dask arrays of what can be read box by box."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.arrays.world_index import Ranges
from asap_ingest.errors import ParameterError

Shape = tuple[int, int, int]


@dataclass(frozen=True)
class LazySource:
    """What Dask takes chunks from.

    Attributes
    ----------
    read : callable
        Samples (z, y, x) of a box, which counts from 0; it is pickled for workers of a cluster.
    """

    shape: Shape
    dtype: np.dtype[Any]
    read: Callable[[Ranges], NDArray[Any]]

    ndim = 3

    def __getitem__(self, key: tuple[int | slice, ...]) -> NDArray[Any]:
        # Dask hands on what is sliced of a chunk: numbers, steps and reversed slices too
        asked = [
            range(*along.indices(length)) if isinstance(along, slice) else range(int(along), int(along) + 1)
            for along, length in zip(key, self.shape, strict=True)
        ]
        z, y, x = (range(min(along, default=0), max(along, default=-1) + 1) for along in asked)
        picked = tuple(
            slice(None, None, along.step) if isinstance(one, slice) else 0
            for one, along in zip(key, asked, strict=True)
        )
        samples: NDArray[Any] = self.read((z, y, x))[picked]
        return samples


def lazy_array(source: LazySource, chunks: Shape) -> Any:
    """A Dask array (z, y, x) of a source.

    Raises
    ------
    ParameterError
        dask is not installed.
    """
    if find_spec("dask") is None:
        raise ParameterError("to_dask", "needs dask: pip install 'asap_ingest[dask]'")
    import dask.array

    # else Dask would look at a sample, and hash the source for a name
    meta = np.empty((0, 0, 0), source.dtype)
    return dask.array.from_array(source, chunks=chunks, asarray=False, fancy=False, name=False, meta=meta)
