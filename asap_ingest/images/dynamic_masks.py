"""Dynamic masks: computed from their URL instead of read from a file, so that each level has a URL.

`mask://outside-box?minX=12&minY=0&maxX=96&maxY=80&width=96&height=80` is 255 in the box
[minX, maxX) x [minY, maxY) of an image of that size.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl

import numpy as np

from asap_ingest.errors import ImageError
from asap_ingest.images.pixels import Image

#: Render's name of their loader.
DYNAMIC_MASK = "DYNAMIC_MASK"

_SCHEME = "mask:"
_START = "mask://outside-box?"


def is_dynamic(uri: str) -> bool:
    """Whether a URL stands for a mask to compute, not for a file."""
    return uri.startswith(_SCHEME)


class DynamicMask(NamedTuple):
    """The box of a mask that is 255, and the size of the mask, in pixels."""

    left: int
    top: int
    right: int
    bottom: int
    width: int
    height: int

    @classmethod
    def parse(cls, url: str, number: Callable[[str], int] = lambda text: int(float(text))) -> DynamicMask:
        """The mask of a URL; `number` turns text to a whole number, by default cutting off fractions.

        Raises
        ------
        ImageError
            Another form of URL, missing or malformed numbers, a size below 1.
        """
        try:
            query = dict(parse_qsl(url.removeprefix(_START), strict_parsing=url.startswith(_START)))
            mask = cls(*(number(query[name]) for name in _NAMES))
        except (KeyError, ValueError, OverflowError) as error:
            raise ImageError(f"is not {_START} with numbers for {', '.join(_NAMES)}") from error
        if mask.width < 1 or mask.height < 1:
            raise ImageError(f"is a mask of {mask.width} x {mask.height} pixels")
        return mask

    @property
    def shape_yx(self) -> tuple[int, int]:
        return self.height, self.width

    def pixels(self) -> Image:
        """255 in the box, 0 outside: uint8 of shape (height, width)."""
        mask = np.zeros(self.shape_yx, np.uint8)
        mask[max(0, self.top) : max(0, self.bottom), max(0, self.left) : max(0, self.right)] = 255
        return mask

    @property
    def url(self) -> str:
        pairs = zip(_NAMES, self, strict=True)
        return _START + "&".join(f"{name}={value}" for name, value in pairs)

    def level_urls(self, levels: int) -> list[str]:
        """The masks of levels 1 to `levels`: a pixel is 255 where its whole block is."""
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
    """The next level along one axis: first pixel of the box, the one after its last, size of the mask."""
    first, end = max(0, first), min(end, size)
    if size == 1:
        return first, end, 1
    return (first + 1) // 2, max(0, end // 2), size // 2
