"""Boxes of a section, drawn by the render service, as arrays with the exact pixel values."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asap_ingest.errors import AsapIngestError, ServiceError, ServiceUnreachableError
from asap_ingest.render.stack import Stack

Pixels = NDArray[Any]

#: Under load a service may answer 500 to a request that succeeds a moment later.
_ATTEMPTS = 3
_PAUSE_SECONDS = 0.5
#: A service may draw outlines instead of many tiles, unless a request allows their number.
_ANY_NUMBER = 2**31 - 1


class BoxImageError(AsapIngestError):
    """The service did not draw a box, or not as requested."""

    def __init__(self, box: DrawnBox, stack: str, problem: str) -> None:
        super().__init__(f"stack {stack!r}, z {box.z}, box {box.words}: {problem}")
        self.stack = stack
        self.box = box


@dataclass(frozen=True)
class DrawnBox:
    """A box of a section, in world coordinates, and its resolution.

    Attributes
    ----------
    left, top : int
        World coordinates.
    width, height : int
        Multiples of `step`.
    step : int
        Side of a pixel in world coordinates, a power of two.
    """

    z: float
    left: int
    top: int
    width: int
    height: int
    step: int = 1

    @property
    def words(self) -> str:
        """The box for messages: `x 0..1024, y 512..1024`."""
        right, bottom = self.left + self.width, self.top + self.height
        return f"x {self.left}..{right}, y {self.top}..{bottom}"

    @property
    def path(self) -> str:
        """The box in the address of an image request."""
        return f"z/{self.z}/box/{self.left},{self.top},{self.width},{self.height},{1 / self.step}"

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) of the picture."""
        return self.height // self.step, self.width // self.step


@dataclass(frozen=True)
class Drawing:
    """How boxes are drawn.

    Attributes
    ----------
    dtype : str
        Type of the pixels, a key of `BOX_FORMS`.
    query : dict
        Query parameters of the image requests.
    modified : str or None
        Text that the ETag of the service's images contains as long as the stack is unchanged.
    """

    dtype: str = "uint8"
    query: dict[str, Any] = field(default_factory=dict)
    modified: str | None = None


@dataclass(frozen=True)
class BoxForm:
    """A lossless format of box images.

    Attributes
    ----------
    name : str
        Last part of the path of an image request.
    pixel_bytes : int
        Bytes of a pixel in the response.
    decode : callable
        (response, (height, width)) -> pixels of that shape.
    """

    name: str
    pixel_bytes: int
    decode: Callable[[bytes, tuple[int, int]], Pixels]


def draw_box(stack: Stack, box: DrawnBox, drawing: Drawing) -> Pixels:
    """Pixels (height, width) of a box; 0 where there is no tile.

    Raises
    ------
    BoxImageError
        The service answered with an error, which is quoted, or the stack has changed.
    ServiceUnreachableError
    """
    form = BOX_FORMS[drawing.dtype]
    query = {**drawing.query, "maxTileSpecsToRender": _ANY_NUMBER}
    try:
        answer = _get(stack, f"{stack.url}/{box.path}/{form.name}", query)
    except ServiceUnreachableError:
        raise
    except AsapIngestError as error:
        raise BoxImageError(box, stack.name, str(error)) from error
    if drawing.modified is not None and drawing.modified not in answer.headers.get("etag", drawing.modified):
        raise BoxImageError(box, stack.name, "the stack was changed meanwhile; complete it and start again")
    height, width = box.shape
    expected = width * height * form.pixel_bytes
    if len(answer.content) != expected:
        problem = f"the service sent {len(answer.content)} bytes as {form.name}, {expected} were expected"
        raise BoxImageError(box, stack.name, problem)
    return form.decode(answer.content, box.shape)


def _get(stack: Stack, url: str, query: dict[str, Any]) -> Any:
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return stack.connection.session.get(url, params=query)
        except ServiceError as error:
            if error.status != 500 or attempt == _ATTEMPTS:
                raise
            time.sleep(_PAUSE_SECONDS)
    raise AssertionError("the last attempt returns or raises")


def _gray_of_argb(content: bytes, shape: tuple[int, int]) -> Pixels:
    """Pixels of uint8 of an ARGB drawing: gray as it is; of colours the rounded mean of the components."""
    pixels = np.frombuffer(content, np.uint8).reshape(*shape, 4)
    red, green, blue = (pixels[..., component] for component in (1, 2, 3))
    if np.array_equal(red, green) and np.array_equal(green, blue):
        return np.ascontiguousarray(red)
    total = red.astype(np.uint16) + green + blue
    return ((total + 1) // 3).astype(np.uint8)


def _big_endian_gray(content: bytes, shape: tuple[int, int]) -> Pixels:
    return np.frombuffer(content, ">u2").reshape(shape).astype(np.uint16)


#: Type of samples -> form in which images of it are requested.
BOX_FORMS = {
    "uint8": BoxForm("raw-image", 4, _gray_of_argb),
    "uint16": BoxForm("raw16-image", 2, _big_endian_gray),
}
