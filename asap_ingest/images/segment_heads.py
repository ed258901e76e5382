"""What strips and tiles that are images themselves say of their size, before a decoder trusts it."""

from __future__ import annotations

import struct

_JPEG_START, _PNG_START, _CODESTREAM = b"\xff\xd8", b"\x89PNG", b"\xff\x4f\xff\x51"
#: Markers that begin a frame are C0 to CF but for these three.
_NO_FRAMES = (0xC4, 0xC8, 0xCC)


def said_shape(content: bytes) -> tuple[int, int] | None:
    """(height, width) that a JPEG, JPEG 2000 or PNG says it has; None for other content."""
    if content.startswith(_JPEG_START):
        return _jpeg_shape(content)
    if content.startswith(_PNG_START) and len(content) >= 24:
        width, height = struct.unpack_from(">II", content, 16)
        return height, width
    start = content.find(_CODESTREAM, 0, 4096)
    if start < 0 or len(content) < start + 16:
        return None
    width, height = struct.unpack_from(">II", content, start + 8)
    return height, width


def _jpeg_shape(content: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if 0xC0 <= marker <= 0xCF and marker not in _NO_FRAMES:
            height, width = struct.unpack_from(">HH", content, place + 5)
            return height, width
        # filling bytes stand alone, other segments say how long they are
        place += 1 if marker == 0xFF else 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return None
