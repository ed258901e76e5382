"""Small files that say they are large images."""

import io
import struct
import zlib

from PIL import Image as PilImage


def png_of_zeros(height: int, width: int) -> bytes:
    """A valid 8-bit gray PNG, black: of about a thousandth of its pixels' bytes."""
    packer = zlib.compressobj(9)
    packed = b"".join(packer.compress(bytes(width + 1)) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", head), (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_png_chunk(*part) for part in parts)


def _png_chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def jpeg_that_says(height: int, width: int) -> bytes:
    """A JPEG of 16 x 16 pixels whose head says another size: some 300 bytes."""
    file = io.BytesIO()
    PilImage.new("L", (16, 16)).save(file, "JPEG")
    return with_frame_size(file.getvalue(), height, width)


def with_frame_size(content: bytes, height: int, width: int) -> bytes:
    """JPEG data with another size in its frame's head."""
    start = content.index(b"\xff\xc0") + 5
    return content[:start] + struct.pack(">HH", height, width) + content[start + 4 :]
