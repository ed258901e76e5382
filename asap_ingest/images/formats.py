"""Image files to arrays and back: tiles, masks, levels and pictures.

Planes of volumes, which may be larger than memory, are read by `plane_samples`, with the same readers.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from asap_ingest.errors import ImageError
from asap_ingest.images.memory import ReusedMemory
from asap_ingest.images.pictures import opened_picture, picture_head, picture_samples
from asap_ingest.images.pixels import Image, ImageHead, tile_pixels
from asap_ingest.images.tiff_pages import (
    TIFF_STARTS,
    PlainSamples,
    opened_tiff,
    page_at,
    page_head,
    plain_samples,
    read_samples,
    refuse_short_file,
    refuse_truncated,
)

OpenFile: TypeAlias = io.BufferedReader | io.BytesIO

#: Called with the head of an image before it is decoded; raises to refuse the image.
Admit: TypeAlias = Callable[[ImageHead], None]
#: Larger images are refused, as a damaged header would take all memory: 32,768 x 32,768 pixels of 32 bit.
MAX_BYTES = 1 << 32


def refuse_oversized(head: ImageHead) -> None:
    """Raise ImageError for an image of more than `MAX_BYTES`."""
    height, width = head.shape_yx
    if head.sample_bytes > MAX_BYTES:
        raise ImageError(
            f"says it is {width} x {height}, of {head.sample_bytes:,} bytes; the limit is {MAX_BYTES:,} bytes"
        )


def decode(content: bytes, page_index: int = 0, strips_only: bool = False) -> Image:
    """`decode_page` for a file in memory."""
    # closed, because tifffile's objects refer to each other and so would keep the content for some time
    with io.BytesIO(content) as file:
        return decode_page(file, page_index, strips_only)


def decode_page(
    file: OpenFile,
    page_index: int,
    strips_only: bool = False,
    memory: ReusedMemory | None = None,
    admit: Admit = refuse_oversized,
) -> Image:
    """The pixels of one image of an open TIFF, PNG, JPEG, PGM, BMP or GIF file, by `pixels.tile_pixels`.

    Only that image is read.

    Parameters
    ----------
    page_index : int
        Image of a TIFF with several, counted from 0.
    strips_only : bool
        Refuse tiled TIFFs, which render cannot read.
    memory : ReusedMemory, optional
        For samples that are stored as they are: the next image in it overwrites this one.
    admit : callable
        See `Admit`.

    Returns
    -------
    ndarray of uint8, uint16 or float32, shape (height, width), or of uint8, shape (height, width, 3)

    Raises
    ------
    ImageError
        Not an image, cut short, or samples of other types.
    OSError
        The file cannot be read.
    Exception
        Whatever `admit` raises.
    """
    with _opened(file, page_index, memory) as (head, is_tiled, read):
        if strips_only and is_tiled:
            raise ImageError("is a tiled TIFF; only strips can be read")
        admit(head)
        samples = read()
    return np.ascontiguousarray(tile_pixels(samples, head))


def read_head(file: BinaryIO, page_index: int = 0) -> ImageHead:
    """The head of one of the images in a file; pixels are not decoded.

    Raises
    ------
    ImageError
        Not an image, or one that is cut short.
    """
    with _opened(file, page_index) as (head, _, _):
        return head


@contextmanager
def _opened(
    file: BinaryIO, page_index: int, memory: ReusedMemory | None = None
) -> Iterator[tuple[ImageHead, bool, Callable[[], Image]]]:
    """The head of one of the images in a file, whether it is a tiled TIFF, and a function that decodes it."""
    if _is_tiff(file):
        with opened_tiff(file) as tiff:
            page, head, plain = _page_of_stack(tiff, page_index)
            height, width = head.shape_yx
            if plain is None:
                yield head, page.is_tiled, lambda: read_samples(page, slice(0, height), slice(0, width))
            else:
                yield head, page.is_tiled, lambda: _read_plain(file, plain, memory)
        return
    with opened_picture(file) as picture:
        if page_index:
            raise ImageError(f"page {page_index + 1} was asked for; it has 1")
        yield picture_head(picture), False, lambda: picture_samples(picture)


def _is_tiff(file: BinaryIO) -> bool:
    start = file.read(4)
    file.seek(0)
    if not start:
        raise ImageError("the file is empty")
    return start in TIFF_STARTS


def _page_of_stack(tiff: Any, index: int) -> tuple[Any, ImageHead, PlainSamples | None]:
    """A page, its head, and where its samples lie if they are plain; a file that is cut short is refused.

    ImageJ writes large stacks with the head of the first page alone; the samples of the others follow.
    """
    if tiff.is_imagej and index >= len(tiff.pages):
        first, series = page_at(tiff, 0), tiff.series[0]
        plain = plain_samples(first)
        if plain is not None and index < series.size // first.size:
            plain = replace(plain, offset=plain.offset + index * plain.byte_count)
            refuse_short_file(plain.end, tiff.filehandle.size)
            return first, page_head(first), plain
    page = page_at(tiff, index)
    head = page_head(page)
    refuse_truncated(page)
    return page, head, plain_samples(page)


def _read_plain(file: Any, plain: PlainSamples, memory: ReusedMemory | None) -> Image:
    shape = (plain.byte_count,)
    content = np.empty(shape, np.uint8) if memory is None else memory.array(shape, np.uint8)
    file.seek(plain.offset)
    # the file may have become shorter
    refuse_short_file(plain.end, plain.offset + file.readinto(content.data))
    return plain.arranged(content)


def encode(image: Image, extension: str, compression: str = "none") -> bytes:
    """An image as the bytes of a file, by the encoder that `ENCODERS` has for the extension.

    Parameters
    ----------
    compression : name in `TIFF_COMPRESSIONS`; PNG and JPEG have their own

    Raises
    ------
    ImageError
        16-bit samples as JPEG.
    """
    return b"".join(encoded_parts(image, extension, compression))


def encoded_parts(image: Image, extension: str, compression: str = "none") -> list[bytes | memoryview]:
    """`encode` in parts, which are to be joined; samples that are not compressed are not copied."""
    if extension == "tif" and compression == "none":
        # the head depends on shape and type alone, and takes longer to make than the samples
        return [_tiff_head(image.shape, image.dtype), np.ascontiguousarray(image).data.cast("B")]
    return [ENCODERS[extension](image, compression)]


@lru_cache(maxsize=256)
def _tiff_head(shape: tuple[int, ...], dtype: np.dtype[Any]) -> bytes:
    content = _encode_tiff(np.zeros(shape, dtype), "none")
    return content[: len(content) - int(np.prod(shape)) * dtype.itemsize]


def _encode_tiff(image: Image, compression: str) -> bytes:
    import tifffile

    file = io.BytesIO()
    # no metadata and no date: a second run gives the same bytes
    tifffile.imwrite(
        file,
        image,
        photometric="rgb" if image.ndim == 3 else "minisblack",
        compression=TIFF_COMPRESSIONS[compression],
        metadata=None,
        software=False,
        rowsperstrip=image.shape[0] if compression == "none" else None,
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


#: Values of `compression`, and tifffile's names. render reads all but zstd.
TIFF_COMPRESSIONS = {"none": None, "deflate": "zlib", "lzw": "lzw", "zstd": "zstd"}

JPEG_QUALITY = 85

#: Encoder by extension.
ENCODERS: dict[str, Callable[[Image, str], bytes]] = {
    "tif": _encode_tiff,
    "png": _encode_png,
    "jpg": _encode_jpeg,
}
