"""Image files: bytes to arrays and back.

Arrays are (height, width) of uint8, uint16 or float32, or (height, width, 3) of uint8. What a file
holds is taken as render takes it, so that pictures drawn from level 0 and from our levels agree. A
file that is cut short is an error: libraries that fill the missing rows with grey are not asked.
"""

from __future__ import annotations

import io
import logging
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import ImageError

Image = NDArray[Any]

#: Larger images are refused: a damaged header must not ask for all memory.
MAX_PIXELS = 1 << 30

# what tifffile logs about a damaged file is raised as ImageError, once
logging.getLogger("tifffile").setLevel(logging.CRITICAL)

_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_OTHER_FORMATS = ("PNG", "JPEG", "PPM", "BMP", "GIF")
_SAMPLE_TYPES = (np.uint8, np.uint16, np.float32)
# what the libraries raise for damaged files, found by changing bytes of good ones
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


class UnreadableImageError(ImageError):
    """A file that is no image, or a damaged one; the text may quote some of its bytes."""


def decode(content: bytes, page_index: int = 0, strips_only: bool = False) -> Image:
    """The pixels of a TIFF, PNG, JPEG, PGM, BMP or GIF file.

    White-is-zero is ignored, palette images give their index, 1-bit images 0 and 1 (but TIFFs of 1 bit
    0 and 255, as ImageJ has them), and alpha channels are dropped.

    Parameters
    ----------
    page_index : int
        Image of a TIFF with several, counted from 0.
    strips_only : bool
        Refuse tiled TIFFs, which render cannot read.

    Raises
    ------
    ImageError
        Not an image, cut short, or samples of other types.
    """
    if not content:
        raise ImageError("the file is empty")
    try:
        if content[:4] in _TIFF_STARTS:
            image = _decode_tiff(content, page_index, strips_only)
        else:
            image = _decode_with_pillow(content)
    except _DAMAGED as error:
        raise UnreadableImageError(f"cannot be read ({type(error).__name__}: {error})") from error
    if image.ndim == 3 and (image.shape[2] != 3 or image.dtype != np.uint8):
        raise ImageError(f"has {image.shape[2]} channels of {image.dtype}; colour images have 3 of uint8")
    if image.dtype.type not in _SAMPLE_TYPES or image.ndim not in (2, 3):
        raise ImageError(
            f"has {image.dtype} samples, shape {image.shape}; 8 and 16 bit, and float, can be used"
        )
    return image


def encode(image: Image, extension: str, compression: str = "none") -> bytes:
    """The bytes of an image file in the format that `ENCODERS` has for the extension.

    Parameters
    ----------
    compression : name in `TIFF_COMPRESSIONS`; PNG and JPEG have their own

    Raises
    ------
    ImageError
        16-bit samples as JPEG.
    """
    return ENCODERS[extension](image, compression)


def _decode_tiff(content: bytes, page_index: int, strips_only: bool) -> Image:
    import tifffile

    with tifffile.TiffFile(io.BytesIO(content)) as tiff:
        page: Any = tiff.pages[page_index]
        if not isinstance(page, tifffile.TiffPage):
            page = page.aspage()
        if strips_only and page.is_tiled:
            raise ImageError("is a tiled TIFF; only strips can be read")
        _refuse_oversized(page.imagewidth, page.imagelength)
        _refuse_truncated(page, len(content))
        image = _view_of(page, content) if page.is_contiguous else page.asarray()
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and image.ndim == 3:
        image = np.moveaxis(image, 0, 2)
    if image.dtype == bool:
        image = np.where(image, np.uint8(255), np.uint8(0))
    return _without_alpha(np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("=")))


def _view_of(page: Any, content: bytes) -> Image:
    """Samples that lie in the file as they lie in memory, without copying them."""
    if page.compression != 1 or page.bitspersample not in (8, 16, 32) or page.predictor != 1:
        return page.asarray()
    dtype = page.dtype.newbyteorder(page.parent.byteorder)
    count = int(np.prod(page.shape))
    return np.frombuffer(content, dtype, count, page.dataoffsets[0]).reshape(page.shape)


