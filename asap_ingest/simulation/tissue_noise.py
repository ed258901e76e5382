"""Noise of the tissue: smooth fields that bend and fill cells, and the grain of the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asap_ingest.simulation.tissue_pixels import GRID

Floats = NDArray[np.float32]

#: Noise fields: (size of lumps in pixels, amplitude), summed.
FIELDS = {
    "bend_x": ((260, 15), (70, 4.5)),
    "bend_y": ((260, 15), (70, 4.5)),
    "lumps": ((150, 1),),
    "sheets": ((90, 1),),
    "stain": ((2200, 0.025), (600, 0.02)),
}


def noise_fields(shape_yx: tuple[int, int], seed: int, depth: float) -> Floats:
    """Smooth noise on the grid, shape (rows, columns, 5), in the order of `FIELDS`."""
    shape = tuple(-(-side // GRID) + 2 for side in shape_yx)
    fields = np.zeros((*shape, len(FIELDS)), np.float32)
    for number, parts in enumerate(FIELDS.values()):
        for lumps, amplitude in parts:
            fields[..., number] += np.float32(amplitude) * _noise(
                shape, lumps, [seed, 2, number, lumps], depth
            )
    return fields


def _noise(shape_yx: tuple[int, ...], lumps: float, seed: list[int], depth: float) -> Floats:
    """A cut through smooth noise, mean 0, standard deviation about 1, with lumps of this size in pixels."""
    import cv2

    step = lumps / 2.5
    layer, part = divmod(depth / step, 1)
    weights = np.exp(-(((np.arange(-1, 3) - part) / 0.9) ** 2))
    weights /= np.linalg.norm(weights)
    scale = step / GRID
    small = [int(side / scale) + 4 for side in shape_yx]
    planes = [
        weight * np.random.default_rng([*seed, int(layer) + number]).standard_normal(small, np.float32)
        for number, weight in enumerate(weights)
    ]
    # a blur by 0.9 pixels leaves 0.32 of the deviation of white noise
    smooth = cv2.GaussianBlur(np.sum(planes, axis=0), (0, 0), 0.9) / np.float32(0.32)
    large = cv2.resize(smooth, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    return np.asarray(large[: shape_yx[0], : shape_yx[1]], np.float32)


def grain(size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A square of granular noise that continues across its edges, mean 128; its side is prime, so that
    two such squares of different sides do not repeat together within a section."""
    import cv2

    white = rng.standard_normal((size, size), np.float32)
    total = np.full_like(white, 128)
    for sigma, weight in ((1.3, 4.5), (3.2, 3.6), (8.0, 1.6)):
        smooth = cv2.GaussianBlur(np.pad(white, 32, mode="wrap"), (0, 0), sigma)[32:-32, 32:-32]
        total += weight * smooth / smooth.std()
        white = white[::-1].T
    return total.round().clip(0, 255).astype(np.uint8)


def multiply_by(patterns: list[NDArray[np.uint8]], band: NDArray[np.uint8], top: int) -> None:
    """Multiply the rows from `top` of the picture, in place, by patterns that repeat; 128 is 1."""
    import cv2

    for pattern in patterns:
        rows = np.arange(top, top + band.shape[0]) % len(pattern)
        tiled = np.tile(pattern[rows], (1, -(-band.shape[1] // len(pattern))))
        cv2.multiply(band, np.ascontiguousarray(tiled[:, : band.shape[1]]), dst=band, scale=1 / 128)
