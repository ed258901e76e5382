"""Which tiles get levels, and what apply sets in their tilespecs.

A tile whose image lacks a level gets none; a bad mask costs a tile its mask, not the levels of its image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from asap_ingest.errors import ImageError, StorageError
from asap_ingest.images.dynamic_masks import DYNAMIC_MASK, DynamicMask
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.tile_images import (
    Failure,
    Level0,
    Shape,
    Source,
    TileSpec,
    pyramids_of,
    refuse_other_size,
    unusable_sources,
)
from asap_ingest.mipmaps.verify import level_0_head
from asap_ingest.storage.folder_listings import FolderListings

# render's names of levels 1 and up
_NAMES = tuple(str(level) for level in range(1, 100))


class NewLevels(NamedTuple):
    """Levels 1 and up of one pyramid of a tile.

    Attributes
    ----------
    level_0 : Level0
        Where it stands in the tilespec.
    images, masks : list of str
        URIs of levels 1 to n; empty where level 0 names no image, or no mask, that can be read.
    computed_masks : bool
        Render computes the masks: there are no files.
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
        entries = {level: {"imageUrl": uri} for level, uri in zip(_NAMES, self.images, strict=False)}
        for level, uri in zip(_NAMES, self.masks, strict=False):
            entries.setdefault(level, {})["maskUrl"] = uri
            if self.computed_masks:
                entries[level]["maskLoaderType"] = DYNAMIC_MASK
        return entries


#: New levels by tile id.
Pyramids = dict[str, list[NewLevels]]


def new_levels(tile: TileSpec, levels: Levels) -> list[NewLevels]:
    """Levels of the tile's pyramid, or of each channel's."""
    return [_new_levels(level_0, levels) for level_0 in pyramids_of(tile)]


def _new_levels(level_0: Level0, levels: Levels) -> NewLevels:
    image, mask = level_0.image, level_0.mask
    images = [] if image is None else levels.uris(image.uri, image.slice_number)
    if isinstance(mask, DynamicMask):
        return NewLevels(level_0, images, mask.level_urls(levels.count), computed_masks=True)
    masks = [] if mask is None else levels.uris(mask.uri, mask.slice_number, is_mask=True)
    return NewLevels(level_0, images, masks)


def register_levels(pyramids: Sequence[NewLevels]) -> None:
    """Set levels 1 to n in the tilespec; level 0 stays as it is, and so do further levels."""
    for new in pyramids:
        new.level_0.mipmap_levels.update(new.entries())


def tile_change(
    tile: TileSpec, pyramids: Sequence[NewLevels], registered: TileSpec | None
) -> dict[str, Any] | None:
    """How a tile with new levels differs from the tile that a stack has, `registered`.

    Returns
    -------
    dict or None
        `{"tileId": ..., "set": {"1": {"imageUrl": ...}}}` with the levels that differ, those of
        channels as `"channels": {"DAPI": {"1": ...}}`; `"add": True` for a tile that is not in the stack,
        `"replace"` with the names of other fields that differ. None for a tile that does not differ.
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


def usable_levels(
    tiles: Mapping[str, TileSpec],
    levels: Levels,
    listings: FolderListings,
    faulty: Mapping[str, set[str]],
) -> tuple[Pyramids, list[Failure]]:
    """New levels of the tiles whose files all exist, and the failures of the others.

    Parameters
    ----------
    faulty : mapping of str to set of str
        By tile id, the files in which verification found a fault.
    """
    proposed = {tile_id: new_levels(tile, levels) for tile_id, tile in tiles.items()}
    failures = _without_misfits(proposed)
    usable: Pyramids = {}
    for tile_id, pyramids in proposed.items():
        if any(new.level_0.faults for new in pyramids):
            failures += unusable_sources([tiles[tile_id]])
        if not all(new.images for new in pyramids):
            continue
        files = (uris for new in pyramids for uris in (new.images, new.mask_files) if uris)
        bad = [uri for uris in files for uri in listings.missing(uris)]
        if tile_id in faulty:
            bad += faulty[tile_id]
        elif bad:
            failures.append(_missing(tile_id, bad))
        if not bad:
            usable[tile_id] = pyramids
        elif {uri for new in pyramids for uri in new.mask_files}.issuperset(bad):
            usable[tile_id] = [
                new if set(new.mask_files).isdisjoint(bad) else new._replace(masks=[]) for new in pyramids
            ]
    return usable, failures


def _without_misfits(proposed: Pyramids) -> list[Failure]:
    """Remove levels of images and masks that have not the size of their tile; a failure for each.

    Only those are looked at that tiles of several sizes share. That their levels exist proves nothing: they
    were made for one of the tiles.
    """
    shapes: dict[Source, set[Shape]] = {}
    for pyramids in proposed.values():
        for new in pyramids:
            for source in (new.level_0.image, new.level_0.mask):
                if isinstance(source, Source):
                    shapes.setdefault(source, set()).add(new.level_0.shape_yx)
    shared = {source: of_tiles for source, of_tiles in shapes.items() if len(of_tiles) > 1}
    reasons = {(source, shape): _misfit(source, shape) for source in shared for shape in shared[source]}
    failures = []
    for tile_id, pyramids in proposed.items() if shared else ():
        for number, new in enumerate(pyramids):
            place = new.level_0
            wrong = {
                source: reasons[source, place.shape_yx]
                for source in (place.image, place.mask)
                if isinstance(source, Source) and reasons.get((source, place.shape_yx))
            }
            failures += [Failure(tile_id, source.name, str(reason)) for source, reason in wrong.items()]
            images = [] if place.image in wrong else new.images
            pyramids[number] = new._replace(images=images, masks=[] if place.mask in wrong else new.masks)
    return failures


def _misfit(source: Source, shape_yx: Shape) -> str | None:
    try:
        refuse_other_size(level_0_head(source).shape_yx, shape_yx)
    except (ImageError, StorageError, OSError) as error:
        return str(error)
    return None


def _missing(tile_id: str, uris: Sequence[str]) -> Failure:
    more = f" and {len(uris) - 1} more" if len(uris) > 1 else ""
    return Failure(tile_id, uris[0], f"no such file{more}; run generate_mipmaps first")