def _refuse_truncated(page: Any, size: int) -> None:
    """tifffile reads strips that are not in the file as zeros."""
    ends = [offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True)]
    if max(ends, default=0) > size or not all(page.databytecounts):
        raise ImageError(f"is cut short: pixels reach to byte {max(ends, default=0)} of {size}")


def _decode_with_pillow(content: bytes) -> Image:
    from PIL import Image as PilImage
    from PIL import UnidentifiedImageError

    PilImage.MAX_IMAGE_PIXELS = None  # the check below has the only limit
    if content[:4] == b"\x89PNG" and content[24:26] in (b"\x10\x02", b"\x10\x06"):
        raise ImageError("is a 16-bit colour PNG, which would be cut to 8 bit; colour images have 8")
    try:
        picture = PilImage.open(io.BytesIO(content), formats=_OTHER_FORMATS)
    except UnidentifiedImageError as error:
        problem = f"is not an image that can be read; it starts with {content[:12]!r}"
        raise UnreadableImageError(problem) from error
    with picture:
        _refuse_oversized(*picture.size)
        picture.load()
        image = np.array(picture)
        if picture.mode == "LA":
            image = _as_srgb(image[..., 0])
    return _without_alpha(image.astype(np.uint8) if image.dtype == bool else image)


def _as_srgb(image: Image) -> Image:
    """Grey values of linear light as sRGB: what Java makes of 8-bit gray images with an alpha channel."""
    light = np.arange(256) / 255
    curve = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.floor(curve * 255 + 0.5).astype(np.uint8)[image]


def _refuse_oversized(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"says it is {width} x {height}; the limit is {MAX_PIXELS} pixels")


def _without_alpha(image: Image) -> Image:
    if image.ndim == 3 and image.shape[2] in (2, 4):
        image = np.ascontiguousarray(image[..., : image.shape[2] - 1])
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _encode_tiff(image: Image, compression: str) -> bytes:
    if compression != "none":
        return _tiff_bytes(image, TIFF_COMPRESSIONS[compression])
    # what stands before the samples depends on shape and type alone, and takes longer to make than them
    return _tiff_head(image.shape, image.dtype) + np.ascontiguousarray(image).tobytes()


@lru_cache(maxsize=256)
def _tiff_head(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    content = _tiff_bytes(np.zeros(shape, dtype), None)
    return content[: len(content) - int(np.prod(shape)) * dtype.itemsize]


def _tiff_bytes(image: Image, compression: str | None) -> bytes:
    import tifffile

    file = io.BytesIO()
    # no metadata and no date: a second run gives the same bytes
    tifffile.imwrite(
        file,
        image,
        photometric="rgb" if image.ndim == 3 else "minisblack",
        compression=compression,
        metadata=None,
        software=False,
        rowsperstrip=image.shape[0] if compression is None else None,
    )
    return file.getvalue()


def _encode_png(image: Image, compression: str) -> bytes:
    import cv2

    return _opencv_bytes(image, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _encode_jpeg(image: Image, compression: str) -> bytes:
    import cv2

    if image.dtype != np.uint8:
        raise ImageError("16-bit samples do not fit a JPEG; set convert_to_8bit, or imgformat tif or png")
    return _opencv_bytes(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])


def _opencv_bytes(image: Image, suffix: str, options: list[int]) -> bytes:
    import cv2

    blue_first = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    done, encoded = cv2.imencode(suffix, blue_first, options)
    if not done:
        raise ImageError(f"could not be encoded as {suffix}: shape {image.shape}, {image.dtype}")
    return encoded.tobytes()


#: What `compression` may say, and tifffile's name for it. render reads all but zstd.
TIFF_COMPRESSIONS = {"none": None, "deflate": "zlib", "lzw": "lzw", "zstd": "zstd"}

JPEG_QUALITY = 85

#: How an extension is written.
ENCODERS: dict[str, Callable[[Image, str], bytes]] = {
    "tif": _encode_tiff,
    "png": _encode_png,
    "jpg": _encode_jpeg,
}
