"""From a section's tiles to the images that need pyramids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

TileSpec = dict[str, Any]


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
    channel : str or None
        The channel of the first tile that shows it; None for tiles without channels.
    maximum_intensity : float
        Of that tile or channel.
    first_of : int
        How many tiles have this as their first image: every tile is counted once.
    """

    uri: str
    is_mask: bool
    tile_ids: tuple[str, ...]
    channel: str | None = None
    maximum_intensity: float = 255.0
    first_of: int = 0


@dataclass(frozen=True)
class Level0:
    """One place in a tilespec where a pyramid stands."""

    mipmap_levels: dict[str, Any]
    channel: str | None
    maximum_intensity: float

    @property
    def image_uri(self) -> str | None:
        return (self.mipmap_levels.get("0") or {}).get("imageUrl")

    @property
    def mask_uri(self) -> str | None:
        return (self.mipmap_levels.get("0") or {}).get("maskUrl")


def pyramids_of(tile: TileSpec) -> Iterator[Level0]:
    """The pyramids of a tile: one, or one a channel. `mipmap_levels` are the tile's own dicts."""
    for channel in tile.get("channels") or [tile]:
        yield Level0(
            mipmap_levels=channel.setdefault("mipmapLevels", {}),
            channel=channel.get("name") if tile.get("channels") else None,
            maximum_intensity=channel.get("maxIntensity", 255.0),
        )


def images_of(tiles: Iterable[TileSpec]) -> list[TileImage]:
    """Every distinct image and mask of the tiles, once, in the order in which they come."""
    users: dict[tuple[str, bool], list[str]] = {}
    shown_by: dict[tuple[str, bool], Level0] = {}
    first_of: Counter[tuple[str, bool]] = Counter()
    for tile in tiles:
        for number, level_0 in enumerate(pyramids_of(tile)):
            for uri, is_mask in ((level_0.image_uri, False), (level_0.mask_uri, True)):
                if uri:
                    users.setdefault((uri, is_mask), []).append(tile["tileId"])
                    shown_by.setdefault((uri, is_mask), level_0)
                    first_of[uri, is_mask] += number == 0 and not is_mask
    return [
        TileImage(*key, tuple(tile_ids), level_0.channel, level_0.maximum_intensity, first_of[key])
        for (key, tile_ids), level_0 in zip(users.items(), shown_by.values(), strict=True)
    ]


def tiles_without_image(tiles: Iterable[TileSpec]) -> list[Failure]:
    """Failures of tiles that have a pyramid without a level-0 image."""
    return [
        Failure(tile["tileId"], "", "the tilespec names no level-0 image")
        for tile in tiles
        if any(not level_0.image_uri for level_0 in pyramids_of(tile))
    ]
