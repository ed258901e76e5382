"""What the OME-XML of a TIFF claims, checked before tifffile makes room for it and opens what it names."""

from __future__ import annotations

import re
from math import prod
from pathlib import Path
from typing import Any

from asap_ingest.errors import ImageError

#: Planes that one file, or set of files, may hold: of 30 nm, 3 mm of tissue.
MOST_PLANES = 100_000
_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")
_SIZE = re.compile(r"\bSize[ZCT]\s*=\s*[\"'](\d+)[\"']")
_COUNT = re.compile(r"\b(?:PlaneCount|NumPlanes|IFD|First[ZCT])\s*=\s*[\"'](\d+)[\"']")
_FILE_NAME = re.compile(r"\bFileName\s*=\s*[\"']([^\"']+)[\"']")


def refuse_many_planes(tiff: Any) -> None:
    """Raise ImageError where a TIFF has, or says that it has, more than `MOST_PLANES` planes."""
    refuse_plane_count(len(tiff.pages))
    if tiff.is_ome:
        head = tiff.ome_metadata
        for pixels in _PIXELS.findall(head):
            refuse_plane_count(prod(map(int, _SIZE.findall(pixels))))
        refuse_plane_count(max(map(int, _COUNT.findall(head)), default=0))


def refuse_plane_count(count: int) -> None:
    """Raise ImageError for more than `MOST_PLANES`."""
    if count > MOST_PLANES:
        raise ImageError(f"says that it has {count:,} planes; the limit is {MOST_PLANES:,}")


def refuse_foreign_files(tiff: Any, file: str) -> None:
    """Raise ImageError where OME-XML names a file that is in another folder, or no regular file."""
    if not tiff.is_ome:
        return
    folder = Path(file).resolve().parent
    for name in dict.fromkeys(_FILE_NAME.findall(tiff.ome_metadata)):
        path = folder / name
        if path.resolve().parent != folder:
            raise ImageError(
                f"names {path}, which is not in its folder; move the files of a set to one folder"
            )
        if path.exists() and not path.is_file():
            raise ImageError(f"names {path}, which is no regular file")
