"""PNG, JPEG, PGM, BMP and GIF files, read with Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from os import SEEK_END
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from asap_ingest.errors import ImageError
from asap_ingest.images.damage import UnreadableImageError, naming_damage
from asap_ingest.images.file_claims import refuse_bomb
from asap_ingest.images.pixels import Image, ImageHead

_BAND_PIXELS = 1 << 21
_FORMATS = ("PNG", "JPEG", "PPM", "BMP", "GIF")
_COLOUR_PNG_OF_16_BIT = (b"\x10\x02", b"\x10\x06")

#: Pillow's modes: type of the samples, samples per pixel, photometric interpretation.
_MODES = {
    "1": ("bool", 1, "minisblack"),
    "L": ("uint8", 1, "minisblack"),
    "LA": ("uint8", 2, "minisblack"),
    "P": ("uint8", 1, "palette"),
    "PA": ("uint8", 1, "palette"),
    "RGB": ("uint8", 3, "rgb"),
    "RGBA": ("uint8", 4, "rgb"),
    "CMYK": ("uint8", 3, "rgb"),  # Pillow converts it: JPEGs may have their inks inverted
    "I;16": ("uint16", 1, "minisblack"),
    "I;16B": ("uint16", 1, "minisblack"),
    "I": ("uint16", 1, "minisblack"),
}


@contextmanager
def opened_picture(source: str | BinaryIO) -> Iterator[Any]:
    """A `PIL.Image` of a path or an open file, not yet decoded.

    Raises
    ------
    UnreadableImageError
        It is damaged, or of an unknown format.
    ImageError
        A colour PNG of 16 bit, which Pillow would cut to 8; an image that its file cannot hold.
    """
    from PIL import Image as PilImage
    from PIL import UnidentifiedImageError

    PilImage.MAX_IMAGE_PIXELS = None  # planes of volumes may be larger; `formats` has its own limit
    with Path(source).open("rb") if isinstance(source, str) else nullcontext(source) as file:
        start, size = file.read(26), file.seek(0, SEEK_END)
        file.seek(0)
        if start[:4] == b"\x89PNG" and start[24:26] in _COLOUR_PNG_OF_16_BIT:
            raise ImageError("is a 16-bit colour PNG, which would be cut to 8 bit; colour images have 8")
        with naming_damage():
            try:
                picture = PilImage.open(file, formats=_FORMATS)
            except UnidentifiedImageError as error:
                raise UnreadableImageError(
                    f"is not an image that can be read; it starts with {start[:12]!r}"
                ) from error
            with picture:
                refuse_bomb(picture.format, picture.width * picture.height * len(picture.getbands()), size)
                yield picture


def picture_head(picture: Any) -> ImageHead:
    """The head of an opened picture."""
    if picture.mode not in _MODES:
        raise ImageError(f"has pixels of kind {picture.mode}; save it as gray or RGB of 8 bit, or gray of 16")
    sample_type, samples, photometric = _MODES[picture.mode]
    palette = None
    if photometric == "palette":
        palette = np.array(picture.getpalette("RGB"), np.uint8).reshape(-1, 3)
    return ImageHead((picture.height, picture.width), sample_type, samples, photometric, False, palette)


def picture_samples(picture: Any) -> Image:
    """All samples, shape (height, width) or (height, width, samples)."""
    if picture.mode == "CMYK":
        picture = picture.convert("RGB")
    samples = _array_of(picture)
    if picture.mode != "I":
        return samples[..., 0] if picture.mode == "PA" else samples
    if samples.size and not 0 <= samples.min() <= samples.max() <= 65535:
        raise ImageError("has samples of more than 16 bit; save it as a TIFF")
    return samples.astype(np.uint16)


def _array_of(picture: Any) -> Image:
    """`np.array` of a picture; in bands of rows where it is large, as Pillow makes two more copies."""
    step = max(1, _BAND_PIXELS // picture.width)
    if picture.height <= step:
        return np.array(picture)
    first = np.asarray(picture.crop((0, 0, picture.width, 1)))
    samples = np.empty((picture.height, *first.shape[1:]), first.dtype)
    for top in range(0, picture.height, step):
        rows = slice(top, min(top + step, picture.height))
        samples[rows] = picture.crop((0, rows.start, picture.width, rows.stop))
    return samples
