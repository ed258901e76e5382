"""Image files as the service reads them: bytes to arrays.

The rules follow ImageJ's readers, as recorded: palette images give their index, 1-bit images 0 and 1,
alpha channels are dropped, white-is-zero is ignored, tiled TIFF files are refused.
"""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import ImageError

#: (height, width) of uint8, uint16 or float32, or (height, width, 3) of uint8.
Image = NDArray[Any]

MAX_PIXELS = 2**30
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
#: What the libraries raise for damaged headers, found by changing bytes of good files.
_DAMAGED = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    RuntimeError,
    SyntaxError,
    TypeError,
    MemoryError,
    struct.error,
)
_KEPT_TYPES = (np.uint8, np.uint16, np.float32)


def decode(content: bytes, page_index: int = 0) -> Image:
    """The pixels of an image file.

    Parameters
    ----------
    content : bytes
        TIFF, PNG, JPEG, PGM, BMP or GIF.
    page_index : int
        Image of a TIFF with several, counted from 0.

    Raises
    ------
    ImageError
        For anything else, files cut short, samples of other types.
    """
    try:
        image = _decode_tiff(content, page_index) if content[:4] in _TIFF_STARTS else _decode_other(content)
    except _DAMAGED as error:
        raise ImageError(f"cannot be read: {error}") from error
    if image.dtype.type not in _KEPT_TYPES:
        raise ImageError(f"has samples of type {image.dtype}; 8 and 16 bit, and float, can be drawn")
    return image


def _decode_tiff(content: bytes, page_index: int) -> Image:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        page = tiff.pages[page_index]
        if not isinstance(page, tifffile.TiffPage):
            page = page.aspage()
        if page.is_tiled:
            raise ImageError("is a tiled TIFF; only strips can be read")
        _check_size(page.imagewidth, page.imagelength)
        segments = zip(page.dataoffsets, page.databytecounts, strict=True)
        if any(offset + count > len(content) for offset, count in segments):
            raise ImageError("is cut short")
        image = page.asarray()
        if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and image.ndim == 3:
            image = np.moveaxis(image, 0, 2)
    return _without_alpha(np.ascontiguousarray(image, image.dtype.newbyteorder("=")))


def _decode_other(content: bytes) -> Image:
    from PIL import Image as PilImage

    # the check below has the only limit
    PilImage.MAX_IMAGE_PIXELS = None
    with PilImage.open(io.BytesIO(content), formats=("PNG", "JPEG", "PPM", "BMP", "GIF")) as picture:
        _check_size(*picture.size)
        picture.load()
        image = np.array(picture)
        if picture.mode == "LA":
            image = _AS_SRGB[image[..., 0]]
    return _without_alpha(image.astype(np.uint8) if image.dtype == bool else image)


def _srgb_curve() -> NDArray[np.uint8]:
    """Grey values of linear light as sRGB values: what Java makes of gray images with an alpha channel."""
    light = np.arange(256) / 255
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.floor(curve * 255 + 0.5).astype(np.uint8)


_AS_SRGB = _srgb_curve()


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"says it is {width} x {height}; the limit is {MAX_PIXELS} pixels")


def _without_alpha(image: Image) -> Image:
    if image.ndim == 3 and image.shape[2] in (2, 4):
        image = np.ascontiguousarray(image[..., : image.shape[2] - 1])
    if image.ndim == 3 and image.shape[2] == 1:
        return image[..., 0]
    if image.ndim == 3 and (image.shape[2] != 3 or image.dtype != np.uint8):
        raise ImageError(f"has {image.shape[2]} channels of {image.dtype}; colour images have 3 of 8 bit")
    return image


def halve(image: Image) -> Image:
    """Means of 2 x 2 pixels cut to integers, an odd last row or column left out (section 7.3).

    An image of one row or column stays as it is.
    """
    height, width = (size // 2 * 2 for size in image.shape[:2])
    if not height or not width:
        return image
    if image.dtype == np.float32:
        wide: Any = image[:height, :width]
        return (wide[::2, ::2] + wide[::2, 1::2] + wide[1::2, ::2] + wide[1::2, 1::2]) / np.float32(4)
    rows = np.add(image[:height:2, :width], image[1:height:2, :width], dtype=_WIDER[image.dtype.type])
    total = rows[:, ::2] + rows[:, 1::2]
    return (total >> 2).astype(image.dtype)


_WIDER: dict[Any, Any] = {np.uint8: np.uint16, np.uint16: np.uint32}
