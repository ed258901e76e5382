"""A synthetic section of brain tissue as an electron microscope shows it: dark membranes, light cells."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from asap_ingest.simulation.organelles import draw_organelles
from asap_ingest.simulation.profiles import (
    NEURITE,
    REDUCTION,
    Profiles,
    contrast_of_classes,
    grow_profiles,
    random_field,
)

_BAND_ROWS = 1024
#: What growing cells, synapses and organelles take, as bands of a picture of 15,000 rows take 1 each.
_PARTS_OF_STAGES = (6, 2, 20)
_LEAST_SIDE = 64  # coarse pixels: a smaller picture is cut from one of this size
_HALO = 8  # coarse rows around a band, so that enlarging and blurring give the same pixels in any band


def drawing_parts(shape_yx: tuple[int, int]) -> int:
    """How many parts `draw_section` counts."""
    rows = max(_LEAST_SIDE, -(-shape_yx[0] // REDUCTION)) * REDUCTION
    return sum(_PARTS_OF_STAGES) + len(range(0, rows, _BAND_ROWS))


def draw_section(
    shape_yx: tuple[int, int],
    seed: int,
    section: int = 0,
    advance: Callable[[int], None] = lambda parts: None,
) -> NDArray[np.uint8]:
    """Draw the tissue that all tiles of a section are cut from.

    Parameters
    ----------
    shape_yx : (height, width) in pixels of 3.5 nm
    seed : the tissue; the same numbers give the same bytes, whatever the number of threads
    section : depth in the tissue; neighbours resemble each other
    advance : given the number of parts, of `drawing_parts`, that were done since the last call

    Returns
    -------
    ndarray of uint8, shape (height, width)
        Grey without camera noise: membranes near 60, cytoplasm near 170. Needs about two bytes of
        memory per pixel beside the result.
    """
    rows, columns = (max(_LEAST_SIDE, -(-side // REDUCTION)) for side in shape_yx)
    growing, synapses, organelles = _PARTS_OF_STAGES
    profiles = grow_profiles((rows, columns), seed, section)
    advance(growing)
    canvas = _enlarge(profiles.grey)
    free = profiles.depth.copy()
    densities = _draw_synapses(canvas, profiles, free, np.random.default_rng([seed, 12]))
    advance(synapses)
    draw_organelles(canvas, profiles, free, seed)
    advance(organelles)
    finish = _Finish(profiles, densities, seed)
    bands = range(0, canvas.shape[0], _BAND_ROWS)
    with ThreadPoolExecutor() as pool:
        for _ in pool.map(lambda top: finish.draw_band(canvas, top), bands):
            advance(1)
    return canvas[: shape_yx[0], : shape_yx[1]]


def _enlarge(coarse: NDArray[np.uint8]) -> NDArray[np.uint8]:
    import cv2

    size = (coarse.shape[1] * REDUCTION, coarse.shape[0] * REDUCTION)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def _draw_synapses(
    canvas: NDArray[np.uint8], profiles: Profiles, free: NDArray[np.float32], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Choose places on membranes; mark a density on one side and draw vesicles on the other.

    Returns the densities: uint8, coarse grid, 0 to 255, where a membrane is darkened.
    """
    import cv2

    height, width = free.shape
    densities = np.zeros(free.shape, np.uint8)
    count = height * width // 34**2
    places = (rng.uniform(0, 1, (count, 2)) * (width, height)).astype(int)
    reaches = rng.uniform(11, 26, count)
    clouds = rng.normal(0, 1, (count, 90, 2))
    for (x, y), reach, cloud in zip(places, reaches, clouds, strict=True):
        axon = profiles.labels[y, x]
        usable = profiles.kind_of[axon] == NEURITE and profiles.area_of[axon] < 30000
        if not usable or not 8 < free[y, x] < 24:
            continue
        contact = _mark_density(densities, profiles, (x, y), float(reach))
        if contact is None:
            continue
        middle = 0.45 * np.array([x, y]) + 0.55 * contact
        _draw_vesicles(canvas, profiles, free, middle + (0.5 * free[y, x] + 5) * cloud, axon)
    return np.asarray(cv2.GaussianBlur(densities, (0, 0), 1.2), np.uint8)


def _mark_density(
    densities: NDArray[np.uint8], profiles: Profiles, place: tuple[int, int], reach: float
) -> NDArray[np.float64] | None:
    """Darken the far side of the membrane nearest to a place; the contact (x, y), or None without one."""
    x, y = place
    top, left = max(0, y - 60), max(0, x - 60)
    window = profiles.labels[top : y + 61, left : x + 61]
    rows, columns = np.nonzero(window != profiles.labels[y, x])
    if rows.size == 0:
        return None
    nearest = int(np.argmin((rows + top - y) ** 2 + (columns + left - x) ** 2))
    row, column = int(rows[nearest]), int(columns[nearest])
    partner = window[row, column]
    if profiles.kind_of[partner] != NEURITE or profiles.area_of[partner] < 300:
        return None
    distance = np.hypot(np.arange(window.shape[0])[:, np.newaxis] - row, np.arange(window.shape[1]) - column)
    strength = 255 * np.clip((reach - distance) / 3, 0, 1) * (window == partner)
    part = densities[top : y + 61, left : x + 61]
    np.maximum(part, strength.astype(np.uint8), out=part)
    return np.array([column + left, row + top], np.float64)


