"""Whose tiles lie where a section is to be written: its own, or those of another section.

Tiles do not name their metafile. It is looked for beside their images, and only where a z holds tiles that
the new metafile does not list.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Protocol

from asap_ingest import storage
from asap_ingest.errors import AsapIngestError, ServiceError
from asap_ingest.mipmaps.tile_images import TileSpec
from asap_ingest.render.stack import Stack
from asap_ingest.temca.metafile import Metafile, Region, read_metafile

_UNKNOWN = "another source, of which no metafile lies beside the images"


class Source(Protocol):
    """What tiles are placed by: a metafile, or a table, which knows no region."""

    @property
    def source(self) -> str: ...

    @property
    def region(self) -> Region | None: ...


class OccupiedError(AsapIngestError):
    """A z holds tiles of another section."""

    def __init__(self, source: str, stack: str, z: float, other: str, tile_ids: Collection[str]) -> None:
        super().__init__(
            f"{source}: z {z:g} of stack {stack!r} holds {len(tile_ids)} tiles of {other}, like "
            f"{min(tile_ids)}, which is another section; give another z, overwrite_zlayer to remove them, or "
            "append to keep both"
        )
        self.source = source
        self.other = other


@dataclass(frozen=True)
class Occupancy:
    """What a z holds before a section is written there.

    Attributes
    ----------
    before : set of str
        Ids of its tiles.
    removed : set of str
        Those that the section does not have and that are to go: of its earlier imaging, or all with
        `overwrite_zlayer`.
    """

    before: Set[str] = frozenset()
    removed: Set[str] = frozenset()

    def keeps_others(self, tile_ids: Set[str]) -> bool:
        """Whether tiles stay that the section does not have."""
        return bool(self.before - self.removed - tile_ids)


@dataclass(frozen=True)
class OccupiedZ:
    """What is to become of tiles that lie at a z and are not listed in the new metafile.

    Attributes
    ----------
    overwrite : bool
        All are removed.
    append : bool
        All are kept. With neither, those of the same region are removed, which was imaged again, those of
        other regions of the same section are kept, and those of another section are refused.
    """

    overwrite: bool = False
    append: bool = False

    def settle(self, stack: Stack, z: float, source: Source, tile_ids: Set[str]) -> Occupancy:
        """Decide for the tiles of one source; reads nothing but ids where they are the only ones.

        Raises
        ------
        OccupiedError
            Names both sources.
        """
        before = _tile_ids(stack, z)
        others = before - tile_ids
        if not others or self.append:
            return Occupancy(before)
        if self.overwrite:
            return Occupancy(before, others)
        tiles = stack.tiles(z)
        removed: set[str] = set()
        for other, ids in _by_metafile(tiles[tile_id] for tile_id in others if tile_id in tiles):
            if other is None or not _is_same_section(source, other):
                name = _UNKNOWN if other is None else other.source
                raise OccupiedError(source.source, stack.name, z, name, ids)
            if _is_same_region(source, other):
                removed.update(ids)
        return Occupancy(before, removed)


def clear(stack: Stack, tile_ids: Iterable[str]) -> None:
    """Remove tiles one by one, as others stay."""
    for tile_id in sorted(tile_ids):
        stack.delete_tile(tile_id)


def _tile_ids(stack: Stack, z: float) -> set[str]:
    try:
        return set(stack.tile_ids(z))
    except ServiceError as error:
        if error.status == 404:  # no such stack yet
            return set()
        raise


def _is_same_region(new: Source, old: Metafile) -> bool:
    if storage.as_uri(new.source) == storage.as_uri(old.source):
        return True
    return new.region is not None and new.region == old.region


def _is_same_section(new: Source, old: Metafile) -> bool:
    if _is_same_region(new, old):
        return True
    return new.region is not None and old.region is not None and new.region.section == old.region.section


def _by_metafile(tiles: Iterable[TileSpec]) -> Iterator[tuple[Metafile | None, list[str]]]:
    """Tile ids by the metafile that lists their images; None for those that none lists.

    Where a single metafile lies beside images, they are its own: it was written again with other tiles.
    """
    by_folder: dict[str, dict[str, str]] = {}
    for tile in tiles:
        uri = ((tile.get("mipmapLevels") or {}).get("0") or {}).get("imageUrl") or ""
        folder, _, name = uri.rpartition("/")
        by_folder.setdefault(folder, {})[tile["tileId"]] = name
    for folder, names in sorted(by_folder.items()):
        left, there = dict(names), []
        for metafile in _metafiles_in(folder):
            if not left:
                break
            there.append(metafile)
            listed = {storage.as_uri(storage.join(folder, tile.image)) for tile in metafile.tiles}
            known = [tile_id for tile_id, name in left.items() if f"{folder}/{name}" in listed]
            if known:
                yield metafile, known
            for tile_id in known:
                del left[tile_id]
        if left:
            yield there[0] if len(there) == 1 else None, list(left)


def _metafiles_in(folder: str) -> Iterator[Metafile]:
    """The metafiles of a folder; what else lies there, or cannot be read, tells nothing."""
    try:
        names = storage.names_in(folder) if folder else set()
    except AsapIngestError:
        return
    # those that are named as pyTEMCA names them first
    for _, name in sorted(("metadata" not in name, name) for name in names if name.endswith(".json")):
        try:
            yield read_metafile(storage.join(folder, name))
        except AsapIngestError:
            continue
