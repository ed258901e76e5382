"""Compares image answers with the recorded ones.

Rules: "How to compare" in the README of the recordings. Pixels agree within one grey value, but for lines
one pixel wide: at tile borders and mesh edges rounding decides whether a pixel is drawn.
"""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[Any]

#: Largest difference of the means, and of 99 of 100 pixels, between pictures that are lossy or drawn anew.
LOOSE_MEAN = 3.0
LOOSE_PIXEL = 24
#: Share of the pixels that lines along borders and edges may take.
MOST_ON_LINES = 0.2
_STARTS = {b"\xff\xd8": "jpeg", b"\x89P": "png", b"II": "tiff", b"MM": "tiff"}


def compare_image(expected: dict[str, Any], expected_file: Path | None, body: bytes) -> str | None:
    """What is wrong with an image answer, None when nothing is.

    Parameters
    ----------
    expected : dict
        `format`, `width`, `height`, `bits`, `channels` as recorded (raw images have the first only), and
        `pixels`: `random` or `approx`, where they are not to be compared closely.
    expected_file : Path or None
        The recorded picture; `.tif.gz` and `.raw.gz` are gzipped.
    body : bytes
        The answer.
    """
    form = expected["format"]
    found_form = _STARTS.get(body[:2], "raw")
    if found_form != form and form != "raw":
        return f"{found_form} instead of {form}: starts with {body[:12]!r}"
    wanted_bytes = None if expected_file is None else _content(expected_file)
    if form == "raw":
        return _compare_raw(expected, wanted_bytes, body)
    found = _pixels(body)
    complaint = _shape_complaint(expected, found)
    if complaint or wanted_bytes is None or expected.get("pixels") == "random":
        return complaint
    wanted = _pixels(wanted_bytes)
    if form == "jpeg" or expected.get("pixels") == "approx":
        return _compare_loosely(wanted, found)
    return compare_pixels(wanted, found)


def _content(file: Path) -> bytes:
    return gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()


def _pixels(content: bytes) -> Pixels:
    """Pixels of an image file, shape (height, width, channels)."""
    if content[:2] in (b"II", b"MM"):
        import tifffile

        pixels = tifffile.imread(io.BytesIO(content))
    else:
        from PIL import Image

        with Image.open(io.BytesIO(content)) as picture:
            pixels = np.array(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def _shape_complaint(expected: dict[str, Any], found: Pixels) -> str | None:
    wanted = (expected["height"], expected["width"], expected["channels"])
    if found.shape != wanted:
        return f"height, width, channels are {found.shape} instead of {wanted}"
    bits = found.dtype.itemsize * 8
    return None if bits == expected["bits"] else f"{bits} bits instead of {expected['bits']}"


def _compare_raw(expected: dict[str, Any], wanted: bytes | None, found: bytes) -> str | None:
    if wanted is None or expected.get("pixels") == "random":
        return None
    if len(wanted) != len(found):
        return f"{len(found)} bytes instead of {len(wanted)}"
    kind = ">u2" if expected.get("bits") == 16 else np.uint8
    arrays = [np.frombuffer(content, kind).reshape(1, -1, 1) for content in (wanted, found)]
    if expected.get("pixels") == "approx":
        return _compare_loosely(*arrays)
    differing = np.count_nonzero(np.abs(arrays[0].astype(np.int64) - arrays[1].astype(np.int64)) > 1)
    if differing > MOST_ON_LINES * arrays[0].size:
        return f"{differing} of {arrays[0].size} samples differ by more than 1"
    return None


def compare_pixels(wanted: Pixels, found: Pixels) -> str | None:
    """Compare pictures of shape (height, width, channels): see the top of this module."""
    difference = np.abs(wanted.astype(np.int64) - found.astype(np.int64)).max(axis=2)
    differing = difference > 1
    if not differing.any():
        return None
    thick = _thick(differing)
    worst = np.unravel_index(
        np.argmax(np.where(thick if thick.any() else differing, difference, 0)), differing.shape
    )
    text = (
        f"{np.count_nonzero(differing)} of {differing.size} pixels differ by more than 1, "
        f"{np.count_nonzero(thick)} of them not on lines; at row {worst[0]}, column {worst[1]} "
        f"{found[worst].tolist()} instead of {wanted[worst].tolist()}"
    )
    on_lines = np.count_nonzero(differing)
    allowed = max(sum(differing.shape) * 2, MOST_ON_LINES * differing.size)
    return text if thick.any() or on_lines > allowed else None


def _thick(differing: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels that belong to a block of 3 x 3 differing ones, beyond the picture's edge counted as equal."""
    height, width = differing.shape
    if height < 3 or width < 3:
        return np.zeros_like(differing)
    core = np.ones((height - 2, width - 2), bool)
    for row in range(3):
        for column in range(3):
            core &= differing[row : row + height - 2, column : column + width - 2]
    thick = np.zeros_like(differing)
    for row in range(3):
        for column in range(3):
            thick[row : row + height - 2, column : column + width - 2] |= core
    return thick


def _compare_loosely(wanted: Pixels, found: Pixels) -> str | None:
    if wanted.shape != found.shape:
        return f"shape {found.shape} instead of {wanted.shape}"
    difference = np.abs(wanted.astype(np.int64) - found.astype(np.int64))
    scale = 1 if wanted.dtype == np.uint8 else 256
    if difference.mean() > LOOSE_MEAN * scale or np.percentile(difference, 99) > LOOSE_PIXEL * scale:
        return f"mean difference {difference.mean():.2f}, greatest {difference.max()}"
    return None
