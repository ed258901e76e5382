"""Levels into tilespecs: what apply does to render's JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple
from urllib.parse import unquote

from asap_ingest import storage
from asap_ingest.images.dynamic_masks import DYNAMIC_MASK, DynamicMask
from asap_ingest.mipmaps.level_sources import Source
from asap_ingest.mipmaps.locations import level_uris, mask_extension
from asap_ingest.mipmaps.tile_images import Level0, TileSpec, pyramids_of

_IMAGES = attrgetter("images")
# render's names of levels 1 and up
_LEVELS = tuple(str(level) for level in range(1, 100))


@dataclass(frozen=True)
class Registration:
    """Which levels to register, and where they lie."""

    root: str
    extension: str
    levels: int


class NewLevels(NamedTuple):
    """What one pyramid of a tile gets.

    Attributes
    ----------
    level_0 : Level0
        Where it stands in the tilespec.
    images, masks : list of str
        URIs of levels 1 to n; empty where level 0 names no image, or no mask, that can be read.
    computed_masks : bool
        The masks are no files: render computes them.
    """

    level_0: Level0
    images: list[str]
    masks: list[str]
    computed_masks: bool = False

    @property
    def mask_files(self) -> list[str]:
        return [] if self.computed_masks else self.masks

    def entries(self) -> dict[str, dict[str, str]]:
        """Render's entry for every level: plain files, whatever level 0 is."""
        entries = {level: {"imageUrl": uri} for level, uri in zip(_LEVELS, self.images, strict=False)}
        for level, uri in zip(_LEVELS, self.masks, strict=False):
            entries.setdefault(level, {})["maskUrl"] = uri
            if self.computed_masks:
                entries[level]["maskLoaderType"] = DYNAMIC_MASK
        return entries


class FolderListings:
    """Which files are there, by listing each folder once: no question per file.

    What is listed for one section serves the next one too where both have files in a folder.
    """

    def __init__(self) -> None:
        self._folders: dict[str, list[set[str]]] = {}
        self._kept: dict[str, list[set[str]]] = {}

    def start_section(self) -> None:
        """Forget folders that the section before had no files in: memory stays that of a section."""
        self._kept, self._folders = self._folders, {}

    def missing(self, uris: Sequence[str]) -> list[str]:
        """Those of an image's levels, 1 and up, that are not there."""
        # the levels differ in one folder of their paths, so that of level 1 stands for all
        folder, _, name = uris[0].rpartition("/")
        if "%" in name and folder.startswith("file:"):
            name = unquote(name)
        listed = self._folders.get(folder)
        if listed is None or len(listed) < len(uris):
            listed = self._folders[folder] = self._listed(folder, name, uris)
        return [uri for uri, names in zip(uris, listed, strict=False) if name not in names]

    def _listed(self, folder: str, name: str, uris: Sequence[str]) -> list[set[str]]:
        kept = self._kept.pop(folder, [])
        # a file that is not in an older listing may have come meanwhile
        if len(kept) >= len(uris) and all(name in names for names in kept):
            return kept
        return [storage.file_names_in(uri.rpartition("/")[0]) for uri in uris]


def new_levels(tile: TileSpec, registration: Registration) -> list[NewLevels]:
    """Levels of the tile's pyramid, or of each channel's."""
    return [_new_levels(level_0, registration) for level_0 in pyramids_of(tile)]


def have_images(pyramids: Sequence[NewLevels]) -> bool:
    """Whether every pyramid has a level-0 image."""
    return all(map(_IMAGES, pyramids))


def missing_levels(pyramids: Sequence[NewLevels], listings: FolderListings) -> list[str]:
    """URIs of the images that are not there."""
    return [uri for new in pyramids if new.images for uri in listings.missing(new.images)]


def register_levels(pyramids: Sequence[NewLevels]) -> None:
    """Set levels 1 to n in the tilespec; level 0 stays as it is, and so do further levels."""
    for new in pyramids:
        new.level_0.mipmap_levels.update(new.entries())


def tile_change(
    tile: TileSpec, pyramids: Sequence[NewLevels], registered: TileSpec | None
) -> dict[str, Any] | None:
    """What writing a tile with new levels changes in a stack where it stands as `registered`.

    Returns
    -------
    dict or None
        `{"tileId": ..., "set": {"1": {"imageUrl": ...}}}` with the levels that differ, those of
        channels as `"channels": {"DAPI": {"1": ...}}`; `"add": True` for a tile that is not in the stack,
        `"replace"` with the names of other fields that differ. None for a tile that stands there so.
    """
    change: dict[str, Any] = {}
    if registered is None:
        change["add"] = True
    elif registered is not tile:
        pyramid_fields = ("mipmapLevels", "channels")
        names = sorted((tile.keys() | registered.keys()).difference(pyramid_fields))
        differing = [name for name in names if tile.get(name) != registered.get(name)]
        change |= {"replace": differing} if differing else {}
    known = {level_0.channel: level_0.mipmap_levels for level_0 in pyramids_of(registered or {})}
    for new in pyramids:
        before = known.get(new.level_0.channel, {})
        levels = {level: entry for level, entry in new.entries().items() if before.get(level) != entry}
        if levels and new.level_0.channel is None:
            change["set"] = levels
        elif levels:
            change.setdefault("channels", {})[new.level_0.channel] = levels
    return {"tileId": tile["tileId"], **change} if change else None


def _new_levels(level_0: Level0, registration: Registration) -> NewLevels:
    mask = level_0.mask
    if isinstance(mask, DynamicMask):
        masks = mask.level_urls(registration.levels)
    else:
        masks = _uris(mask, registration, mask_extension(registration.extension))
    images = _uris(level_0.image, registration, registration.extension)
    return NewLevels(level_0, images, masks, isinstance(mask, DynamicMask))


def _uris(source: Source | None, registration: Registration, extension: str) -> list[str]:
    if source is None:
        return []
    return level_uris(registration.root, source.uri, registration.levels, extension, source.slice_number)
