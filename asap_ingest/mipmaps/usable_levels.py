"""Which tiles of a section can get their levels, and what is wrong with the others.

A bad mask costs a tile its mask, not the levels of its image.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asap_ingest.errors import ImageError, StorageError
from asap_ingest.mipmaps.level_sources import Source, refuse_other_size
from asap_ingest.mipmaps.register import (
    FolderListings,
    NewLevels,
    Registration,
    have_images,
    missing_levels,
    new_levels,
)
from asap_ingest.mipmaps.tile_images import Failure, TileSpec, unusable_sources
from asap_ingest.mipmaps.verify import level_0_head

Pyramids = dict[str, list[NewLevels]]
Shape = tuple[int, int] | None
_Use = tuple[Source, Shape]


def usable_levels(
    tiles: Mapping[str, TileSpec],
    registration: Registration,
    listings: FolderListings,
    faulty: Mapping[str, set[str]],
) -> tuple[Pyramids, list[Failure]]:
    """New levels by tile id, and failures.

    Parameters
    ----------
    faulty : mapping of str to set of str
        By tile id the files that verification found fault with.
    """
    proposed = {tile_id: new_levels(tile, registration) for tile_id, tile in tiles.items()}
    failures: list[Failure] = []
    if misfits := _misfits(proposed):
        for tile_id, levels in proposed.items():
            proposed[tile_id], wrong = _fitting(tile_id, levels, misfits)
            failures += wrong
    usable: Pyramids = {}
    for tile_id, levels in proposed.items():
        failures += unusable_sources([tiles[tile_id]]) if any(new.level_0.faults for new in levels) else []
        if not have_images(levels):
            continue
        faults, masks = faulty.get(tile_id, set()), {uri for new in levels for uri in new.mask_files}
        if not faults <= masks:
            continue
        missing = missing_levels(levels, listings)
        if missing:
            failures.append(_missing(tile_id, missing))
            continue
        usable[tile_id] = kept = [_without_bad_masks(new, listings, faults) for new in levels]
        pairs = zip(kept, levels, strict=True)
        absent = [uri for new, old in pairs if not new.masks for uri in old.mask_files if uri not in faults]
        failures += [_missing(tile_id, absent)] if absent and not faults else []
    return usable, failures


def _without_bad_masks(new: NewLevels, listings: FolderListings, faults: set[str]) -> NewLevels:
    """The levels without masks where a file of these is not there, or faulty."""
    files = new.mask_files
    if files and (faults.intersection(files) or listings.missing(files)):
        return new._replace(masks=[])
    return new


def _misfits(proposed: Pyramids) -> dict[_Use, str]:
    """Images and masks that tiles of several sizes share, with the sizes that are not theirs, and why not.

    Their levels are there, because they are those of one of the tiles.
    """
    shapes: dict[Source, set[Shape]] = {}
    for levels in proposed.values():
        for new in levels:
            for source in (new.level_0.image, new.level_0.mask):
                if isinstance(source, Source):
                    shapes.setdefault(source, set()).add(new.level_0.shape_yx)
    shared = {source: of_tiles for source, of_tiles in shapes.items() if len(of_tiles) > 1}
    reasons = {(source, shape): _misfit(source, shape) for source in shared for shape in shared[source]}
    return {use: reason for use, reason in reasons.items() if reason is not None}


def _misfit(source: Source, shape_yx: Shape) -> str | None:
    try:
        refuse_other_size(level_0_head(source).shape_yx, shape_yx)
    except (ImageError, StorageError, OSError) as error:
        return str(error)
    return None


def _fitting(
    tile_id: str, levels: Sequence[NewLevels], misfits: Mapping[_Use, str]
) -> tuple[list[NewLevels], list[Failure]]:
    """The levels without those of misfits, and a failure for each of these."""
    fitting, failures = [], []
    for new in levels:
        place = new.level_0
        wrong = {
            source: misfits[source, place.shape_yx]
            for source in (place.image, place.mask)
            if isinstance(source, Source) and (source, place.shape_yx) in misfits
        }
        failures += [Failure(tile_id, source.name, reason) for source, reason in wrong.items()]
        images = [] if place.image in wrong else new.images
        fitting.append(new._replace(images=images, masks=[] if place.mask in wrong else new.masks))
    return fitting, failures


def _missing(tile_id: str, uris: Sequence[str]) -> Failure:
    more = f" and {len(uris) - 1} more" if len(uris) > 1 else ""
    return Failure(tile_id, uris[0], f"no such file{more}; run generate_mipmaps first")
