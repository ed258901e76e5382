"""Images that say they are larger than their files can hold: damaged, or made to fill memory."""

from __future__ import annotations

from asap_ingest.errors import ImageError

#: Images up to here are decoded whatever their files hold.
HARMLESS_BYTES = 1 << 26

#: Decoded bytes that a byte of a file may hold, at most, by Pillow's name of the format or tifffile's of the
#: compression. Blank images and masks come close to it, so this is what the formats allow: deflate packs 258
#: bytes into two bits, and samples of 1 bit are decoded to 8; JPEG needs two bits for 8 x 8 samples, in
#: progressive files less; LZW codes of 12 bits stand for up to 4096 bytes.
DENSITIES = {
    "PNG": 8 * 1032,
    "JPEG": 2048,
    "GIF": 2731,
    "BMP": 128 * 2,
    "PPM": 8,
    "NONE": 8,
    "PACKBITS": 8 * 64,
    "LZW": 8 * 2731,
    "DEFLATE": 8 * 1032,
    "ADOBE_DEFLATE": 8 * 1032,
}
#: Of others, which allow any: blank images of 4 GB in strips of a few KB come close.
OTHER_DENSITY = 1 << 16


def refuse_bomb(form: str | None, decoded: int, stored: int) -> None:
    """Raise ImageError for an image that cannot be in its file.

    Parameters
    ----------
    form : str
        Key of `DENSITIES`, or another.
    decoded, stored : int
        Bytes of its samples, and of the file that hold them.
    """
    if decoded > max(HARMLESS_BYTES, stored * DENSITIES.get(form or "", OTHER_DENSITY)):
        raise ImageError(
            f"says it decodes to {decoded:,} bytes, which {stored:,} bytes of {form} cannot hold: "
            "it is damaged, or was made to fill memory"
        )
