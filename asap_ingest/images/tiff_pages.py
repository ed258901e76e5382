"""Pages of TIFF files, read with tifffile: the heads of pages, and their samples.

tifffile itself fills what a file does not hold with zeros, and trusts the lengths of strips in the file. Here
a file that ends early is an error, and the length of uncompressed strips and tiles follows from the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from asap_ingest.errors import ImageError
from asap_ingest.images.damage import naming_damage
from asap_ingest.images.file_claims import jpeg_shape, refuse_bomb
from asap_ingest.images.pixels import Image, ImageHead

#: First bytes of TIFF and BigTIFF files, of either byte order.
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

YCBCR = 6
#: Compressions whose colours tifffile decodes to RGB.
_JPEG = (6, 7, 33007, 34892)
#: Compressions whose strips and tiles are images that state their size: JPEG 2000, PNG, WebP, JPEG XL and XR.
_IMAGES = (22610, 33003, 33004, 33005, 34712, 34933, 34934, 50001, 50002, 52546)
#: Bytes that compressed strips and tiles may have beside their samples: tables, profiles.
_OVERHEAD = 1 << 20
#: Pixels by which JPEG images may exceed their strip or tile, as sides are rounded up to blocks.
_BLOCK = 32


@dataclass(frozen=True)
class PlainSamples:
    """Samples that are stored as they lie in memory.

    Attributes
    ----------
    offset : int
        Their first byte.
    dtype : dtype
        With the byte order of the file.
    shape : tuple of int
        (channels, height, width, samples): either channels or samples is 1.
    """

    offset: int
    dtype: np.dtype[Any]
    shape: tuple[int, int, int, int]

    @property
    def byte_count(self) -> int:
        return prod(self.shape) * self.dtype.itemsize

    @property
    def end(self) -> int:
        """The first byte after them."""
        return self.offset + self.byte_count

    def arranged(self, content: Image) -> Image:
        """The bytes from `offset` on as samples, shape (height, width) or (height, width, samples).

        They are copied only if the byte order is not that of this machine, or channels are separate.
        """
        samples = content.view(self.dtype).reshape(self.shape)
        return _squeezed(samples.transpose(1, 2, 0, 3).reshape(*self.shape[1:3], -1)).astype(
            self.dtype.newbyteorder("="), copy=False
        )


@dataclass(frozen=True)
class Segment:
    """A strip or tile of a page: the part of the image that it covers, and where its bytes lie.

    `channel` is 0 but for separate channels; `offset` is None for background that is not stored.
    """

    number: int
    channel: int
    rows: slice
    columns: slice
    offset: int | None
    length: int


@contextmanager
def opened_tiff(source: str | BinaryIO) -> Iterator[Any]:
    """A `tifffile.TiffFile` of a path or an open file; its errors are `ImageError`."""
    import tifffile

    with naming_damage(), tifffile.TiffFile(source) as tiff:
        yield tiff


def page_at(tiff: Any, index: int) -> Any:
    """A page, counted from 0."""
    if not len(tiff.pages):
        raise ImageError("cannot be read: it is damaged, and holds no image")
    if index >= len(tiff.pages):
        raise ImageError(f"page {index + 1} was asked for; it has {len(tiff.pages)}")
    return tiff.pages[index].aspage()


def page_head(page: Any) -> ImageHead:
    """The head of a page.

    Raises
    ------
    ImageError
        Samples of no type that NumPy has, several planes in one page.
    """
    channels, depth, height, width, samples = page.shaped
    if page.dtype is None:
        raise ImageError(f"has samples of {page.bitspersample} bits of a kind that cannot be read")
    if page.bitspersample == 24 and page.dtype.kind != "f":
        # tifffile ignores the byte order of these, or applies it twice
        raise ImageError("has samples of 24 bits, which cannot be read reliably; save it with 32 bits")
    if depth != 1:
        raise ImageError(f"holds {depth} planes in one page; write each plane to a page of its own")
    if not height or not width:
        raise ImageError(f"says it is {width} x {height}")
    sample_type = page.dtype.newbyteorder("=").name
    return ImageHead(
        (height, width), sample_type, channels * samples, _photometric(page), True, _palette(page)
    )


def _photometric(page: Any) -> str:
    if page.photometric == YCBCR and page.compression in _JPEG:
        return "rgb"  # as it is decoded
    return getattr(page.photometric, "name", str(page.photometric)).lower()


def _palette(page: Any) -> NDArray[np.uint8] | None:
    """Colours of a palette: 16 bit, of which the high byte counts; some programs write 8."""
    if page.colormap is None:
        return None
    colours = np.asarray(page.colormap).T
    return (colours if colours.max(initial=0) < 256 else colours >> 8).astype(np.uint8)


def plain_samples(page: Any) -> PlainSamples | None:
    """Where the samples of a page lie; None if they must be decoded."""
    if not page.is_final:
        return None
    channels, _, height, width, samples = page.shaped
    dtype = page.dtype.newbyteorder(page.parent.byteorder)
    return PlainSamples(page.dataoffsets[0], dtype, (channels, height, width, samples))


def refuse_truncated(page: Any) -> None:
    """Raise ImageError where samples of a page are not in its file."""
    plain = plain_samples(page)
    ends = (segment.offset + segment.length for segment in segments_of(page) if segment.offset is not None)
    refuse_short_file(plain.end if plain else max(ends, default=0), page.parent.filehandle.size)


def refuse_short_file(end: int, size: int) -> None:
    """Raise ImageError where samples would end behind the last byte of a file."""
    if end > size:
        raise ImageError(f"is cut short: pixels reach to byte {end} of {size}")


def read_samples(page: Any, rows: slice, columns: slice) -> Image:
    """Decode a part of a page, from the strips or tiles that it touches.

    Returns
    -------
    ndarray, shape (height, width) or (height, width, samples), in the byte order of this machine
        Strips and tiles that are not stored are 0, or the file's value for no data.

    Raises
    ------
    ImageError
        A strip or tile is not in the file, or damaged.
    """
    channels, _, _, _, samples = page.shaped
    shape = rows.stop - rows.start, columns.stop - columns.start, channels * samples
    pixels = np.full(shape, page.nodata, page.dtype.newbyteorder("="))
    for segment in segments_of(page):
        down, across = _overlap(segment.rows, rows), _overlap(segment.columns, columns)
        if segment.offset is not None and down.start < down.stop and across.start < across.stop:
            decoded = _decoded(page, segment)[
                _within(down, segment.rows.start), _within(across, segment.columns.start)
            ]
            of_channel = slice(segment.channel * samples, (segment.channel + 1) * samples)
            pixels[_within(down, rows.start), _within(across, columns.start), of_channel] = decoded
    return _squeezed(pixels)


def _squeezed(samples: Image) -> Image:
    return samples[..., 0] if samples.shape[2] == 1 else samples


def segments_of(page: Any) -> Iterator[Segment]:
    """The strips or tiles of a page, in the order of the file.

    Raises
    ------
    ImageError
        The page does not say where all of them are.
    """
    channels, _, height, width, samples = page.shaped
    down, across = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, width)
    corners = [*product(range(channels), range(0, height, down), range(0, width, across))]
    offsets, lengths = page.dataoffsets, page.databytecounts
    if len(offsets) < len(corners):
        raise ImageError(
            f"is damaged: it says where {len(offsets)} of its {len(corners)} strips or tiles are"
        )
    row_bytes = -(-across * samples * page.bitspersample // 8)
    for number, (channel, y, x) in enumerate(corners):
        rows, columns = slice(y, min(y + down, height)), slice(x, min(x + across, width))
        length = lengths[number] if number < len(lengths) else 0
        offset = offsets[number] if offsets[number] or length else None
        if page.compression == 1:
            length = row_bytes * (down if page.is_tiled else rows.stop - rows.start)
        if offset is not None and not (offset and length):
            raise ImageError(f"is damaged or cut short: strip or tile {number} of it is empty")
        yield Segment(number, channel, rows, columns, offset, length)


def _decoded(page: Any, segment: Segment) -> Image:
    """Samples (height, width, samples) of a whole strip or tile, which may reach beyond the image."""
    file, name = page.parent.filehandle, f"strip or tile {segment.number} of it"
    if page.is_tiled:
        height, width = page.tilelength, page.tilewidth
    else:  # the last strip may have rows below the image
        height, width = min(page.rowsperstrip, page.shaped[2]), page.shaped[3]
    size = int(height * width * page.shaped[4] * page.dtype.itemsize)
    if segment.length > 2 * size + _OVERHEAD:
        raise ImageError(f"is damaged: {name} says it has {segment.length:,} bytes")
    refuse_bomb(getattr(page.compression, "name", str(page.compression)), size, segment.length)
    file.seek(segment.offset)
    content = file.read(segment.length)
    if len(content) < segment.length:
        raise ImageError(f"is cut short: it ends within strip or tile {segment.number}")
    if page.compression in _IMAGES:
        rows = height if page.is_tiled else segment.rows.stop - segment.rows.start
        return _decoded_image(page, content, (rows, width, page.shaped[4]), name)
    claimed = jpeg_shape(content) if page.compression in _JPEG else None
    if claimed is not None and (claimed[0] > height + _BLOCK or claimed[1] > width + _BLOCK):
        raise ImageError(f"is damaged: {name} says it is {claimed[1]} x {claimed[0]}, not {width} x {height}")
    # strips of JPEG may share tables of the page
    shared = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader} if page.jpegtables else {}
    samples, _, _ = page.decode(content, segment.number, **shared)
    return samples[0]


def _decoded_image(page: Any, content: bytes, shape: tuple[int, int, int], name: str) -> Image:
    """Samples of a strip or tile that is an image itself, of this (height, width, samples) and no other."""
    samples = np.empty(shape, page.dtype.newbyteorder("="))
    try:
        tifffile.TIFF.DECOMPRESSORS[page.compression](content, out=_squeezed(samples))
    except ValueError as error:
        raise ImageError(f"is damaged: {name} is not {shape[1]} x {shape[0]}: {error}") from error
    return samples


def _overlap(one: slice, other: slice) -> slice:
    return slice(max(one.start, other.start), min(one.stop, other.stop))


def _within(part: slice, start: int) -> slice:
    return slice(part.start - start, part.stop - start)
