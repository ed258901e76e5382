"""Whether the scales of a volume fit together."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from asap_ingest.volumes.checking.faults import Fault
from asap_ingest.volumes.checking.volume_metadata import CheckedScale, Description, Index

_CLOSE = 1e-6
_UNREAD = "samples cannot be read here"


def factor_of(scale: CheckedScale, finer: CheckedScale) -> Index | None:
    """Voxels of a finer scale along x, y and z in one of a scale; None where they are not whole."""
    ratios = [long / short for long, short in zip(scale.resolution_nm, finer.resolution_nm, strict=True)]
    x, y, z = (round(ratio) for ratio in ratios)
    whole = all(
        number >= 1 and abs(ratio - number) <= _CLOSE * number
        for ratio, number in zip(ratios, (x, y, z), strict=True)
    )
    return (x, y, z) if whole else None


def scale_faults(volume: Description) -> Iterator[Fault]:
    """What is wrong with sizes, positions and resolutions, as the description gives them."""
    finest = volume.scales[0]
    for before, scale in zip((finest, *volume.scales), volume.scales, strict=False):
        place = f"scale {scale.key}"
        factor, coarser_than = factor_of(scale, finest), factor_of(before, finest)
        if factor is None:
            yield Fault(
                place,
                f"resolution is {scale.resolution_nm} nm, no whole multiple of {finest.resolution_nm}, "
                f"that of the finest scale",
            )
            continue
        size = tuple(-(-length // times) for length, times in zip(finest.size, factor, strict=True))
        if size != scale.size:
            yield Fault(place, f"size is {scale.size}; {finest.size} over {factor}, rounded up, is {size}")
        if not _same_corner(scale, finest):
            yield Fault(place, f"begins at {scale.corner_nm} nm, the finest scale at {finest.corner_nm}")
        if coarser_than and any(now < old for now, old in zip(factor, coarser_than, strict=True)):
            yield Fault(place, f"is finer than scale {before.key} before it")


def comparable(scales: tuple[CheckedScale, ...]) -> tuple[int, str]:
    """How many of the scales, from the finest, have voxels that can be compared; why not the next."""
    finest = scales[0]
    if finest.unread:
        return 0, _UNREAD
    for number, (finer, scale) in enumerate(pairwise(scales), 1):
        if scale.unread:
            return number, _UNREAD
        if factor_of(scale, finer) is None:
            return number, f"a voxel is no whole block of those of scale {finer.key}"
        if scale.chunk_size != finer.chunk_size:
            return number, f"chunks are not as large as in scale {finer.key}"
        factor = factor_of(scale, finest)
        expected = factor and tuple(-(-a // b) for a, b in zip(finest.size, factor, strict=True))
        if scale.size != expected:
            return number, "its size does not fit the finest scale"
    return len(scales), ""


def _same_corner(scale: CheckedScale, finest: CheckedScale) -> bool:
    return all(
        abs(here - there) <= _CLOSE * max(1, abs(there), side)
        for here, there, side in zip(scale.corner_nm, finest.corner_nm, scale.resolution_nm, strict=True)
    )
