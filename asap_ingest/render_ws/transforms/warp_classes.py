"""Transforms of many parameters: polynomial lens correction, thin plate splines, moving least squares.

Formulas and data formats: those of render-ws 4.0. Moving least squares: Schaefer, McPhail and Warren, Image
deformation using moving least squares (2006).
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import numpy as np
from numpy.typing import NDArray

from asap_ingest.render_ws.wire.java_numbers import parse_double, parse_float32
from asap_ingest.render_ws.wire.problems import IllegalArgumentError, IllegalStateError

#: Coordinates, shape (n, 2), x first.
Points = NDArray[np.float64]
#: Maps points from one coordinate system to another; the input stays as it is.
Transform = Callable[[Points], Points]
#: Fits a model to landmarks for each point, and maps the point by it. Arguments: weights of the landmarks,
#: shape (points, landmarks); their sources and targets, both (points, landmarks, 2); points, (points, 2). All
#: coordinates, also those returned, are relative to the weighted centroids of sources or targets.
Fit = Callable[[NDArray[np.float64], Points, Points, Points], Points]

#: Limits on the landmarks of a transform, and on points times landmarks: some seconds of computing.
MOST_LANDMARKS, MOST_PAIRS = 2**16, 2**30
#: Points times landmarks that are mapped at once: 8 MB of distances for a spline.
SPLINE_BLOCK, FIT_BLOCK = 2**20, 2**18


def monomials(points: Points, lowest: int) -> Iterator[NDArray[np.float64]]:
    """Yield x^2, xy, y^2, x^3, ... of points of shape (n, 2), from a degree on, each of shape (n,)."""
    x, y = points[:, 0], points[:, 1]
    for degree in count(lowest):
        for power in range(degree + 1):
            yield x ** (degree - power) * y**power


def _correct_lens(
    beta: NDArray[np.float64], mean: NDArray[np.float64], deviation: NDArray[np.float64], points: Points
) -> Points:
    """Polynomials of normalised monomials: the lens correction that TrakEM2 estimates.

    `beta` has shape (terms, 2), `mean` and `deviation` (terms,); the last term is the constant 100.
    """
    result = np.zeros_like(points)
    terms = zip(beta[:-1], mean, deviation, monomials(points, 1), strict=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        for of_term, mean_of_term, deviation_of_term, monomial in terms:
            result += ((monomial - mean_of_term) / deviation_of_term)[:, None] * of_term
    return result + 100.0 * beta[-1]


def _bend_plate(
    affine: NDArray[np.float64], landmarks: Points, weights: NDArray[np.float64], points: Points
) -> Points:
    """x' = x + A x + b + sum over landmarks of D U(distance), U(r) = r^2 ln r.

    `affine` holds A and b, shape (6,), zero without an affine part; `landmarks` has shape (n, 2), `weights`
    (2, n).
    """
    difference = points[:, None, :] - landmarks[None, :, :]
    radius = np.sqrt((difference**2).sum(axis=2))
    kernel = radius**2 * np.log(np.maximum(radius, 1e-300))
    kernel[radius <= 1e-8] = 0.0
    return points + points @ affine[:4].reshape(2, 2).T + affine[4:] + kernel @ weights.T


def _move(fit: Fit, alpha: float, landmarks: NDArray[np.float64], points: Points) -> Points:
    """Map each point by a model that is fitted to the landmarks, near ones weighing most.

    `landmarks` has shape (n, 5): x and y of the source, x and y of the target, weight. At the squared
    distance d of a point, a landmark weighs weight / d**alpha. A point on a landmark moves with it.
    """
    sources, targets = landmarks[:, :2], landmarks[:, 2:4]
    x, y = (points[:, axis, None] - sources[None, :, axis] for axis in (0, 1))
    square = x * x + y * y
    hit = np.argmin(square, axis=1)
    on_landmark = square[np.arange(len(points)), hit] <= 0
    with np.errstate(all="ignore"):
        weights = landmarks[:, 4] / square**alpha
        weights /= weights.sum(axis=1, keepdims=True)
        from_centre, to_centre = weights @ sources, weights @ targets
        source, target = sources[None] - from_centre[:, None], targets[None] - to_centre[:, None]
        mapped = fit(weights, source, target, points - from_centre) + to_centre
    mapped[on_landmark] = targets[hit[on_landmark]]
    return mapped


def _in_blocks(landmarks: int, pairs: int, apply: Transform, points: Points) -> Points:
    """Map points in blocks of `pairs` points times landmarks; IllegalArgumentError beyond `MOST_PAIRS`."""
    if len(points) * landmarks > MOST_PAIRS:
        raise IllegalArgumentError(
            f"{len(points)} points mapped by {landmarks} landmarks are {len(points) * landmarks} pairs, the "
            f"limit is {MOST_PAIRS}: give fewer points or landmarks, or the tile a larger meshCellSize"
        )
    step = max(1, pairs // max(1, landmarks))
    blocks = [apply(points[start : start + step]) for start in range(0, len(points), step)]
    return np.concatenate(blocks) if blocks else points.copy()


def _fit_affine(weights: NDArray[np.float64], source: Points, target: Points, points: Points) -> Points:
    weighted = np.swapaxes(source * weights[:, :, None], 1, 2)
    normal, mixed = weighted @ source, weighted @ target
    (a, b), (_, d) = normal[:, 0].T, normal[:, 1].T
    determinant = a * d - b * b
    x = (d * points[:, 0] - b * points[:, 1]) / determinant
    y = (a * points[:, 1] - b * points[:, 0]) / determinant
    return x[:, None] * mixed[:, 0] + y[:, None] * mixed[:, 1]


def _fit_similarity(weights: NDArray[np.float64], source: Points, target: Points, points: Points) -> Points:
    return _times(points, _turn_and_scale(weights, source, target))


def _fit_rigid(weights: NDArray[np.float64], source: Points, target: Points, points: Points) -> Points:
    factor = _turn_and_scale(weights, source, target)
    return _times(points, factor / np.abs(factor))


def _fit_translation(weights: NDArray[np.float64], source: Points, target: Points, points: Points) -> Points:
    return points


def _turn_and_scale(weights: NDArray[np.float64], source: Points, target: Points) -> NDArray[np.complex128]:
    p, q = source[..., 0] + 1j * source[..., 1], target[..., 0] + 1j * target[..., 1]
    return (weights * p.conj() * q).sum(axis=1) / (weights * np.abs(p) ** 2).sum(axis=1)


def _times(points: Points, factor: NDArray[np.complex128]) -> Points:
    turned = (points[:, 0] + 1j * points[:, 1]) * factor
    return np.stack([turned.real, turned.imag], axis=1)


FITS: dict[str, Fit] = {
    "affine": _fit_affine,
    "similarity": _fit_similarity,
    "rigid": _fit_rigid,
    "translation": _fit_translation,
}


def lens_correction(data: str) -> Transform:
    """Read `dim len beta mean deviation width height`, separated by single blanks.

    Raises
    ------
    ValueError
        For a wrong number of fields, or one that is not a number: two blanks in a row make an empty field.
    """
    fields = data.rstrip(" ").split(" ")
    degree = int(fields[0])
    length = int(fields[1]) if len(fields) > 1 else 0
    if len(fields) != 4 + 4 * length or length != (degree + 1) * (degree + 2) // 2:
        raise ValueError(f"wrong number of values, {len(fields)}, for degree {degree}")
    values = np.array([parse_double(field) for field in fields[2:-2]])
    beta, mean, deviation = np.split(values, [2 * length, 3 * length])
    return partial(_correct_lens, beta.reshape(length, 2), mean, deviation)


def thin_plate_spline(data: str) -> Transform:
    """Read `ThinPlateSplineR2LogR ndims nLm A64 L64`, separated by single blanks.

    Raises
    ------
    ValueError
        For another first word, counts that are not numbers, text that cannot be decoded.
    IllegalStateError
        If fields, or values in a field, are missing.
    """
    fields = data.split(" ")
    if len(fields) >= 2 and fields[0] != "ThinPlateSplineR2LogR":
        raise ValueError(f"it starts with {fields[0]!r}")
    if len(fields) < 5:
        raise IllegalStateError(f"spline with {len(fields)} fields instead of 5")
    dimensions, size = int(fields[1]), int(fields[2])
    if dimensions != 2:
        raise IllegalStateError(f"spline with {dimensions} dimensions instead of 2")
    _check_landmarks(size)
    affine = np.zeros(6) if fields[3] == "null" else _decode_doubles(fields[3], 6)
    landmarks = _decode_doubles(fields[4], 4 * max(0, size))
    if affine.size < 6 or landmarks.size < 4 * size:
        raise IllegalStateError(f"spline in which values are missing for {size} landmarks")
    points, weights = landmarks[: 2 * size].reshape(size, 2), landmarks[2 * size :].reshape(2, size)
    return partial(_in_blocks, size, SPLINE_BLOCK, partial(_bend_plate, affine, points, weights))


def _decode_doubles(text: str, count: int) -> NDArray[np.float64]:
    """Decode Base64 of big-endian doubles, compressed by zlib unless it starts with `@`: at most `count`."""
    raw = base64.b64decode(text.removeprefix("@"))
    if not text.startswith("@"):
        # no more is unpacked than needed: a few bytes may become gigabytes
        unpacking = zlib.decompressobj()
        try:
            raw = unpacking.decompress(raw, 8 * count + 1)
        except zlib.error as error:
            raise IllegalStateError(f"spline whose numbers cannot be unpacked: {error}") from error
        if len(raw) <= 8 * count and not unpacking.eof:
            raise IllegalStateError("spline whose numbers cannot be unpacked: the stream is cut short")
    return np.frombuffer(raw[: min(len(raw) // 8, count) * 8], ">f8").astype(np.float64)


def moving_least_squares(data: str) -> Transform:
    """Read `model 2 alpha`, then `px py qx qy weight` of 32 bits for each landmark, separated by white space.

    Raises
    ------
    ValueError
        For text that is not a number, an unknown model, another dimension than 2, a wrong number of values,
        too many landmarks.
    """
    # the rest of a text with too many landmarks is not split
    fields = data.split(maxsplit=3 + 5 * MOST_LANDMARKS)
    _check_landmarks(-((3 - len(fields)) // 5))
    if len(fields) < 8 or (len(fields) - 3) % 5 or fields[0] not in FITS or fields[1] != "2":
        raise ValueError("expected `model 2 alpha` and five numbers per landmark")
    landmarks = np.array([parse_float32(field) for field in fields[3:]]).reshape(-1, 5)
    move = partial(_move, FITS[fields[0]], parse_double(fields[2]), landmarks)
    return partial(_in_blocks, len(landmarks), FIT_BLOCK, move)


def _check_landmarks(count: int) -> None:
    if count > MOST_LANDMARKS:
        raise ValueError(f"more than {MOST_LANDMARKS} landmarks, which is the limit")
