"""From a section's tiles to the images that need pyramids."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from asap_ingest.errors import ImageError
from asap_ingest.images.dynamic_masks import DynamicMask
from asap_ingest.mipmaps.grey_values import UNSAID, Range
from asap_ingest.mipmaps.level_sources import Source, image_of, mask_of

TileSpec = dict[str, Any]
_Key = tuple[Source, bool, tuple[int, int] | None]


@dataclass(frozen=True)
class Failure:
    """A tile that has no, or not all, levels, and why."""

    tileId: str  # noqa: N815 - render's name, as it stands in the output JSON
    image: str
    reason: str


@dataclass(frozen=True)
class TileImage:
    """A level-0 image or mask that one or more tiles of a section use.

    Attributes
    ----------
    shape_yx : tuple of int or None
        (height, width) of these tiles; None where they do not say it.
    channel : str or None
        The channel of the first tile that shows it; None for tiles without channels.
    maximum_intensity : float
        Of that tile or channel.
    first_of : int
        How many tiles have this as their first image: every tile is counted once.
    ranges : frozenset of (float, float)
        What tiles and channels say of the grey values to show, also those of other sizes.
    has_other_sizes : bool
        Tiles of another size use it too.
    """

    source: Source
    is_mask: bool
    shape_yx: tuple[int, int] | None
    tile_ids: tuple[str, ...]
    channel: str | None = None
    maximum_intensity: float = 255.0
    first_of: int = 0
    ranges: frozenset[Range] = frozenset()
    has_other_sizes: bool = False


@dataclass(frozen=True)
class Level0:
    """One place in a tilespec where a pyramid stands.

    Attributes
    ----------
    shape_yx : tuple of int or None
        (height, width) of the tile.
    shown : tuple of float
        Minimum and maximum intensity.
    image, mask
        What stands there; None also for what cannot be read.
    faults : tuple of (str, str)
        URI of each image or mask that cannot be read, and the reason.
    """

    mipmap_levels: dict[str, Any]
    channel: str | None
    shape_yx: tuple[int, int] | None
    shown: Range
    image: Source | None = None
    mask: Source | DynamicMask | None = None
    faults: tuple[tuple[str, str], ...] = ()


def pyramids_of(tile: TileSpec) -> Iterator[Level0]:
    """The pyramids of a tile: one, or one a channel. `mipmap_levels` are the tile's own dicts."""
    height, width = (_number(tile.get(side), 0) for side in ("height", "width"))
    shape_yx = (int(height), int(width)) if height and width else None
    for channel in tile.get("channels") or [tile]:
        mipmap_levels = channel.setdefault("mipmapLevels", {})
        yield Level0(
            mipmap_levels,
            channel.get("name") if tile.get("channels") else None,
            shape_yx,
            (
                _number(channel.get("minIntensity"), UNSAID[0]),
                _number(channel.get("maxIntensity"), UNSAID[1]),
            ),
            *_sources(mipmap_levels.get("0") or {}, shape_yx),
        )


def _number(value: Any, otherwise: float) -> float:
    """A number of a tilespec; `otherwise` for what is none: JSON of Java says "NaN" or "Infinity" then."""
    number = otherwise if value is None else float(value)
    return number if math.isfinite(number) else otherwise


def _sources(
    entry: Mapping[str, Any], shape_yx: tuple[int, int] | None
) -> tuple[Source | None, Source | DynamicMask | None, tuple[tuple[str, str], ...]]:
    """Image, mask and faults of level 0."""
    image, mask, faults = None, None, []
    try:
        image = image_of(entry)
        if image is None:
            faults.append(("", "the tilespec names no level-0 image"))
    except ImageError as error:
        faults.append((entry["imageUrl"], str(error)))
    try:
        mask = mask_of(entry, shape_yx)
    except ImageError as error:
        faults.append((entry["maskUrl"], f"the mask {error}"))
    return image, mask, tuple(faults)


def images_of(tiles: Iterable[TileSpec]) -> list[TileImage]:
    """Every distinct image and mask of the tiles, in the order in which they come.

    Each comes once, but once for each size of the tiles that use it: it can be that of one of them only.
    """
    users: dict[_Key, list[str]] = {}
    shown_by: dict[_Key, Level0] = {}
    first_of: Counter[_Key] = Counter()
    ranges: dict[tuple[Source, bool], set[Range]] = {}
    for tile in tiles:
        for number, level_0 in enumerate(pyramids_of(tile)):
            for source, is_mask in ((level_0.image, False), (level_0.mask, True)):
                if isinstance(source, Source):
                    key = (source, is_mask, level_0.shape_yx)
                    users.setdefault(key, []).append(tile["tileId"])
                    shown_by.setdefault(key, level_0)
                    first_of[key] += number == 0 and not is_mask
                    ranges.setdefault((source, is_mask), set()).add(level_0.shown)
    sizes = Counter(key[:2] for key in users)
    return [
        TileImage(
            *key,
            tuple(tile_ids),
            channel=shown_by[key].channel,
            maximum_intensity=shown_by[key].shown[1],
            first_of=first_of[key],
            ranges=frozenset(ranges[key[:2]]),
            has_other_sizes=sizes[key[:2]] > 1,
        )
        for key, tile_ids in users.items()
    ]


def unusable_sources(tiles: Iterable[TileSpec]) -> list[Failure]:
    """Failures that a tilespec alone tells: no level-0 image, images and masks of unknown kinds."""
    return [
        Failure(tile["tileId"], uri, reason)
        for tile in tiles
        for level_0 in pyramids_of(tile)
        for uri, reason in level_0.faults
    ]
