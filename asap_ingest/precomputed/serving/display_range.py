"""Which samples a viewer should show black and white: 16-bit images seldom fill their range."""

from __future__ import annotations

import importlib.util
import logging
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.precomputed.serving.served_files import DamagedFileError, VolumeFiles, read
from asap_ingest.precomputed.serving.served_volume import ServedVolume
from asap_ingest.precomputed.serving.served_zarr import ZarrNames

#: Of the samples looked at, so many percent are shown black or white.
_CUT_OFF_PERCENT = 0.5
#: Side of the block that is looked at in formats whose chunks are not plain.
_BLOCK = 64
_log = logging.getLogger(__name__)


def display_range(volume: ServedVolume) -> tuple[float, float] | None:
    """Low and high end of the samples of some chunks of the coarsest scale.

    None for segments and 8-bit images, which viewers show well as they are; for volumes without chunks or
    of one value only; and for compressed ones where `tensorstore` is not installed.
    """
    if volume.extent.kind == "segmentation" or volume.extent.data_type == "uint8":
        return None
    is_compressed = volume.chunk_format in ("zarr", "sharded")
    parts = list(_compressed_samples(volume) if is_compressed else _plain_samples(volume))
    samples = np.concatenate(parts) if parts else np.empty(0)
    samples = samples[np.isfinite(samples)]
    if not samples.size:
        return None
    low, high = np.percentile(samples, (_CUT_OFF_PERCENT, 100 - _CUT_OFF_PERCENT))
    return (float(low), float(high)) if low < high else None


def _plain_samples(volume: ServedVolume) -> Iterator[NDArray[Any]]:
    files = VolumeFiles(volume.root)
    dtype = np.dtype(volume.extent.data_type).newbyteorder("<")
    for _, served in volume.names.samples():
        try:
            state = files.open(served.path)
        except OSError:
            continue  # a chunk that is not there is as good as black
        try:
            content = files.samples(served, state) if served.is_tiff else read(state, 0, state.size)
            yield np.frombuffer(content, dtype)
        except (DamagedFileError, ValueError) as error:
            _log.warning("%s", error)
        finally:
            os.close(state.descriptor)


def _compressed_samples(volume: ServedVolume) -> Iterator[NDArray[Any]]:
    if importlib.util.find_spec("tensorstore") is None:
        return
    import tensorstore

    try:
        array = tensorstore.open(_spec(volume), open=True, read=True).result()
        bounds = zip(array.domain.inclusive_min, array.domain.exclusive_max, strict=True)
        block = tuple(_middle(low, high) for low, high in bounds)
        yield np.asarray(array[block].read().result()).ravel()
    except ValueError as error:
        _log.warning("no sample of %s: %s", volume.root, error)


def _middle(low: int, high: int) -> slice:
    center = (low + high) // 2
    return slice(max(low, center - _BLOCK // 2), min(high, center + _BLOCK // 2))


def _spec(volume: ServedVolume) -> dict[str, Any]:
    kvstore = {"driver": "file", "path": f"{volume.root}/"}
    if isinstance(volume.names, ZarrNames):
        kvstore["path"] += volume.names.arrays[-1].path
        return {"driver": "zarr3", "kvstore": kvstore}
    return {"driver": "neuroglancer_precomputed", "kvstore": kvstore, "scale_index": volume.coarsest}
