"""Which mipmap level a tile is drawn from, and which file holds it.

Rules: those of render-ws 4.0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from asap_ingest.render_ws.drawing.channels import Channel
from asap_ingest.render_ws.drawing.source_images import ImageSource
from asap_ingest.render_ws.transforms.classes import Affine, CoordinateTransform
from asap_ingest.render_ws.transforms.mesh_limits import check_points
from asap_ingest.render_ws.wire.java_numbers import truncate_to_int
from asap_ingest.render_ws.wire.patterns import groups_of_whole
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

JsonObject = dict[str, Any]

#: More halvings than these leave nothing of an image whose size 32 bits can hold.
LEVELS = range(32)


#: What a fit may be off by: one that should give a power of two may not choose the finer level.
FIT_ERROR = 1e-12


class FileCheck(Protocol):
    """What the choice needs of `SourceImages`."""

    def is_usable(self, url: str) -> bool:
        """Whether a file that is not empty lies there."""


@dataclass(frozen=True)
class LevelImages:
    """What a tile is drawn from: files, and how often they are halved to give the level."""

    image: ImageSource
    mask: ImageSource | None
    halvings: int


@dataclass(frozen=True)
class LinearPart:
    """x' = m00 x + m01 y, y' = m10 x + m11 y, up to a shift."""

    m00: float
    m01: float
    m10: float
    m11: float

    def size(self, scale: float = 1.0) -> float:
        """The greater length of what the units of x and y become."""
        a, b, c, d = (scale * value for value in (self.m00, self.m10, self.m01, self.m11))
        return math.sqrt(max(a * a + b * b, c * c + d * d))

    def then(self, following: Affine) -> LinearPart:
        """The linear part of both, one after the other."""
        both = Affine((self.m00, self.m01, 0.0, self.m10, self.m11, 0.0)).then(following)
        m00, m01, _, m10, m11, _ = both.matrix
        return LinearPart(m00, m01, m10, m11)


def fit_linear_part(
    transform: CoordinateTransform, width: float, height: float, cell: float
) -> LinearPart | None:
    """The affine transform nearest to a transform at points `cell` apart, without its shift.

    None for a tile whose points lie on a line: at most `cell` wide or high.
    """
    if not (0 < cell < width and cell < height):
        return None
    if isinstance(transform, Affine):
        m00, m01, _, m10, m11, _ = transform.matrix
        return LinearPart(m00, m01, m10, m11)
    check_points(width, height, cell, width / cell * (height / cell))
    x, y = (np.arange(0.0, size, cell) for size in (width, height))
    source = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    with np.errstate(all="ignore"):
        target = transform.apply(source)
    target = np.where(np.isfinite(target), target, 0.0)
    solution, *_ = np.linalg.lstsq(source - source.mean(axis=0), target - target.mean(axis=0), rcond=None)
    (m00, m10), (m01, m11) = solution.tolist()
    return LinearPart(m00, m01, m10, m11)


def best_level(linear: LinearPart | None, scale: float) -> int:
    """The level whose pixels come nearest to, but do not fall below, those of the target.

    Parameters
    ----------
    linear : LinearPart or None
        From pixels of level 0 to world coordinates; None gives level 0, whatever the scale.
    scale : float
        Target pixels per world pixel.
    """
    if linear is None:
        return 0
    size = linear.size(scale)
    if not size > 0:
        return 0
    inverse = truncate_to_int((1.0 + FIT_ERROR) / size)
    return inverse.bit_length() - 1 if inverse > 1 else 0


def choose_images(
    channel: Channel, level: int, builder: JsonObject | None, files: FileCheck, tile_id: str
) -> LevelImages:
    """The files to draw a level from.

    Parameters
    ----------
    builder : dict or None
        `mipmapPathBuilder` of the stack: names files of levels that have no explicit entry.

    Raises
    ------
    IllegalArgumentError
        For a tile without images, or none that is large enough; a pattern that cannot be used.
    """
    known = None if builder else channel.chosen.get(level)
    if known is not None:
        return known
    if not channel.images:
        raise IllegalArgumentError(f"tile {tile_id!r} has no images (mipmapLevels)")
    first = min(channel.images)
    if builder and level not in channel.images:
        built_level, entry = _built(
            channel.images[first], first, min(level, _needed(builder, "numberOfLevels")), builder
        )
        if not _all_usable(entry, files):
            built_level, entry = first, channel.images[first]
    else:
        built_level = max((key for key in channel.images if key <= level), default=first)
        entry = channel.images[built_level]
    if built_level < LEVELS.start:
        raise IllegalArgumentError(f"tile {tile_id!r} has mipmap level {built_level}; they start at 0")
    if built_level > level:
        raise IllegalArgumentError(
            f"tile {tile_id!r} has no image for level {level}; its first is {built_level}"
        )
    if entry.get("imageUrl") is None:
        raise IllegalArgumentError(f"tile {tile_id!r} has no imageUrl")
    chosen = LevelImages(_source(entry, "image"), _mask(entry), level - built_level)
    if not builder:  # else it depends on files
        channel.chosen[level] = chosen
    return chosen


def _built(entry: JsonObject, first: int, level: int, builder: JsonObject) -> tuple[int, JsonObject]:
    """Level and files that a path builder names; those of the first entry where its pattern does not fit."""
    url = entry.get("imageUrl") or ""
    pattern = builder.get("imageMipmapPatternString")
    if pattern is None:
        image_url = _under_root(url, level, builder)
    else:
        groups = groups_of_whole("imageMipmapPatternString", pattern, url)
        if groups is None or len(groups) != 2:
            return first, entry
        image_url = f"{groups[0]}{level}{groups[1]}"
    mask_url = entry.get("maskUrl")
    masked = {} if mask_url is None else {"maskUrl": _under_root(mask_url, level, builder)}
    return level, {"imageUrl": image_url, **masked}


def _under_root(url: str, level: int, builder: JsonObject) -> str:
    path = url.partition(":")[2] or url
    root = _needed(builder, "rootPath").rstrip("/")
    return f"{root}/{level}{path}.{_needed(builder, 'extension')}"


def _needed(builder: JsonObject, name: str) -> Any:
    if builder.get(name) is None:
        raise IllegalArgumentError(f"the mipmapPathBuilder has no {name}")
    return builder[name]


def _all_usable(entry: JsonObject, files: FileCheck) -> bool:
    return all(
        files.is_usable(entry[name]) for name in ("imageUrl", "maskUrl") if entry.get(name) is not None
    )


def _source(entry: JsonObject, kind: str) -> ImageSource:
    return ImageSource(entry[f"{kind}Url"], entry.get(f"{kind}LoaderType"), entry.get(f"{kind}SliceNumber"))


def _mask(entry: JsonObject) -> ImageSource | None:
    return None if entry.get("maskUrl") is None else _source(entry, "mask")
