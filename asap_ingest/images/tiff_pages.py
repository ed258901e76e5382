"""Pages of TIFF files, read with tifffile: what a page says of itself, and its samples.

tifffile's own reading fills what a file does not hold with zeros, and trusts what it says of the length
of its strips. Here a file that ends early is an error, and the length of uncompressed strips and tiles
follows from the size of the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import ImageError
from asap_ingest.images.damage import naming_damage
from asap_ingest.images.density import refuse_bomb
from asap_ingest.images.pixels import Image, ImageHead
from asap_ingest.images.segment_heads import said_shape

#: First bytes of TIFF and BigTIFF files, of either byte order.
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

YCBCR = 6
#: Compressions whose colours tifffile decodes to RGB.
_JPEG = (6, 7, 33007, 34892)
#: Compressions whose strips and tiles are images themselves: JPEG, JPEG 2000, PNG.
_IMAGES = (*_JPEG, 33003, 33004, 33005, 34712, 34933)
#: What compressed strips and tiles may have beside their samples: tables, profiles.
_OVERHEAD = 1 << 20
#: Sides of JPEG images may be rounded up to it.
_BLOCK = 32


@dataclass(frozen=True)
class PlainSamples:
    """Samples that lie in the file as they lie in memory.

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
    def end(self) -> int:
        return self.offset + prod(self.shape) * self.dtype.itemsize

    def view(self, content: bytes | Image) -> Image:
        """The samples in the bytes of the file, shape (height, width) or (height, width, samples).

        They are copied only where the file has another byte order than this machine, or channels apart.
        """
        samples = np.frombuffer(content, self.dtype, prod(self.shape), self.offset).reshape(self.shape)
        return _squeezed(samples.transpose(1, 2, 0, 3).reshape(*self.shape[1:3], -1)).astype(
            self.dtype.newbyteorder("="), copy=False
        )


@dataclass(frozen=True)
class Segment:
    """A strip or tile: what it covers of the image, and where its bytes lie.

    Attributes
    ----------
    channel : int
        Of images whose channels lie apart.
    offset : int or None
        None for one that the file leaves out: it is background.
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
    """What a page says of itself.

    Raises
    ------
    ImageError
        Samples of no type that NumPy has, several planes in one page.
    """
    channels, depth, height, width, samples = page.shaped
    if page.dtype is None:
        raise ImageError(f"has samples of {page.bitspersample} bits of a kind that cannot be read")
    if page.bitspersample == 24 and page.dtype.kind != "f":
        # tifffile ignores the byte order of these, or takes it twice
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
    """Where the samples of a page lie, None if they must be decoded."""
    if not page.is_final:
        return None
    channels, _, height, width, samples = page.shaped
    dtype = page.dtype.newbyteorder(page.parent.byteorder)
    return PlainSamples(page.dataoffsets[0], dtype, (channels, height, width, samples))


def refuse_truncated(page: Any) -> None:
    """Raise ImageError where samples of a page are not in its file."""
    plain = plain_samples(page)
    end = plain.end if plain else max((_end_of(segment) for segment in segments_of(page)), default=0)
    refuse_short_file(end, page.parent.filehandle.size)


def refuse_short_file(end: int, size: int) -> None:
    """Raise ImageError where samples end behind the last byte of a file."""
    if end > size:
        raise ImageError(f"is cut short: pixels reach to byte {end} of {size}")


def _end_of(segment: Segment) -> int:
    return 0 if segment.offset is None else segment.offset + segment.length


def read_samples(page: Any, rows: slice, columns: slice) -> Image:
    """Decode what the rows and columns touch.

    Returns
    -------
    ndarray, shape (height, width) or (height, width, samples), in the byte order of this machine
        Strips and tiles that the file leaves out are 0, or the file's value for no data.

    Raises
    ------
    ImageError
        A strip or tile is not in the file, or damaged.
    """
    channels, _, _, _, samples = page.shaped
    shape = rows.stop - rows.start, columns.stop - columns.start, channels * samples
    pixels = np.full(shape, page.nodata, page.dtype.newbyteorder("="))
    for segment in segments_of(page):
        if segment.offset is not None and _meet(segment.rows, rows) and _meet(segment.columns, columns):
            into = pixels[..., segment.channel * samples : (segment.channel + 1) * samples]
            _copy(_decoded(page, segment), segment, into, rows, columns)
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
    places = [
        (c, y, x) for c in range(channels) for y in range(0, height, down) for x in range(0, width, across)
    ]
    offsets, lengths = page.dataoffsets, page.databytecounts
    if len(offsets) < len(places):
        raise ImageError(f"is damaged: it says where {len(offsets)} of its {len(places)} strips or tiles are")
    row_bytes = -(-across * samples * page.bitspersample // 8)
    for number, (channel, y, x) in enumerate(places):
        rows, columns = slice(y, min(y + down, height)), slice(x, min(x + across, width))
        said = lengths[number] if number < len(lengths) else 0
        offset = None if not offsets[number] and not said else offsets[number]
        stored_rows = down if page.is_tiled else rows.stop - rows.start
        length = row_bytes * stored_rows if page.compression == 1 else said
        if offset is not None and not (offset and length):
            raise ImageError(f"is damaged or cut short: strip or tile {number} of it is empty")
        yield Segment(number, channel, rows, columns, offset, length)


def _decoded(page: Any, segment: Segment) -> Image:
    """Samples (height, width, samples) of a strip or tile; tiles may be larger than what they cover."""
    file = page.parent.filehandle
    height, width = _stored_shape(page)
    size = int(height * width * page.shaped[4] * page.dtype.itemsize)
    if segment.length > 2 * size + _OVERHEAD:
        raise ImageError(
            f"is damaged: strip or tile {segment.number} of it says it has {segment.length:,} bytes"
        )
    refuse_bomb(getattr(page.compression, "name", str(page.compression)), size, segment.length)
    file.seek(segment.offset)
    content = file.read(segment.length)
    if len(content) < segment.length:
        raise ImageError(f"is cut short: it ends within strip or tile {segment.number}")
    said = said_shape(content) if page.compression in _IMAGES else None
    if said is not None and (said[0] > height + _BLOCK or said[1] > width + _BLOCK):
        raise ImageError(
            f"is damaged: strip or tile {segment.number} of it says it is {said[1]} x {said[0]}, "
            f"not {width} x {height}"
        )
    # strips of JPEG may leave what they have in common to the page
    shared = {"jpegtables": page.jpegtables, "jpegheader": page.jpegheader} if page.jpegtables else {}
    samples, _, _ = page.decode(content, segment.number, **shared)
    return samples[0]


def _stored_shape(page: Any) -> tuple[int, int]:
    """Height and width of a strip, or of a tile with what reaches over the border."""
    if page.is_tiled:
        return page.tilelength, page.tilewidth
    # a last strip may have rows behind the image
    return min(page.rowsperstrip, page.shaped[2]), page.shaped[3]


def _meet(one: slice, other: slice) -> bool:
    return one.start < other.stop and other.start < one.stop


def _copy(decoded: Image, segment: Segment, pixels: Image, rows: slice, columns: slice) -> None:
    """Put what a segment has of the wanted rows and columns into an array of these."""
    has, wanted = (segment.rows, segment.columns), (rows, columns)
    common = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(has, wanted, strict=True)]
    source = tuple(_from(part, a.start) for part, a in zip(common, has, strict=True))
    target = tuple(_from(part, b.start) for part, b in zip(common, wanted, strict=True))
    pixels[target] = decoded[source]


def _from(part: slice, start: int) -> slice:
    return slice(part.start - start, part.stop - start)