def _draw_vesicles(
    canvas: NDArray[np.uint8],
    profiles: Profiles,
    free: NDArray[np.float32],
    places: NDArray[np.float64],
    axon: int,
) -> None:
    """Small pale discs with a dark rim, 40 nm across, that keep apart from each other and from membranes."""
    import cv2

    height, width = free.shape
    for place in places:
        x, y = int(place[0]), int(place[1])
        if not (0 <= x < width and 0 <= y < height) or profiles.labels[y, x] != axon or free[y, x] < 2:
            continue
        free[max(0, y - 3) : y + 4, max(0, x - 3) : x + 4] = 0
        center = (round(place[0] * REDUCTION * 16), round(place[1] * REDUCTION * 16))
        cv2.circle(canvas, center, 5 * 16, 172, cv2.FILLED, cv2.LINE_AA, 4)
        cv2.circle(canvas, center, 5 * 16, 88, 2, cv2.LINE_AA, 4)


class _Finish:
    """Membranes, densities, grain and staining, laid over the organelles band by band."""

    def __init__(self, profiles: Profiles, densities: NDArray[np.uint8], seed: int) -> None:
        rng = np.random.default_rng([seed, 5])
        shape = profiles.labels.shape
        self._profiles = profiles
        self._densities = densities
        # a membrane cut at a slant is a wide grey smear: 1 is a clean cut
        slant = 1.05 + 0.42 * random_field(shape, 34, rng)
        self._cut = (255 * np.clip(slant, 0.28, 1)).astype(np.uint8)
        stain = 205 + 5 * random_field(shape, 900, rng) + 4 * random_field(shape, 160, rng)
        self._stain = np.clip(stain, 180, 230).astype(np.uint8)
        self._grain = [_grain(size, rng) for size in (1021, 1297)]
        self._membrane = _membrane_table()
        self._density = _density_table()

    def draw_band(self, canvas: NDArray[np.uint8], top: int) -> None:
        """Finish the rows from `top` of the canvas, in place."""
        import cv2

        bottom = min(top + _BAND_ROWS, canvas.shape[0])
        lead = contrast_of_classes([self._rows(cover, top, bottom) for cover in self._profiles.classes])
        cut = self._rows(self._cut, top, bottom)
        dark = cv2.LUT(cv2.multiply(lead, cut, scale=1 / 255), self._membrane)
        dark = cv2.multiply(dark, cv2.addWeighted(cut, 0.6, cut, 0, 102), scale=1 / 255)
        thick = cv2.LUT(lead, self._density)
        dark = cv2.max(dark, cv2.multiply(thick, self._rows(self._densities, top, bottom), scale=1 / 255))
        band = cv2.multiply(canvas[top:bottom], cv2.bitwise_not(dark), scale=1 / 255)
        band = cv2.multiply(band, self._rows(self._stain, top, bottom), scale=1 / 205)
        for grain in self._grain:
            band = cv2.multiply(band, _tiled(grain, top, band.shape), scale=1 / 128)
        canvas[top:bottom] = band

    def _rows(self, coarse: NDArray[np.uint8], top: int, bottom: int) -> NDArray[np.uint8]:
        first = max(0, top // REDUCTION - _HALO)
        last = -(-bottom // REDUCTION) + _HALO
        start = top - first * REDUCTION
        return _enlarge(coarse[first:last])[start : start + bottom - top]


def _membrane_table() -> NDArray[np.uint8]:
    """Darkness by lead of the strongest class: two dark lines with a paler cleft between them."""
    distance = np.arange(256) / 17.5
    lines = np.exp(-(((distance - 2.5) / 1.25) ** 2)) + 0.62 * np.exp(-((distance / 1.6) ** 2))
    return np.clip(172 * lines, 0, 255).astype(np.uint8)


def _density_table() -> NDArray[np.uint8]:
    distance = np.arange(256) / 17.5
    return np.clip(200 / (1 + np.exp((distance - 8.5) / 1.1)), 0, 255).astype(np.uint8)


def _grain(size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """A square of granular noise that continues across its edges, mean 128; its side is prime, so that
    two such squares of different sides do not repeat together within a section."""
    from scipy.ndimage import gaussian_filter

    white = rng.standard_normal((size, size), dtype=np.float32)
    total = np.zeros_like(white)
    for sigma, weight in ((1.3, 4.5), (3.2, 3.6), (8.0, 1.6)):
        smooth = gaussian_filter(white, sigma, mode="wrap")
        total += weight * smooth / smooth.std()
        white = np.ascontiguousarray(np.roll(white[::-1], size // 3, axis=1).T)
    return np.clip(np.round(128 + total), 0, 255).astype(np.uint8)


def _tiled(pattern: NDArray[np.uint8], top: int, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    rows = np.arange(top, top + shape[0]) % pattern.shape[0]
    columns = -(-shape[1] // pattern.shape[1])
    return np.ascontiguousarray(np.tile(pattern[rows], (1, columns))[:, : shape[1]])
