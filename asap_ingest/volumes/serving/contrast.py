"""The range of samples that a viewer should show: micrographs seldom fill the range of their type."""

from __future__ import annotations

import importlib.util
import itertools
import logging
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.volumes.axes import ceil_div
from asap_ingest.volumes.serving.served_volume import ServedVolume
from asap_ingest.volumes.serving.stored_files import DamagedFileError, open_stored, plain_content

#: Percent of the samples that are shown black, and as many white.
_CUT_OFF_PERCENT = 0.5
#: How many chunks are read, and how many files of the coarsest scale they are chosen from.
_CHUNKS, _LISTED_FILES = 8, 512
#: Voxels along each side of the block that is read where chunks are not plain samples.
_BLOCK = 128
_log = logging.getLogger(__name__)


@lru_cache(maxsize=1024)
def display_range(volume: ServedVolume) -> tuple[float, float] | None:
    """Low and high end of the samples in a part of the coarsest scale, without the extreme ones.

    None for segmentations, for volumes without chunks or with one value only, and for compressed ones if
    `tensorstore` is not installed.
    """
    if volume.kind == "segmentation":
        return None
    is_plain = bool(volume.folders[volume.scales[-1]].data_type)
    parts = _samples_of_some_chunks(volume) if is_plain else _samples_in_the_middle(volume)
    # some types, like bool, have no percentiles
    samples = np.concatenate(parts).astype(np.float64) if parts else np.empty(0)
    samples = samples[np.isfinite(samples)]
    if not samples.size:
        return None
    low, high = np.percentile(samples, (_CUT_OFF_PERCENT, 100 - _CUT_OFF_PERCENT))
    return (float(low), float(high)) if low < high else None


def _samples_of_some_chunks(volume: ServedVolume) -> list[NDArray[Any]]:
    """Samples of chunks of the coarsest scale; damaged chunks are logged and left out."""
    key, parts = volume.scales[-1], []
    folder = volume.root / key
    entries = itertools.islice(folder.iterdir(), _LISTED_FILES) if folder.is_dir() else iter(())
    # stored names may have suffixes that requested names do not have
    names = sorted({entry.name.partition(".")[0] for entry in entries})
    chunks = [served for name in names if (served := volume.find(f"{key}/{name}"))]
    # evenly spaced in the list of names
    for served in chunks[:: max(1, ceil_div(len(chunks), _CHUNKS))]:
        try:
            stored = open_stored(volume.root, served)
            with stored.file:
                content = plain_content(served, stored)
        except (OSError, DamagedFileError) as error:
            _log.warning("%s", error)
            continue
        parts.append(np.frombuffer(content, np.dtype(served.folder.data_type).newbyteorder("<")))
    return parts


def _samples_in_the_middle(volume: ServedVolume) -> list[NDArray[Any]]:
    """Samples in the middle of the coarsest scale, as tensorstore reads them."""
    if importlib.util.find_spec("tensorstore") is None:
        return []
    import tensorstore

    coarsest: dict[str, Any] = {"scale_index": len(volume.scales) - 1}
    if volume.scheme != "precomputed":
        coarsest = {"path": volume.scales[-1]}
    drivers = {"precomputed": "neuroglancer_precomputed", "zarr2": "zarr", "zarr3": "zarr3"}
    spec = {"driver": drivers[volume.scheme], "kvstore": {"driver": "file", "path": f"{volume.root}/"}}
    try:
        array = tensorstore.open({**spec, **coarsest}, open=True, read=True).result()
        ends = zip(array.domain.inclusive_min, array.domain.exclusive_max, strict=True)
        middle = (((low + high) // 2, low, high) for low, high in ends)
        block = tuple(
            slice(max(low, at - _BLOCK // 2), min(high, at + _BLOCK // 2)) for at, low, high in middle
        )
        return [np.asarray(array[block].read().result()).ravel()]
    except (ValueError, NotImplementedError) as error:
        _log.warning("no sample of %s: %s", volume.root, error)
        return []
