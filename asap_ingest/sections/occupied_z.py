"""What becomes of tiles that are already at the z of a new section.

Tiles do not name their metafile. It is searched for beside their images, and only where a z holds tiles that
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


class TileList(Protocol):
    """A metafile, or a table of tiles, whose region is None; `source` is its path or URI."""

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


@dataclass(frozen=True)
class Occupancy:
    """The tiles of a z before a section is written there.

    Attributes
    ----------
    before : set of str
        Ids of its tiles.
    removed : set of str
        Ids of those to remove; none of them is a tile of the section.
    """

    before: Set[str] = frozenset()
    removed: Set[str] = frozenset()

    def keeps_others(self, tile_ids: Set[str]) -> bool:
        """Whether tiles stay at z that are not among these."""
        return bool(self.before - self.removed - tile_ids)


@dataclass(frozen=True)
class OccupiedZ:
    """The rule for tiles that are at a z and not listed in the new metafile.

    Attributes
    ----------
    overwrite : bool
        Remove all of them.
    append : bool
        Keep all of them. With neither, tiles of the same region are removed, because it was imaged again;
        tiles of other regions of the same section are kept; tiles of another section are an error.
    """

    overwrite: bool = False
    append: bool = False

    def apply(self, stack: Stack, z: float, new: TileList, tile_ids: Set[str]) -> Occupancy:
        """Decide what becomes of the tiles at z when those of `new` are written, whose ids are `tile_ids`.

        If all tiles at z are in `tile_ids`, only ids are read from the stack, no tilespecs.

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
            if other is not None and _is_same_region(new, other):
                removed.update(ids)
            elif other is None or not _is_same_section(new.region, other.region):
                name = _UNKNOWN if other is None else other.source
                raise OccupiedError(new.source, stack.name, z, name, ids)
        return Occupancy(before, removed)


def _tile_ids(stack: Stack, z: float) -> set[str]:
    try:
        return set(stack.tile_ids(z))
    except ServiceError as error:
        if error.status == 404:  # no such stack yet
            return set()
        raise


def _is_same_region(new: TileList, old: Metafile) -> bool:
    is_same_file = storage.as_uri(new.source) == storage.as_uri(old.source)
    return is_same_file or (new.region is not None and new.region == old.region)


def _is_same_section(new: Region | None, old: Region | None) -> bool:
    return new is not None and old is not None and new.section == old.section


def _by_metafile(tiles: Iterable[TileSpec]) -> Iterator[tuple[Metafile | None, list[str]]]:
    """Tile ids by the metafile that lists their images; None for images that no metafile lists.

    A folder's only metafile counts for all of its images: it may have been rewritten with other tiles.
    """
    by_folder: dict[str, dict[str, str]] = {}
    for tile in tiles:
        uri = ((tile.get("mipmapLevels") or {}).get("0") or {}).get("imageUrl") or ""
        folder, _, name = uri.rpartition("/")
        by_folder.setdefault(folder, {})[tile["tileId"]] = name
    for folder, names in sorted(by_folder.items()):
        unlisted, metafiles = dict(names), []
        for metafile in _metafiles_in(folder):
            if not unlisted:
                break
            metafiles.append(metafile)
            images = {storage.as_uri(storage.join(folder, tile.image)) for tile in metafile.tiles}
            listed = [tile_id for tile_id, name in unlisted.items() if f"{folder}/{name}" in images]
            if listed:
                yield metafile, listed
            for tile_id in listed:
                del unlisted[tile_id]
        if unlisted:
            yield metafiles[0] if len(metafiles) == 1 else None, list(unlisted)


def _metafiles_in(folder: str) -> Iterator[Metafile]:
    """The metafiles of a folder; files that cannot be read as such are skipped."""
    try:
        names = storage.names_in(folder) if folder else set()
    except AsapIngestError:
        return
    # names like those that pyTEMCA gives first
    for _, name in sorted(("metadata" not in name, name) for name in names if name.endswith(".json")):
        try:
            yield read_metafile(storage.join(folder, name))
        except AsapIngestError:
            continue
