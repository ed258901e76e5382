"""Image files: bytes to arrays and back.

Arrays are (height, width) of uint8 or uint16, or (height, width, 3) of uint8. A file that is cut short is
an error: libraries that fill the missing rows with grey are not asked.
"""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
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
_SAMPLE_TYPES = (np.dtype(np.uint8), np.dtype(np.uint16))


def decode(content: bytes) -> Image:
    """The pixels of a TIFF (its first page), PNG or JPEG file.

    White-is-zero TIFFs are inverted and alpha channels dropped, as render does.

    Returns
    -------
    ndarray of uint8 or uint16, shape (height, width), or of uint8, shape (height, width, 3)

    Raises
    ------
    ImageError
        Not an image, cut short, or samples that are neither 8- nor 16-bit unsigned.
    """
    if not content:
        raise ImageError("the file is empty")
    image = _decode_tiff(content) if content[:4] in _TIFF_STARTS else _decode_with_pillow(content)
    if image.ndim == 3 and (image.shape[2] != 3 or image.dtype != np.uint8):
        raise ImageError(f"has {image.shape[2]} channels of {image.dtype}; colour tiles have 3 of uint8")
    if image.dtype not in _SAMPLE_TYPES or image.ndim not in (2, 3):
        raise ImageError(
            f"has {image.dtype} samples, shape {image.shape}; tiles have 8- or 16-bit unsigned ones"
        )
    return image


def encode(image: Image, extension: str, jpeg_quality: int = 85) -> bytes:
    """The bytes of an image file: uncompressed TIFF, PNG or JPEG by `ENCODERS`.

    Raises
    ------
    ImageError
        16-bit samples as JPEG.
    """
    return ENCODERS[extension](image, jpeg_quality)


def _decode_tiff(content: bytes) -> Image:
    import tifffile

    try:
        with tifffile.TiffFile(io.BytesIO(content)) as tiff:
            page = tiff.pages.first
            _refuse_oversized(page.imagewidth, page.imagelength)
            _refuse_truncated(page, len(content))
            image = page.asarray()
    except (tifffile.TiffFileError, ValueError, IndexError, KeyError, RuntimeError, OSError) as error:
        raise ImageError(f"is not a TIFF that can be read ({type(error).__name__}: {error})") from error
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        image = np.invert(image)
    if page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and image.ndim == 3:
        image = np.moveaxis(image, 0, 2)
    return _without_alpha(np.ascontiguousarray(image, dtype=image.dtype.newbyteorder("=")))


def _refuse_truncated(page: Any, size: int) -> None:
    """tifffile reads strips that are not in the file as zeros."""
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if not segments or any(count == 0 or offset + count > size for offset, count in segments):
        needed = max((offset + count for offset, count in segments), default=0)
        raise ImageError(f"is cut short: pixels reach to byte {needed} of {size}")


def _decode_with_pillow(content: bytes) -> Image:
    from PIL import Image as PilImage
    from PIL import UnidentifiedImageError

    PilImage.MAX_IMAGE_PIXELS = MAX_PIXELS
    if content[:4] == b"\x89PNG" and content[24:26] in (b"\x10\x02", b"\x10\x06"):
        raise ImageError("is a 16-bit colour PNG, which would be cut to 8 bit; colour tiles have 8")
    try:
        with PilImage.open(io.BytesIO(content), formats=("PNG", "JPEG")) as picture:
            picture.load()
            return _without_alpha(np.array(picture))
    except UnidentifiedImageError as error:
        raise ImageError(f"is not a TIFF, PNG or JPEG image; it starts with {content[:12]!r}") from error
    except (PilImage.DecompressionBombError, OSError, SyntaxError, ValueError) as error:
        raise ImageError(f"cannot be read: {error}") from error


def _refuse_oversized(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise ImageError(f"says it is {width} x {height}; the limit is {MAX_PIXELS} pixels")


def _without_alpha(image: Image) -> Image:
    if image.ndim == 3 and image.shape[2] in (2, 4):
        image = np.ascontiguousarray(image[..., : image.shape[2] - 1])
    return image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image


def _encode_tiff(image: Image, jpeg_quality: int) -> bytes:
    import tifffile

    file = io.BytesIO()
    photometric = "rgb" if image.ndim == 3 else "minisblack"
    # no metadata and no date: a second run gives the same bytes
    tifffile.imwrite(
        file, image, photometric=photometric, metadata=None, software=False, rowsperstrip=image.shape[0]
    )
    return file.getvalue()


def _encode_png(image: Image, jpeg_quality: int) -> bytes:
    import cv2

    return _opencv_bytes(image, ".png", [cv2.IMWRITE_PNG_COMPRESSION, 1])


def _encode_jpeg(image: Image, jpeg_quality: int) -> bytes:
    import cv2

    if image.dtype != np.uint8:
        raise ImageError("16-bit samples do not fit a JPEG; set convert_to_8bit, or imgformat tif or png")
    return _opencv_bytes(image, ".jpg", [cv2.IMWRITE_JPEG_QUALITY, jpeg_quality])


def _opencv_bytes(image: Image, suffix: str, options: list[int]) -> bytes:
    import cv2

    blue_first = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    done, encoded = cv2.imencode(suffix, blue_first, options)
    if not done:
        raise ImageError(f"could not be encoded as {suffix}: shape {image.shape}, {image.dtype}")
    return encoded.tobytes()


#: How an extension is written.
ENCODERS: dict[str, Callable[[Image, int], bytes]] = {
    "tif": _encode_tiff,
    "png": _encode_png,
    "jpg": _encode_jpeg,
}
