"""PNG, JPEG, PGM, BMP and GIF files, read with Pillow."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np

from asap_ingest.errors import ImageError
from asap_ingest.images.damage import UnreadableImageError, naming_damage
from asap_ingest.images.pixels import Image, ImageHead

_FORMATS = ("PNG", "JPEG", "PPM", "BMP", "GIF")
_COLOUR_PNG_OF_16_BIT = (b"\x10\x02", b"\x10\x06")

#: Pillow's modes: type of the samples, samples per pixel, what they mean.
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
        No image of a known format.
    ImageError
        A PNG that Pillow would cut to 8 bit.
    """
    from PIL import Image as PilImage
    from PIL import UnidentifiedImageError

    PilImage.MAX_IMAGE_PIXELS = None  # planes of volumes may be larger; the door has its own limit
    _refuse_colour_png_of_16_bit(source)
    with naming_damage():
        try:
            picture = PilImage.open(source, formats=_FORMATS)
        except UnidentifiedImageError as error:
            raise UnreadableImageError(
                f"is not an image that can be read; it starts with {_start(source, 12)!r}"
            ) from error
        with picture:
            yield picture


def picture_head(picture: Any) -> ImageHead:
    """What an opened picture says of itself."""
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
    samples = np.array(picture)
    if picture.mode != "I":
        return samples[..., 0] if picture.mode == "PA" else samples
    if samples.size and not 0 <= samples.min() <= samples.max() <= 65535:
        raise ImageError("has samples of more than 16 bit; save it as a TIFF")
    return samples.astype(np.uint16)


def _refuse_colour_png_of_16_bit(source: str | BinaryIO) -> None:
    start = _start(source, 26)
    if start[:4] == b"\x89PNG" and start[24:26] in _COLOUR_PNG_OF_16_BIT:
        raise ImageError("is a 16-bit colour PNG, which would be cut to 8 bit; colour images have 8")


def _start(source: str | BinaryIO, count: int) -> bytes:
    if isinstance(source, str):
        with open(source, "rb") as file:  # noqa: PTH123 - as Pillow and tifffile take it
            return file.read(count)
    source.seek(0)
    start = source.read(count)
    source.seek(0)
    return start
