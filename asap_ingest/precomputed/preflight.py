"""A look at the heads of all source files before anything is written."""

from __future__ import annotations

import glob
import re
import struct
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asap_ingest.errors import ImageError, ParameterError
from asap_ingest.images.volumes import SAMPLE_TYPES
from asap_ingest.precomputed.planes import DAMAGED, TIFF_STARTS, ImagePlanes, PlaneFile
from asap_ingest.precomputed.voxel_size import voxel_size_of

_READERS = 8
_SHOWN = 3
#: Leading axes of a TIFF that may be the z axis: also what is left unnamed, or counted as time.
_DEPTH_AXES = "ZTQI"


@dataclass(frozen=True)
class ImageHead:
    """What the head of an image file says.

    Attributes
    ----------
    shape : tuple of int
        (planes, height, width)
    sample_type : str
        Name of the samples' type.
    planes : tuple of PlaneFile
    whole_planes : bool
        Planes can be decoded only as a whole.
    voxel_size_nm : triple of float or None
        Where the file says it.
    """

    file: str
    shape: tuple[int, int, int]
    sample_type: str
    planes: tuple[PlaneFile, ...]
    whole_planes: bool = False
    voxel_size_nm: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class FaultyFile:
    """A source file that cannot be used, and why."""

    file: str
    reason: str


class SourceError(ParameterError):
    """Source files that cannot become a volume: all of them, with reasons."""

    def __init__(self, source: str, faults: Sequence[FaultyFile]) -> None:
        shown = "; ".join(f"{fault.file} {fault.reason}" for fault in faults[:_SHOWN])
        more = f"; and {len(faults) - _SHOWN} more" if len(faults) > _SHOWN else ""
        super().__init__("source", f"{source!r}: {shown}{more}")
        self.faults = list(faults)


def find_files(source: str) -> list[str]:
    """Files that a glob names, or one file by its name, in natural order: `z9.tif` before `z10.tif`.

    Folders are left out; a link to nowhere is not, as a plane would be missing.

    Raises
    ------
    ParameterError
        It names none.
    """
    if Path(source).is_file():  # its name may look like a pattern
        return [source]
    if Path(source).is_dir():
        raise ParameterError(
            "source", f"{source!r} is a folder; name its files, like {source.rstrip('/')}/*.tif"
        )
    # Path.glob knows neither patterns that begin with / nor ** as glob has it
    found = [name for name in glob.iglob(source, recursive=True) if not Path(name).is_dir()]  # noqa: PTH207
    if not found:
        raise ParameterError("source", f"{source!r} names no file; in a shell, put the pattern in quotes")
    return sorted(found, key=natural_key)


def natural_key(name: str) -> list[tuple[int, int | str, str]]:
    """Sort key that compares digits as numbers."""
    parts = re.split(r"(\d+)", name)
    return [(1, int(part), part) if place % 2 else (0, part, "") for place, part in enumerate(parts)]


def preflight(source: str, files: Sequence[str]) -> tuple[ImagePlanes, tuple[float, float, float] | None]:
    """The planes of the files, in order, and the size of a voxel in nm where they say it.

    Raises
    ------
    SourceError
        Files that cannot be read, colours, sizes or types that differ: each is named.
    """
    with ThreadPoolExecutor(_READERS) as readers:
        looked_at = list(readers.map(_head_or_fault, files))
    faults = [head for head in looked_at if isinstance(head, FaultyFile)]
    heads = [head for head in looked_at if isinstance(head, ImageHead)]
    faults += _strangers(heads)
    if faults:
        raise SourceError(source, faults)
    first = heads[0]
    planes = tuple(plane for head in heads for plane in head.planes)
    size = (first.shape[2], first.shape[1], len(planes))
    whole_planes = any(head.whole_planes for head in heads)
    return ImagePlanes(planes, size, first.sample_type, whole_planes), first.voxel_size_nm


def _strangers(heads: Sequence[ImageHead]) -> Iterable[FaultyFile]:
    """Files that differ from most others, and stacks among single planes."""
    if not heads:
        return
    for trait, words in _TRAITS:
        usual = Counter(trait(head) for head in heads).most_common(1)[0][0]
        for head in heads:
            if trait(head) != usual:
                yield FaultyFile(head.file, f"{words} {trait(head)}, others {usual}")
    for head in heads:
        if len(heads) > 1 and head.shape[0] > 1:
            yield FaultyFile(
                head.file, f"has {head.shape[0]} pages; give one such file alone, or single planes"
            )


_TRAITS: tuple[tuple[Callable[[ImageHead], Any], str], ...] = (
    (lambda head: f"{head.shape[2]} x {head.shape[1]}", "is"),
    (lambda head: head.sample_type, "has samples of type"),
)


def _head_or_fault(file: str) -> ImageHead | FaultyFile:
    try:
        if Path(file).exists() and not Path(file).is_file():
            return FaultyFile(file, "is no regular file")
        with Path(file).open("rb") as opened:
            start = opened.read(4)
        return _tiff_head(file) if start in TIFF_STARTS else _picture_head(file)
    except ImageError as error:
        return FaultyFile(file, str(error))
    except OSError as error:
        return FaultyFile(file, f"cannot be read: {error.strerror or error}")


