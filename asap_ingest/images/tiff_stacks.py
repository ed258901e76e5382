"""The stack of planes in a TIFF, by its OME or ImageJ metadata, or page by page."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from asap_ingest.errors import ImageError
from asap_ingest.images.file_claims import refuse_foreign_files, refuse_many_planes, refuse_plane_count
from asap_ingest.images.pixels import ImageHead, refuse_colours
from asap_ingest.images.plane_samples import PlaneFile, PlaneStack
from asap_ingest.images.tiff_pages import (
    opened_tiff,
    page_head,
    plain_samples,
    refuse_short_file,
    refuse_truncated,
)
from asap_ingest.images.voxel_size import voxel_size_of

#: tifffile's axes that may be z: z itself, time, and axes without a meaning.
_DEPTH_AXES = "ZTQI"
#: Names of images beside the main one.
_SIDE_IMAGES = ("thumbnail", "label", "macro", "map")


@dataclass(frozen=True)
class PlaneChoice:
    """Which planes are read from a file that holds more than one stack; numbers count from 0."""

    channel: int | None = None
    time: int | None = None
    series: int | None = None


#: For a file with one channel and one series; planes lie along z, or along time if there is no z.
DEFAULT_CHOICE = PlaneChoice()


def tiff_stack(file: str, choice: PlaneChoice = DEFAULT_CHOICE) -> PlaneStack:
    """The planes of a TIFF, in order; an OME-TIFF may have some in files beside it.

    Raises
    ------
    ImageError
        It is damaged or cut short, its planes are not gray, or a choice must be made.
    """
    with opened_tiff(file) as tiff:
        _refuse_broken_chain(tiff)
        refuse_many_planes(tiff)
        refuse_foreign_files(tiff, file)
        _refuse_short_imagej_stack(tiff)
        chosen = _chosen_series(tiff, choice.series)
        planes = [plane for series in chosen for plane in _planes_of(file, series, choice)]
        if len(chosen) > 1:
            planes.sort(key=lambda plane: plane.page)
        head = page_head(chosen[0].keyframe)
        return PlaneStack(
            file,
            (len(planes), *head.shape_yx),
            head.gray_type,
            head.sample_type,
            tuple(planes),
            head.may_have_colours,
            planes[0].directory is not None and len(chosen[0].keyframe.dataoffsets) == 1,
            voxel_size_of(tiff),
            _left_out(tiff, chosen),
        )


def _refuse_broken_chain(tiff: Any) -> None:
    """Refuse a file whose last page names a next one that is not there, which tifffile ignores."""
    form, file, last = tiff.tiff, tiff.filehandle, tiff.pages[-1].offset
    file.seek(last)
    (tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    file.seek(last + form.tagnosize + tags * form.tagsize)
    (following,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
    if following:
        count = len(tiff.pages)
        raise ImageError(f"is cut short or damaged: of its pages only {count} can be found")


def _refuse_short_imagej_stack(tiff: Any) -> None:
    """Refuse an ImageJ stack with fewer planes than its header says, which tifffile accepts."""
    counted = (tiff.imagej_metadata or {}).get("images", 0)
    held = sum(series.size // series.keyframe.size for series in tiff.series)
    if held < counted:
        raise ImageError(f"is cut short: it counts {counted} images and holds {held}")


def _chosen_series(tiff: Any, wanted: int | None) -> list[Any]:
    """The image series that holds the planes; several where pages differ only in how they are stored."""
    listed = list(tiff.series)
    if wanted is not None:
        if wanted >= len(listed):
            raise ImageError(f"has {len(listed)} image series; series {wanted} was asked for")
        return [listed[wanted]]
    main = [series for series in listed if not _is_side_image(series)] or listed
    largest = max(main, key=lambda series: prod(series.shape[-2:]))
    main = [series for series in main if not _is_thumbnail_of(series, largest)]
    if len(main) > 1 and not _are_planes_of_one_stack(main):
        named = ", ".join(_described(series) for series in main)
        raise ImageError(
            f"has {len(listed)} image series ({named}); choose one with --series, from 0 to {len(listed) - 1}"
        )
    return main


def _are_planes_of_one_stack(listed: Sequence[Any]) -> bool:
    """Whether image series are pages of one stack, written one by one and perhaps compressed differently."""
    kinds = {(series.keyframe.shape, series.dtype) for series in listed}
    one_by_one = all(series.kind in ("generic", "uniform") or series.ndim == 2 for series in listed)
    return len(kinds) == 1 and one_by_one and listed[0].kind not in ("ome", "imagej")


def _is_side_image(series: Any) -> bool:
    page = series.keyframe
    return bool(page.is_reduced or page.is_mask or series.name.lower() in _SIDE_IMAGES)


def _is_thumbnail_of(series: Any, largest: Any) -> bool:
    """Whether it is at most half as high and as wide as the largest."""
    sides = zip(_shape_yx(series), _shape_yx(largest), strict=True)
    return all(2 * side <= whole for side, whole in sides)


def _shape_yx(series: Any) -> tuple[int, int]:
    return series.keyframe.imagelength, series.keyframe.imagewidth


def _described(series: Any) -> str:
    height, width = _shape_yx(series)
    return f"{width} x {height} {series.dtype.name}"


def _left_out(tiff: Any, chosen: Sequence[Any]) -> str:
    others = [series for series in tiff.series if all(series is not one for one in chosen)]
    return f"leaves out {', '.join(map(_described, others))}" if others else ""


def _plane_numbers(series: Any, choice: PlaneChoice) -> list[int]:
    """Numbers of the planes of a series that are read, in order."""
    axes = [(axis, n) for axis, n in zip(series.axes, series.shape, strict=True) if axis not in "YXS"]
    refuse_plane_count(prod(n for _, n in axes))
    numbers = np.arange(prod(n for _, n in axes)).reshape([n for _, n in axes])
    chosen = (("C", "channel", choice.channel), ("T", "time", choice.time))
    for axis, name, wanted in chosen:
        position = next((position for position, (label, _) in enumerate(axes) if label == axis), None)
        count = 1 if position is None else axes[position][1]
        if wanted is not None and wanted >= count:
            raise ImageError(f"has {count} {name}s, counted from 0; {name} {wanted} was asked for")
        if position is not None and (wanted is not None or (axis == "C" and count == 1)):
            numbers = np.take(numbers, wanted or 0, axis=position)
            del axes[position]
    _refuse_axes(series, [(axis, n) for axis, n in axes if n > 1])
    return numbers.reshape(-1).tolist()


def _refuse_axes(series: Any, left: Sequence[tuple[str, int]]) -> None:
    """Refuse more axes beside x and y than one that may be z."""
    lengths = dict(left)
    if "C" in lengths:
        count = lengths["C"]
        raise ImageError(f"has {count} channels; choose one with --channel, from 0 to {count - 1}")
    if len(left) > 1 and "T" in lengths:
        count = lengths["T"]
        raise ImageError(f"has {count} times; choose one with --time, from 0 to {count - 1}")
    if len(left) > 1 or not set(lengths) <= set(_DEPTH_AXES):
        named = ", ".join(f"{axis} {n}" for axis, n in left)
        raise ImageError(f"has the axes {series.axes} ({named}); besides x and y there may be only z")


def _planes_of(file: str, series: Any, choice: PlaneChoice) -> Iterator[PlaneFile]:
    """Where the planes of a series lie, in order."""
    head = page_head(series.keyframe)
    refuse_colours(head)
    numbers = _plane_numbers(series, choice)
    plain = plain_samples(series.keyframe) if head.is_gray_as_stored else None
    if plain is not None and series.dataoffset is not None:
        end = series.dataoffset + (max(numbers) + 1) * plain.byte_count
        refuse_short_file(end, series.keyframe.parent.filehandle.size)
        for number in numbers:
            offset = series.dataoffset + number * plain.byte_count
            yield PlaneFile(file, number, offset, plain.dtype.byteorder == ">")
        return
    for number in numbers:
        page = series.pages[number] if number < len(series.pages) else None
        if page is None:
            raise ImageError(f"names plane {number} and does not hold it; its file may be missing")
        yield _plane(file, page.aspage(), head)


def _plane(file: str, page: Any, head: ImageHead) -> PlaneFile:
    name = page.parent.filehandle.path
    if name == str(Path(file).resolve()):
        name = file
    elif Path(name).resolve().parent != Path(file).resolve().parent:
        raise ImageError(f"names {name}, which is not in its folder; move the files of a set to one folder")
    refuse_truncated(page)
    plain = plain_samples(page) if head.is_gray_as_stored else None
    if plain is None:
        return PlaneFile(name, page.index, directory=page.offset)
    return PlaneFile(name, page.index, plain.offset, page.parent.byteorder == ">")
