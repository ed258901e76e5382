"""Neuroglancer in a browser: what one of its panels shows, compared with what it must show."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from tests.browser import OpenPage

#: One panel, without lines on top.
PLAIN = {
    "layout": "xy",
    "showDefaultAnnotations": False,
    "showAxisLines": False,
    "showScaleBar": False,
}
#: What Neuroglancer shows where a layer has no data.
OUTSIDE = 128


@dataclass(frozen=True)
class View:
    """What a panel must show.

    Attributes
    ----------
    image : ndarray, shape (height, width)
        Grey values 0 to 255, or colours (height, width, 3).
    regions : ndarray of int, shape (height, width)
        Pixels near a change of its values are not compared: rounding may shift the change by a pixel.
    middle : pair of float
        Position in the image (across, down) that the middle of the panel shows.
    step : pair of float
        Pixels of the image (across, down) from one pixel of the panel to the next.
    margin : int
        How near: pixels of the panel.
    """

    image: NDArray[Any]
    regions: NDArray[Any]
    middle: tuple[float, float]
    step: tuple[float, float]
    margin: int = 4

    def expected(self, width: float, height: float) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """What a panel of this size must show: grey values, and the mask of pixels to compare."""
        x, y = (
            np.floor((np.arange(round(length)) + 0.5 - length / 2) * step + middle).astype(int)
            for length, step, middle in zip((width, height), self.step, self.middle, strict=True)
        )
        rows, columns = self.image.shape[:2]
        inside = ((y >= 0) & (y < rows))[:, None] & ((x >= 0) & (x < columns))
        clipped = np.ix_(y.clip(0, rows - 1), x.clip(0, columns - 1))
        shown = np.where(inside, self.image[clipped], OUTSIDE).astype(int)
        known = np.where(inside, self.regions[clipped], -1)
        sure = np.ones(known.shape, bool)
        for axis in (0, 1):
            for step in (-self.margin, self.margin):
                sure &= np.roll(known, step, axis) == known
        return shown, sure & _unobstructed(sure.shape)

    def sure_part(self, page: OpenPage) -> float:
        """Part of the panel that is compared."""
        return float(self.expected(*shown_panel(page).shape[1::-1])[1].mean())

    def wrong_part(self, page: OpenPage) -> float:
        """Part of the compared pixels that are more than 10 grey values off."""
        picture = shown_panel(page)
        shown, sure = self.expected(*picture.shape[1::-1])
        off = np.abs(picture - shown[..., None]).max(axis=2) > 10
        return float(off[sure].mean())

    def wait(self, page: OpenPage) -> None:
        """Wait until the panel shows this, or for 20 seconds."""
        wait_for(page, lambda: self.wrong_part(page) <= 0.001)


def _unobstructed(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Mask without the pixels that axis names, buttons and the frame of the panel cover."""
    free = np.zeros(shape, bool)
    free[90:-3, 3:-3] = True
    return free


def client_url(page: str, state: dict[str, Any]) -> str:
    """Address of a client that shows a state."""
    return f"{page}#!{quote(json.dumps(state))}"


def shown_panel(page: OpenPage) -> NDArray[Any]:
    """Colours of the first panel with data: int, shape (height, width, 3)."""
    panel = page.evaluate(
        "() => { const box = document.querySelector('.neuroglancer-rendered-data-panel')"
        ".getBoundingClientRect();"
        " return {left: box.left, top: box.top, width: box.width, height: box.height}; }"
    )
    left, top = round(panel["left"]), round(panel["top"])
    picture = page.screenshot()
    return picture[top : top + round(panel["height"]), left : left + round(panel["width"])].astype(int)


def wait_for(page: OpenPage, is_shown: Callable[[], bool]) -> None:
    """Wait until the viewer is ready and `is_shown` is true, or for 20 seconds."""
    page.wait_until("window.viewer !== undefined && viewer.isReady()")
    deadline = time.monotonic() + 20
    while not is_shown() and time.monotonic() < deadline:
        time.sleep(0.2)
