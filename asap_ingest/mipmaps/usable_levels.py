"""Which tiles of a section can get their levels, and what is wrong with the others.

A bad mask costs a tile its mask, not the levels of its image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from asap_ingest.errors import ImageError, StorageError
from asap_ingest.mipmaps.jobs import Failure, TileSpec, unusable_sources
from asap_ingest.mipmaps.register import (
    FolderListings,
    NewLevels,
    Registration,
    have_images,
    missing_levels,
    new_levels,
)
from asap_ingest.mipmaps.sources import Source, refuse_other_size
from asap_ingest.mipmaps.verify import level_0_head

Pyramids = dict[str, list[NewLevels]]


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
    failures = _of_other_sizes(proposed)
    refused = {failure.tileId for failure in failures}
    usable: Pyramids = {}
    for tile_id, levels in proposed.items():
        failures += unusable_sources([tiles[tile_id]]) if any(new.level_0.faults for new in levels) else []
        if tile_id in refused or not have_images(levels):
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


def _of_other_sizes(proposed: Pyramids) -> list[Failure]:
    """Failures of tiles that share an image whose size is that of others of them: its levels are theirs."""
    shapes: dict[Source, set[tuple[int, int] | None]] = {}
    for levels in proposed.values():
        for new in levels:
            if new.level_0.image is not None:
                shapes.setdefault(new.level_0.image, set()).add(new.level_0.shape_yx)
    heads = {source: _shape_or_reason(source) for source, found in shapes.items() if len(found) > 1}
    return list(_refused(proposed, heads)) if heads else []


def _shape_or_reason(source: Source) -> tuple[int, int] | str:
    try:
        return level_0_head(source).shape_yx
    except (ImageError, StorageError, OSError) as error:
        return str(error)


def _refused(proposed: Pyramids, heads: Mapping[Source, tuple[int, int] | str]) -> Iterable[Failure]:
    for tile_id, levels in proposed.items():
        for new in levels:
            image = new.level_0.image
            if image is None or image not in heads:
                continue
            head = heads[image]
            try:
                if isinstance(head, str):
                    raise ImageError(head)
                refuse_other_size(head, new.level_0.shape_yx)
            except ImageError as error:
                yield Failure(tile_id, image.name, str(error))


def _missing(tile_id: str, uris: Sequence[str]) -> Failure:
    more = f" and {len(uris) - 1} more" if len(uris) > 1 else ""
    return Failure(tile_id, uris[0], f"no such file{more}; run generate_mipmaps first")
