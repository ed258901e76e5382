"""Masks that are described by their URL instead of a file: `mask://outside-box?minX=12&...&width=96&height=80`."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

import numpy as np

from asap_ingest.images.formats import Image
from asap_ingest.render_ws.wire.java_numbers import parse_double, truncate_to_int
from asap_ingest.render_ws.wire.problems import IllegalArgumentError

LOADER = "DYNAMIC_MASK"
_START = "mask://outside-box?"
_NAMES = ("minX", "minY", "maxX", "maxY", "width", "height")


def dynamic_mask(url: str, admit: Callable[[int], None] = lambda size: None) -> Image:
    """The mask of a URL: 255 in the box [minX, maxX) x [minY, maxY), 0 outside it.

    `admit` is told its bytes before it is made, and may raise.

    Raises
    ------
    IllegalArgumentError
        For another form of URL, missing or bad numbers, a size of 0 or too large.
    """
    try:
        values = dict(parse_qsl(url.removeprefix(_START), strict_parsing=url.startswith(_START)))
        left, top, right, bottom, width, height = (
            truncate_to_int(parse_double(values[name])) for name in _NAMES
        )
    except (KeyError, ValueError) as error:
        raise IllegalArgumentError(f"mask URL '{url}' is not {_START} with {', '.join(_NAMES)}") from error
    if width < 1 or height < 1:
        raise IllegalArgumentError(f"mask URL '{url}' asks for a size of {width} x {height}")
    admit(width * height)
    mask = np.zeros((height, width), np.uint8)
    mask[max(0, top) : max(0, bottom), max(0, left) : max(0, right)] = 255
    return mask
