"""Bytes of compressed chunks, by the names of zarr's codecs and by the ends of file names."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from typing import Any

from asap_ingest.volumes.checking.faults import FaultError

#: What decoders raise for damaged bytes.
DAMAGED = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    RuntimeError,
    TypeError,
    MemoryError,
    struct.error,
    zlib.error,
)


def _by_imagecodecs(name: str) -> Callable[[bytes], bytes]:
    def decode(content: bytes) -> bytes:
        import imagecodecs

        decoder: Any = getattr(imagecodecs, f"{name}_decode")
        return bytes(decoder(content))

    return decode


def _inflate(wbits: int) -> Callable[[bytes], bytes]:
    def decode(content: bytes) -> bytes:
        decompressor = zlib.decompressobj(wbits=wbits)
        whole = decompressor.decompress(content) + decompressor.flush()
        if not decompressor.eof or decompressor.unused_data:
            raise EOFError("it ends too early or too late")
        return whole

    return decode


#: Decompression by name of codec.
DECODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _inflate(31),
    "zlib": _inflate(15),
    "zstd": _by_imagecodecs("zstd"),
    "blosc": _by_imagecodecs("blosc"),
    "brotli": _by_imagecodecs("brotli"),
}
#: Codecs by what cloud-volume puts at the end of the names of files.
SUFFIXES = {".gz": "gzip", ".br": "brotli", ".zstd": "zstd"}


def decompress(content: bytes, codecs: tuple[str, ...], where: str, what: str = "") -> bytes:
    """What was compressed by codecs, one after the other; a FaultError where it is damaged.

    Parameters
    ----------
    where : str
        Place of the fault.
    what : str
        What the content is of the place, followed by a space.
    """
    try:
        for codec in reversed(codecs):
            content = DECODERS[codec](content)
    except DAMAGED as error:
        raise FaultError(where, f"{what}cannot be decompressed: {error}") from error
    return content
