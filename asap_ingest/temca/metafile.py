"""pyTEMCA metafiles: JSON to typed records.

A metafile is a list of objects, `{"metadata": {...}}` and `{"data": [one object a tile]}`. An entry
that is missing or wrong is an error that gives its JSON path, like `data[17].img_meta.stage_pos`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from asap_ingest import storage
from asap_ingest.errors import MetafileError, describe_value
from asap_ingest.storage.json_documents import parse_json

#: Optional scores of a tile's picture; invalid ones are ignored.
SCORES = ("focus_score", "astig_score")


@dataclass(frozen=True)
class TileRecord:
    """One tile of an acquisition.

    Attributes
    ----------
    image : str
        File name of the image, relative to the image directory.
    stage_nm : tuple of float
        Stage position (x, y).
    raster : tuple of int
        (column, row).
    angle_degrees : float
        Rotation of the camera against the stage.
    move_nm : tuple of float
        nm of stage movement per pixel, in x and y.
    scores : tuple of (name, value)
        The microscope's scores of the picture: those of `SCORES` that are finite numbers.
    """

    image: str
    stage_nm: tuple[float, float]
    raster: tuple[int, int]
    angle_degrees: float
    move_nm: tuple[float, float]
    scores: tuple[tuple[str, float], ...] = ()

    @property
    def name(self) -> str:
        """The image's file name without folder and extension."""
        return PurePosixPath(self.image).stem


@dataclass(frozen=True)
class Region:
    """The part of a section that an acquisition shows; equal when it is imaged again."""

    specimen: str
    grid: str
    number: int

    @property
    def section(self) -> tuple[str, str]:
        """Specimen and place on the tape: regions of one section have these in common."""
        return self.specimen, self.grid


@dataclass(frozen=True)
class Metafile:
    """An acquisition of one region: its camera and its tiles.

    `bytes_per_sample` is that of the camera; `created` is the time at which imaging began, as text that
    sorts by time. They and `region` are None, or empty, where the metafile lacks them.
    """

    source: str
    width: int
    height: int
    camera_id: str
    temca_id: str
    pixel_size_nm: float
    bytes_per_sample: int | None
    tiles: tuple[TileRecord, ...]
    region: Region | None = None
    created: str = ""


def read_metafile(uri: str) -> Metafile:
    """Read and check a metafile.

    Raises
    ------
    MissingFileError, StorageError
    MetafileError
        Not JSON; a missing or invalid entry; no tiles; two tiles with the same image name.
    """
    try:
        document = parse_json(storage.read_bytes(uri))
    except ValueError as error:
        raise MetafileError(uri, "$", f"is not JSON: {error}") from error
    return parse_metafile(document, uri)


def parse_metafile(document: Any, source: str) -> Metafile:
    """Check a metafile's parsed JSON; `source` names it in errors."""
    value = partial(_value, source, _merged_parts(document, source))
    metadata, camera = value("metadata", _mapping), value("metadata.camera_info", _mapping)
    data = value("data", _list)
    if not data:
        raise MetafileError(source, "data", "is empty; a metafile lists at least one tile")
    tiles = tuple(_tile(source, tile, f"data[{index}]") for index, tile in enumerate(data))
    _refuse_duplicates(tiles, source)
    created = metadata.get("roi_creation_time")
    return Metafile(
        source=source,
        width=value("metadata.camera_info.width", _size),
        height=value("metadata.camera_info.height", _size),
        camera_id=value("metadata.camera_info.camera_id", _text),
        temca_id=value("metadata.temca_id", _text),
        pixel_size_nm=value("metadata.calibration.highmag.x_nm_per_pix", _positive),
        bytes_per_sample=value("metadata.camera_info.pixel_depth", _size)
        if "pixel_depth" in camera
        else None,
        tiles=tiles,
        region=_region(metadata),
        created=created if isinstance(created, str) else "",
    )


def _region(metadata: dict[str, Any]) -> Region | None:
    """None for invalid entries: nothing else reads them, so they do not invalidate the metafile."""
    with suppress(KeyError, TypeError, ValueError):
        return Region(_text(metadata["specimen_id"]), _text(metadata["grid"]), _whole(metadata["roi_index"]))
    return None


def _value(source: str, document: Any, path: str, check: Callable[[Any], Any], begin: str = "") -> Any:
    """The checked value at a path below `begin`, like `img_meta.stage_pos`."""
    value = document
    for name in path.split("."):
        if not isinstance(value, dict):
            raise MetafileError(source, begin, f"{describe_value(value)} must be an object")
        begin = f"{begin}.{name}" if begin else name
        if name not in value:
            raise MetafileError(source, begin, "is missing")
        value = value[name]
    try:
        return check(value)
    except (TypeError, ValueError) as error:
        raise MetafileError(source, begin, f"{describe_value(value)} must be {error}") from error


def _merged_parts(document: Any, source: str) -> dict[str, Any]:
    """The objects of the list as one: `metadata` and `data`."""
    if not isinstance(document, list) or not all(isinstance(part, dict) for part in document):
        raise MetafileError(source, "$", "must be a list of objects with the keys metadata and data")
    return {name: value for part in document for name, value in part.items()}


def _tile(source: str, tile: Any, path: str) -> TileRecord:
    value = partial(_value, source, tile, begin=path)
    return TileRecord(
        image=value("img_path", _file_name),
        stage_nm=value("img_meta.stage_pos", _number_pair),
        raster=value("img_meta.raster_pos", _whole_pair),
        angle_degrees=value("img_meta.angle", _number),
        move_nm=(
            value("img_meta.pixel_size_x_move", _positive),
            value("img_meta.pixel_size_y_move", _positive),
        ),
        scores=tuple(_scores(tile)),
    )


def _scores(tile: dict[str, Any]) -> Iterator[tuple[str, float]]:
    """The valid scores; an invalid one does not invalidate the tile."""
    for name in SCORES:
        with suppress(TypeError):
            yield name, _number(tile.get(name))


def _refuse_duplicates(tiles: tuple[TileRecord, ...], source: str) -> None:
    first: dict[str, int] = {}
    for index, tile in enumerate(tiles):
        if tile.name in first:
            raise MetafileError(
                source,
                f"data[{index}].img_path",
                f"{tile.name!r} is the tile id of data[{first[tile.name]}] too",
            )
        first[tile.name] = index


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("an object")
    return value


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list")
    return value


def _number(value: Any) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):  # JSON knows no largest integer
            if math.isfinite(value):
                return float(value)
    raise TypeError("a finite number")


def _positive(value: Any) -> float:
    if _number(value) <= 0:
        raise ValueError("a number above 0")
    return float(value)


def _whole(value: Any) -> int:
    if _number(value) != int(value):
        raise ValueError("a whole number")
    return int(value)


def _size(value: Any) -> int:
    if _whole(value) < 1:
        raise ValueError("a whole number of pixels, 1 or more")
    return int(value)


def _pair(value: Any, check: Callable[[Any], Any], description: str) -> Any:
    if not isinstance(value, list) or len(value) != 2:
        raise TypeError(description)
    try:
        return check(value[0]), check(value[1])
    except (TypeError, ValueError) as error:
        raise TypeError(description) from error


def _number_pair(value: Any) -> tuple[float, float]:
    return _pair(value, _number, "two finite numbers")


def _whole_pair(value: Any) -> tuple[int, int]:
    return _pair(value, _whole, "two whole numbers")


def _text(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value:
        raise TypeError("text")
    return value


def _file_name(value: Any) -> str:
    if not isinstance(value, str) or not PurePosixPath(value).name or "\0" in value:
        raise TypeError("a file name")
    return value
