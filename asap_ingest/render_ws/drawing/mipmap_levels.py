"""Which mipmap level a tile is drawn from, and which file holds it.

Rules: those of render-ws 4.0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from asap_ingest.render_ws.drawing.channels import Channel
from asap_ingest.render_ws.drawing.source_images import ImageSource
from asap_ingest.render_ws.transforms.classes import Affine
from asap_ingest.render_ws.transforms.triangle_mesh import check_points
from asap_ingest.render_ws.transforms.warp_classes import Transform
from asap_ingest.render_ws.wire.java_numbers import truncate_to_int
from asap_ingest.render_ws.wire.patterns import groups_of_whole
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

JsonObject = dict[str, Any]

#: Levels of images whose sizes have 32 bits: after 32 halvings nothing is left.
LEVELS = range(32)
#: Rounding error of a fit: without it, a scale of a power of two could select the finer level.
FIT_ERROR = 1e-12


@dataclass(frozen=True)
class LevelImages:
    """The files that a level of a tile is drawn from, and how often they are halved to make this level."""

    image: ImageSource
    mask: ImageSource | None
    halvings: int


def fit_affine(transform: Transform, width: float, height: float, cell: float) -> Affine | None:
    """Fit an affine transform, without its shift, to a transform: least squares at points `cell` apart.

    None for a tile that is at most `cell` wide or high: its points lie on a line.
    """
    if not (0 < cell < width and cell < height):
        return None
    if isinstance(transform, Affine):
        return transform
    check_points(width / cell * (height / cell), cell)
    x, y = (np.arange(0.0, size, cell) for size in (width, height))
    source = np.stack(np.meshgrid(x, y), axis=2).reshape(-1, 2)
    with np.errstate(all="ignore"):
        target = transform(source)
    target = np.where(np.isfinite(target), target, 0.0)
    solution, *_ = np.linalg.lstsq(source - source.mean(axis=0), target - target.mean(axis=0), rcond=None)
    (m00, m10), (m01, m11) = solution.tolist()
    return Affine((m00, m01, 0.0, m10, m11, 0.0))


def pixel_size(linear: Affine, scale: float) -> float:
    """Length in target pixels of the longer side of a pixel of level 0."""
    m00, m01, _, m10, m11, _ = linear.matrix
    a, b, c, d = (scale * value for value in (m00, m10, m01, m11))
    return math.sqrt(max(a * a + b * b, c * c + d * d))


def best_level(linear: Affine | None, scale: float) -> int:
    """The coarsest level whose pixels are not larger than those of the target.

    Parameters
    ----------
    linear : Affine or None
        From pixels of level 0 to world coordinates; None gives level 0, whatever the scale.
    scale : float
        Target pixels per world pixel.
    """
    if linear is None:
        return 0
    size = pixel_size(linear, scale)
    if not size > 0:
        return 0
    inverse = truncate_to_int((1.0 + FIT_ERROR) / size)
    return inverse.bit_length() - 1 if inverse > 1 else 0


def choose_images(
    channel: Channel, level: int, builder: JsonObject | None, is_usable: Callable[[str], bool], tile_id: str
) -> LevelImages:
    """The files to draw a level from; without a builder, they are cached in the channel.

    Parameters
    ----------
    builder : dict or None
        `mipmapPathBuilder` of the stack, which names the files of levels that have no explicit entry.
    is_usable : callable
        Takes a URL; whether it names a file that is not empty.

    Raises
    ------
    IllegalArgumentError
        For a tile without images or without a fine enough one, and for a builder that cannot be used.
    """
    known = None if builder else channel.chosen.get(level)
    if known is not None:
        return known
    if not channel.images:
        raise IllegalArgumentError(f"tile {tile_id!r} has no images (mipmapLevels)")
    first = min(channel.images)
    if builder and level not in channel.images:
        built_level, entry = _built(
            channel.images[first], first, min(level, _required(builder, "numberOfLevels")), builder
        )
        if not all(
            is_usable(url) for url in (entry.get("imageUrl"), entry.get("maskUrl")) if url is not None
        ):
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
    mask = None if entry.get("maskUrl") is None else _source(entry, "mask")
    chosen = LevelImages(_source(entry, "image"), mask, level - built_level)
    if not builder:  # otherwise it depends on files
        channel.chosen[level] = chosen
    return chosen


def _built(entry: JsonObject, first: int, level: int, builder: JsonObject) -> tuple[int, JsonObject]:
    """Level and files that a path builder names; those of the first entry if its pattern does not match."""
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
    root = _required(builder, "rootPath").rstrip("/")
    return f"{root}/{level}{path}.{_required(builder, 'extension')}"


def _required(builder: JsonObject, name: str) -> Any:
    if builder.get(name) is None:
        raise IllegalArgumentError(f"the mipmapPathBuilder has no {name}")
    return builder[name]


def _source(entry: JsonObject, kind: str) -> ImageSource:
    return ImageSource(entry[f"{kind}Url"], entry.get(f"{kind}LoaderType"), entry.get(f"{kind}SliceNumber"))
