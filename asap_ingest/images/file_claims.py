"""Refuse impossible sizes, counts and file names in the headers of image files before they are relied on."""

from __future__ import annotations

import re
import struct
from math import prod
from pathlib import Path
from typing import Any

from asap_ingest.errors import ImageError

#: Images up to here are decoded whatever their files hold.
HARMLESS_BYTES = 1 << 26

#: Most decoded bytes per byte of a file, by Pillow's name of the format or tifffile's of the compression.
#: They follow from the formats, because blank images and masks come close to them: deflate packs 258 bytes
#: into two bits, and samples of 1 bit are decoded to 8; JPEG needs two bits for 8 x 8 samples, in progressive
#: files less; LZW codes of 12 bits stand for up to 4096 bytes.
DENSITIES = {
    "PNG": 8 * 1032,
    "JPEG": 2048,
    "GIF": 2731,
    "BMP": 128 * 2,
    "PPM": 8,
    "NONE": 8,
    "PACKBITS": 8 * 64,
    "LZW": 8 * 2731,
    "DEFLATE": 8 * 1032,
    "ADOBE_DEFLATE": 8 * 1032,
}
#: The same for other formats. These have no limit: 4 GB of blank samples can take a few KB per strip.
OTHER_DENSITY = 1 << 16
#: Most planes of a file or a set of files: 3 mm of tissue in planes of 30 nm.
MOST_PLANES = 100_000

_JPEG_START = b"\xff\xd8"
#: Of the markers C0 to CF, those that do not begin a frame.
_NO_FRAMES = (0xC4, 0xC8, 0xCC)
OME_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")
_SIZE = re.compile(r"\bSize[ZCT]\s*=\s*[\"'](\d+)[\"']")
_COUNT = re.compile(r"\b(?:PlaneCount|NumPlanes|IFD|First[ZCT])\s*=\s*[\"'](\d+)[\"']")
_FILE_NAME = re.compile(r"\bFileName\s*=\s*[\"']([^\"']+)[\"']")


def refuse_bomb(form: str | None, decoded: int, stored: int) -> None:
    """Raise ImageError for an image that its file is too small to hold.

    Parameters
    ----------
    form : str
        Format or compression as in `DENSITIES`, or any other.
    decoded, stored : int
        Bytes of the decoded samples, and bytes of the file that hold them.
    """
    if decoded > max(HARMLESS_BYTES, stored * DENSITIES.get(form or "", OTHER_DENSITY)):
        raise ImageError(
            f"says it decodes to {decoded:,} bytes, which {stored:,} bytes of {form} cannot hold: "
            "it is damaged, or was made to fill memory"
        )


def jpeg_shape(content: bytes) -> tuple[int, int] | None:
    """(height, width) in the header of a JPEG; None for other content."""
    if not content.startswith(_JPEG_START):
        return None
    position = 2
    while position + 9 <= len(content) and content[position] == 0xFF:
        marker = content[position + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            height, width = struct.unpack_from(">HH", content, position + 5)
            return height, width
        # fill bytes stand alone, other segments have a length
        length = int.from_bytes(content[position + 2 : position + 4], "big")
        position += 1 if marker == 0xFF else 2 + length
    return None


def refuse_many_planes(tiff: Any) -> None:
    """Raise ImageError where a TIFF has, or claims in OME-XML, more than `MOST_PLANES` planes."""
    refuse_plane_count(len(tiff.pages))
    if tiff.is_ome:
        head = tiff.ome_metadata
        for pixels in OME_PIXELS.findall(head):
            refuse_plane_count(prod(map(int, _SIZE.findall(pixels))))
        refuse_plane_count(max(map(int, _COUNT.findall(head)), default=0))


def refuse_plane_count(count: int) -> None:
    """Raise ImageError for more than `MOST_PLANES`."""
    if count > MOST_PLANES:
        raise ImageError(f"says that it has {count:,} planes; the limit is {MOST_PLANES:,}")


def refuse_foreign_files(tiff: Any, file: str) -> None:
    """Raise ImageError where OME-XML names a file in another folder, or one that is not a regular file."""
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
            raise ImageError(f"names {path}, which is not a regular file")
