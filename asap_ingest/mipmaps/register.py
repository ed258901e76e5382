"""Levels into tilespecs: what apply does to render's JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from asap_ingest import storage
from asap_ingest.mipmaps.jobs import Level0, TileSpec, pyramids_of
from asap_ingest.mipmaps.locations import mask_extension, mipmap_uri


@dataclass(frozen=True)
class Registration:
    """Which levels to register, and where they lie."""

    root: str
    extension: str
    levels: int


class FolderListings:
    """Whether files are there, by listing each folder once: no question per file."""

    def __init__(self) -> None:
        self._names: dict[str, set[str]] = {}

    def has(self, uri: str) -> bool:
        folder = storage.parent(uri)
        if folder not in self._names:
            self._names[folder] = storage.names_in(folder)
        path = storage.local_path(uri)
        return (path.name if path is not None else uri.rpartition("/")[2]) in self._names[folder]


def missing_levels(tile: TileSpec, registration: Registration, has: Callable[[str], bool]) -> list[str]:
    """URIs of the files that registering the tile's levels needs and that are not there."""
    needed = (uri for level_0 in pyramids_of(tile) for _, _, uri in _entries(level_0, registration))
    return [uri for uri in needed if not has(uri)]


def register_levels(tile: TileSpec, registration: Registration) -> None:
    """Set levels 1 to n in the tile's pyramid, or in each channel's; level 0 stays as it is."""
    for level_0 in pyramids_of(tile):
        for level, key, uri in _entries(level_0, registration):
            entry = level_0.mipmap_levels.setdefault(str(level), {})
            if key == "imageUrl":
                entry.clear()
            entry[key] = uri


def _entries(level_0: Level0, registration: Registration) -> Iterator[tuple[int, str, str]]:
    """(level, field of the tilespec, URI), images before masks."""
    root, extension = registration.root, registration.extension
    sources = (
        ("imageUrl", level_0.image_uri, extension),
        ("maskUrl", level_0.mask_uri, mask_extension(extension)),
    )
    for key, source, written_as in sources:
        if source:
            for level in range(1, registration.levels + 1):
                yield level, key, mipmap_uri(root, source, level, written_as)