def _picture_head(file: str) -> ImageHead:
    from PIL import Image, UnidentifiedImageError

    types = {"L": "uint8", "I;16": "uint16", "I;16L": "uint16", "I;16B": "uint16"}
    Image.MAX_IMAGE_PIXELS = None  # planes are large; what cannot be decoded is refused there
    try:
        with Image.open(file, formats=("PNG", "JPEG")) as picture:
            mode, (width, height) = picture.mode, picture.size
    except UnidentifiedImageError as error:
        raise ImageError("is no TIFF, PNG or JPEG") from error
    if mode not in types:
        raise ImageError(f"has pixels of kind {mode}; planes are gray, with 8 or 16 bit")
    return ImageHead(file, (1, height, width), types[mode], (PlaneFile(file),), whole_planes=True)


def _tiff_head(file: str) -> ImageHead:
    import tifffile

    try:
        with tifffile.TiffFile(file) as tiff:
            _refuse_broken_chain(tiff)
            series = tiff.series[0]
            all_series = _alike(tiff)
            _refuse_series(series)
            planes = tuple(plane for each in all_series for plane in _planes(file, each))
            whole_planes = planes[0].directory is not None and len(series.keyframe.dataoffsets) == 1
            voxel_size_nm = voxel_size_of(tiff)
    except (tifffile.TiffFileError, *DAMAGED) as error:
        raise ImageError(f"is no TIFF that can be read: {error}") from error
    height, width = series.shape[-2:]
    return ImageHead(
        file, (len(planes), height, width), series.dtype.name, planes, whole_planes, voxel_size_nm
    )


def _refuse_broken_chain(tiff: Any) -> None:
    """A file that is cut short between its pages: tifffile takes the last one it finds for the last."""
    form, file, last = tiff.tiff, tiff.filehandle, tiff.pages[-1].offset
    file.seek(last)
    (tags,) = struct.unpack(form.tagnoformat, file.read(form.tagnosize))
    file.seek(last + form.tagnosize + tags * form.tagsize)
    (following,) = struct.unpack(form.offsetformat, file.read(form.offsetsize))
    if following:
        count = len(tiff.pages)
        raise ImageError(f"is cut short or damaged: of its pages only {count} can be found")


def _alike(tiff: Any) -> list[Any]:
    """The series of a file: one, or single planes that were written one by one."""
    found = list(tiff.series)
    kinds = {(series.shape, series.dtype) for series in found}
    if len(found) > 1 and (tiff.is_ome or len(kinds) > 1 or found[0].ndim != 2):
        problem = f"holds {len(found)} series of images; a volume needs one (save the others apart)"
        raise ImageError(problem)
    return found


def _refuse_series(series: Any) -> None:
    """What is no stack of gray planes."""
    lengths = dict(zip(series.axes, series.shape, strict=True))
    if "S" in lengths or series.keyframe.photometric in (2, 3, 6):
        raise ImageError("has colours; planes are gray (split the channels, or convert to 8 bit)")
    others = {axis: n for axis, n in lengths.items() if axis not in "YX" and n > 1}
    if series.axes[-2:] != "YX" or len(others) > 1 or not set(others) <= set(_DEPTH_AXES):
        named = ", ".join(f"{axis} {n}" for axis, n in others.items())
        raise ImageError(f"has the axes {series.axes} ({named}); besides x and y there may be only z")
    if series.dtype.newbyteorder("=") not in SAMPLE_TYPES:
        allowed = ", ".join(dtype.name for dtype in SAMPLE_TYPES)
        raise ImageError(f"has {series.dtype} samples; a volume can have {allowed}")


def _planes(file: str, series: Any) -> tuple[PlaneFile, ...]:
    """Where each plane lies; an OME-TIFF may have some in other files."""
    depth = series.size // (series.shape[-1] * series.shape[-2])
    plane_bytes = series.shape[-1] * series.shape[-2] * series.dtype.itemsize
    if series.dataoffset is not None:
        _refuse_cut(series.dataoffset + depth * plane_bytes, Path(file).stat().st_size)
        big_endian = series.keyframe.parent.byteorder == ">"
        offsets = (series.dataoffset + z * plane_bytes for z in range(depth))
        return tuple(PlaneFile(file, z, offset, big_endian) for z, offset in enumerate(offsets))
    if len(series.pages) < depth:
        raise ImageError(f"has {len(series.pages)} pages for {depth} planes")
    return tuple(_plane(file, series.pages[z], z) for z in range(depth))


def _plane(file: str, listed: Any, z: int) -> PlaneFile:
    if listed is None:
        raise ImageError(f"names plane {z} and does not hold it; its file may be missing")
    page = listed.aspage()
    name = file
    if page.parent.filehandle.path != str(Path(file).resolve()):
        name = page.parent.filehandle.path
    _refuse_cut(_end_of(page), page.parent.filehandle.size)
    is_plain = page.is_contiguous and page.compression == 1 and page.predictor == 1 and page.fillorder == 1
    if is_plain:
        return PlaneFile(name, page.index, page.dataoffsets[0], page.parent.byteorder == ">")
    return PlaneFile(name, page.index, directory=page.offset)


def _end_of(page: Any) -> int:
    if page.compression == 1 and len(page.dataoffsets) == 1:
        return int(page.dataoffsets[0] + page.nbytes)
    ends = (at + count for at, count in zip(page.dataoffsets, page.databytecounts, strict=False))
    return max(ends, default=0)


def _refuse_cut(end: int, file_bytes: int) -> None:
    if end > file_bytes:
        raise ImageError(f"is cut short: it has {file_bytes} bytes, and its planes reach to {end}")
