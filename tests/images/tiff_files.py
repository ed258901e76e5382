"""TIFFs byte by byte: those that no library writes, and real programs do."""

import struct

import imagecodecs
import numpy as np

_SIZES = {1: "B", 2: "s", 3: "H", 4: "I", 5: "II", 16: "Q"}


def packed(samples, bits, fill_order=1):
    """Rows of samples of any number of bits, each row beginning with a whole byte."""
    rows = [imagecodecs.packints_encode(row, bits) for row in samples.reshape(len(samples), -1)]
    content = b"".join(rows)
    return reversed_bits(content) if fill_order == 2 else content


def reversed_bits(content):
    table = np.array([int(f"{value:08b}"[::-1], 2) for value in range(256)], np.uint8)
    return table[np.frombuffer(content, np.uint8)].tobytes()


def tiff_of(tags, segments, byteorder="<", offsets=None, counts=None, tiled=False):
    """A classic TIFF of one page.

    `offsets` and `counts` replace what is true of the segments where they are given; a count of None
    leaves the tag out; a segment of None has offset and count 0.
    """
    data = bytearray(b"II*\0" if byteorder == "<" else b"MM\0*") + bytes(4)
    true_offsets, true_counts = [], []
    for segment in segments:
        true_offsets.append(0 if segment is None else len(data))
        true_counts.append(0 if segment is None else len(segment))
        data += segment or b""
        data += bytes(len(data) % 2)
    entries = dict(tags)
    entries[324 if tiled else 273] = (4, offsets or true_offsets)
    if counts != "absent":
        entries[325 if tiled else 279] = (4, counts or true_counts)
    blocks = {}
    for tag, (kind, values) in entries.items():
        content = b"".join(struct.pack(byteorder + _SIZES[kind], value) for value in values)
        if len(content) > 4:
            blocks[tag] = len(data)
            data += content + bytes(len(content) % 2)
        else:
            blocks[tag] = content.ljust(4, b"\0")
    struct.pack_into(byteorder + "I", data, 4, len(data))
    data += struct.pack(byteorder + "H", len(entries))
    for tag, (kind, values) in sorted(entries.items()):
        place = blocks[tag]
        data += struct.pack(byteorder + "HHI", tag, kind, len(values))
        data += place if isinstance(place, bytes) else struct.pack(byteorder + "I", place)
    return bytes(data + bytes(4))


def gray_tags(height, width, bits=8, **more):
    """Tags of an uncompressed gray page in one strip; `more` by the names below."""
    tags = {
        256: (4, [width]),
        257: (4, [height]),
        258: (3, [bits]),
        259: (3, [1]),
        262: (3, [1]),
        277: (3, [1]),
        278: (4, [height]),
    }
    names = {"compression": 259, "photometric": 262, "rows": 278, "fill_order": 266, "samples": 277}
    names |= {"tile_width": 322, "tile_height": 323, "subfile": 254, "sample_format": 339, "ink_set": 332}
    for name, value in more.items():
        tags[names[name]] = (3, [value])
    if "tile_width" in more:
        del tags[278]
    return tags


def tiles_of(image, side):
    """The bytes of square tiles, row by row; the image is padded with 0."""
    height, width = (-(-length // side) * side for length in image.shape)
    whole = np.zeros((height, width), image.dtype)
    whole[: image.shape[0], : image.shape[1]] = image
    return [
        whole[y : y + side, x : x + side].tobytes()
        for y in range(0, height, side)
        for x in range(0, width, side)
    ]
