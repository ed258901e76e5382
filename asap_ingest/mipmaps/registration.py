"""Which tiles get levels, and what apply sets in their tilespecs.

A tile whose image lacks a level gets none; a bad mask costs a tile its mask, not the levels of its image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from asap_ingest.errors import ImageError, StorageError
from asap_ingest.images.dynamic_masks import DYNAMIC_MASK, DynamicMask
from asap_ingest.mipmaps.levels import Levels
from asap_ingest.mipmaps.tile_images import (
    Failure,
    Shape,
    Source,
    TilePyramid,
    TileSpec,
    pyramids_of,
    refuse_other_size,
    unusable_sources,
)
from asap_ingest.mipmaps.verify import level_0_head
from asap_ingest.storage.folder_listings import FolderListings

# render's names of levels 1 and up: made once, as every tile needs them
_NAMES = tuple(str(level) for level in range(1, 100))


class NewPyramid(NamedTuple):
    """The levels that a pyramid of a tile is to get.

    Attributes
    ----------
    present : TilePyramid
        The pyramid as the tilespec has it.
    images, masks : list of str
        URIs of levels 1 to n; empty where level 0 names no image, or no mask, that can be read.
    computed_masks : bool
        Render computes the masks: there are no files.
    """

    present: TilePyramid
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


#: By tile id: one for each pyramid of the tile.
Pyramids = dict[str, list[NewPyramid]]


def new_pyramids(tile: TileSpec, levels: Levels) -> list[NewPyramid]:
    """The levels that each pyramid of a tile is to get, whether or not their files exist."""
    return [_new_pyramid(present, levels) for present in pyramids_of(tile)]


def _new_pyramid(present: TilePyramid, levels: Levels) -> NewPyramid:
    image, mask = present.image, present.mask
    images = [] if image is None else levels.uris(image.uri, image.slice_number)
    if isinstance(mask, DynamicMask):
        return NewPyramid(present, images, mask.level_urls(levels.count), computed_masks=True)
    masks = [] if mask is None else levels.uris(mask.uri, mask.slice_number, is_mask=True)
    return NewPyramid(present, images, masks)


def register_levels(pyramids: Sequence[NewPyramid]) -> None:
    """Set levels 1 to n in the tilespec; level 0 stays as it is, and so do further levels."""
    for new in pyramids:
        new.present.mipmap_levels.update(new.entries())


def tile_change(
    tile: TileSpec, pyramids: Sequence[NewPyramid], registered: TileSpec | None
) -> dict[str, Any] | None:
    """How a tile with new levels differs from `registered`, the tile that a stack has by its id.

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
    known = {present.channel: present.mipmap_levels for present in pyramids_of(registered or {})}
    for new in pyramids:
        before = known.get(new.present.channel, {})
        levels = {level: entry for level, entry in new.entries().items() if before.get(level) != entry}
        if levels and new.present.channel is None:
            change["set"] = levels
        elif levels:
            change.setdefault("channels", {})[new.present.channel] = levels
    return {"tileId": tile["tileId"], **change} if change else None


def usable_levels(
    tiles: Mapping[str, TileSpec],
    levels: Levels,
    listings: FolderListings,
    faulty: Mapping[str, set[str]],
) -> tuple[Pyramids, list[Failure]]:
    """The pyramids of the tiles whose files all exist, and the failures of the others.

    A tile whose masks alone are missing or faulty gets the levels of its images.

    Parameters
    ----------
    faulty : mapping of str to set of str
        By tile id, the files in which verification found a fault.
    """
    proposed = {tile_id: new_pyramids(tile, levels) for tile_id, tile in tiles.items()}
    failures = _without_misfits(proposed)
    usable: Pyramids = {}
    for tile_id, pyramids in proposed.items():
        if any(new.present.faults for new in pyramids):
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
    """Remove the levels of images and masks that differ in size from their tile; a failure for each.

    Only files that tiles of several sizes share are examined: their levels may have been made for another of
    these tiles.
    """
    shapes: dict[Source, set[Shape]] = {}
    for pyramids in proposed.values():
        for new in pyramids:
            for source in (new.present.image, new.present.mask):
                if isinstance(source, Source):
                    shapes.setdefault(source, set()).add(new.present.shape_yx)
    shared = {source for source, of_tiles in shapes.items() if len(of_tiles) > 1}
    misfit = cache(_misfit)  # reads the header of each file once for each size
    failures = []
    for tile_id, pyramids in proposed.items() if shared else ():
        for number, new in enumerate(pyramids):
            image, mask = new.present.image, new.present.mask
            wrong = {
                source: problem
                for source in (image, mask)
                if isinstance(source, Source) and source in shared
                if (problem := misfit(source, new.present.shape_yx))
            }
            failures += [Failure(tile_id, source.name, problem) for source, problem in wrong.items()]
            images, masks = [] if image in wrong else new.images, [] if mask in wrong else new.masks
            pyramids[number] = new._replace(images=images, masks=masks)
    return failures


def _misfit(source: Source, shape_yx: Shape) -> str:
    """Why a file cannot have the levels of a tile of this shape; empty if it can."""
    try:
        refuse_other_size(level_0_head(source).shape_yx, shape_yx)
    except (ImageError, StorageError) as error:
        return str(error)
    return ""


def _missing(tile_id: str, uris: Sequence[str]) -> Failure:
    more = f" and {len(uris) - 1} more" if len(uris) > 1 else ""
    return Failure(tile_id, uris[0], f"no such file{more}; run generate_mipmaps first")
