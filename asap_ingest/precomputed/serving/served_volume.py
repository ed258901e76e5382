"""A folder as a volume that can be served: its format, its names, and where it lies in space."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from asap_ingest.errors import VolumeError
from asap_ingest.precomputed.info import INFO, ZARR
from asap_ingest.precomputed.serving.served_names import DescriptionError, Names, PrecomputedNames
from asap_ingest.precomputed.serving.served_zarr import ZarrNames, paths_of

_TIFF = ".tiff"
#: Whole numbers as wide as these are names of segments, where a format does not say.
_SEGMENT_TYPES = ("uint32", "uint64")


@dataclass(frozen=True)
class Extent:
    """Where a volume lies, x first: sides of a voxel, first voxel, and count at the finest scale."""

    resolution_nm: tuple[float, ...]
    offset: tuple[float, ...]
    size: tuple[int, ...]
    data_type: str
    kind: str
    scales: int


@dataclass(frozen=True)
class ServedVolume:
    """A folder, without links in its path, and what of it may be seen."""

    root: Path
    chunk_format: str
    names: Names
    extent: Extent

    @property
    def coarsest(self) -> int:
        """Number of the last scale."""
        return self.extent.scales - 1

    @property
    def scheme(self) -> str:
        """How Neuroglancer's sources of this kind begin."""
        return "zarr3" if self.chunk_format == "zarr" else "precomputed"


def open_volume(folder: Path, chunk_format: str | None = None) -> ServedVolume:
    """Read what the volume says of itself; its format is found out where it is not given.

    Raises
    ------
    VolumeError
        There is no volume, it is of another format, or it cannot be served.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise VolumeError(str(folder), "there is no such folder")
    found = _format_of(root, chunk_format)
    if chunk_format not in (None, found):
        raise VolumeError(str(folder), f"holds a volume of format {found}, not {chunk_format}")
    try:
        names, extent = SERVED_FORMATS[found](root)
    except DescriptionError as error:
        raise VolumeError(str(folder), str(error)) from error
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        problem = f"does not describe a volume: {type(error).__name__} {error}"
        raise VolumeError(str(folder), problem) from error
    return ServedVolume(root, found, names, extent)


def _format_of(root: Path, wanted: str | None) -> str:
    if (root / INFO).is_file():
        try:
            found = _precomputed_format(root)
        except DescriptionError as error:
            raise VolumeError(str(root), str(error)) from error
        # one without chunks may be either
        return found or (wanted if wanted == "tiff" else "raw")
    if (root / ZARR).is_file():
        return "zarr"
    if any((root / name).is_file() for name in (".zgroup", ".zattrs", ".zarray")):
        raise VolumeError(str(root), "holds a volume of zarr version 2; only version 3 can be served")
    raise VolumeError(str(root), f"holds no volume: neither {INFO} nor {ZARR}; was it written to its end?")


def _precomputed_format(root: Path) -> str | None:
    """By the first file of a chunk that is found."""
    scales = PrecomputedNames(_json(root, INFO)).scales.values()
    if any(scale.shard_bits is not None for scale in scales):
        return "sharded"
    for scale in scales:
        for name in scale.some_names(8):
            for suffix, chunk_format in (("", "raw"), (_TIFF, "tiff")):
                if (root / scale.key / f"{name}{suffix}").is_file():
                    return chunk_format
    is_tiff = any(True for scale in scales for _ in (root / scale.key).glob(f"*{_TIFF}"))
    return "tiff" if is_tiff else None


def _open_raw(root: Path) -> tuple[Names, Extent]:
    info = _json(root, INFO)
    return PrecomputedNames(info), _extent_of_info(info)


def _open_tiff(root: Path) -> tuple[Names, Extent]:
    info = _json(root, INFO)
    names = PrecomputedNames(info, is_tiff=True)
    for scale in names.scales.values():
        if scale.encoding != "raw" or scale.channels != 1:
            raise DescriptionError(
                f"info says {scale.channels} channels with encoding {scale.encoding} at key {scale.key!r}: "
                "TIFF chunks are served as one channel with encoding raw"
            )
    return names, _extent_of_info(info)


def _open_zarr(root: Path) -> tuple[Names, Extent]:
    names = ZarrNames(lambda name: _json(root, name))
    group = _json(root, ZARR)
    path = paths_of(group)[0]
    return names, _extent_of_zarr(group, _json(root, f"{path}/{ZARR}" if path else ZARR))


#: For a format: how its names and extent are read.
SERVED_FORMATS: Mapping[str, Callable[[Path], tuple[Names, Extent]]] = {
    "raw": _open_raw,
    "sharded": _open_raw,
    "tiff": _open_tiff,
    "zarr": _open_zarr,
}


def _extent_of_info(info: Any) -> Extent:
    finest = info["scales"][0]
    return Extent(
        tuple(map(float, finest["resolution"])),
        tuple(map(float, finest.get("voxel_offset", (0, 0, 0)))),
        tuple(map(int, finest["size"])),
        str(info["data_type"]).lower(),
        str(info["type"]),
        len(info["scales"]),
    )


def _extent_of_zarr(group: Any, array: Any) -> Extent:
    """Axes come z, y, x; those before (time, channel) are left out."""
    scale, translation = [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]
    if group["node_type"] == "group":
        dataset = group["attributes"]["ome"]["multiscales"][0]["datasets"][0]
        given = {one["type"]: one for one in dataset["coordinateTransformations"]}
        scale = given.get("scale", {}).get("scale", scale)[-3:]
        translation = given.get("translation", {}).get("translation", translation)[-3:]
    data_type = str(array["data_type"])
    return Extent(
        tuple(map(float, reversed(scale))),
        tuple(start / length for start, length in zip(reversed(translation), reversed(scale), strict=True)),
        tuple(map(int, reversed(array["shape"][-3:]))),
        data_type,
        "segmentation" if data_type in _SEGMENT_TYPES else "image",
        len(paths_of(group)),
    )


def _json(root: Path, name: str) -> Any:
    try:
        return orjson.loads((root / name).read_bytes())
    except (OSError, orjson.JSONDecodeError) as error:
        raise DescriptionError(f"{name} cannot be read: {error}") from error
