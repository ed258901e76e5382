"""Image files: bytes to arrays and back: the door through which tiles, masks, levels and drawings come.

Planes of volumes, which may be larger than memory, come through `planes`, by the same readers and rules.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, BinaryIO, TypeAlias

import numpy as np

from asap_ingest.errors import ImageError
from asap_ingest.images.damage import UnreadableImageError
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

__all__ = [
    "Image",
    "ImageHead",
    "OpenFile",
    "UnreadableImageError",
    "decode",
    "decode_page",
    "encode",
    "encoded_parts",
    "read_head",
]

OpenFile: TypeAlias = io.BufferedReader | io.BytesIO

#: Told what a file says of an image before it is decoded; may raise.
Admit: TypeAlias = Callable[[ImageHead], None]
#: Larger images are refused: a damaged header must not ask for all memory.
#: An image of 32,768 x 32,768 pixels of 32 bit is as large.
MAX_BYTES = 1 << 32


def refuse_oversized(head: ImageHead) -> None:
    """Raise ImageError for an image of more than `MAX_BYTES`."""
    height, width = head.shape_yx
    if head.sample_bytes > MAX_BYTES:
        raise ImageError(
            f"says it is {width} x {height}, of {head.sample_bytes:,} bytes; the limit is {MAX_BYTES:,} bytes"
        )


def decode(content: bytes, page_index: int = 0, strips_only: bool = False) -> Image:
    """The pixels of a TIFF, PNG, JPEG, PGM, BMP or GIF file, as `pixels.tile_pixels` has them.

    Parameters
    ----------
    page_index : int
        Image of a TIFF with several, counted from 0.
    strips_only : bool
        Refuse tiled TIFFs, which render cannot read.

    Returns
    -------
    ndarray of uint8, uint16 or float32, shape (height, width), or of uint8, shape (height, width, 3)
        Not to be written to: it may share memory with the content.

    Raises
    ------
    ImageError
        Not an image, cut short, or samples of other types.
    """
    # closed, as tifffile's objects, which hold each other, would keep the content until they are collected
    with io.BytesIO(content) as file:
        if content[:4] in TIFF_STARTS:
            return _tiff_image(file, page_index, strips_only, lambda plain: plain.view(content))
        return _picture_image(file, page_index)


def decode_page(
    file: OpenFile,
    page_index: int,
    strips_only: bool = False,
    memory: ReusedMemory | None = None,
    admit: Admit = refuse_oversized,
) -> Image:
    """One image of an open file, of which no more than that is read and held; else as `decode`.

    Parameters
    ----------
    memory : ReusedMemory, optional
        Where samples that lie plain in the file are read to: the next image in it ends this one.
    admit : callable
        Told what the file says of the image before it is decoded.

    Raises
    ------
    ImageError, OSError, what `admit` raises
    """
    start = file.read(4)
    file.seek(0)
    if start not in TIFF_STARTS:
        return _picture_image(file, page_index, admit)

    def read(plain: PlainSamples) -> Image:
        shape = (plain.end - plain.offset,)
        samples = np.empty(shape, np.uint8) if memory is None else memory.array(shape, np.uint8)
        file.seek(plain.offset)
        # a file may be cut while it is read
        refuse_short_file(plain.end, plain.offset + file.readinto(samples.data))
        return replace(plain, offset=0).view(samples)

    return _tiff_image(file, page_index, strips_only, read, admit)


def read_head(file: BinaryIO, page_index: int = 0) -> ImageHead:
    """What an image file says of one of its images; pixels are not decoded.

    Raises
    ------
    ImageError
        Not an image, or one that is cut short.
    """
    start = file.read(4)
    file.seek(0)
    if not start:
        raise ImageError("the file is empty")
    if start in TIFF_STARTS:
        with opened_tiff(file) as tiff:
            page = page_at(tiff, page_index)
            head = page_head(page)
            refuse_truncated(page)
            return head
    with opened_picture(file) as picture:
        _refuse_other_page(page_index)
        return picture_head(picture)


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
    return b"".join(encoded_parts(image, extension, compression))


def encoded_parts(image: Image, extension: str, compression: str = "none") -> list[bytes | memoryview]:
    """The same, to be written one after the other: samples that are not compressed lie in the image."""
    if extension == "tif" and compression == "none":
        # what stands before the samples depends on shape and type alone, and takes longer to make than them
        return [_tiff_head(image.shape, image.dtype), np.ascontiguousarray(image).data.cast("B")]
    return [ENCODERS[extension](image, compression)]


def _tiff_image(
    file: BinaryIO,
    page_index: int,
    strips_only: bool,
    plain_pixels: Callable[[PlainSamples], Image],
    admit: Admit = refuse_oversized,
) -> Image:
    """`plain_pixels` gives samples that lie plain, without a second copy."""
    with opened_tiff(file) as tiff:
        page, plain = _page_of_stack(tiff, page_index)
        if strips_only and page.is_tiled:
            raise ImageError("is a tiled TIFF; only strips can be read")
        head = page_head(page)
        admit(head)
        if plain is None:
            height, width = head.shape_yx
            samples = read_samples(page, slice(0, height), slice(0, width))
        else:
            samples = plain_pixels(plain)
    return np.ascontiguousarray(tile_pixels(samples, head))


def _picture_image(file: BinaryIO, page_index: int, admit: Admit = refuse_oversized) -> Image:
    if not file.read(1):
        raise ImageError("the file is empty")
    file.seek(0)
    with opened_picture(file) as picture:
        _refuse_other_page(page_index)
        head = picture_head(picture)
        admit(head)
        return np.ascontiguousarray(tile_pixels(picture_samples(picture), head))


def _refuse_other_page(page_index: int) -> None:
    if page_index:
        raise ImageError(f"page {page_index + 1} was asked for; it has 1")


def _page_of_stack(tiff: Any, index: int) -> tuple[Any, PlainSamples | None]:
    """A page, and where its samples lie if they are plain; all of them are in the file.

    ImageJ writes large stacks with the head of the first page alone.
    """
    if tiff.is_imagej and index >= len(tiff.pages):
        first, series = page_at(tiff, 0), tiff.series[0]
        plain = plain_samples(first)
        if plain is not None and index < series.size // first.size:
            plain = replace(plain, offset=plain.offset + index * (plain.end - plain.offset))
            refuse_short_file(plain.end, tiff.filehandle.size)
            return first, plain
    page = page_at(tiff, index)
    refuse_truncated(page)
    return page, plain_samples(page)


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


#: What `compression` may say, and tifffile's name for it. render reads all but zstd.
TIFF_COMPRESSIONS = {"none": None, "deflate": "zlib", "lzw": "lzw", "zstd": "zstd"}

JPEG_QUALITY = 85

#: How an extension is written.
ENCODERS: dict[str, Callable[[Image, str], bytes]] = {
    "tif": _encode_tiff,
    "png": _encode_png,
    "jpg": _encode_jpeg,
}
