"""Masks that render computes from their URL: no files, but one URL a level.

`mask://outside-box?minX=12&minY=0&maxX=96&maxY=80&width=96&height=80` keeps what lies in the box
[minX, maxX) x [minY, maxY) of an image of that size.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl

from asap_ingest.errors import ImageError

#: Render's name of what computes them.
DYNAMIC_MASK = "DYNAMIC_MASK"

_SCHEME = "mask:"
_START = "mask://outside-box?"


def is_dynamic(uri: str) -> bool:
    """Whether a URL names no file but a mask to compute."""
    return uri.startswith(_SCHEME)


class DynamicMask(NamedTuple):
    """A box that is kept, and the size of the mask, in pixels of level 0."""

    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int

    @classmethod
    def parse(cls, url: str) -> DynamicMask:
        """The mask of a URL; fractions are cut off, as render does.

        Raises
        ------
        ImageError
            Another form of URL, numbers that are missing or none, a size below 1.
        """
        try:
            query = dict(parse_qsl(url.removeprefix(_START), strict_parsing=url.startswith(_START)))
            mask = cls(*(int(float(query[name])) for name in _NAMES))
        except (KeyError, ValueError, OverflowError) as error:
            raise ImageError(f"is not {_START} with numbers for {', '.join(_NAMES)}") from error
        if mask.width < 1 or mask.height < 1:
            raise ImageError(f"is a mask of {mask.width} x {mask.height} pixels")
        return mask

    @property
    def shape_yx(self) -> tuple[int, int]:
        return self.height, self.width

    @property
    def url(self) -> str:
        pairs = zip(_NAMES, self, strict=True)
        return _START + "&".join(f"{name}={value}" for name, value in pairs)

    def level_urls(self, levels: int) -> list[str]:
        """The masks of levels 1 to `levels`: a pixel is kept where its whole block is kept."""
        urls, mask = [], self
        for _ in range(levels):
            mask = mask._halved()
            urls.append(mask.url)
        return urls

    def _halved(self) -> DynamicMask:
        left, right, width = _halved_axis(self.left, self.right, self.width)
        top, bottom, height = _halved_axis(self.top, self.bottom, self.height)
        return DynamicMask(left, top, right, bottom, width, height)


_NAMES = ("minX", "minY", "maxX", "maxY", "width", "height")


def _halved_axis(first: int, end: int, size: int) -> tuple[int, int, int]:
    """First pixel that is kept, first behind it, and number of pixels, of the next level."""
    first, end = max(0, first), min(end, size)
    if size == 1:
        return first, end, 1
    return (first + 1) // 2, max(0, end // 2), size // 2
